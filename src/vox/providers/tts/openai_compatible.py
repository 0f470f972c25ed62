"""Speech over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `SPEECH` in `providers/_openai.py`).

OpenAI streams bare PCM of 24 kHz. Vendors without that send WAV, whose header says the rate: it must be the configured one,
because the call asked for the rate before there was any audio. The official client is not needed: this is one request, whose
answer is the audio.
"""

from collections.abc import AsyncGenerator
from typing import Any

from pydantic import Field

from vox.errors import UsageError
from vox.providers import _openai
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorSpeech

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


class OpenAiSpeech(VendorSpeech):
    """A synthesiser behind OpenAI's API."""

    def __init__(self, config: Config, row: _openai.Vendor, deps: Deps) -> None:
        key = Key(row.key, row.key_variables)
        self.vendor = Vendor(config.vendor, config.vendor, row.base_url, row.base_url_variable, key, MAX_TEXT)
        super().__init__(
            config, deps, voice=config.voice or row.voice, sample_rate=config.sample_rate or row.sample_rate
        )
        self._config = config
        self._model = config.model or row.model
        self._format = config.audio_format or row.audio_format
        self._headers = {"Authorization": f"Bearer {_key(config, row, key, deps)}"}

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request, whose answer is the audio."""
        async with self.request("/audio/speech", headers=self._headers, json=self._body(sentence)) as response:
            remedy = "set the option audio_format to a format that the vendor knows: pcm or wav"
            async for piece in self.audio_of(response, asked_for=self._format, remedy=remedy):
                yield piece

    def _body(self, sentence: Sentence) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "voice": sentence.voice,
            "input": sentence.text,
            "response_format": self._format,
        }
        if self._config.speed is not None:
            body["speed"] = self._config.speed
        if self._config.instructions:
            body["instructions"] = self._config.instructions
        return body


def _key(config: Config, row: _openai.Vendor, key: Key, deps: Deps) -> str:
    """The vendor's key; a server of one's own takes any."""
    found = deps.secret(key.name, *key.variables)
    if not found and row.needs_key and not config.base_url:
        raise UsageError(
            f"the provider {config.vendor!r} needs an API key", code="missing_api_key", hint=f"set {key.places}"
        )
    return found or "none"


def create(config: Config, deps: Deps) -> OpenAiSpeech:
    """The driver; raises `UsageError` (`missing_api_key`, `unknown_provider`)."""
    return OpenAiSpeech(config, _openai.find("tts", config), deps)
