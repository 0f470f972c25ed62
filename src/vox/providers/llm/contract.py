"""The language model, or what stands in its place: messages in, text and tool calls out, streamed."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NotRequired, Protocol, Self, TypedDict, runtime_checkable

from vox.providers.stt.contract import SpeechHints, Transcript

MISSING_RESULT = '{"error": "the tool has not answered yet"}'
"""What stands for a tool's result as long as there is none: models demand a result for every call."""


class FunctionCall(TypedDict):
    """A function's name and its arguments as JSON text, as OpenAI shapes them."""

    name: str
    arguments: str


class ToolCallMessage(TypedDict):
    """One entry of an assistant message's `tool_calls`."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(TypedDict):
    """A message of the conversation in OpenAI's chat shape."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None
    tool_calls: NotRequired[list[ToolCallMessage]]
    tool_call_id: NotRequired[str]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LlmRequest:
    """Everything a response depends on. `variables` are the session's own (caller's number, custom parameters)."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, to be spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool run; `arguments` is JSON text, complete. The built-in `end_call` hangs up."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the response, where the vendor reports them."""

    prompt_tokens: int
    completion_tokens: int


LlmEvent = TextDelta | ToolCall | Usage


class LanguageModel(Protocol):
    """A model shared by all calls. It keeps no state of a call: the messages are the state.

    Attributes:
        speaks_first: whether it has something to say to a conversation without user messages (a scripted greeting).
        answers_inaudible: whether it has an answer of its own to speech that gave no transcript: a user message without
            text. For the others the agent's `not_understood` is said.
    """

    speaks_first: bool
    answers_inaudible: bool

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams one response. Closing the generator cancels it. Raises `DependencyError` where the vendor failed."""
        ...

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """What the caller may be expected to say next, for the recogniser; None where anything goes."""
        ...


@runtime_checkable
class ChoosesTranscripts(Protocol):
    """A model that knows what it can be asked, and so which of a recogniser's texts is likely what was said."""

    async def choose(self, messages: tuple[Message, ...], transcript: Transcript) -> str:
        """The transcript's text or that of one of its alternatives, as an answer to these messages."""
        ...


@runtime_checkable
class Scripted(Protocol):
    """A model that says some texts word for word."""

    def fixed_texts(self) -> Sequence[str]:
        """These texts, so that the voice can be prepared for them."""
        ...


@runtime_checkable
class Declared(Protocol):
    """A model that knows beforehand what it can be asked, and which tools it will call."""

    @property
    def title(self) -> str:
        """What it is called, for a page that offers several."""
        ...

    @property
    def suggestions(self) -> tuple[str, ...]:
        """What callers may ask, in their words."""
        ...

    @property
    def tool_names(self) -> frozenset[str]:
        """The tools it may call."""
        ...

    def check_tools(self, tools: Mapping[str, ToolSpec]) -> None:
        """Raises `UsageError` (code `unknown_flow_tool`) where it would call a tool that is not among these, or wrongly."""
        ...
