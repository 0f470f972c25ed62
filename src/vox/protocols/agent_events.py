"""What an agent and its client (browser, app) tell each other, whatever the wire format.

`ClientInput` comes from the client, `AgentEvent` goes to it; a codec of `/ws` (JSON, protobuf, RTVI, RTVI inside
protobuf) maps both to wire messages. Audio is s16le throughout and mono unless `channels` says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from vox.protocols.media_stream import WireMessage


@dataclass(frozen=True, slots=True)
class ClientReady:
    """The client can take messages; `id` is echoed in the answer. Versions are the client's protocol's."""

    id: str = ""
    version: str = ""
    library: str = ""


@dataclass(frozen=True, slots=True)
class ClientAudio:
    """Microphone audio; `sample_rate` in Hz."""

    pcm: bytes
    sample_rate: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class ClientText:
    """Typed text in place of speech; `run` asks for an answer now, `speak` for a spoken one."""

    text: str
    run: bool = True
    speak: bool = True


@dataclass(frozen=True, slots=True)
class ClientDigits:
    """Keys pressed: each of 0-9, *, #."""

    digits: str


@dataclass(frozen=True, slots=True)
class ClientInterrupt:
    """The client asks the agent to stop talking."""


@dataclass(frozen=True, slots=True)
class ClientDisconnect:
    """The client wants the call ended."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """An application's own message; answered by `ServerResponse` or `ErrorResponse` with the same id."""

    id: str
    name: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class ClientToolResult:
    """The client ran a tool for the agent."""

    call_id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    result: Any = None


@dataclass(frozen=True, slots=True)
class ClientSpeak:
    """The application has the agent say a text as it stands (`TTSSpeakFrame`)."""

    text: str


@dataclass(frozen=True, slots=True)
class ClientContext:
    """The application appends to or replaces the conversation (privileged; refused unless the configuration allows it)."""

    messages: Sequence[Mapping[str, Any]]
    replace: bool = False
    run: bool = False


@dataclass(frozen=True, slots=True)
class ClientVadUpdate:
    """The client changes the voice-activity times of its call (seconds)."""

    start_s: float | None = None
    stop_s: float | None = None


ClientInput = (
    ClientReady
    | ClientAudio
    | ClientText
    | ClientDigits
    | ClientInterrupt
    | ClientDisconnect
    | ClientRequest
    | ClientToolResult
    | ClientSpeak
    | ClientContext
    | ClientVadUpdate
)


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The agent is there; answers `ClientReady` by its id. `call_id` is the server's name of the call."""

    id: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class SpeakingChanged:
    """The user or the agent began or stopped speaking."""

    who: Literal["user", "bot"]
    is_speaking: bool


@dataclass(frozen=True, slots=True)
class UserTranscript:
    """What the caller said, interim or final; `timestamp` is ISO 8601."""

    text: str
    is_final: bool
    timestamp: str
    user_id: str = ""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The language model begins an answer."""


@dataclass(frozen=True, slots=True)
class ResponseText:
    """A piece of the answer as the model streams it."""

    text: str


@dataclass(frozen=True, slots=True)
class ResponseStopped:
    """The language model's answer is complete or was cancelled."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Synthesis of an answer begins."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Synthesis of an answer is over."""


@dataclass(frozen=True, slots=True)
class SentenceProgress:
    """A sentence of the answer: announced (`new`), being played, or over (`completed`; `remaining` is what was cut off).

    A sentence is announced once and over once; `spoken` is the part of `text` that was heard, `voiced` the same as the voice
    spoke it, without Markdown.
    """

    segment_id: str
    text: str
    status: Literal["new", "in-progress", "completed"]
    spoken: str = ""
    remaining: str = ""
    will_be_spoken: bool = True
    voiced: str = ""


@dataclass(frozen=True, slots=True)
class BotInterrupted:
    """The caller cut in; unplayed audio is void."""


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """A tool the model asked for: announced, running, or over."""

    call_id: str
    name: str
    status: Literal["started", "in-progress", "stopped"]
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    result: Any = None
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class TurnMetrics:
    """Seconds of one turn: caller's last sound to first bot audio, and the stages' own times to first result.

    Attributes:
        response_s: the caller's last sound to the answer's first audio; None where the answer follows no turn of the caller.
        stt_s: the detected end of speech to the final transcript.
        llm_ttfb_s: the model was asked, to its first output.
        tts_ttfb_s: the first sentence went to the synthesiser, to its first audio.
        characters: given to the synthesiser so far.
        end_of_utterance_s: the caller's last sound to the decision that the turn is over; None where the turn was not spoken.
        turn: counts the caller's turns that were answered, from 1; 0 where `response_s` is None.
    """

    response_s: float | None = None
    stt_s: float | None = None
    llm_ttfb_s: float | None = None
    tts_ttfb_s: float | None = None
    characters: int | None = None
    end_of_utterance_s: float | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Tokens of one answer of the model, where its vendor reports them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class AgentError:
    """Something failed; `is_fatal` ends the call."""

    message: str
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """Answers a `ClientRequest`."""

    id: str
    name: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """Refuses a `ClientRequest`."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """An application message from the agent."""

    data: Any


@dataclass(frozen=True, slots=True)
class UserIdle:
    """The caller has said nothing for the configured time."""


@dataclass(frozen=True, slots=True)
class DigitsSent:
    """The agent presses keys towards the caller's side."""

    digits: str


AgentEvent = (
    AgentReady
    | SpeakingChanged
    | UserTranscript
    | ResponseStarted
    | ResponseText
    | ResponseStopped
    | SpeechStarted
    | SpeechStopped
    | SentenceProgress
    | BotInterrupted
    | ToolProgress
    | TurnMetrics
    | ModelUsage
    | AgentError
    | ServerResponse
    | ErrorResponse
    | ServerMessage
    | UserIdle
    | DigitsSent
)


class AgentCodec(Protocol):
    """One wire format of `/ws`. `receive` raises only `PeerError`."""

    def receive(self, message: WireMessage) -> list[ClientInput]:
        """Turns one wire message into inputs; unknown but well-formed messages give none."""
        ...

    def encode(self, event: AgentEvent) -> list[WireMessage]:
        """The wire messages of an event; none where the format has no such message."""
        ...

    def audio(self, pcm: bytes, sample_rate: int) -> WireMessage | None:
        """The agent's audio, s16le mono; None where the format carries none."""
        ...
