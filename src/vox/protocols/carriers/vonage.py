"""Vonage Voice API WebSocket: binary frames of 16-bit linear audio, JSON text messages for everything else.

The one thing to know before changing it: Vonage identifies the call in no field of its own. `websocket:connected`
repeats the headers of the NCCO, so the call's id, caller and callee are there only if the answer put them there.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from vox.errors import PeerError
from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import DroppedFields
from vox.protocols.carriers.json_events import Phase, quoted
from vox.protocols.carriers.pending_marks import PendingMarks
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

_MESSAGE = msgspec.json.Decoder(dict[str, Any])
_CALL_IDS = ("uuid", "call_uuid", "conversation_uuid")
_CONTENT_TYPE = "audio/l16;rate=16000"
_OWN_KEYS = frozenset({"event", "content-type"})


class Server:
    """Our side of a Vonage stream; it answers at the announced rate.

    Marks are `notify` commands; those a `clear` throws away are reported when Vonage says `websocket:cleared`.
    """

    carrier: ClassVar[str] = "vonage"
    min_audio_bytes: ClassVar[int] = 0
    reply_encoding: Encoding = "s16le"
    reply_sample_rate: int

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        self.reply_sample_rate = 16000
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._marks = PendingMarks(json_events.MAX_PENDING_MARKS)
        self.dropped = DroppedFields()

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; every binary message is audio."""
        if isinstance(message, bytes):
            json_events.check_size(message, self._max_message_bytes)
            return json_events.audio_events(message, self._phase, "s16le")
        heard = json_events.decode(_MESSAGE, message, self._max_message_bytes)
        match heard.get("event"):
            case "websocket:connected":
                return [self._started(heard)]
            case "websocket:dtmf":
                return json_events.digit_events(_digit(heard))
            case "websocket:notify":
                name = _mark_name(heard)
                if name is None:
                    return []
                self._marks.reached(name)
                return [MarkReached(name)]
            case "websocket:cleared":
                return self._marks.cleared()
            case "websocket:disconnected" if self._phase != "stopped":
                self._phase = "stopped"
                return [StreamStopped("disconnected")]
            case _:
                return []

    def replies(self) -> list[WireMessage]:
        """None: Vonage expects no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller; Vonage wants 20 ms in each binary message."""
        return payload

    def mark(self, name: str) -> WireMessage | None:
        """Asks to be notified when the audio before was played."""
        self._marks.sent(name)
        return f'{{"action":"notify","payload":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Vonage has not played yet."""
        self._marks.clearing()
        return '{"action":"clear"}'

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends a Vonage stream."""
        return None

    def _started(self, heard: dict[str, Any]) -> StreamStarted:
        if self._phase != "waiting":
            raise json_events.out_of_order("a second websocket:connected")
        content_type = heard.get("content-type", _CONTENT_TYPE)
        if not isinstance(content_type, str):
            self.dropped.add("content-type")
            content_type = _CONTENT_TYPE
        if json_events.media_encoding(content_type) != "s16le":
            raise PeerError("The WebSocket carries no audio/l16.", code="unsupported_media")
        own = {key: value for key, value in heard.items() if key not in _OWN_KEYS}
        headers = json_events.parameters(own)
        for _ in range(len(own) - len(headers)):
            self.dropped.add("headers")
        call_id = next((headers[key] for key in _CALL_IDS if headers.get(key)), "")
        started = StreamStarted(
            carrier=self.carrier,
            stream_id=headers.get("stream_id", call_id),
            call_id=call_id,
            encoding="s16le",
            sample_rate=json_events.media_rate(_rate(content_type)),
            caller=headers.get("from", ""),
            callee=headers.get("to", ""),
            account_id=headers.get("account_id", ""),
            parameters=headers,
        )
        self._phase = "streaming"
        self.reply_sample_rate = started.sample_rate
        return started


class Carrier:
    """Vonage's side of the stream; the call's ids and numbers travel as NCCO headers."""

    carrier: ClassVar[str] = "vonage"
    encoding: Encoding = "s16le"
    sample_rate: int

    def __init__(self, *, sample_rate: int = 16000, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        self.sample_rate = sample_rate
        self._max_message_bytes = max_message_bytes

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """`websocket:connected` with the headers of the NCCO."""
        headers = {"uuid": call_id, "stream_id": stream_id, "from": caller, "to": callee}
        connected = {
            **parameters,
            **{key: value for key, value in headers.items() if value},
            "event": "websocket:connected",
            "content-type": f"audio/l16;rate={self.sample_rate}",
        }
        return [msgspec.json.encode(connected).decode()]

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio, s16le, 20 ms in a binary message."""
        return payload

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return f'{{"event":"websocket:dtmf","digit":{quoted(digit)},"duration":260}}'

    def mark_reached(self, name: str) -> WireMessage | None:
        """The audio before a `notify` was played; after a clear Vonage sends none of these."""
        return f'{{"event":"websocket:notify","payload":{{"name":{quoted(name)}}}}}'

    def cleared(self) -> WireMessage:
        """Acknowledges a clear."""
        return '{"event":"websocket:cleared"}'

    def close(self, reason: str = "") -> WireMessage | None:
        """None: Vonage closes the socket when the caller hangs up."""
        return None

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, notifies and clears."""
        if isinstance(message, bytes):
            json_events.check_size(message, self._max_message_bytes)
            return [StreamAudio(message)] if message else []
        heard = json_events.decode(_MESSAGE, message, self._max_message_bytes)
        match heard.get("action"):
            case "notify":
                name = _mark_name(heard)
                return [] if name is None else [MarkReached(name)]
            case "clear":
                return [AudioCleared()]
            case _:
                return []


def _rate(content_type: str) -> str:
    """The rate in a content type; Vonage's default is 16 kHz."""
    for item in content_type.lower().split(";")[1:]:
        key, _, value = item.partition("=")
        if key.strip() == "rate":
            return value.strip()
    return "16000"


def _digit(heard: dict[str, Any]) -> str:
    """The digit stands at the top or, in older forms, inside `dtmf`."""
    match heard:
        case {"digit": str() as digit}:
            return digit
        case {"dtmf": {"digit": str() as digit}}:
            return digit
        case _:
            return ""


def _mark_name(heard: dict[str, Any]) -> str | None:
    match heard:
        case {"payload": {"name": str() as name}}:
            return json_events.identifier(name, "name of a mark", may_be_empty=True)
        case _:
            return None
