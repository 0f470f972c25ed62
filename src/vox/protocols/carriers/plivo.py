"""Plivo audio streaming, bidirectional: JSON text messages, µ-law 8 kHz or L16 at 8 or 16 kHz.

The one thing to know before changing it: there is no `connected` message, the first message is already `start` and
the second one may be audio. After `clearAudio` Plivo acknowledges the clear and forgets its checkpoints.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import FieldReader
from vox.protocols.carriers.json_events import base64_text, quoted
from vox.protocols.carriers.json_stream import FromCarrier, Id, JsonCarrier, JsonServer, Media, Text
from vox.protocols.carriers.pending_marks import PendingMarks
from vox.protocols.media_stream import (
    AudioCleared,
    DigitPressed,
    Encoding,
    MarkReached,
    StreamAudio,
    StreamEvent,
    StreamStarted,
    WireMessage,
)

_CONTENT_TYPES: Final[dict[Encoding, str]] = {
    "mulaw": "audio/x-mulaw",
    "alaw": "audio/x-alaw",
    "s16le": "audio/x-l16",
}
_OWN_PREFIX: Final = re.compile("^X-PH-", re.IGNORECASE)
_PAIR: Final = re.compile("([=:])")
_AROUND: Final = " \t\r\n\"'"  # blanks and quotes around a header's name and value
_ACCOUNT: Final = "MA00000000000000000000"


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: float | str = 8000


class _Start(msgspec.Struct, rename="camel"):
    stream_id: Id
    call_id: Text = ""
    account_id: Text = ""
    caller: Text = msgspec.field(default="", name="from")
    callee: Text = msgspec.field(default="", name="to")
    media_format: _Format = msgspec.field(default_factory=_Format)


class _StartMessage(msgspec.Struct):
    start: _Start
    extra_headers: str | dict[str, Any] | None = None


class _FromServer(msgspec.Struct):
    event: str
    media: Media | None = None
    name: Text = ""
    dtmf: Text = ""


_START: Final = FieldReader(_StartMessage)
_FROM_SERVER: Final = msgspec.json.Decoder(_FromServer)
_HEADERS: Final = msgspec.json.Decoder(dict[str, Any])


class Server(JsonServer):
    """Our side of a Plivo stream; it answers in the announced encoding.

    Caller and callee come from `start`, else from the extra headers `from` and `to`.
    """

    carrier: ClassVar[str] = "plivo"
    reply_encoding: Encoding = "mulaw"

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        super().__init__(max_message_bytes=max_message_bytes)
        self._marks = PendingMarks(json_events.MAX_PENDING_MARKS)

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
        playable = "".join(digit for digit in digits.upper() if digit in json_events.DIGITS)
        return [f'{{"event":"sendDTMF","dtmf":"{playable}"}}'] if playable else []

    def _acknowledged(self, heard: FromCarrier) -> list[StreamEvent]:
        match heard.event:
            case "playedStream":
                self._marks.reached(heard.name)
                return [MarkReached(heard.name)] if heard.name else []
            case "clearedAudio":
                return self._marks.cleared()
            case _:
                return []

    def _described(self, message: WireMessage) -> StreamStarted:
        heard = _START.read(message, self._max_message_bytes, self.dropped)
        start = heard.start
        parameters = self._parameters(_headers(heard.extra_headers))
        encoding = self.reply_encoding = json_events.media_encoding(start.media_format.encoding)
        sample_rate = self.reply_sample_rate = json_events.media_rate(start.media_format.sample_rate)
        self._stream = quoted(start.stream_id)
        self._audio_prefix = (
            f'{{"event":"playAudio","streamId":{self._stream},"media":{{"contentType":'
            f'"{_CONTENT_TYPES[encoding]}","sampleRate":{sample_rate},"payload":"'
        )
        return StreamStarted(
            carrier=self.carrier,
            stream_id=start.stream_id,
            call_id=start.call_id,
            encoding=encoding,
            sample_rate=sample_rate,
            caller=start.caller or parameters.get("from", ""),
            callee=start.callee or parameters.get("to", ""),
            account_id=start.account_id,
            parameters=parameters,
        )


class Carrier(JsonCarrier):
    """Plivo's side of the stream; parameters travel as extra headers (letters and digits survive, as with Plivo).

    Attributes:
        account_id: the account's name, in the message that begins the stream.
    """

    carrier: ClassVar[str] = "plivo"
    account_id = _ACCOUNT

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
                "accountId": self.account_id,
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
        """The server's audio, checkpoints, clears and digits, each in Plivo's own word."""
        heard = json_events.decode(_FROM_SERVER, message, self._max_message_bytes)
        match heard.event:
            case "playAudio" if heard.media is not None:
                return [StreamAudio(heard.media.payload)] if heard.media.payload else []
            case "checkpoint":
                return [MarkReached(heard.name)]
            case "clearAudio":
                return [AudioCleared()]
            case "sendDTMF":
                return [DigitPressed(digit) for digit in heard.dtmf.upper() if digit in json_events.DIGITS]
            case _:
                return []


def _headers(raw: str | dict[str, Any] | None) -> dict[str, Any]:
    """Extra headers come in four forms; Plivo's prefix `X-PH-` is no part of their names.

    An object, its JSON text, `key=value` pairs parted by `;` or `,`, or the documented `{X-PH-key1: value1}`.
    """
    found = raw if isinstance(raw, dict) else _pairs(raw or "")
    return {_OWN_PREFIX.sub("", key): value for key, value in found.items()}


def _pairs(text: str) -> dict[str, Any]:
    inner = text.strip()
    if inner.startswith("{"):
        try:
            return _HEADERS.decode(inner)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            inner = inner.removeprefix("{").removesuffix("}")
    found: dict[str, Any] = {}
    for pair in inner.replace(",", ";").split(";", json_events.MAX_PARAMETERS):
        key, _, value = _PAIR.split(pair, maxsplit=1) if _PAIR.search(pair) else (pair, "", "")
        if key := key.strip(_AROUND):
            found[key] = value.strip(_AROUND)
    return found
