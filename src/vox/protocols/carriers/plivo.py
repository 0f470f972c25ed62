"""Plivo audio streaming, bidirectional: JSON text messages, µ-law 8 kHz or L16 at 8 or 16 kHz.

The one thing to know before changing it: there is no `connected` message, the first message is already `start` and
the second one may be audio. After `clearAudio` Plivo acknowledges the clear and forgets its checkpoints.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from vox.protocols.carriers import json_events
from vox.protocols.carriers.json_events import Phase, base64_text, quoted
from vox.protocols.carriers.pending_marks import PendingMarks
from vox.protocols.media_stream import (
    AudioCleared,
    DigitPressed,
    Encoding,
    MarkReached,
    StreamAudio,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    WireMessage,
)

_CONTENT_TYPES: dict[Encoding, str] = {"mulaw": "audio/x-mulaw", "alaw": "audio/x-alaw", "s16le": "audio/x-l16"}


class _Media(msgspec.Struct, gc=False):
    payload: bytes = b""
    track: str = "inbound"


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: int | str = 8000


class _Start(msgspec.Struct, rename="camel"):
    call_id: str = ""
    stream_id: str = ""
    account_id: str = ""
    caller: str = msgspec.field(default="", name="from")
    callee: str = msgspec.field(default="", name="to")
    media_format: _Format = msgspec.field(default_factory=_Format)


class _Digit(msgspec.Struct):
    digit: str = ""


class _FromCarrier(msgspec.Struct):
    event: str
    media: _Media | None = None
    start: _Start | None = None
    dtmf: _Digit | None = None
    name: str = ""
    extra_headers: str | dict[str, Any] | None = None


class _FromServer(msgspec.Struct):
    event: str
    media: _Media | None = None
    name: str = ""
    dtmf: str = ""


_FROM_CARRIER = msgspec.json.Decoder(_FromCarrier)
_FROM_SERVER = msgspec.json.Decoder(_FromServer)
_HEADERS = msgspec.json.Decoder(dict[str, Any])


class Server:
    """Our side of a Plivo stream; it answers in the announced encoding.

    Caller and callee come from `start`, else from the extra headers `from` and `to`.
    """

    carrier: ClassVar[str] = "plivo"
    reply_encoding: Encoding
    reply_sample_rate: int

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        self.reply_encoding = "mulaw"
        self.reply_sample_rate = 8000
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._stream = '""'
        self._audio_prefix = ""
        self._marks = PendingMarks(json_events.MAX_PENDING_MARKS)

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; audio of the outbound track is ignored."""
        heard = json_events.decode(_FROM_CARRIER, message, self._max_message_bytes)
        match heard:
            case _FromCarrier(event="media", media=_Media() as media):
                if media.track != "inbound":
                    return []
                return json_events.audio_events(media.payload, self._phase, self.reply_encoding)
            case _FromCarrier(event="playedStream", name=name):
                self._marks.reached(name)
                return [MarkReached(json_events.identifier(name, "name of a checkpoint", may_be_empty=True))]
            case _FromCarrier(event="clearedAudio"):
                return self._marks.cleared()
            case _FromCarrier(event="dtmf", dtmf=_Digit(digit=digit)):
                return json_events.digit_events(digit)
            case _FromCarrier(event="start", start=_Start() as start):
                return [self._started(start, heard.extra_headers)]
            case _FromCarrier(event="stop"):
                if self._phase == "stopped":
                    return []
                self._phase = "stopped"
                return [StreamStopped("stop")]
            case _:
                return []

    def replies(self) -> list[WireMessage]:
        """None: Plivo expects no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`."""
        return f'{self._audio_prefix}{base64_text(payload)}"}}}}'

    def mark(self, name: str) -> WireMessage | None:
        """A checkpoint; Plivo says when it was played, we when it was cleared."""
        self._marks.sent(name)
        return f'{{"event":"checkpoint","streamId":{self._stream},"name":{quoted(name)}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Plivo has not played yet; its marks are reported once Plivo acknowledges."""
        self._marks.clearing()
        return f'{{"event":"clearAudio","streamId":{self._stream}}}'

    def digits(self, digits: str) -> list[WireMessage]:
        """Has Plivo play DTMF digits to the caller."""
        wanted = "".join(digit for digit in digits.upper() if digit in json_events.DIGITS)
        return [f'{{"event":"sendDTMF","dtmf":"{wanted}"}}'] if wanted else []

    def stop(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends a Plivo stream."""
        return None

    def _started(self, start: _Start, extra_headers: str | dict[str, Any] | None) -> StreamStarted:
        if self._phase != "waiting":
            raise json_events.out_of_order("a second start")
        parameters = json_events.parameters(_headers(extra_headers))
        started = StreamStarted(
            carrier=self.carrier,
            stream_id=json_events.identifier(start.stream_id, "streamId"),
            call_id=json_events.identifier(start.call_id, "callId"),
            encoding=json_events.media_encoding(start.media_format.encoding),
            sample_rate=json_events.media_rate(start.media_format.sample_rate),
            caller=json_events.identifier(start.caller or parameters.get("from", ""), "from", may_be_empty=True),
            callee=json_events.identifier(start.callee or parameters.get("to", ""), "to", may_be_empty=True),
            account_id=json_events.identifier(start.account_id, "accountId", may_be_empty=True),
            parameters=parameters,
        )
        self._phase = "streaming"
        self.reply_encoding, self.reply_sample_rate = started.encoding, started.sample_rate
        self._stream = quoted(started.stream_id)
        self._audio_prefix = (
            f'{{"event":"playAudio","streamId":{self._stream},"media":{{"contentType":'
            f'"{_CONTENT_TYPES[started.encoding]}","sampleRate":{started.sample_rate},"payload":"'
        )
        return started


class Carrier:
    """Plivo's side of the stream; parameters travel as extra headers (letters and digits survive, as with Plivo)."""

    carrier: ClassVar[str] = "plivo"
    encoding: Encoding
    sample_rate: int

    def __init__(
        self,
        *,
        encoding: Encoding = "mulaw",
        sample_rate: int = 8000,
        account_id: str = "MA00000000000000000000",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        self.encoding = encoding
        self.sample_rate = sample_rate
        self._account_id = account_id
        self._max_message_bytes = max_message_bytes
        self._stream = '""'
        self._sequence = 0
        self._chunk = 0

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """`start`; there is no message before it."""
        self._stream = quoted(stream_id)
        numbers = {key: value for key, value in (("from", caller), ("to", callee)) if value}
        start = {
            "event": "start",
            "sequenceNumber": self._next(),
            "start": {
                "callId": call_id,
                "streamId": stream_id,
                "accountId": self._account_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": _CONTENT_TYPES[self.encoding], "sampleRate": self.sample_rate},
            },
            "extra_headers": ";".join(f"{key}={value}" for key, value in {**numbers, **parameters}.items()),
        }
        return [msgspec.json.encode(start).decode()]

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio in `encoding`."""
        self._chunk += 1
        return (
            f'{{"event":"media","sequenceNumber":{self._next()},"streamId":{self._stream},"media":{{"track":"inbound",'
            f'"timestamp":"{timestamp_ms}","chunk":{self._chunk},"payload":"{base64_text(payload)}"}}}}'
        )

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return (
            f'{{"event":"dtmf","sequenceNumber":{self._next()},"streamId":{self._stream},'
            f'"dtmf":{{"track":"inbound","digit":{quoted(digit)}}}}}'
        )

    def mark_reached(self, name: str) -> WireMessage | None:
        """The audio before a checkpoint was played; after a clear Plivo sends none of these."""
        return f'{{"event":"playedStream","sequenceNumber":{self._next()},"streamId":{self._stream},"name":{quoted(name)}}}'

    def cleared(self) -> WireMessage:
        """Acknowledges `clearAudio`."""
        return f'{{"event":"clearedAudio","sequenceNumber":{self._next()},"streamId":{self._stream}}}'

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up."""
        return f'{{"event":"stop","sequenceNumber":{self._next()},"streamId":{self._stream}}}'

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, checkpoints, clears and digits."""
        heard = json_events.decode(_FROM_SERVER, message, self._max_message_bytes)
        match heard:
            case _FromServer(event="playAudio", media=_Media(payload=payload)):
                return [StreamAudio(payload)] if payload else []
            case _FromServer(event="checkpoint", name=name):
                return [MarkReached(json_events.identifier(name, "name of a checkpoint", may_be_empty=True))]
            case _FromServer(event="clearAudio"):
                return [AudioCleared()]
            case _FromServer(event="sendDTMF", dtmf=digits):
                json_events.identifier(digits, "list of digits", may_be_empty=True)
                return [DigitPressed(digit) for digit in digits.upper() if digit in json_events.DIGITS]
            case _:
                return []

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _headers(raw: str | dict[str, Any] | None) -> dict[str, Any]:
    """Extra headers come as an object, as its JSON text, or as `key=value` pairs parted by `;` or `,`."""
    if raw is None or isinstance(raw, dict):
        return raw or {}
    if raw.lstrip().startswith("{"):
        return json_events.decode(_HEADERS, raw, len(raw))
    pairs = (pair.partition("=") for pair in raw.replace(",", ";").split(";", json_events.MAX_PARAMETERS))
    return {key.strip(): value.strip() for key, _, value in pairs if key.strip()}
