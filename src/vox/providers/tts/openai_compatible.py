"""Speech over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `SPEECH` in `providers/_openai.py`).

OpenAI streams bare PCM of 24 kHz. Vendors without that send WAV, whose header says the rate: it must be the configured one,
because the call asked for the rate before there was any audio.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
from pydantic import Field

from vox.errors import DependencyError
from vox.providers import _failures, _openai
from vox.providers.contract import Deps
from vox.providers.tts._assembly import MAX_SPEECH_S
from vox.providers.tts._pcm import PcmReader
from vox.providers.tts.contract import SpeechChunk

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._response import AsyncStreamedBinaryAPIResponse

MAX_TEXT = 4096
"""Characters in one request; the API refuses more."""


class Config(_openai.VendorConfig):
    """Options of a synthesiser."""

    voice: str = Field(default="", description="Empty: the vendor's default")
    speed: float | None = Field(default=None, ge=0.25, le=4, description="1 is natural; empty: the vendor's default")
    instructions: str = Field(default="", description="How to speak, for models that take it")
    audio_format: str = Field(default="", pattern="^(|pcm|wav)$", description="Empty: the vendor's row")
    sample_rate: int = Field(
        default=0, ge=0, le=48_000, description="Of the vendor's speech in Hz; 0: the vendor's row"
    )


class OpenAiSpeech:
    """A synthesiser behind OpenAI's API."""

    def __init__(self, config: Config, vendor: _openai.Vendor, client: "AsyncOpenAI") -> None:
        self.sample_rate = config.sample_rate or vendor.sample_rate
        self._config = config
        self._vendor = vendor
        self._format = config.audio_format or vendor.audio_format
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's."""

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence. Closing the generator closes the HTTP stream."""
        if not text.strip():
            return
        arguments = self._arguments(text, voice)
        async with AsyncExitStack() as stack:

            async def begin() -> "AsyncStreamedBinaryAPIResponse":
                return await stack.enter_async_context(
                    self._client.audio.speech.with_streaming_response.create(**arguments)
                )

            response = await _openai.attempt(begin, self._config)
            try:
                async for pcm in self._audio(response):
                    yield SpeechChunk(pcm)
            except _openai.failures() as error:
                raise _openai.failure(error, self._config.vendor) from error

    def _arguments(self, text: str, voice: str | None) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._config.model or self._vendor.model,
            "voice": voice or self._config.voice or self._vendor.voice,
            "input": text[:MAX_TEXT].encode("utf-8", "replace").decode(),
            "response_format": self._format,
        }
        if self._config.speed is not None:
            arguments["speed"] = self._config.speed
        if self._config.instructions:
            arguments["instructions"] = self._config.instructions
        return arguments

    async def _audio(self, response: "AsyncStreamedBinaryAPIResponse") -> AsyncGenerator[bytes, None]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.endswith("json") or kind == "text/html":
            raise await self._no_speech(response)
        reader = PcmReader(
            self._config.vendor,
            self.sample_rate,
            asked_for=self._format,
            content_type=kind,
            remedy="set the option audio_format to a format that the vendor knows: pcm or wav",
        )
        left = MAX_SPEECH_S * self.sample_rate * 2
        async for data in response.iter_bytes():
            if audio := reader.feed(data)[:left]:
                yield audio
            left -= len(audio)
            if left <= 0:
                return
        if audio := reader.finish()[:left]:
            yield audio

    async def _no_speech(self, response: "AsyncStreamedBinaryAPIResponse") -> DependencyError:
        """The error for an answer that succeeded by its status and is no speech."""
        try:
            answer: object = msgspec.json.decode(await response.read())
        except (msgspec.DecodeError, UnicodeError):
            return DependencyError(
                f"{self._config.vendor} sent a page instead of speech",
                code="provider_bad_answer",
                hint="check the option base_url",
            )
        return _failures.reported(answer, self._config.vendor)


def create(config: Config, deps: Deps) -> OpenAiSpeech:
    """The driver; raises `UsageError` (`missing_api_key`, `unknown_provider`)."""
    vendor = _openai.find("tts", config)
    return OpenAiSpeech(config, vendor, _openai.connect(vendor, config, deps))
