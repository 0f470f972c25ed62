"""Genesys Cloud AudioHook 2 (Audio Connector): binary audio, JSON text messages with sequence numbers both ways.

The one thing to know before changing it: the client (Genesys) opens, pings and closes, and each of these wants its
answer at once (`replies`). A message carries its sender's own number and the last one it saw of the other side.
AudioHook has no marks; what was played has to be reckoned from the time.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import msgspec

from vox.errors import PeerError
from vox.protocols.carriers import json_events
from vox.protocols.carriers.field_reader import DroppedFields, FieldReader
from vox.protocols.carriers.json_events import Phase
from vox.protocols.carriers.json_stream import Id, Text
from vox.protocols.media_stream import (
    AudioCleared,
    Encoding,
    StreamAudio,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    WireMessage,
)

NIL_UUID: Final = "00000000-0000-0000-0000-000000000000"
MAX_REPLIES: Final = 32  # answers kept until `replies` is called; the oldest is dropped beyond that

MAX_CHANNELS: Final = 2  # the caller and the other side
_CALLER: Final = "external"
_FORMATS: Final[dict[str, Encoding]] = {"PCMU": "mulaw", "L16": "s16le"}
_FORMAT_NAMES: Final[dict[Encoding, str]] = {"mulaw": "PCMU", "s16le": "L16"}


class _Media(msgspec.Struct):
    type: str = "audio"
    format: str = "PCMU"
    channels: list[str] = msgspec.field(default_factory=list[str])
    rate: int = 8000


class _Participant(msgspec.Struct):
    ani: Text = ""
    dnis: Text = ""


class _Open(msgspec.Struct, rename="camel"):
    organization_id: Text = ""
    conversation_id: Text = ""
    participant: _Participant = msgspec.field(default_factory=_Participant)
    media: list[_Media] = msgspec.field(default_factory=list[_Media])
    input_variables: dict[str, Any] | None = None


class _Opened(msgspec.Struct):
    media: list[_Media] = msgspec.field(default_factory=list[_Media])


class _Entity(msgspec.Struct):
    type: str = ""


class _Events(msgspec.Struct):
    entities: list[_Entity] = msgspec.field(default_factory=list[_Entity])


class _FromClient(msgspec.Struct):
    type: str
    id: Id
    version: str = "2"
    seq: int | None = None
    serverseq: int = 0
    parameters: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class _FromServer(msgspec.Struct):
    type: str
    id: str = ""
    seq: int = 0
    clientseq: int = 0
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


_FROM_CLIENT = FieldReader(_FromClient)
_FROM_SERVER = msgspec.json.Decoder(_FromServer)
_OPEN = FieldReader(_Open)
_OPENED = msgspec.json.Decoder(_Opened)
_EVENTS = msgspec.json.Decoder(_Events)


class Server:
    """Our side of an AudioHook session.

    It takes the caller's channel (`external`) alone where that is offered, PCMU before L16; else the first offer that
    holds it beside others, of which only the caller's is heard. Our audio is mono. A connection probe (nil
    conversation id) is opened and closed without ever becoming a call.
    """

    carrier: ClassVar[str] = "genesys"
    min_audio_bytes: ClassVar[int] = 0
    reply_encoding: Encoding
    reply_sample_rate: int = 8000

    def __init__(self, *, max_message_bytes: int = json_events.MAX_MESSAGE_BYTES) -> None:
        self.reply_encoding = "mulaw"
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._is_closed = False
        self._session = ""
        self._channel, self._channels = 0, 1  # where in the interleaved audio the caller is
        self._seq = 0
        self._client_seq = 0
        self.dropped = DroppedFields()
        self._replies: deque[WireMessage] = deque(maxlen=MAX_REPLIES)

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; every binary message is audio."""
        if isinstance(message, bytes):
            json_events.check_size(message, self._max_message_bytes)
            return json_events.audio_events(self._callers(message), self._phase, self.reply_encoding)
        heard = _FROM_CLIENT.read(message, self._max_message_bytes, self.dropped)
        self._check_order(heard)
        match heard.type:
            case "open":
                return self._opened(heard)
            case "ping":
                self._reply("pong")
            case "update":
                self._reply("updated")
            case "close":
                return self._closed(heard.parameters)
            case "dtmf" | "event":
                return json_events.digit_events(_digit(heard.parameters))
            case _:  # paused, resumed, discarded, error, playback_started, playback_completed
                pass
        return []

    def replies(self) -> list[WireMessage]:
        """Takes the answers that Genesys waits for."""
        taken = list(self._replies)
        self._replies.clear()
        return taken

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`, 8 kHz."""
        return payload

    def mark(self, name: str) -> WireMessage | None:
        """None: AudioHook has no marks."""
        return None

    def clear(self) -> WireMessage | None:
        """A `barge_in` event, upon which Genesys stops playing what it has."""
        if self._phase != "streaming":
            return None
        return self._message("event", {"entities": [{"type": "barge_in", "data": {}}]})

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """Asks Genesys to close the session; it answers with `close`, and the flow goes on."""
        if self._phase != "streaming":
            return None
        self._phase = "stopped"
        return self._message(
            "disconnect", {"reason": "completed", "info": reason} if reason else {"reason": "completed"}
        )

    def _check_order(self, heard: _FromClient) -> None:
        """Numbers may skip (a message we refused) but never go back; every message belongs to the opened session."""
        if heard.version != "2":
            raise PeerError("AudioHook version 2 is required.", code="malformed_message")
        if (heard.seq is not None and heard.seq <= self._client_seq) or not 0 <= heard.serverseq <= self._seq:
            raise json_events.out_of_order("a sequence number out of order")
        if heard.type != "open" and heard.id != self._session:
            raise json_events.out_of_order("a message of another session")
        if (heard.type == "open") != (not self._session):
            raise json_events.out_of_order("a second open, or something before the open")
        self._client_seq = self._client_seq + 1 if heard.seq is None else heard.seq

    def _callers(self, interleaved: bytes) -> bytes:
        """The caller's channel of a binary message."""
        if self._channels == 1:
            return interleaved
        size = 2 if self.reply_encoding == "s16le" else 1
        if len(interleaved) % (size * self._channels):
            raise PeerError("Audio came with a part of its channels.", code="malformed_message")
        if size == 1:
            return interleaved[self._channel :: self._channels]
        return memoryview(interleaved).cast("H")[self._channel :: self._channels].tobytes()

    def _opened(self, heard: _FromClient) -> list[StreamEvent]:
        asked = _OPEN.read(msgspec.json.encode(heard.parameters), self._max_message_bytes, self.dropped)
        parameters = json_events.parameters(asked.input_variables)
        for _ in range(len(asked.input_variables or {}) - len(parameters)):
            self.dropped.add("inputVariables")
        started = StreamStarted(
            carrier=self.carrier,
            stream_id=heard.id,
            call_id=asked.conversation_id,
            encoding="mulaw",
            sample_rate=8000,
            caller=asked.participant.ani,
            callee=asked.participant.dnis,
            account_id=asked.organization_id,
            parameters=parameters,
        )
        self._session = started.stream_id
        media = _choice(asked.media)
        if media is None:
            self._phase = "stopped"
            self._reply(
                "disconnect",
                {
                    "reason": "error",
                    "info": "no stream with the external channel in PCMU or L16 at 8000 Hz was offered",
                },
            )
            return []
        self._reply("opened", {"startPaused": False, "media": [media]})
        if started.call_id == NIL_UUID:
            self._phase = "stopped"
            return []
        self._phase = "streaming"
        self.reply_encoding = _FORMATS[media.format]
        self._channel, self._channels = media.channels.index(_CALLER), len(media.channels)
        return [replace(started, encoding=self.reply_encoding)]

    def _closed(self, parameters: Mapping[str, Any]) -> list[StreamEvent]:
        self._reply("closed")
        if self._is_closed:
            return []
        self._is_closed = True
        self._phase = "stopped"
        reason = parameters.get("reason")
        return [StreamStopped(reason[: json_events.MAX_TEXT] if isinstance(reason, str) else "close")]

    def _reply(self, kind: str, parameters: dict[str, Any] | None = None) -> None:
        self._replies.append(self._message(kind, parameters or {}))

    def _message(self, kind: str, parameters: dict[str, Any]) -> str:
        self._seq += 1
        return msgspec.json.encode(
            {
                "version": "2",
                "type": kind,
                "seq": self._seq,
                "clientseq": self._client_seq,
                "id": self._session,
                "parameters": parameters,
            }
        ).decode()


class Carrier:
    """Genesys' side of an AudioHook session; parameters travel as input variables.

    A real Genesys sends no audio before `opened`: look at `is_open`. Answers to the server's pauses come from `replies`.
    """

    carrier: ClassVar[str] = "genesys"
    encoding: Encoding
    sample_rate: int = 8000

    def __init__(
        self,
        *,
        encoding: Encoding = "mulaw",
        organization_id: str = "d7934305-0972-4844-938e-9060eef73d05",
        max_message_bytes: int = json_events.MAX_MESSAGE_BYTES,
    ) -> None:
        self.encoding = encoding
        self._organization_id = organization_id
        self._max_message_bytes = max_message_bytes
        self._session = ""
        self._seq = 0
        self._server_seq = 0
        self._sent_bytes = 0
        self._is_open = False
        self._replies: deque[WireMessage] = deque(maxlen=MAX_REPLIES)

    @property
    def is_open(self) -> bool:
        """Whether the server has answered `opened`."""
        return self._is_open

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """`open` with one mono stream on offer."""
        self._session = stream_id
        asked = {
            "organizationId": self._organization_id,
            "conversationId": call_id,
            "participant": {"id": call_id, "ani": caller, "aniName": "", "dnis": callee},
            "media": [_Media(format=_FORMAT_NAMES[self.encoding], channels=["external"])],
            "language": "en-US",
            "inputVariables": dict(parameters),
        }
        return [self._message("open", asked)]

    def audio(self, payload: bytes, *, timestamp_ms: int) -> WireMessage:
        """The caller's audio in `encoding`."""
        self._sent_bytes += len(payload)
        return payload

    def digit(self, digit: str) -> WireMessage:
        """The caller pressed a key."""
        return self._message("dtmf", {"digit": digit})

    def mark_reached(self, name: str) -> WireMessage | None:
        """None: AudioHook has no marks."""
        return None

    def ping(self) -> WireMessage:
        """Asks for a `pong`; Genesys does so every few seconds."""
        return self._message("ping", {})

    def close(self, reason: str = "") -> WireMessage | None:
        """The caller hung up (`end`), or the server asked to close (`disconnect`)."""
        return self._message("close", {"reason": reason or "end"})

    def replies(self) -> list[WireMessage]:
        """Takes the answers that the server waits for."""
        taken = list(self._replies)
        self._replies.clear()
        return taken

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, barge-ins and its wish to disconnect; `closed` is the end."""
        if isinstance(message, bytes):
            json_events.check_size(message, self._max_message_bytes)
            return [StreamAudio(message)] if message else []
        heard = json_events.decode(_FROM_SERVER, message, self._max_message_bytes)
        if heard.seq <= self._server_seq or not 0 <= heard.clientseq <= self._seq or heard.id != self._session:
            raise json_events.out_of_order("a sequence number out of order or a foreign session")
        self._server_seq = heard.seq
        match heard.type:
            case "opened":
                return self._opened(heard.parameters)
            case "event":
                said = json_events.decode(_EVENTS, bytes(heard.parameters), self._max_message_bytes)
                return [AudioCleared()] if any(entity.type == "barge_in" for entity in said.entities) else []
            case "pause":
                self._replies.append(self._message("paused", {}))
            case "resume":
                self._replies.append(self._message("resumed", {"start": self._position(), "discarded": "PT0S"}))
            case "disconnect":
                return [StreamStopped("disconnect")]
            case "closed":
                self._is_open = False
                return [StreamStopped("closed")]
            case _:
                pass
        return []

    def _opened(self, raw: msgspec.Raw) -> list[StreamEvent]:
        answer = json_events.decode(_OPENED, bytes(raw), self._max_message_bytes)
        if [media.format for media in answer.media] != [_FORMAT_NAMES[self.encoding]]:
            raise PeerError("The server took a stream that was not offered.", code="unsupported_media")
        self._is_open = True
        return []

    def _position(self) -> str:
        return f"PT{self._sent_bytes / (16000 if self.encoding == 's16le' else 8000):.3f}S"

    def _message(self, kind: str, parameters: dict[str, Any]) -> str:
        self._seq += 1
        return msgspec.json.encode(
            {
                "version": "2",
                "type": kind,
                "seq": self._seq,
                "serverseq": self._server_seq,
                "id": self._session,
                "position": self._position(),
                "parameters": parameters,
            }
        ).decode()


def _choice(offered: list[_Media]) -> _Media | None:
    """The offer with the fewest channels beside the caller's, PCMU before L16."""
    usable = [
        media
        for media in offered
        if (media.type, media.rate) == ("audio", 8000)
        and media.format in _FORMATS
        and _CALLER in media.channels[:MAX_CHANNELS]
        and len(media.channels) <= MAX_CHANNELS
    ]
    order = list(_FORMATS)
    return min(usable, key=lambda media: (len(media.channels), order.index(media.format)), default=None)


def _digit(parameters: dict[str, Any]) -> str:
    """The digit of a `dtmf` message, or of an event that carries one."""
    match parameters:
        case {"digit": str() as digit}:
            return digit
        case {"event": {"type": "dtmf", "dtmf": {"digit": str() as digit}}}:
            return digit
        case _:
            return ""
