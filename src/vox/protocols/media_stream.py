"""What every carrier's media stream has in common: the events, and the two sides of a codec.

A carrier (Twilio, Telnyx, Plivo, Exotel, Vonage, Genesys) sends call audio over a WebSocket. Each has a file in
`protocols/carriers/` with two classes that never see a socket: `Server` (our side of the stream) and `Carrier` (the
carrier's side, used by the call simulator, the tests and the load generator).

A wire message is `str` for a WebSocket text frame and `bytes` for a binary frame, in both directions.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, Protocol, runtime_checkable

RESUME_PARAMETER: Final = "voxresume"
"""The parameter of a stream whose call can go on with another one: `FIRST_STREAM`, `NEXT_STREAM`, or the token of the call that goes on."""
FIRST_STREAM: Final = "0"
NEXT_STREAM: Final = "1"
"""The call that the carrier has connected goes on with this stream; only from those who have proven to know of it."""

Encoding = Literal["mulaw", "alaw", "s16le"]
WireMessage = str | bytes


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The carrier described the call; audio follows.

    `encoding` and `sample_rate` (Hz) hold for the audio from the carrier; `Server.reply_encoding` for ours.
    """

    carrier: str
    stream_id: str
    call_id: str
    encoding: Encoding
    sample_rate: int
    caller: str = ""
    callee: str = ""
    account_id: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class StreamAudio:
    """Audio as it came from the wire (in the announced encoding), usually 20 ms."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A DTMF digit: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The carrier has played (or, after a clear, thrown away) everything sent before this mark."""

    name: str


@dataclass(frozen=True, slots=True)
class AudioCleared:
    """The far side was told to throw away audio it has not played yet (seen by the carrier's side)."""


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The call or the stream is over."""

    reason: str = ""


StreamEvent = StreamStarted | StreamAudio | DigitPressed | MarkReached | AudioCleared | StreamStopped


class FieldCount(Protocol):
    """How many fields of the peer's messages were left out, and the names of the first few."""

    @property
    def count(self) -> int:
        """How many, counted each time."""
        ...

    @property
    def names(self) -> Collection[str]:
        """Our names for them."""
        ...


class ServerCodec(Protocol):
    """Our side of one carrier's stream. `receive` raises only `PeerError`.

    `receive` also returns wire messages that must be answered at once (Genesys opens, pings) through `replies()`.

    Attributes:
        reply_encoding: of our audio; known once the stream has started.
        reply_sample_rate: of our audio, in Hz.
        min_audio_bytes: the least that one message of ours may hold, because the carrier says so; `audio` fills up
            what is shorter, so gather as much before. 0: any amount.
    """

    carrier: ClassVar[str]
    reply_encoding: Encoding
    reply_sample_rate: int
    min_audio_bytes: ClassVar[int]

    @property
    def dropped(self) -> FieldCount:
        """What was left out so far."""
        ...

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; unknown but well-formed messages give none."""
        ...

    def replies(self) -> list[WireMessage]:
        """Takes the protocol's own answers that have become due through `receive`."""
        ...

    def audio(self, payload: bytes) -> WireMessage:
        """Encodes audio in `reply_encoding`; 20 ms unless the carrier demands other sizes."""
        ...

    def mark(self, name: str) -> WireMessage | None:
        """A mark that comes back when the audio before it was played; None where the carrier has none."""
        ...

    def clear(self) -> WireMessage | None:
        """Tells the carrier to throw away unplayed audio; None where the carrier has no such message."""
        ...

    def digits(self, digits: str) -> list[WireMessage]:
        """Sends DTMF digits; empty where the stream cannot carry them (the caller then plays tones)."""
        ...

    def stop(self, reason: str = "") -> WireMessage | None:
        """Ends the stream from our side; None where closing the socket is the way."""
        ...


@runtime_checkable
class TransfersInStream(Protocol):
    """A codec whose stream itself can have the call put through."""

    def transfer(self, to: str) -> WireMessage:
        """Hands the call over to another number."""
        ...


class CarrierCodec(Protocol):
    """The carrier's side of the same stream: places a call, plays the caller's audio, hears ours."""

    carrier: ClassVar[str]
    encoding: Encoding
    sample_rate: int

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """The messages that open the stream, up to and with the one that describes the call."""
        ...

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio in `encoding`."""
        ...

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        ...

    def mark_reached(self, name: str) -> WireMessage | None:
        """Echoes a mark of the server."""
        ...

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up."""
        ...

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's messages: StreamAudio, MarkReached (the mark to echo), AudioCleared, DigitPressed, StreamStopped."""
        ...
