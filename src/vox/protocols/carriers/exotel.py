"""Exotel's Voicebot applet: JSON text messages with snake_case keys, 16-bit linear audio at 8, 16 or 24 kHz.

The one thing to know before changing it: Exotel plays audio badly unless each payload is a multiple of 320 bytes between
3,200 and 100,000, so `audio` fills up with silence; the sender gathers `min_audio_bytes` before. The `encoding` it announces is a word of its own, `base64` or `audio/x-raw`, which means
linear samples.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from vox.errors import PeerError
from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import FieldReader
from vox.protocols.carriers.json_events import base64_text, quoted
from vox.protocols.carriers.json_stream import Id, JsonCarrier, JsonServer, Text
from vox.protocols.media_stream import Encoding, StreamAudio, StreamEvent, StreamStarted, WireMessage

BLOCK_BYTES: Final = 320
MIN_AUDIO_BYTES: Final = 3_200
MAX_AUDIO_BYTES: Final = 100_000
_LINEAR: Final = frozenset({"", "base64", "audio/x-raw", "raw/slin", "slin", "slin16", "linear16", "pcm", "raw"})
_SILENCE: Final[dict[Encoding, bytes]] = {"s16le": b"\x00", "mulaw": b"\xff", "alaw": b"\xd5"}
_NAMES: Final[dict[Encoding, str]] = {"s16le": "base64", "mulaw": "audio/x-mulaw", "alaw": "audio/x-alaw"}
_ACCOUNT: Final = "exotel1"


class _Format(msgspec.Struct):
    encoding: str = "base64"
    sample_rate: float | str = 8000


class _Start(msgspec.Struct):
    stream_sid: Id
    call_sid: Text = ""
    account_sid: Text = ""
    caller: Text = msgspec.field(default="", name="from")
    callee: Text = msgspec.field(default="", name="to")
    custom_parameters: dict[str, Any] | None = None
    media_format: _Format = msgspec.field(default_factory=_Format)


class _StartMessage(msgspec.Struct):
    start: _Start


_START: Final = FieldReader(_StartMessage)


class Server(JsonServer):
    """Our side of an Exotel stream; it answers in the announced encoding and rate.

    Closing the socket ends the applet, and the call goes on to the flow's next one.
    """

    carrier: ClassVar[str] = "exotel"
    min_audio_bytes: ClassVar[int] = MIN_AUDIO_BYTES
    reply_encoding: Encoding = "s16le"

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`, filled up with silence to 3,200 bytes and a multiple of 320."""
        size = max(MIN_AUDIO_BYTES, len(payload) + -len(payload) % BLOCK_BYTES)
        if payload and (missing := size - len(payload)):
            payload += _SILENCE[self.reply_encoding] * missing
        return f'{self._audio_prefix}{base64_text(payload)}"}}}}'

    def mark(self, name: str) -> WireMessage | None:
        """A mark that Exotel echoes."""
        return f'{{"event":"mark","stream_sid":{self._stream},"mark":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Exotel has not played yet."""
        return f'{{"event":"clear","stream_sid":{self._stream}}}'

    def _described(self, message: WireMessage) -> StreamStarted:
        start = _START.read(message, self._max_message_bytes, self.dropped).start
        encoding = self.reply_encoding = _encoding(start.media_format.encoding)
        sample_rate = self.reply_sample_rate = json_events.media_rate(start.media_format.sample_rate)
        self._stream = quoted(start.stream_sid)
        self._audio_prefix = f'{{"event":"media","stream_sid":{self._stream},"media":{{"payload":"'
        return StreamStarted(
            carrier=self.carrier,
            stream_id=start.stream_sid,
            call_id=start.call_sid,
            encoding=encoding,
            sample_rate=sample_rate,
            caller=start.caller,
            callee=start.callee,
            account_id=start.account_sid,
            parameters=self._parameters(start.custom_parameters or {}),
        )


class Carrier(JsonCarrier):
    """Exotel's side of the stream.

    Attributes:
        account_id: the account's name, in the messages that begin and end the stream.
    """

    carrier: ClassVar[str] = "exotel"
    account_id = _ACCOUNT

    def __init__(
        self,
        *,
        encoding: Encoding = "s16le",
        sample_rate: int = 8000,
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        super().__init__(encoding=encoding, sample_rate=sample_rate, max_message_bytes=max_message_bytes)

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
                "account_sid": self.account_id,
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
            f'{self._call},"account_sid":{quoted(self.account_id)},"reason":{quoted(reason or "callended")}}}}}'
        )

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, marks and clears; `PeerError` for audio in sizes that Exotel cannot play."""
        events = super().receive(message)
        for event in events:
            if isinstance(event, StreamAudio) and not _is_playable(len(event.payload)):
                raise PeerError(
                    f"Audio came in {len(event.payload)} bytes; Exotel takes multiples of {BLOCK_BYTES} between"
                    f" {MIN_AUDIO_BYTES} and {MAX_AUDIO_BYTES}.",
                    code="malformed_message",
                )
        return events


def _is_playable(size: int) -> bool:
    return MIN_AUDIO_BYTES <= size <= MAX_AUDIO_BYTES and not size % BLOCK_BYTES


def _encoding(name: str) -> Encoding:
    return "s16le" if name.strip().lower() in _LINEAR else json_events.media_encoding(name)
