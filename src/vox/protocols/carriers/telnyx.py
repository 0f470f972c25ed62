"""Telnyx media streaming in bidirectional RTP mode: JSON text messages, base64 payloads without RTP headers.

The one thing to know before changing it: `start` announces only the encoding from Telnyx. What Telnyx expects from us
was chosen when the stream was ordered (`bidirectionalCodec`, PCMU unless somebody said otherwise) and is never repeated.
L16 is RTP's name, yet on this WebSocket Telnyx's samples are little-endian; `l16_byteorder` is for the day that changes.
"""

import array
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from vox.protocols.carriers import json_events
from vox.protocols.carriers.json_events import Phase, base64_text, quoted
from vox.protocols.media_stream import (
    AudioCleared,
    Encoding,
    MarkReached,
    StreamAudio,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    WireMessage,
)

_RTP_NAMES: dict[Encoding, str] = {"mulaw": "PCMU", "alaw": "PCMA", "s16le": "L16"}


class _Media(msgspec.Struct, gc=False):
    payload: bytes = b""
    track: str = "inbound"


class _Format(msgspec.Struct):
    encoding: str = "PCMU"
    sample_rate: int | str = 8000


class _Start(msgspec.Struct):
    call_control_id: str = ""
    user_id: str = ""
    caller: str = msgspec.field(default="", name="from")
    callee: str = msgspec.field(default="", name="to")
    media_format: _Format = msgspec.field(default_factory=_Format)
    custom_parameters: dict[str, Any] | list[dict[str, Any]] | None = None


class _Digit(msgspec.Struct):
    digit: str = ""


class _Mark(msgspec.Struct):
    name: str = ""


class _Event(msgspec.Struct):
    event: str
    media: _Media | None = None
    start: _Start | None = None
    dtmf: _Digit | None = None
    mark: _Mark | None = None
    stream_id: str = ""


_EVENT = msgspec.json.Decoder(_Event)


