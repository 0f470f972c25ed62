"""Telnyx media streaming in bidirectional RTP mode: JSON text messages, base64 payloads without RTP headers.

The one thing to know before changing it: `start` announces only the encoding from Telnyx. What Telnyx expects from us
was chosen when the stream was ordered (`bidirectionalCodec`, PCMU unless the order says otherwise) and is never repeated.
L16 is RTP's name, yet on this WebSocket Telnyx's samples are little-endian; `l16_byteorder` is for the day that changes.
"""

import array
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, cast

import msgspec

from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import FieldReader
from vox.protocols.carriers.json_events import audio_events, base64_text, quoted
from vox.protocols.carriers.json_stream import JsonCarrier, JsonServer, Media, Text
from vox.protocols.carriers.reorder_buffer import ReorderBuffer
from vox.protocols.media_stream import Encoding, StreamAudio, StreamEvent, StreamStarted, WireMessage

_RTP_NAMES: Final[dict[Encoding, str]] = {"mulaw": "PCMU", "alaw": "PCMA", "s16le": "L16"}
MAX_DIGITS: Final = 15  # of a chunk number
_USER: Final = "00000000-0000-0000-0000-000000000000"


class _Format(msgspec.Struct):
    encoding: str = "PCMU"
    sample_rate: float | str = 8000


class _Start(msgspec.Struct):
    call_control_id: Text = ""
    user_id: Text = ""
    caller: Text = msgspec.field(default="", name="from")
    callee: Text = msgspec.field(default="", name="to")
    media_format: _Format = msgspec.field(default_factory=_Format)
    custom_parameters: dict[str, Any] | list[Any] | None = None


class _StartMessage(msgspec.Struct):
    start: _Start
    stream_id: Text = ""


_START: Final = FieldReader(_StartMessage)


class Server(JsonServer):
    """Our side of a Telnyx stream.

    Args:
        reply_encoding: what Telnyx was told to expect from us (`bidirectionalCodec`).
        reply_sample_rate: its rate in Hz; 8000 for both G.711 laws.
        l16_byteorder: byte order of L16 samples on the wire.
        max_message_bytes: larger messages are refused.
    """

    carrier: ClassVar[str] = "telnyx"

    def __init__(
        self,
        *,
        reply_encoding: Encoding = "mulaw",
        reply_sample_rate: int = 8000,
        l16_byteorder: Literal["little", "big"] = "little",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        super().__init__(max_message_bytes=max_message_bytes)
        self.reply_encoding: Encoding = reply_encoding
        self.reply_sample_rate = reply_sample_rate
        self._swaps = l16_byteorder == "big"
        self._audio_prefix = '{"event":"media","media":{"payload":"'
        self._order = ReorderBuffer()

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`; Telnyx takes 20 ms to 30 s a message."""
        if self._swaps and self.reply_encoding == "s16le":
            payload = _swapped(payload)
        return f'{self._audio_prefix}{base64_text(payload)}"}}}}'

    def mark(self, name: str) -> WireMessage | None:
        """A mark that Telnyx echoes."""
        return f'{{"event":"mark","mark":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Telnyx has not played yet."""
        return '{"event":"clear"}'

    def _heard(self, media: Media) -> list[StreamEvent]:
        """The caller's audio in the order of its chunk numbers; without a number it passes as it comes."""
        if not audio_events(media.payload, self._phase, self._encoding):
            return []
        number = _number(media.chunk)
        if number is None:
            return [StreamAudio(self._in_our_order(media.payload))]
        return [StreamAudio(self._in_our_order(payload)) for payload in self._order.put(number, media.payload)]

    def _stopped(self, stop: object) -> list[StreamEvent]:
        """The stream is over; audio that waits for a missing message comes before."""
        waiting = [StreamAudio(self._in_our_order(payload)) for payload in self._order.flush()]
        return [*waiting, *super()._stopped(stop)]

    def _in_our_order(self, payload: bytes) -> bytes:
        return _swapped(payload) if self._swaps and self._encoding == "s16le" else payload

    def _described(self, message: WireMessage) -> StreamStarted:
        heard = _START.read(message, self._max_message_bytes, self.dropped)
        start = heard.start
        return StreamStarted(
            carrier=self.carrier,
            stream_id=heard.stream_id,
            call_id=start.call_control_id,
            encoding=json_events.media_encoding(start.media_format.encoding),
            sample_rate=json_events.media_rate(start.media_format.sample_rate),
            caller=start.caller,
            callee=start.callee,
            account_id=start.user_id,
            parameters=self._parameters(_as_object(start.custom_parameters)),
        )


class Carrier(JsonCarrier):
    """Telnyx's side of the stream; `encoding` (at `sample_rate` Hz) is announced in `start`."""

    carrier: ClassVar[str] = "telnyx"

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """`connected` and `start`."""
        self._call, self._stream = quoted(call_id), quoted(stream_id)
        start = {
            "event": "start",
            "sequence_number": str(self._next()),
            "start": {
                "user_id": _USER,
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
        number = f'"chunk":"{self._chunk}",' if self.is_numbered else ""
        return (
            f'{{"event":"media","sequence_number":"{self._next()}","media":{{"track":"inbound",'
            f'{number}"timestamp":"{timestamp_ms}","payload":"{base64_text(payload)}"}},'
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
            f'{{"event":"stop","sequence_number":"{self._next()}","stop":{{"user_id":"{_USER}",'
            f'"call_control_id":{self._call}}},"stream_id":{self._stream}}}'
        )


def _as_object(raw: dict[str, Any] | list[Any] | None) -> dict[str, Any]:
    """Custom parameters come as an object or as a list of name and value."""
    if not isinstance(raw, list):
        return raw or {}
    found: dict[str, Any] = {}
    for item in raw:
        match item:
            case {"name": str() as name}:
                found[name] = cast("dict[str, Any]", item).get("value")
            case _:
                pass
    return found


def _number(chunk: int | str) -> int | None:
    if isinstance(chunk, str):
        return int(chunk) if chunk.isascii() and chunk.isdigit() and len(chunk) <= MAX_DIGITS else None
    return chunk


def _swapped(pcm: bytes) -> bytes:
    samples = array.array("h", pcm)
    samples.byteswap()
    return samples.tobytes()
