"""The protobuf mode of `/ws` (`format=protobuf`): plain frames, and RTVI inside MessageFrames once a client speaks it.

Before changing it: Pipecat's JS transport throws on text, transcription and interruption frames, so a client that has sent
one RTVI message gets nothing but audio and MessageFrames from then on. The messages themselves are in `pipecat_frames`;
the second half is the client's side, for tests and simulated callers.
"""

from collections.abc import Mapping
from typing import Any

from vox.protocols.agent_events import (
    AgentEvent,
    BotInterrupted,
    ClientInput,
    ClientInterrupt,
    ClientRequest,
    ClientSpeak,
    ClientText,
    ErrorResponse,
    SentenceProgress,
    ServerMessage,
    ServerResponse,
    UserTranscript,
)
from vox.protocols.json_edge import check_size, malformed, read_audio, read_object, write_object
from vox.protocols.media_stream import WireMessage
from vox.protocols.pipecat_frames import (
    AudioRawFrame,
    InterruptionFrame,
    MessageFrame,
    PipecatFrame,
    TextFrame,
    TranscriptionFrame,
    decode_frame,
    decode_microphone,
    encode_audio,
    encode_frame,
    encode_numbered_audio,
)
from vox.protocols.rtvi import LABEL, Rtvi


class ProtobufCodec:
    """Pipecat's frames, with RTVI in MessageFrames for clients that speak it.

    Args:
        allow_context: whether the client may rewrite the conversation.
        max_message_bytes: larger messages are refused.
    """

    def __init__(self, *, allow_context: bool = False, max_message_bytes: int = 1 << 20) -> None:
        self._rtvi = Rtvi(allow_context=allow_context)
        self._is_rtvi = False
        self._max_message_bytes = max_message_bytes
        self._sent = 0

    def receive(self, message: WireMessage) -> list[ClientInput]:
        """Turns one frame into inputs."""
        check_size(message, max_bytes=self._max_message_bytes)
        data = message if isinstance(message, bytes) else _utf8(message)
        if microphone := decode_microphone(data):
            return read_audio(*microphone)
        frame = decode_frame(data)
        match frame:
            case AudioRawFrame():
                return read_audio(frame.audio, frame.sample_rate, frame.num_channels)
            case MessageFrame():
                return self._message(frame.data)
            case TextFrame():
                return [ClientSpeak(frame.text)] if frame.text.strip() else []
            case TranscriptionFrame():
                return [ClientText(frame.text)] if frame.text.strip() else []
            case InterruptionFrame():
                return [ClientInterrupt()]
            case None:
                return []

    def encode(self, event: AgentEvent) -> list[WireMessage]:
        """The binary frames of an event."""
        if self._is_rtvi or isinstance(event, ServerResponse | ErrorResponse):
            return [encode_frame(MessageFrame(text.decode())) for text in self._rtvi.encode(event)]
        frame = self._plain(event)
        return [] if frame is None else [encode_frame(frame)]

    def audio(self, pcm: bytes, sample_rate: int) -> WireMessage:
        """Audio as the original sends it: numbered, with the name `TTSAudioRawFrame#<id>`."""
        self._sent += 1
        return encode_numbered_audio(pcm, sample_rate, self._sent, b"TTSAudioRawFrame#%d" % self._sent)

    def _message(self, text: str) -> list[ClientInput]:
        data = read_object(text, max_bytes=self._max_message_bytes)
        if data.get("label") == LABEL:
            inputs = self._rtvi.receive(data)
            self._is_rtvi = True
            return inputs
        if data.get("label"):
            return []
        return [ClientRequest(str(data.get("id", "")), str(data.get("type", "")), data)]

    def _plain(self, event: AgentEvent) -> PipecatFrame | None:
        match event:
            case UserTranscript(is_final=True):
                id_, name = self._numbered("TranscriptionFrame")
                return TranscriptionFrame(event.text, event.user_id, event.timestamp, id_, name)
            case SentenceProgress(status="new"):
                id_, name = self._numbered("TextFrame")
                return TextFrame(event.text, id_, name)
            case BotInterrupted():
                return InterruptionFrame(*self._numbered("InterruptionFrame"))
            case ServerMessage() if isinstance(event.data, dict):
                return MessageFrame(write_object(event.data).decode())  # pyright: ignore[reportUnknownMemberType]  any JSON
            case _:
                return None

    def _numbered(self, kind: str) -> tuple[int, str]:
        self._sent += 1
        return self._sent, f"{kind}#{self._sent}"


def encode_client_audio(pcm: bytes, sample_rate: int) -> bytes:
    """A client's microphone audio, s16le mono."""
    return encode_audio(pcm, sample_rate)


def encode_client_message(data: Mapping[str, Any] | str) -> bytes:
    """A client's MessageFrame: an application's object, or an RTVI text of `rtvi.client_message`."""
    return encode_frame(MessageFrame(data if isinstance(data, str) else write_object(data).decode()))


def decode_server_message(message: WireMessage) -> PipecatFrame | None:
    """What a client gets out of one message; MessageFrames hold JSON text. Raises `PeerError`."""
    return decode_frame(message if isinstance(message, bytes) else _utf8(message))


def _utf8(message: str) -> bytes:
    try:
        return message.encode()
    except UnicodeEncodeError as error:
        raise malformed("a text frame is not UTF-8") from error