class Server:
    """Our side of a Telnyx stream.

    Args:
        reply_encoding: what Telnyx was told to expect from us (`bidirectionalCodec`).
        reply_sample_rate: its rate in Hz; 8000 for both G.711 laws.
        l16_byteorder: byte order of L16 samples on the wire.
        max_message_bytes: larger messages are refused.
    """

    carrier: ClassVar[str] = "telnyx"
    reply_encoding: Encoding
    reply_sample_rate: int

    def __init__(
        self,
        *,
        reply_encoding: Encoding = "mulaw",
        reply_sample_rate: int = 8000,
        l16_byteorder: Literal["little", "big"] = "little",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        self.reply_encoding = reply_encoding
        self.reply_sample_rate = reply_sample_rate
        self._max_message_bytes = max_message_bytes
        self._swaps = l16_byteorder == "big"
        self._phase: Phase = "waiting"
        self._encoding: Encoding = "mulaw"

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; audio of the outbound track is ignored."""
        heard = json_events.decode(_EVENT, message, self._max_message_bytes)
        match heard:
            case _Event(event="media", media=_Media() as media):
                if media.track != "inbound":
                    return []
                events = json_events.audio_events(media.payload, self._phase, self._encoding)
                if self._swaps and self._encoding == "s16le":
                    return [StreamAudio(_swapped(media.payload)) for _ in events]
                return events
            case _Event(event="mark", mark=_Mark(name=name)):
                return [MarkReached(json_events.identifier(name, "name of a mark", may_be_empty=True))]
            case _Event(event="dtmf", dtmf=_Digit(digit=digit)):
                return json_events.digit_events(digit)
            case _Event(event="start", start=_Start() as start):
                return [self._started(start, heard.stream_id)]
            case _Event(event="stop"):
                if self._phase == "stopped":
                    return []
                self._phase = "stopped"
                return [StreamStopped("stop")]
            case _:
                return []

    def replies(self) -> list[WireMessage]:
        """None: Telnyx expects no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`; Telnyx takes 20 ms to 30 s a message."""
        if self._swaps and self.reply_encoding == "s16le":
            payload = _swapped(payload)
        return f'{{"event":"media","media":{{"payload":"{base64_text(payload)}"}}}}'

    def mark(self, name: str) -> WireMessage | None:
        """A mark that Telnyx echoes."""
        return f'{{"event":"mark","mark":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Telnyx has not played yet."""
        return '{"event":"clear"}'

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends a Telnyx stream."""
        return None

    def _started(self, start: _Start, stream_id: str) -> StreamStarted:
        if self._phase != "waiting":
            raise json_events.out_of_order("a second start")
        started = StreamStarted(
            carrier=self.carrier,
            stream_id=json_events.identifier(stream_id, "stream_id"),
            call_id=json_events.identifier(start.call_control_id, "call_control_id"),
            encoding=json_events.media_encoding(start.media_format.encoding),
            sample_rate=json_events.media_rate(start.media_format.sample_rate),
            caller=json_events.identifier(start.caller, "from", may_be_empty=True),
            callee=json_events.identifier(start.callee, "to", may_be_empty=True),
            account_id=json_events.identifier(start.user_id, "user_id", may_be_empty=True),
            parameters=_parameters(start.custom_parameters),
        )
        self._phase = "streaming"
        self._encoding = started.encoding
        return started


class Carrier:
    """Telnyx's side of the stream; `encoding` (at `sample_rate` Hz) is announced in `start`."""

    carrier: ClassVar[str] = "telnyx"
    encoding: Encoding
    sample_rate: int

    def __init__(
        self,
        *,
        encoding: Encoding = "mulaw",
        sample_rate: int = 8000,
        user_id: str = "00000000-0000-0000-0000-000000000000",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        self.encoding = encoding
        self.sample_rate = sample_rate
        self._user_id = user_id
        self._max_message_bytes = max_message_bytes
        self._call = '""'
        self._stream = '""'
        self._sequence = 0
        self._chunk = 0

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """`connected` and `start`."""
        self._call, self._stream = quoted(call_id), quoted(stream_id)
        start = {
            "event": "start",
            "sequence_number": str(self._next()),
            "start": {
                "user_id": self._user_id,
                "call_control_id": call_id,
                "from": caller,
                "to": callee,
                "media_format": {
                    "encoding": _RTP_NAMES[self.encoding],
                    "sample_rate": self.sample_rate,
                    "channels": 1,
                },
                "custom_parameters": dict(parameters),
            },
            "stream_id": stream_id,
        }
        return ['{"event":"connected","version":"1.0.0"}', msgspec.json.encode(start).decode()]

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio in `encoding`."""
        self._chunk += 1
        return (
            f'{{"event":"media","sequence_number":"{self._next()}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunk}","timestamp":"{timestamp_ms}","payload":"{base64_text(payload)}"}},'
            f'"stream_id":{self._stream}}}'
        )

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return (
            f'{{"event":"dtmf","stream_id":{self._stream},"sequence_number":"{self._next()}",'
            f'"dtmf":{{"digit":{quoted(digit)}}}}}'
        )

    def mark_reached(self, name: str) -> WireMessage | None:
        """Echoes a mark of the server."""
        return (
            f'{{"event":"mark","sequence_number":"{self._next()}","stream_id":{self._stream},'
            f'"mark":{{"name":{quoted(name)}}}}}'
        )

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up."""
        return (
            f'{{"event":"stop","sequence_number":"{self._next()}","stop":{{"user_id":{quoted(self._user_id)},'
            f'"call_control_id":{self._call}}},"stream_id":{self._stream}}}'
        )

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, marks and clears."""
        heard = json_events.decode(_EVENT, message, self._max_message_bytes)
        match heard:
            case _Event(event="media", media=_Media(payload=payload)):
                return [StreamAudio(payload)] if payload else []
            case _Event(event="mark", mark=_Mark(name=name)):
                return [MarkReached(json_events.identifier(name, "name of a mark", may_be_empty=True))]
            case _Event(event="clear"):
                return [AudioCleared()]
            case _:
                return []

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _parameters(raw: dict[str, Any] | list[dict[str, Any]] | None) -> dict[str, str]:
    """Custom parameters come as an object or as a list of name and value."""
    if isinstance(raw, list):
        raw = {item["name"]: item.get("value") for item in raw if isinstance(item.get("name"), str)}
    return json_events.parameters(raw or {})


def _swapped(pcm: bytes) -> bytes:
    samples = array.array("h", pcm)
    samples.byteswap()
    return samples.tobytes()
