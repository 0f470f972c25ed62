"""Speech by MiniMax, streamed as server-sent events with samples in hexadecimal; errors come inside of answers that succeeded."""

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech

VENDOR = Vendor(
    "MiniMax", "minimax", "https://api.minimax.io", "MINIMAX_BASE_URL", Key("minimax", ("MINIMAX_API_KEY",))
)
_STATUSES = {1001: 504, 1002: 429, 1004: 401, 1008: 402, 1039: 429, 1042: 400, 2013: 400, 2049: 401}
"""What MiniMax's codes are in HTTP: time-out, rate limit, key, balance, token limit, bad characters, bad request, bad key."""


class Config(VendorOptions):
    """Options of MiniMax's voices."""

    model: str = Field(default="speech-02-turbo", description="One of MiniMax's models")
    voice: str = Field(
        default="English_Graceful_Lady", description="A voice's id; used where the agent has no tts_voice"
    )
    group_id: str = Field(default="", description="Of the account, where it has several")
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 32_000, 44_100] = Field(
        default=24_000, description="Of the audio, in Hz"
    )
    speed: float = Field(default=1.0, ge=0.5, le=2, description="1 is natural")
    language_boost: str = Field(default="auto", description="A language by its English name, or auto")


class _Data(msgspec.Struct):
    audio: str = ""
    status: int = 1


class _Outcome(msgspec.Struct):
    status_code: int = 0
    status_msg: str = ""


class _Event(msgspec.Struct):
    data: _Data | None = None
    base_resp: _Outcome | None = None


class MiniMax(VendorSpeech):
    """Speaks with MiniMax's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._headers = {"Authorization": f"Bearer {VENDOR.key.required(deps, VENDOR.provider)}"}
        self._query = {"GroupId": config.group_id} if config.group_id else None

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is an event for each piece; the last one would repeat the whole and is passed over."""
        request = self.request("/v1/t2a_v2", headers=self._headers, params=self._query, json=self._body(sentence))
        async with request as response:
            async for event in self.events_of(response, _Event):
                outcome = event.base_resp or _Outcome()
                if outcome.status_code:
                    status = _STATUSES.get(outcome.status_code, 500)
                    raise self.reported({"status": status, "message": outcome.status_msg or str(outcome.status_code)})
                if event.data is not None and event.data.status == 1:
                    yield Piece(bytes.fromhex(event.data.audio))

    def _body(self, sentence: Sentence) -> dict[str, Any]:
        config = self._config
        return {
            "model": config.model,
            "text": sentence.text,
            "stream": True,
            "stream_options": {"exclude_aggregated_audio": True},
            "voice_setting": {"voice_id": sentence.voice, "speed": config.speed},
            "audio_setting": {"sample_rate": self.sample_rate, "format": "pcm", "channel": 1},
            "language_boost": config.language_boost,
        }


def create(config: Config, deps: Deps) -> MiniMax:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return MiniMax(config, deps)
