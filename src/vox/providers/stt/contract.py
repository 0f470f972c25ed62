"""Speech to text: one stream per call, one utterance at a time.

The call pushes the caller's audio only while the caller has the turn, with a little of what came before the speech.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Protocol, Self

PHONES: Final = frozenset(
    [
        "AA",
        "AE",
        "AH",
        "AO",
        "AW",
        "AY",
        "B",
        "CH",
        "D",
        "DH",
        "EH",
        "ER",
        "EY",
        "F",
        "G",
        "HH",
        "IH",
        "IY",
        "JH",
        "K",
        "L",
        "M",
        "N",
        "NG",
        "OW",
        "OY",
        "P",
        "R",
        "S",
        "SH",
        "T",
        "TH",
        "UH",
        "UW",
        "V",
        "W",
        "Y",
        "Z",
        "ZH",
    ]
)
"""The phones of the CMU dictionary, in which a grammar's head may write how its words sound."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another text for the same speech, with its `confidence` in 0..1."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript, with its times in seconds from the beginning of the utterance's audio."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the caller said. `confidence` is in 0..1 where the driver knows it.

    `at_pause` marks an interim transcript that answers `pause`: it has everything up to there, and may be empty.
    `alternatives` are less likely texts, the likeliest first, where the driver knows some; a language model that knows what it
    can be asked chooses among them (`vox.providers.llm.contract.ChoosesTranscripts`). `words` are there where the driver knows their times.
    """

    text: str
    is_final: bool = True
    confidence: float | None = None
    language: str | None = None
    at_pause: bool = False
    alternatives: tuple[Alternative, ...] = ()
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechHints:
    """What the agent expects to hear next: a JSGF grammar for grammar-driven recognisers, phrases for the others.

    `expected` is the kind of answer that the open question asks for, where there is one: it tells when the answer is whole.
    """

    grammar: str | None = None
    phrases: tuple[str, ...] = ()
    expected: Literal["", "yes_no", "number", "date", "time", "digits"] = ""


class SttStream(Protocol):
    """One call's stream. Calls come in the order start, push…, (pause, push…)…, finish; or cancel at any time."""

    def start(self, hints: SpeechHints | None) -> None:
        """The caller begins an utterance."""
        ...

    def push(self, pcm: bytes) -> None:
        """Audio of the utterance, s16le mono at the driver's `sample_rate`. Never blocks; bounded by the driver."""
        ...

    def pause(self) -> None:
        """The caller fell silent but may go on: a batch driver may begin transcribing what it has.

        A driver that can tells what was said up to here by `on_partial`, with `at_pause`, as soon as it knows: turns end by
        it. Only the last pause's text counts, and none is told while `finish` is awaited.
        """
        ...

    async def finish(self) -> Transcript:
        """The utterance is over: its final transcript (empty text for nothing understood).

        The caller sets the deadline. Raises `DependencyError` where the vendor failed.
        """
        ...

    def cancel(self) -> None:
        """Throws the utterance away."""
        ...

    async def aclose(self) -> None:
        """Ends the stream; idempotent."""
        ...


class SpeechToText(Protocol):
    """A recogniser shared by all calls. `sample_rate` (Hz) is what its streams take."""

    sample_rate: int

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> SttStream:
        """A stream for one call; `on_partial` gets interim transcripts on the event loop, if the driver has any."""
        ...
