"""Exotel's Voicebot applet: JSON text messages with snake_case keys, 16-bit linear audio at 8, 16 or 24 kHz.

The one thing to know before changing it: Exotel plays audio badly unless each payload is a multiple of 320 bytes, so
`audio` fills up with silence. The `encoding` it announces is usually the word `base64`, which means linear samples.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from vox.errors import PeerError
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

BLOCK_BYTES: Final = 320  # Exotel's documentation of the Voicebot applet: payloads are multiples of this
_LINEAR: Final = frozenset({"", "base64", "raw/slin", "slin", "slin16", "linear16", "pcm", "raw"})
_SILENCE: Final[dict[Encoding, bytes]] = {"s16le": b"\x00", "mulaw": b"\xff", "alaw": b"\xd5"}
_NAMES: Final[dict[Encoding, str]] = {"s16le": "base64", "mulaw": "audio/x-mulaw", "alaw": "audio/x-alaw"}


class _Media(msgspec.Struct, gc=False):
    payload: bytes = b""
    track: str = "inbound"


class _Format(msgspec.Struct):
    encoding: str = "base64"
    sample_rate: int | str = 8000


class _Start(msgspec.Struct):
    stream_sid: str = ""
    call_sid: str = ""
    account_sid: str = ""
    caller: str = msgspec.field(default="", name="from")
    callee: str = msgspec.field(default="", name="to")
    custom_parameters: dict[str, Any] | None = None
    media_format: _Format = msgspec.field(default_factory=_Format)


class _Digit(msgspec.Struct):
    digit: str = ""


class _Mark(msgspec.Struct):
    name: str = ""


class _Stop(msgspec.Struct):
    reason: str = ""


class _Event(msgspec.Struct):
    event: str
    media: _Media | None = None
    start: _Start | None = None
    dtmf: _Digit | None = None
    mark: _Mark | None = None
    stop: _Stop | None = None


_EVENT = msgspec.json.Decoder(_Event)


class Server:
    """Our side of an Exotel stream; it answers in the announced encoding and rate."""

    carrier: ClassVar[str] = "exotel"
    reply_encoding: Encoding
    reply_sample_rate: int

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        self.reply_encoding = "s16le"
        self.reply_sample_rate = 8000
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._stream = '""'
        self._audio_prefix = ""

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; audio of the outbound track is ignored."""
        heard = json_events.decode(_EVENT, message, self._max_message_bytes)
        match heard:
            case _Event(event="media", media=_Media() as media):
                if media.track != "inbound":
                    return []
                return json_events.audio_events(media.payload, self._phase, self.reply_encoding)
            case _Event(event="mark", mark=_Mark(name=name)):
                return [MarkReached(json_events.identifier(name, "name of a mark", may_be_empty=True))]
            case _Event(event="dtmf", dtmf=_Digit(digit=digit)):
                return json_events.digit_events(digit)
            case _Event(event="start", start=_Start() as start):
                return [self._started(start)]
            case _Event(event="stop", stop=stop):
                if self._phase == "stopped":
                    return []
                self._phase = "stopped"
                return [StreamStopped(stop.reason[: json_events.MAX_TEXT] if stop and stop.reason else "stop")]
            case _:
                return []

    def replies(self) -> list[WireMessage]:
        """None: Exotel expects no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`, filled up with silence to a multiple of 320 bytes."""
        if missing := -len(payload) % BLOCK_BYTES:
            payload += _SILENCE[self.reply_encoding] * missing
        return f'{self._audio_prefix}{base64_text(payload)}"}}}}'

    def mark(self, name: str) -> WireMessage | None:
        """A mark that Exotel echoes."""
        return f'{{"event":"mark","stream_sid":{self._stream},"mark":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Exotel has not played yet."""
        return f'{{"event":"clear","stream_sid":{self._stream}}}'

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends the applet; the call goes on to the flow's next one."""
        return None

    def _started(self, start: _Start) -> StreamStarted:
        if self._phase != "waiting":
            raise json_events.out_of_order("a second start")
        started = StreamStarted(
            carrier=self.carrier,
            stream_id=json_events.identifier(start.stream_sid, "stream_sid"),
            call_id=json_events.identifier(start.call_sid, "call_sid"),
            encoding=_encoding(start.media_format.encoding),
            sample_rate=json_events.media_rate(start.media_format.sample_rate),
            caller=json_events.identifier(start.caller, "from", may_be_empty=True),
            callee=json_events.identifier(start.callee, "to", may_be_empty=True),
            account_id=json_events.identifier(start.account_sid, "account_sid", may_be_empty=True),
            parameters=json_events.parameters(start.custom_parameters or {}),
        )
        self._phase = "streaming"
        self.reply_encoding, self.reply_sample_rate = started.encoding, started.sample_rate
        self._stream = quoted(started.stream_id)
        self._audio_prefix = f'{{"event":"media","stream_sid":{self._stream},"media":{{"payload":"'
        return started


