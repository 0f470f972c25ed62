"""RTVI, the JSON vocabulary of Pipecat's clients, spoken as a 2.x server that also understands 1.x clients.

`Rtvi` is one connection's side of the conversation on the level of JSON objects; `RtviCodec` puts it on text frames
(`/ws?rtvi=1`) and `agent_protobuf` into MessageFrames. Before changing it: a client's major version is known only after its
`client-ready`, and a client that never sends one is an old one, so until then the words of 1.x are used.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, assert_never

import msgspec

from vox.protocols.agent_events import (
    AgentError,
    AgentEvent,
    AgentReady,
    BotInterrupted,
    ClientContext,
    ClientDigits,
    ClientDisconnect,
    ClientInput,
    ClientReady,
    ClientRequest,
    ClientText,
    ClientToolResult,
    DigitsSent,
    ErrorResponse,
    ModelUsage,
    ResponseStarted,
    ResponseStopped,
    ResponseText,
    SentenceProgress,
    ServerMessage,
    ServerResponse,
    SpeakingChanged,
    SpeechStarted,
    SpeechStopped,
    ToolProgress,
    TurnMetrics,
    UserIdle,
    UserTranscript,
)
from vox.protocols.json_edge import (
    malformed,
    read_audio,
    read_fields,
    read_object,
    refuse_context,
    write_object,
)
from vox.protocols.media_stream import WireMessage

LABEL: Final = "rtvi-ai"
PROTOCOL_VERSION: Final = "2.2.0"
_VERSION_FOR_1X: Final = "1.2.0"
_CAPABILITIES: Final[Mapping[str, Any]] = {"dtmf": True, "interruption": True, "send_text": True}
_KEYS: Final = frozenset("0123456789*#")
_Message = tuple[str, Any]


class Rtvi:
    """One client's RTVI conversation.

    Args:
        allow_context: whether the client may append to the conversation (`append-to-context`).
        capabilities: what `bot-ready` announces to clients of 2.2.
    """

    def __init__(self, *, allow_context: bool = False, capabilities: Mapping[str, Any] = _CAPABILITIES) -> None:
        self._allow_context = allow_context
        self._capabilities = capabilities
        self._client_major = 0
        self._sent = 0
        self._voiced_characters: dict[str, int] = {}

    def receive(self, envelope: Mapping[str, Any]) -> list[ClientInput]:
        """Turns a client's message into inputs; foreign labels and unknown types give none.

        Raises:
            PeerError: `malformed_message` or `context_not_allowed`.
        """
        if envelope.get("label", LABEL) not in (LABEL, ""):  # no set: a label may be anything, also unhashable
            return []
        kind = envelope.get("type")
        if not isinstance(kind, str):
            raise malformed("an RTVI message has no type")
        given = envelope.get("id", "")
        id_ = given if isinstance(given, str) else str(given)
        return self._receive_type(kind, id_, envelope.get("data"))

    def encode(self, event: AgentEvent) -> list[bytes]:
        """The JSON texts of an event."""
        id_ = event.id if isinstance(event, AgentReady | ServerResponse | ErrorResponse) else None
        return [self._envelope(kind, data, id_) for kind, data in self._messages(event)]

    def _receive_type(self, kind: str, id_: str, data: Any) -> list[ClientInput]:
        match kind:
            case "client-ready":
                ready = read_fields(data, _ClientReady, kind)
                version = ready.version or ""
                self._client_major = _major(version)
                return [ClientReady(id_, version, str((ready.about or {}).get("library", "")))]
            case "disconnect-bot":
                return [ClientDisconnect()]
            case "client-message":
                request = read_fields(data, _ClientMessage, kind)
                return [ClientRequest(id_, request.t, request.d)]
            case "send-text":
                return _send_text(read_fields(data, _SendText, kind))
            case "dtmf":
                return _digits(read_fields(data, _Digits, kind))
            case "llm-function-call-result":
                tool = read_fields(data, _ToolResult, kind)
                return [ClientToolResult(tool.tool_call_id, tool.function_name, tool.arguments or {}, tool.result)]
            case "raw-audio" | "raw-audio-batch":
                audio = read_fields(data, _RawAudio, kind)
                chunks = audio.batch or ([audio.single] if audio.single else [])
                return [heard for pcm in chunks for heard in read_audio(pcm, audio.rate or 0, audio.channels or 0)]
            case "append-to-context":
                if not self._allow_context:
                    raise refuse_context(kind)
                context = read_fields(data, _AppendToContext, kind)
                message = {"role": context.role, "content": context.content}
                return [ClientContext([message], replace=False, run=bool(context.run_immediately))]
            case _:
                return []

    def _messages(self, event: AgentEvent) -> Iterator[_Message]:
        match event:
            case ResponseText():
                yield "bot-llm-text", {"text": event.text}
            case SentenceProgress():
                yield from self._sentence(event)
            case SpeakingChanged():
                yield f"{event.who}-{'started' if event.is_speaking else 'stopped'}-speaking", None
            case UserTranscript():
                yield (
                    "user-transcription",
                    {
                        "text": event.text,
                        "final": event.is_final,
                        "timestamp": event.timestamp,
                        "user_id": event.user_id,
                    },
                )
            case ResponseStarted():
                yield "bot-llm-started", None
            case ResponseStopped():
                yield "bot-llm-stopped", None
            case SpeechStarted():
                yield "bot-tts-started", None
            case SpeechStopped():
                yield "bot-tts-stopped", None
            case BotInterrupted():
                yield "bot-interrupted", None
            case ToolProgress():
                yield from self._tool(event)
            case TurnMetrics():
                yield "metrics", _metrics(event)
                if event.response_s is not None:
                    yield "server-message", _turn_latency(event)
            case ModelUsage():
                yield "metrics", {"tokens": [_tokens(event)]}
            case AgentError():
                yield "error", {"error": event.message, "message": event.message, "fatal": event.is_fatal}
            case AgentReady():
                yield "bot-ready", self._bot_ready(event.call_id)
            case ServerResponse():
                yield "server-response", {"t": event.name, "d": event.data}
            case ErrorResponse():
                yield "error-response", {"error": event.message}
            case ServerMessage():
                yield "server-message", event.data
            case UserIdle() | DigitsSent():
                return
            case _:
                assert_never(event)

    def _bot_ready(self, call_id: str) -> dict[str, Any]:
        ready = {"about": {"library": "vox"}, **({"call_id": call_id} if call_id else {})}
        if self._client_major == 1:
            return {"version": _VERSION_FOR_1X, **ready}
        return {"version": PROTOCOL_VERSION, **ready, "capabilities": self._capabilities}

    def _sentence(self, event: SentenceProgress) -> Iterator[_Message]:
        if event.status == "new":
            yield "bot-transcription", {"text": event.text}
        if self._client_major >= 2:  # noqa: PLR2004  the major version that brought progress fields
            yield "bot-output", _bot_output(event)
        elif event.status == "new":
            yield "bot-output", {"text": event.text, "spoken": False, "aggregated_by": "sentence"}
        elif event.status == "completed" and event.spoken:
            yield "bot-output", {"text": event.spoken, "spoken": True, "aggregated_by": "sentence"}
        if event.will_be_spoken and (voiced := self._newly_voiced(event)):
            yield "bot-tts-text", {"text": voiced}

    def _newly_voiced(self, event: SentenceProgress) -> str:
        """What was spoken of a sentence since it was last told; progress of several sentences may come in turn."""
        known = self._voiced_characters.pop(event.segment_id, 0)
        if event.status != "completed":
            self._voiced_characters[event.segment_id] = max(known, len(event.voiced))
        return event.voiced[known:].strip()

    def _tool(self, event: ToolProgress) -> Iterator[_Message]:
        call = {"function_name": event.name, "tool_call_id": event.call_id}
        match event.status:
            case "started":
                yield "llm-function-call-started", {"function_name": event.name}
            case "in-progress":
                yield "llm-function-call-in-progress", {**call, "arguments": dict(event.arguments)}
                if self._client_major <= 1:
                    yield "llm-function-call", {**call, "args": dict(event.arguments)}
            case "stopped":
                yield "llm-function-call-stopped", {**call, "cancelled": event.is_cancelled, "result": event.result}
            case _:
                assert_never(event.status)

    def _envelope(self, kind: str, data: Any, id_: str | None) -> bytes:
        self._sent += 1
        envelope: dict[str, Any] = {"label": LABEL, "type": kind, "id": f"{self._sent:08x}" if id_ is None else id_}
        if data is not None:
            envelope["data"] = data
        return write_object(envelope)


class RtviCodec:
    """RTVI as JSON text frames (`/ws?rtvi=1`).

    Args:
        allow_context: see `Rtvi`.
        with_audio: sends the agent's audio as base64 in `bot-tts-audio`; `raw-audio` is always accepted.
        max_message_bytes: larger messages are refused.
    """

    def __init__(
        self, *, allow_context: bool = False, with_audio: bool = False, max_message_bytes: int = 1 << 20
    ) -> None:
        self._rtvi = Rtvi(allow_context=allow_context)
        self._with_audio = with_audio
        self._max_message_bytes = max_message_bytes

    def receive(self, message: WireMessage) -> list[ClientInput]:
        """Turns one message into inputs."""
        return self._rtvi.receive(read_object(message, max_bytes=self._max_message_bytes))

    def encode(self, event: AgentEvent) -> list[WireMessage]:
        """The text frames of an event."""
        return [text.decode() for text in self._rtvi.encode(event)]

    def audio(self, pcm: bytes, sample_rate: int) -> WireMessage | None:
        """`bot-tts-audio` for clients that asked for it; otherwise the format carries no audio."""
        if not self._with_audio:
            return None
        data = {"audio": pcm, "sample_rate": sample_rate, "num_channels": 1}
        return write_object({"label": LABEL, "type": "bot-tts-audio", "data": data}).decode()


def client_message(kind: str, data: Any = None, *, id_: str = "") -> str:
    """A client's message as JSON text, for tests and simulated clients."""
    return write_object({"label": LABEL, "type": kind, "id": id_, "data": {} if data is None else data}).decode()


