"""The default mode of `/ws`: frames of the compatible original as JSON, `{"type": FrameType, "data": {…}}`.

Before changing it: names and fields are the original's (a client of it must notice no difference), also where they are odd: audio
is announced without its samples unless the client connects with `audio=base64`, and frames that would rewrite the conversation
are refused unless the configuration allows them.
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
    ClientInterrupt,
    ClientRequest,
    ClientSpeak,
    ClientText,
    ClientToolResult,
    ClientVadUpdate,
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
from vox.protocols.rtvi import LABEL, Rtvi

_PRIVILEGED: Final = frozenset(
    {
        "LLMContextFrame",
        "LLMMessagesAppendFrame",
        "LLMMessagesUpdateFrame",
        "LLMSetToolChoiceFrame",
        "LLMSetToolsFrame",
    }
)
_KEYS: Final = frozenset("0123456789*#")
_INPUT_RATE: Final = 16_000
_OUTPUT_RATE: Final = 24_000


class JsonCodec:
    """The original's frames as JSON text.

    Args:
        allow_context: whether the client may rewrite the conversation and the tools.
        with_audio: accepts audio and sends it as base64 in the field `audio`.
        max_message_bytes: larger messages are refused.
    """

    def __init__(
        self, *, allow_context: bool = False, with_audio: bool = False, max_message_bytes: int = 1 << 20
    ) -> None:
        self._allow_context = allow_context
        self._with_audio = with_audio
        self._max_message_bytes = max_message_bytes
        self._rtvi = Rtvi(allow_context=allow_context)

    def receive(self, message: WireMessage) -> list[ClientInput]:
        """Turns one frame into inputs; frame types without a meaning here give none."""
        envelope = read_object(message, max_bytes=self._max_message_bytes)
        kind, data = envelope.get("type"), envelope.get("data")
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise malformed("a frame needs a type and an object named data")
        if kind in _PRIVILEGED and not self._allow_context:
            raise refuse_context(kind)
        return self._receive_type(kind, data)  # pyright: ignore[reportUnknownArgumentType]  JSON keys are strings

    def encode(self, event: AgentEvent) -> list[WireMessage]:
        """The text frames of an event."""
        return [write_object({"type": kind, "data": data}).decode() for kind, data in _frames(event)]

    def audio(self, pcm: bytes, sample_rate: int) -> WireMessage:
        """Announces a TTSAudioRawFrame as the original does; with the samples for clients that asked for them."""
        data: dict[str, Any] = {"sample_rate": sample_rate, "num_channels": 1, "num_frames": len(pcm) // 2}
        if self._with_audio:
            data["audio"] = pcm
        return write_object({"type": "TTSAudioRawFrame", "data": data}).decode()

    def _receive_type(self, kind: str, data: Mapping[str, Any]) -> list[ClientInput]:
        match kind:
            case "TranscriptionFrame":
                text = read_fields(data, _Text, kind).text
                return [ClientText(text)] if text.strip() else []
            case "TextFrame" | "LLMTextFrame" | "TTSSpeakFrame":
                text = read_fields(data, _Text, kind).text
                return [ClientSpeak(text)] if text.strip() else []
            case "InterruptionFrame":
                return [ClientInterrupt()]
            case "InputDTMFFrame":
                return _digit(read_fields(data, _Digit, kind))
            case "CancelFrame":
                return [ClientDisconnect(read_fields(data, _Cancel, kind).reason or "")]
            case "ErrorFrame":
                error = read_fields(data, _Error, kind)
                return [ClientDisconnect(error.error)] if error.fatal else []
            case "FunctionCallResultFrame":
                tool = read_fields(data, _ToolResult, kind)
                return [
                    ClientToolResult(tool.tool_call_id, tool.function_name, _arguments(tool.arguments), tool.result)
                ]
            case "VADParamsUpdateFrame":
                times = read_fields(data, _VadParams, kind)
                return [ClientVadUpdate(times.start_secs, times.stop_secs)]
            case "RTVIClientMessageFrame":
                message = read_fields(data, _RtviMessage, kind)
                return self._rtvi.receive({"type": message.type, "id": message.msg_id or "", "data": message.data})
            case "TransportMessageFrame" | "MessageFrame":
                return self._application(read_fields(data, _TransportMessage, kind).message)
            case "AudioRawFrame" | "InputAudioRawFrame" if self._with_audio:
                audio = read_fields(data, _Audio, kind)
                return read_audio(audio.audio, audio.sample_rate, audio.num_channels)
            case _:
                return _conversation(kind, data)

    def _application(self, message: dict[str, Any]) -> list[ClientInput]:
        if message.get("label") == LABEL:
            return self._rtvi.receive(message)
        return [ClientRequest(str(message.get("id", "")), str(message.get("type", "")), message)]


def encode_client_frame(kind: str, data: Mapping[str, Any] | None = None) -> str:
    """A client's frame, for tests and simulated clients."""
    return write_object({"type": kind, "data": data or {}}).decode()


def encode_client_audio(pcm: bytes, sample_rate: int) -> str:
    """A client's microphone audio, s16le mono, for a connection with `audio=base64`."""
    return encode_client_frame("AudioRawFrame", {"audio": pcm, "sample_rate": sample_rate, "num_channels": 1})


