"""Speech by a server of Coqui's XTTS on a machine of your own: bare PCM, streamed; the server names its speakers when it is asked."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech

VENDOR = Vendor("XTTS", "xtts", "http://localhost:8000", "XTTS_BASE_URL", Key("xtts", ("XTTS_API_KEY",)), max_text=1000)
_LANGUAGES = frozenset("ar cs de en es fr hi hu it ja ko nl pl pt ru tr zh-cn".split())  # noqa: SIM905  read as a line


class Config(VendorOptions):
    """Options of an XTTS server."""

    voice: str = Field(
        default="", description="A studio speaker's name; used where the agent has no tts_voice; empty: the first one"
    )
    language: str = Field(default="en", description="Used where the agent names none that XTTS speaks")
    chunk_size: int = Field(
        default=20, ge=1, le=200, description="Tokens in the first piece: fewer are sooner, and rougher"
    )


class _Speaker(msgspec.Struct):
    speaker_embedding: list[float]
    gpt_cond_latent: list[list[float]]


class Xtts(VendorSpeech):
    """Speaks with the studio speakers of an XTTS server; their audio has 24 kHz."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice)
        self._config = config
        key = deps.secret(VENDOR.key.name, *VENDOR.key.variables)  # of a proxy in front; the server asks for none
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._speakers: dict[str, _Speaker] = {}
        self._asking = asyncio.Lock()

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is the audio; before the first one, the speakers are asked for."""
        speaker = await self._speaker(sentence.voice)
        body: dict[str, Any] = {
            "text": sentence.text,
            "language": self._language(sentence),
            "speaker_embedding": speaker.speaker_embedding,
            "gpt_cond_latent": speaker.gpt_cond_latent,
            "add_wav_header": False,
            "stream_chunk_size": str(self._config.chunk_size),
        }
        async with self.request("/tts_stream", headers=self._headers, json=body) as response:
            async for piece in self.audio_of(response):
                yield piece

    async def _speaker(self, name: str) -> _Speaker:
        async with self._asking:
            if not self._speakers:
                async with self.request("/studio_speakers", headers=self._headers, method="GET") as response:
                    self._speakers = await self.document(response, dict[str, _Speaker])
        if not self._speakers:
            raise DependencyError("the XTTS server has no studio speakers", code="provider_bad_answer")
        if not name:
            return next(iter(self._speakers.values()))
        if name not in self._speakers:
            raise UsageError(
                f"the XTTS server has no speaker {name!r}",
                code="unknown_voice",
                hint=f"it has {', '.join(list(self._speakers)[:20])}",
            )
        return self._speakers[name]

    def _language(self, sentence: Sentence) -> str:
        language = "zh-cn" if sentence.base_language == "zh" else sentence.base_language
        return language if language in _LANGUAGES else self._config.language


def create(config: Config, deps: Deps) -> Xtts:
    """The driver."""
    return Xtts(config, deps)