class _ClientReady(msgspec.Struct):
    version: str | None = None
    about: dict[str, Any] | None = None


class _ClientMessage(msgspec.Struct):
    t: str
    d: Any = None


class _SendTextOptions(msgspec.Struct):
    run_immediately: bool | None = None
    audio_response: bool | None = None


class _SendText(msgspec.Struct):
    content: str
    options: _SendTextOptions | None = None


class _Digits(msgspec.Struct):
    buttons: list[str] | None = None
    button: str | None = None


class _ToolResult(msgspec.Struct):
    function_name: str
    tool_call_id: str
    arguments: dict[str, Any] | None = None
    result: Any = None


class _RawAudio(msgspec.Struct):
    single: bytes | None = msgspec.field(default=None, name="base64Audio")
    batch: list[bytes] | None = msgspec.field(default=None, name="base64AudioBatch")
    rate: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] | None = msgspec.field(default=None, name="sampleRate")
    channels: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] | None = msgspec.field(default=None, name="numChannels")


class _AppendToContext(msgspec.Struct):
    role: str
    content: Any
    run_immediately: bool | None = None


def _send_text(text: _SendText) -> list[ClientInput]:
    if not text.content.strip():
        return []
    options = text.options or _SendTextOptions()
    return [
        ClientText(text.content, run=options.run_immediately is not False, speak=options.audio_response is not False)
    ]


