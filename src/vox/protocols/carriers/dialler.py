"""The stream of VoxCore's dialler (`/ws/{bot_id}`): JSON text messages, 16-bit linear audio at 8 kHz, ids beside the event's name.

The one thing to know before changing it: the call begins with `answer`, the third message, not with `start`. Between the two the
other end rings, what is heard there is no speech, and nothing may be said. A dialler that sends audio without an `answer` has answered.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import Audio, DroppedFields, FieldReader
from vox.protocols.carriers.json_events import MAX_MESSAGE_BYTES, Phase, audio_events, base64_text, digit_events, quoted
from vox.protocols.carriers.json_stream import Text
from vox.protocols.media_stream import (
    AudioCleared,
    Encoding,
    StreamAudio,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    WireMessage,
)

SAMPLE_RATE: Final = 8000
BYTES_PER_MS: Final = 16
CONNECTED_FIELDS: Final = "connected_event"
"""The parameter that holds the whole `connected` message as JSON, as the bridge is given it."""
_ANYTHING: Final = msgspec.json.Decoder(dict[str, Any])


class _FromDialler(msgspec.Struct, gc=False):
    event: str
    payload: Audio = b""
    streamId: Text = ""  # noqa: N815  the wire's name
    callerId: Text = ""  # noqa: N815  the wire's name
    did: Text = ""
    callDirection: Text = ""  # noqa: N815  the wire's name
    disconnectedBy: Text = ""  # noqa: N815  the wire's name
    digit: Text = ""


_FROM_DIALLER: Final = FieldReader(_FromDialler)


class _ToDialler(msgspec.Struct, gc=False):
    event: str
    payload: bytes = b""
    message: str = ""
    transferTo: str = ""  # noqa: N815  the wire's name


_TO_DIALLER: Final = msgspec.json.Decoder(_ToDialler)


class Server:
    """Our side of the stream."""

    carrier: ClassVar[str] = "dialler"
    min_audio_bytes: ClassVar[int] = 0
    reply_encoding: Encoding = "s16le"
    reply_sample_rate: int = SAMPLE_RATE

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._is_described = False
        self._ids = _FromDialler("connected")
        self._connected: dict[str, Any] = {}
        self._chunk = 0
        self._prefix = self._suffix = ""
        self.dropped = DroppedFields()

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; audio from before the answer gives none."""
        heard = _FROM_DIALLER.read(message, self._max_message_bytes, self.dropped)
        match heard.event:
            case "media":
                if self._phase == "waiting":
                    return [*self._answered(), *audio_events(heard.payload, self._phase, "s16le")]
                return audio_events(heard.payload, self._phase, "s16le")
            case "connected" if self._phase == "waiting":
                self._connected = json_events.decode(_ANYTHING, message, self._max_message_bytes)
                self._connected.pop("event", None)
                self._learn(heard)
            case "start" if self._phase == "waiting":
                self._is_described = True
                self._learn(heard)
            case "answer" if self._phase == "waiting":
                return self._answered()
            case "dtmf":
                return digit_events(heard.digit) if self._phase == "streaming" else []
            case "hangup-call" if self._phase != "stopped":
                self._phase = "stopped"
                return [StreamStopped(heard.disconnectedBy or "customer")]
            case _:
                pass
        return []

    def replies(self) -> list[WireMessage]:
        """None: the dialler expects no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller."""
        self._chunk += 1
        duration = len(payload) // BYTES_PER_MS
        return (
            f'{self._prefix}"chunk":{self._chunk},"chunk_durn_ms":{duration},"payload":"{base64_text(payload)}"'
            f"{self._suffix}"
        )

    def mark(self, name: str) -> WireMessage | None:
        """None: the dialler has no marks."""
        del name
        return None

    def clear(self) -> WireMessage | None:
        """Throws away what the dialler has not played yet."""
        return self._control("reverse-media-stop")

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        del digits
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """Drops the call, unless the other side has."""
        if self._phase == "stopped":
            return None
        self._phase = "stopped"
        return self._control("reverse-hangup-call", source="ai", message="Call ended by bot", reason=reason)

    def transfer(self, to: str) -> WireMessage:
        """Hands the call over to another number."""
        return self._control("reverse-call-transfer", transferTo=to)

    def _learn(self, heard: _FromDialler) -> None:
        known = self._ids
        self._ids = _FromDialler(
            "connected",
            streamId=heard.streamId or known.streamId,
            callerId=heard.callerId or known.callerId,
            did=heard.did or known.did,
            callDirection=heard.callDirection or known.callDirection,
        )

    def _answered(self) -> list[StreamEvent]:
        if not (self._is_described or self._connected):
            raise json_events.out_of_order("audio or an answer before the stream was described")
        self._phase = "streaming"
        ids = self._ids
        self._prefix = (
            f'{{"event":"reverse-media","did":{quoted(ids.did)},"streamId":{quoted(ids.streamId)},"callerId":'
            f'{quoted(ids.callerId)},"callDirection":{quoted(ids.callDirection)},"encoding":"LINEAR","source":"ai","RevMediaQ":0,'
        )
        self._suffix = "}"
        given = json_events.parameters(self._connected)
        given[CONNECTED_FIELDS] = msgspec.json.encode(self._connected).decode()
        return [
            StreamStarted(
                carrier=self.carrier,
                stream_id=ids.streamId,
                call_id=ids.streamId,
                encoding="s16le",
                sample_rate=SAMPLE_RATE,
                caller=ids.callerId,
                callee=ids.did,
                parameters=given,
            )
        ]

    def _control(self, event: str, **more: str) -> str:
        ids = self._ids
        body = {"event": event, "streamId": ids.streamId, "callerId": ids.callerId, **more}
        return msgspec.json.encode(body).decode()


