"""Twilio Media Streams, bidirectional (`<Connect><Stream>`): JSON text messages, µ-law 8 kHz both ways.

The one thing to know before changing it: Twilio echoes a mark both when the audio before it was played and when a
`clear` threw that audio away, so a mark alone does not say that the caller heard anything.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

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


class _Media(msgspec.Struct, gc=False):
    payload: bytes = b""
    track: str = "inbound"


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: int | str = 8000


class _Start(msgspec.Struct, rename="camel"):
    stream_sid: str = ""
    call_sid: str = ""
    account_sid: str = ""
    custom_parameters: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    media_format: _Format = msgspec.field(default_factory=_Format)


class _Digit(msgspec.Struct):
    digit: str = ""


class _Mark(msgspec.Struct):
    name: str = ""


class _FromCarrier(msgspec.Struct):
    event: str
    media: _Media | None = None
    start: _Start | None = None
    dtmf: _Digit | None = None
    mark: _Mark | None = None


class _FromServer(msgspec.Struct):
    event: str
    media: _Media | None = None
    mark: _Mark | None = None


_FROM_CARRIER = msgspec.json.Decoder(_FromCarrier)
_FROM_SERVER = msgspec.json.Decoder(_FromServer)


class Server:
    """Our side of a Twilio stream.

    Twilio names neither caller nor callee in the stream: they are taken from the custom parameters `from` and `to`,
    which the webhook answer passes along.
    """

    carrier: ClassVar[str] = "twilio"
    reply_encoding: Encoding = "mulaw"
    reply_sample_rate: int = 8000

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._encoding: Encoding = "mulaw"
        self._stream = '""'
        self._audio_prefix = ""

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; audio of the outbound track is ignored."""
        heard = json_events.decode(_FROM_CARRIER, message, self._max_message_bytes)
        match heard:
            case _FromCarrier(event="media", media=_Media() as media):
                if media.track != "inbound":
                    return []
                return json_events.audio_events(media.payload, self._phase, self._encoding)
            case _FromCarrier(event="mark", mark=_Mark(name=name)):
                return [MarkReached(json_events.identifier(name, "name of a mark", may_be_empty=True))]
            case _FromCarrier(event="dtmf", dtmf=_Digit(digit=digit)):
                return json_events.digit_events(digit)
            case _FromCarrier(event="start", start=_Start() as start):
                return [self._started(start)]
            case _FromCarrier(event="stop"):
                if self._phase == "stopped":
                    return []
                self._phase = "stopped"
                return [StreamStopped("stop")]
            case _:
                return []

    def replies(self) -> list[WireMessage]:
        """None: Twilio expects no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller, µ-law 8 kHz."""
        return f'{self._audio_prefix}{base64_text(payload)}"}}}}'

    def mark(self, name: str) -> WireMessage | None:
        """A mark that Twilio echoes."""
        return f'{{"event":"mark","streamSid":{self._stream},"mark":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Twilio has not played yet."""
        return f'{{"event":"clear","streamSid":{self._stream}}}'

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends a Twilio stream."""
        return None

    def _started(self, start: _Start) -> StreamStarted:
        if self._phase != "waiting":
            raise json_events.out_of_order("a second start")
        parameters = json_events.parameters(start.custom_parameters)
        started = StreamStarted(
            carrier=self.carrier,
            stream_id=json_events.identifier(start.stream_sid, "streamSid"),
            call_id=json_events.identifier(start.call_sid, "callSid"),
            encoding=json_events.media_encoding(start.media_format.encoding),
            sample_rate=json_events.media_rate(start.media_format.sample_rate),
            caller=parameters.get("from", ""),
            callee=parameters.get("to", ""),
            account_id=json_events.identifier(start.account_sid, "accountSid", may_be_empty=True),
            parameters=parameters,
        )
        self._phase = "streaming"
        self._encoding = started.encoding
        self._stream = quoted(started.stream_id)
        self._audio_prefix = f'{{"event":"media","streamSid":{self._stream},"media":{{"payload":"'
        return started


class Carrier:
    """Twilio's side of the stream; caller and callee travel as the custom parameters `from` and `to`."""

    carrier: ClassVar[str] = "twilio"
    encoding: Encoding = "mulaw"
    sample_rate: int = 8000

    def __init__(
        self,
        *,
        account_sid: str = "AC00000000000000000000000000000000",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
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
        numbers = {key: value for key, value in (("from", caller), ("to", callee)) if value}
        start = {
            "event": "start",
            "sequenceNumber": str(self._next()),
            "start": {
                "accountSid": self._account_sid,
                "streamSid": stream_id,
                "callSid": call_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {**numbers, **parameters},
            },
            "streamSid": stream_id,
        }
        return ['{"event":"connected","protocol":"Call","version":"1.0.0"}', msgspec.json.encode(start).decode()]

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio, µ-law 8 kHz."""
        self._chunk += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self._next()}","media":{{"track":"inbound","chunk":"{self._chunk}",'
            f'"timestamp":"{timestamp_ms}","payload":"{base64_text(payload)}"}},"streamSid":{self._stream}}}'
        )

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return (
            f'{{"event":"dtmf","streamSid":{self._stream},"sequenceNumber":"{self._next()}",'
            f'"dtmf":{{"track":"inbound_track","digit":{quoted(digit)}}}}}'
        )

    def mark_reached(self, name: str) -> WireMessage | None:
        """Echoes a mark of the server."""
        return (
            f'{{"event":"mark","sequenceNumber":"{self._next()}","streamSid":{self._stream},'
            f'"mark":{{"name":{quoted(name)}}}}}'
        )

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up."""
        return (
            f'{{"event":"stop","sequenceNumber":"{self._next()}","stop":{{"accountSid":{quoted(self._account_sid)},'
            f'"callSid":{self._call}}},"streamSid":{self._stream}}}'
        )

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, marks and clears."""
        heard = json_events.decode(_FROM_SERVER, message, self._max_message_bytes)
        match heard:
            case _FromServer(event="media", media=_Media(payload=payload)):
                return [StreamAudio(payload)] if payload else []
            case _FromServer(event="mark", mark=_Mark(name=name)):
                return [MarkReached(json_events.identifier(name, "name of a mark", may_be_empty=True))]
            case _FromServer(event="clear"):
                return [AudioCleared()]
            case _:
                return []

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence
