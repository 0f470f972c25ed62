"""Text to speech: one sentence in, audio out as it is made, with the times of the words where the driver knows them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """`text[start:end]` of the request begins to sound `at_s` seconds after the sentence's first sample."""

    start: int
    end: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of the sentence, s16le mono at the driver's `sample_rate`; `words` are those that begin in it.

    `pcm` is empty where a vendor gives times later than the audio they belong to.
    """

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


@runtime_checkable
class TakesWords(Protocol):
    """A synthesiser that begins to speak a sentence before it is whole. `takes_words` is false where it is told not to."""

    sample_rate: int
    takes_words: bool

    def synthesize_stream(
        self, parts: AsyncIterator[str], *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence that comes part by part, each ending between two words; as `synthesize` otherwise.

        Spans of words are those of all parts joined.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallVoice:
    """What one call speaks with from its beginning to its end; `close`, which may be called twice, when it is over."""

    tts: TextToSpeech
    close: Callable[[], None]


@runtime_checkable
class ChoosesPerCall(Protocol):
    """A synthesiser that chooses a voice for each call, so that a call's voice never changes."""

    def open_call(self, *, language: str | None = None) -> CallVoice:
        """The voice of a call that begins."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """A synthesiser that can speak sentences before they are asked for."""

    def prepare(self, texts: Iterable[str], *, voice: str | None = None, language: str | None = None) -> None:
        """Speaks these sentences, each as `synthesize` will be given it, when there is nothing else to do. Returns at once."""
        ...


def open_call(tts: TextToSpeech, *, language: str | None = None) -> CallVoice:
    """The voice of a call that begins: the synthesiser's choice, or the synthesiser itself."""
    if isinstance(tts, ChoosesPerCall):
        return tts.open_call(language=language)
    return CallVoice(tts, lambda: None)