class Carrier:
    """The dialler's side of the stream.

    Args:
        is_answered_at_once: whether `answer` follows the opening messages; otherwise the caller sends `answer()` later.
    """

    carrier: ClassVar[str] = "dialler"
    encoding: Encoding = "s16le"
    sample_rate: int = SAMPLE_RATE
    is_numbered = False

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES, is_answered_at_once: bool = True) -> None:
        self._max_message_bytes = max_message_bytes
        self._is_answered_at_once = is_answered_at_once

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """`connected`, `start` and, unless that comes later, `answer`."""
        del call_id
        connected = {**parameters, "event": "connected", "callerId": caller, "did": callee, "streamId": stream_id}
        media = {"encoding": "LINEAR", "sampleRate": SAMPLE_RATE, "channels": 1}
        opening = [
            msgspec.json.encode({"callDirection": "incoming", **connected}).decode(),
            msgspec.json.encode({"event": "start", "streamId": stream_id, "mediaFormat": media}).decode(),
        ]
        return [*opening, self.answer()] if self._is_answered_at_once else [*opening]

    def answer(self) -> str:
        """The other end has answered."""
        return '{"event":"answer"}'

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio."""
        del timestamp_ms
        return f'{{"event":"media","payload":"{base64_text(payload)}"}}'

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return f'{{"event":"dtmf","digit":{quoted(digit)}}}'

    def mark_reached(self, name: str) -> WireMessage | None:
        """None: the dialler has no marks."""
        del name
        return None

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up."""
        return f'{{"event":"hangup-call","disconnectedBy":{quoted(reason or "customer")}}}'

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio and clears, and the end of the call; a transfer ends it, too."""
        heard = json_events.decode(_TO_DIALLER, message, self._max_message_bytes)
        match heard.event:
            case "reverse-media":
                return [StreamAudio(heard.payload)] if heard.payload else []
            case "reverse-media-stop":
                return [AudioCleared()]
            case "reverse-hangup-call":
                return [StreamStopped(heard.message or "bot")]
            case "reverse-call-transfer":
                return [StreamStopped(f"transfer_to {heard.transferTo}")]
            case _:
                return []
