"""Text to speech: one sentence in, audio out as it is made, with the times of the words where the driver knows them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """`text[start:end]` of the request begins to sound `at_s` seconds after the sentence's first sample."""

    start: int
    end: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of the sentence, s16le mono at the driver's `sample_rate`; `words` are those that begin in it."""

    pcm: bytes
    words: tuple[SpokenWord, ...] = ()


class TextToSpeech(Protocol):
    """A synthesiser shared by all calls. `sample_rate` (Hz) is that of its audio."""

    sample_rate: int

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence. Closing the generator cancels it. Raises `DependencyError` where the vendor failed."""
        ...