def _digits(digits: _Digits) -> list[ClientInput]:
    pressed = "".join(digits.buttons or ()) or digits.button or ""
    if not pressed or not _KEYS.issuperset(pressed):
        raise malformed("dtmf names no key, or one that is not 0-9, * or #")
    return [ClientDigits(pressed)]


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isascii() and head.isdecimal() and len(head) < 4 else 0  # noqa: PLR2004  no real version


def _bot_output(event: SentenceProgress) -> dict[str, Any]:
    segment = event.segment_id
    remaining = event.remaining
    if not remaining and event.status != "completed":
        remaining = event.text.removeprefix(event.spoken)
    output: dict[str, Any] = {
        "text": event.text,
        "aggregated_by": "sentence",
        "output_type": "sentence",
        # The JS client's type for it is a number.
        "segment_id": int(segment) if segment.isascii() and segment.isdecimal() else segment,
        "will_be_spoken": event.will_be_spoken,
        "spoken_status": event.status,
    }
    if event.will_be_spoken:
        output["spoken_progress"] = {"accumulated_text": event.spoken, "remaining_text": remaining}
    return output


def _metrics(event: TurnMetrics) -> dict[str, Any]:
    groups = {
        "ttfb": {"stt": event.stt_s, "llm": event.llm_ttfb_s, "tts": event.tts_ttfb_s},
        "processing": {"response": event.response_s, "end_of_utterance": event.end_of_utterance_s},
        "characters": {"tts": event.characters},
    }
    return {
        group: listed
        for group, values in groups.items()
        if (listed := [{"processor": name, "value": value} for name, value in values.items() if value is not None])
    }


def _tokens(usage: ModelUsage) -> dict[str, int]:
    """An entry of the group `tokens`, which has Pipecat's names and no processor."""
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _turn_latency(event: TurnMetrics) -> dict[str, Any]:
    """What a turn's time went into, under names of its own: `metrics` leaves no room for the turn."""
    seconds = {
        "end_of_utterance": event.end_of_utterance_s,
        "stt": event.stt_s,
        "llm_first_token": event.llm_ttfb_s,
        "tts_first_audio": event.tts_ttfb_s,
        "response": event.response_s,
    }
    known = {name: round(value, 4) for name, value in seconds.items() if value is not None}
    return {"type": "turn-latency", "turn": event.turn, "seconds": known}
