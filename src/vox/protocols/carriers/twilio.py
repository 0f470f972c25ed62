"""Twilio Media Streams, bidirectional (`<Connect><Stream>`): JSON text messages, µ-law 8 kHz both ways.

The one thing to know before changing it: Twilio echoes a mark both when the audio before it was played and when a
`clear` threw that audio away, so a mark alone does not say that the caller heard anything.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import FieldReader
from vox.protocols.carriers.json_events import base64_text, quoted
from vox.protocols.carriers.json_stream import Id, JsonCarrier, JsonServer, Text
from vox.protocols.media_stream import StreamStarted, WireMessage

_ACCOUNT: Final = "AC00000000000000000000000000000000"


class _Format(msgspec.Struct, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: float | str = 8000


class _Start(msgspec.Struct, rename="camel"):
    stream_sid: Id
    call_sid: Text = ""
    account_sid: Text = ""
    custom_parameters: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    media_format: _Format = msgspec.field(default_factory=_Format)


class _StartMessage(msgspec.Struct):
    start: _Start


_START: Final = FieldReader(_StartMessage)


class Server(JsonServer):
    """Our side of a Twilio stream.

    Twilio names neither caller nor callee in the stream: they are taken from the custom parameters `from` and `to`,
    which the webhook answer passes along.
    """

    carrier: ClassVar[str] = "twilio"

    def mark(self, name: str) -> WireMessage | None:
        """A mark that Twilio echoes."""
        return f'{{"event":"mark","streamSid":{self._stream},"mark":{{"name":{quoted(name)}}}}}'

    def clear(self) -> WireMessage | None:
        """Throws away what Twilio has not played yet."""
        return f'{{"event":"clear","streamSid":{self._stream}}}'

    def _described(self, message: WireMessage) -> StreamStarted:
        start = _START.read(message, self._max_message_bytes, self.dropped).start
        parameters = self._parameters(start.custom_parameters)
        self._stream = quoted(start.stream_sid)
        self._audio_prefix = f'{{"event":"media","streamSid":{self._stream},"media":{{"payload":"'
        return StreamStarted(
            carrier=self.carrier,
            stream_id=start.stream_sid,
            call_id=start.call_sid,
            encoding=json_events.media_encoding(start.media_format.encoding),
            sample_rate=json_events.media_rate(start.media_format.sample_rate),
            caller=parameters.get("from", ""),
            callee=parameters.get("to", ""),
            account_id=start.account_sid,
            parameters=parameters,
        )


class Carrier(JsonCarrier):
    """Twilio's side of the stream; caller and callee travel as the custom parameters `from` and `to`.

    Attributes:
        account_id: the account's name, in the messages that begin and end the stream.
    """

    carrier: ClassVar[str] = "twilio"
    account_id = _ACCOUNT

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        super().__init__(max_message_bytes=max_message_bytes)

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
                "accountSid": self.account_id,
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
            f'{{"event":"stop","sequenceNumber":"{self._next()}","stop":{{"accountSid":{quoted(self.account_id)},'
            f'"callSid":{self._call}}},"streamSid":{self._stream}}}'
        )
