"""The caller's end of every stream a Vox agent speaks, under one name each: the six carriers and `protobuf`.

`protobuf` is the browser's format on `/ws?format=protobuf`; here it wears the shape of a carrier's codec, so that the
simulated phone and the load generator need to know only one.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from vox.errors import UsageError
from vox.protocols import agent_protobuf
from vox.protocols.media_stream import (
    AudioCleared,
    CarrierCodec,
    Encoding,
    StreamAudio,
    StreamEvent,
    WireMessage,
)
from vox.protocols.pipecat_frames import AudioRawFrame, InterruptionFrame, TextFrame
from vox.protocols.rtvi import client_message

CARRIERS = ("twilio", "telnyx", "plivo", "exotel", "vonage", "genesys")
MAX_TEXTS = 1000
LINES = (*CARRIERS, "protobuf")


def open_line(name: str) -> CarrierCodec:
    """The caller's side of a stream by its name; a fresh one for each call."""
    if name == "protobuf":
        return ProtobufLine()
    if name not in CARRIERS:
        raise UsageError(
            f"there is no carrier {name!r}", code="unknown_carrier", hint=f"choose one of {', '.join(LINES)}"
        )
    return importlib.import_module(f"vox.protocols.carriers.{name}").Carrier()


def heard_rate(line: CarrierCodec) -> int:
    """The sample rate (Hz) of the audio that `line` received last."""
    return line.heard_rate if isinstance(line, ProtobufLine) else line.sample_rate


def clear_echoes(line: CarrierCodec, thrown_marks: Sequence[str]) -> list[WireMessage]:
    """What a carrier says to a clear: its own acknowledgement where it has one, else the marks that were thrown away."""
    if isinstance(line, _AcknowledgesClear):
        return [line.cleared()]
    return [echo for name in thrown_marks if (echo := line.mark_reached(name)) is not None]


class ProtobufLine:
    """A client of `/ws?format=protobuf` in the shape of a carrier: 16 kHz s16le up, whatever the agent sends down."""

    carrier: ClassVar[str] = "protobuf"

    def __init__(self) -> None:
        self.encoding: Encoding = "s16le"
        self.sample_rate = 16_000
        self.heard_rate = 24_000
        self.texts: list[str] = []
        """What the agent said, as far as the format tells."""

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """Nothing: the socket's address says it all."""
        return []

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio."""
        return agent_protobuf.encode_client_audio(payload, self.sample_rate)

    def digit(self, digit: str) -> WireMessage:
        """A key, as an RTVI message inside a frame."""
        return agent_protobuf.encode_client_message(client_message("dtmf", {"buttons": [digit]}))

    def mark_reached(self, name: str) -> WireMessage | None:
        """None: this format has no marks."""
        return None

    def close(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends the call."""
        return None

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The agent's audio, and its word that what was not played is void."""
        frame = agent_protobuf.decode_server_message(message.encode() if isinstance(message, str) else message)
        if isinstance(frame, AudioRawFrame):
            self.heard_rate = frame.sample_rate
            return [StreamAudio(frame.audio)]
        if isinstance(frame, TextFrame) and len(self.texts) < MAX_TEXTS:
            self.texts.append(frame.text)
        return [AudioCleared()] if isinstance(frame, InterruptionFrame) else []


@runtime_checkable
class _AcknowledgesClear(Protocol):
    def cleared(self) -> WireMessage: ...
