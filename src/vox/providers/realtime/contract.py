"""Speech to speech: one model hears the caller and speaks, in place of recogniser, language model and synthesiser.

The call keeps what is its own: it decides when an utterance begins and ends and when the caller interrupts, it paces the audio,
runs the tools and knows what was heard. The model's session gets utterances and gives answers; what of an answer was not heard is
told by `truncate`.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from vox.errors import DependencyError
from vox.providers.llm.contract import Message, ToolSpec


@dataclass(frozen=True, slots=True)
class RealtimeSetup:
    """What a session begins with.

    Attributes:
        instructions: the system prompt.
        tools: that the model may call.
        voice: the vendor's name of it; empty: the vendor's default.
        language: of the caller (BCP-47); empty: automatic.
        messages: of a conversation that goes on in this session, without the system prompt.
    """

    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    voice: str = ""
    language: str = ""
    messages: tuple[Message, ...] = field(default_factory=tuple[Message, ...])


@dataclass(frozen=True, slots=True)
class SessionReady:
    """The vendor has taken the setup."""


@dataclass(frozen=True, slots=True)
class CallerText:
    """What was said in the utterance of that number, interim or final; final and empty where nothing was understood."""

    utterance: int
    text: str
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class AnswerAudio:
    """A piece of an answer, s16le mono at the model's `output_rate`; `item` is the part of the answer it belongs to."""

    answer: int
    item: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class AnswerText:
    """Words of an answer: those that its audio says, or the answer itself where it is silent."""

    answer: int
    item: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """The answer wants a tool run; `arguments` is JSON text, complete."""

    answer: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """Nothing more comes of an answer; `error` says why where it failed. Tokens where the vendor reports them."""

    answer: int
    error: DependencyError | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


RealtimeEvent = SessionReady | CallerText | AnswerAudio | AnswerText | AnswerCall | AnswerEnded


class RealtimeSession(Protocol):
    """One call's session. Everything but `events` returns at once and never raises; before `SessionReady` it is kept."""

    def events(self) -> AsyncGenerator[RealtimeEvent, None]:
        """Connects, and gives what the vendor says until the generator is closed, which hangs up.

        Raises:
            DependencyError: no connection, none any more, or an answer that cannot be read.
        """
        ...

    def push(self, pcm: bytes) -> None:
        """Audio of the caller's utterance, s16le mono at the model's `input_rate`."""
        ...

    def commit(self) -> int:
        """The utterance is over and part of the conversation; its number, for `CallerText`."""
        ...

    def clear(self) -> None:
        """The utterance so far is thrown away."""
        ...

    def respond(self, *, say: str | None = None, is_silent: bool = False) -> int:
        """Asks for an answer; its number. One under way is cancelled.

        Args:
            say: a text to be said word for word.
            is_silent: the answer is text only, where the model can do that.
        """
        ...

    def cancel(self) -> None:
        """The answer under way is not wanted any more."""
        ...

    def truncate(self, item: str, played_ms: int) -> None:
        """Of that part of an answer so much was heard; the model forgets the rest."""
        ...

    def add(self, message: Message) -> None:
        """A text enters the conversation."""
        ...

    def add_result(self, call_id: str, name: str, result: str) -> None:
        """A tool's result enters the conversation; `result` is JSON text."""
        ...


class RealtimeModel(Protocol):
    """A speech-to-speech model shared by all calls.

    Attributes:
        input_rate: of the caller's audio, in Hz.
        output_rate: of the model's audio, in Hz.
        timeout_s: the longest wait for an answer, and between its parts.
    """

    input_rate: int
    output_rate: int
    timeout_s: float

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def open_session(self, setup: RealtimeSetup) -> RealtimeSession:
        """A session for one call; it connects when its `events` are read."""
        ...