class Carrier:
    """Exotel's side of the stream."""

    carrier: ClassVar[str] = "exotel"
    encoding: Encoding
    sample_rate: int

    def __init__(
        self,
        *,
        encoding: Encoding = "s16le",
        sample_rate: int = 8000,
        account_sid: str = "exotel1",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        self.encoding = encoding
        self.sample_rate = sample_rate
        self._account_sid = account_sid
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
        bit_rate = self.sample_rate * (16 if self.encoding == "s16le" else 8) // 1000
        start = {
            "event": "start",
            "sequence_number": self._next(),
            "stream_sid": stream_id,
            "start": {
                "stream_sid": stream_id,
                "call_sid": call_id,
                "account_sid": self._account_sid,
                "from": caller,
                "to": callee,
                "custom_parameters": dict(parameters),
                "media_format": {
                    "encoding": _NAMES[self.encoding],
                    "sample_rate": str(self.sample_rate),
                    "bit_rate": f"{bit_rate}kbps",
                },
            },
        }
        return ['{"event":"connected"}', msgspec.json.encode(start).decode()]

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio in `encoding`; Exotel itself sends about 100 ms a message."""
        self._chunk += 1
        return (
            f'{{"event":"media","sequence_number":{self._next()},"stream_sid":{self._stream},"media":{{'
            f'"chunk":{self._chunk},"timestamp":"{timestamp_ms}","payload":"{base64_text(payload)}"}}}}'
        )

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return (
            f'{{"event":"dtmf","sequence_number":{self._next()},"stream_sid":{self._stream},'
            f'"dtmf":{{"duration":"200","digit":{quoted(digit)}}}}}'
        )

    def mark_reached(self, name: str) -> WireMessage | None:
        """Echoes a mark of the server."""
        return (
            f'{{"event":"mark","sequence_number":{self._next()},"stream_sid":{self._stream},'
            f'"mark":{{"name":{quoted(name)}}}}}'
        )

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up."""
        return (
            f'{{"event":"stop","sequence_number":{self._next()},"stream_sid":{self._stream},"stop":{{"call_sid":'
            f'{self._call},"account_sid":{quoted(self._account_sid)},"reason":{quoted(reason or "callended")}}}}}'
        )

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, marks and clears; `PeerError` for audio in sizes that Exotel cannot play."""
        heard = json_events.decode(_EVENT, message, self._max_message_bytes)
        match heard:
            case _Event(event="media", media=_Media(payload=payload)):
                if len(payload) % BLOCK_BYTES:
                    raise PeerError(
                        f"Audio came in {len(payload)} bytes; Exotel takes multiples of {BLOCK_BYTES}.",
                        code="malformed_message",
                    )
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


def _encoding(name: str) -> Encoding:
    return "s16le" if name.strip().lower() in _LINEAR else json_events.media_encoding(name)
