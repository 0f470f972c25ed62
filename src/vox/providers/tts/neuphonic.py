"""Speech by Neuphonic, streamed as server-sent events with bare PCM in them; words have no times."""

from collections.abc import AsyncGenerator
from typing import Any, Literal

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech

VENDOR = Vendor(
    "Neuphonic",
    "neuphonic",
    "https://api.neuphonic.com",
    "NEUPHONIC_BASE_URL",
    Key("neuphonic", ("NEUPHONIC_API_KEY",)),
)
_SUCCESS = 200
_LANGUAGES = frozenset({"ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pt", "ru", "ur", "zh"})


class Config(VendorOptions):
    """Options of Neuphonic's voices."""

    voice: str = Field(
        default="", description="A voice's id; used where the agent has no tts_voice; empty: the language's own"
    )
    language: str = Field(default="en", description="Used where the agent names none that Neuphonic speaks")
    sample_rate: Literal[8_000, 16_000, 22_050] = Field(default=22_050, description="Of the audio, in Hz")
    speed: float = Field(default=1.0, ge=0.7, le=2, description="1 is natural")


class _Data(msgspec.Struct):
    audio: bytes | None = None


class _Event(msgspec.Struct):
    status_code: int = _SUCCESS
    data: _Data | None = None
    errors: Any = None


class Neuphonic(VendorSpeech):
    """Speaks with Neuphonic's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._headers = {"X-API-KEY": VENDOR.key.required(deps, VENDOR.provider)}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is an event for each piece."""
        language = sentence.base_language if sentence.base_language in _LANGUAGES else self._config.language
        body: dict[str, Any] = {
            "text": sentence.text,
            "lang_code": language,
            "encoding": "pcm_linear",
            "sampling_rate": self.sample_rate,
            "speed": self._config.speed,
        }
        if sentence.voice:
            body["voice_id"] = sentence.voice
        async with self.request(f"/sse/speak/{language}", headers=self._headers, json=body) as response:
            async for event in self.events_of(response, _Event):
                if event.errors or event.status_code != _SUCCESS:
                    raise self.reported({"status": event.status_code, "message": event.errors or "no reason given"})
                yield Piece((event.data or _Data()).audio or b"")


def create(config: Config, deps: Deps) -> Neuphonic:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Neuphonic(config, deps)