def decode_server_message(message: WireMessage) -> tuple[str, dict[str, Any]]:
    """A server's frame as its type and fields; raises `PeerError`."""
    frame = msgspec.convert(read_object(message, max_bytes=1 << 24), _Frame)
    return frame.type, frame.data


class _Frame(msgspec.Struct):
    type: str
    data: dict[str, Any]


class _Text(msgspec.Struct):
    text: str


class _Digit(msgspec.Struct):
    digit: str


class _Cancel(msgspec.Struct):
    reason: str | None = None


class _Error(msgspec.Struct):
    error: str = ""
    fatal: bool = False


class _ToolResult(msgspec.Struct):
    function_name: str
    tool_call_id: str
    arguments: dict[str, Any] | str | None = None
    result: Any = None


class _VadParams(msgspec.Struct):
    start_secs: Annotated[float, msgspec.Meta(ge=0, le=60)] | None = None
    stop_secs: Annotated[float, msgspec.Meta(ge=0, le=60)] | None = None


class _RtviMessage(msgspec.Struct):
    type: str
    msg_id: str | None = None
    data: Any = None


class _TransportMessage(msgspec.Struct):
    message: dict[str, Any]


class _Audio(msgspec.Struct):
    audio: bytes
    sample_rate: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = _INPUT_RATE
    num_channels: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 1


class _Messages(msgspec.Struct):
    messages: list[dict[str, Any]]
    run_llm: bool | None = None


class _Context(msgspec.Struct):
    context: _Messages


def _conversation(kind: str, data: Mapping[str, Any]) -> list[ClientInput]:
    match kind:
        case "LLMRunFrame":
            return [ClientContext((), run=True)]
        case "LLMContextFrame":
            return [ClientContext(read_fields(data, _Context, kind).context.messages, replace=True, run=True)]
        case "LLMMessagesUpdateFrame" | "LLMMessagesAppendFrame":
            change = read_fields(data, _Messages, kind)
            replaces = kind == "LLMMessagesUpdateFrame"
            return [ClientContext(change.messages, replace=replaces, run=bool(change.run_llm))]
        case _:
            return []


def _digit(pressed: _Digit) -> list[ClientInput]:
    if len(pressed.digit) != 1 or pressed.digit not in _KEYS:
        raise malformed("InputDTMFFrame names a key that is not 0-9, * or #")
    return [ClientDigits(pressed.digit)]


def _arguments(given: dict[str, Any] | str | None) -> dict[str, Any]:
    if isinstance(given, str):
        return read_object(given, max_bytes=len(given)) if given.strip() else {}
    return given or {}


def _frames(event: AgentEvent) -> Iterator[tuple[str, dict[str, Any]]]:
    match event:
        case ResponseText():
            yield "LLMTextFrame", _text_fields(event.text, spaced=True)
        case SpeakingChanged():
            who = "User" if event.who == "user" else "Bot"
            yield f"{who}{'Started' if event.is_speaking else 'Stopped'}SpeakingFrame", {}
        case UserTranscript():
            fields = _text_fields(event.text, spaced=False)
            said = {"user_id": event.user_id, "timestamp": event.timestamp, "finalized": event.is_final}
            yield "TranscriptionFrame", fields | said
        case SentenceProgress():
            if event.status == "new":
                yield "AggregatedTextFrame", _text_fields(event.text, spaced=False) | {"aggregated_by": "sentence"}
        case ResponseStarted():
            yield "LLMFullResponseStartFrame", {}
        case ResponseStopped():
            yield "LLMFullResponseEndFrame", {}
        case BotInterrupted():
            yield "InterruptionFrame", {}
        case ToolProgress():
            if event.status == "stopped" and not event.is_cancelled:
                call = {"function_name": event.name, "tool_call_id": event.call_id}
                yield "FunctionCallResultFrame", call | {"arguments": dict(event.arguments), "result": event.result}
        case AgentError():
            yield "ErrorFrame", {"error": event.message, "fatal": event.is_fatal}
        case AgentReady():
            yield "StartFrame", _start_fields() | ({"call_id": event.call_id} if event.call_id else {})
        case ServerResponse():
            yield "RTVIServerMessageFrame", _reply("server-response", event.id, {"t": event.name, "d": event.data})
        case ErrorResponse():
            yield "RTVIServerMessageFrame", _reply("error-response", event.id, {"error": event.message})
        case ServerMessage():
            yield "TransportMessageFrame", {"message": event.data}
        case UserIdle():
            yield "UserIdleFrame", {}
        case DigitsSent():
            for digit in event.digits:
                yield "OutputDTMFUrgentFrame", {"button": digit}
        case SpeechStarted() | SpeechStopped() | TurnMetrics() | ModelUsage():
            return
        case _:
            assert_never(event)


def _text_fields(text: str, *, spaced: bool) -> dict[str, Any]:
    return {"text": text, "includes_inter_frame_spaces": spaced, "append_to_context": True}


def _start_fields() -> dict[str, Any]:
    return {
        "audio_in_sample_rate": _INPUT_RATE,
        "audio_out_sample_rate": _OUTPUT_RATE,
        "allow_interruptions": True,
        "enable_metrics": False,
        "enable_usage_metrics": False,
    }


def _reply(kind: str, id_: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "id": id_, "data": data}
