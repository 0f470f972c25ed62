"""A synthesiser for tests, demonstrations and load: every sentence is a tone as long as it would take to say it.

The tone is made once; a sentence is a row of references to the same block, so that 300 calls cost no synthesis.
"""

import asyncio
import math
import re
from array import array
from collections.abc import AsyncGenerator
from sys import byteorder
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import DependencyError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.tts.contract import SpeechChunk, SpokenWord

_WORD = re.compile(r"\S+")
_AMPLITUDE = 8000  # of 32767: -12 dB, as loud as speech


class Config(DriverConfig):
    """Options of the fake synthesiser."""

    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Rate of its audio, in Hz")
    duration_s: float | None = Field(default=None, gt=0, le=600, description="Of every sentence; empty: by its length")
    characters_per_s: float = Field(default=15.0, gt=0, description="How fast it speaks, without duration_s")
    block_s: float = Field(default=0.2, ge=0.01, le=5, description="Audio in one chunk")
    first_delay_s: float = Field(default=0.0, ge=0, description="Time until the first chunk")
    tone_hz: float = Field(default=440.0, ge=0, le=4_000, description="Its voice; 0: silence")
    failing: bool = Field(default=False, description="Fails at every sentence")


class FakeTextToSpeech:
    """Speaks in tones."""

    def __init__(self, config: Config) -> None:
        self.sample_rate = config.sample_rate
        self._config = config
        self._block = tone(config.tone_hz, config.block_s, config.sample_rate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """A tone, with the words spread over it evenly by their letters."""
        config = self._config
        await asyncio.sleep(config.first_delay_s)
        if config.failing:
            raise DependencyError("the fake synthesiser fails as told", code="provider_failed")
        if not text.strip():
            return
        duration_s = config.duration_s or len(text) / config.characters_per_s
        left = max(1, round(duration_s * self.sample_rate)) * 2
        words = [
            SpokenWord(match.start(), match.end(), match.start() / len(text) * duration_s)
            for match in _WORD.finditer(text)
        ]
        position_s = 0.0
        while left > 0:
            pcm = self._block[:left]
            left -= len(pcm)
            position_s += len(pcm) / 2 / self.sample_rate
            begun = sum(word.at_s < position_s or left <= 0 for word in words)
            yield SpeechChunk(pcm, tuple(words[:begun]))
            del words[:begun]


def tone(hz: float, duration_s: float, sample_rate: int) -> bytes:
    """A tone, s16le, whose end goes over into its beginning without a click: the pitch is bent to whole periods."""
    samples = round(duration_s * sample_rate)
    periods = round(hz * duration_s)
    pcm = array("h", (round(_AMPLITUDE * math.sin(2 * math.pi * periods * n / samples)) for n in range(samples)))
    if byteorder == "big":
        pcm.byteswap()
    return pcm.tobytes()


def create(config: Config, deps: Deps) -> FakeTextToSpeech:
    """The driver."""
    return FakeTextToSpeech(config)
