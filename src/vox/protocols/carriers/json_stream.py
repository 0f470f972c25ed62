"""What the streams of Twilio, Telnyx, Plivo and Exotel have in common: JSON text messages with base64 audio inside.

A carrier's own file says only what is its own: the words of its messages and what its `start` means. The one thing to
know before changing it: `receive` and `audio` run for every 20 ms of every call and cost about a microsecond together.
"""

from abc import ABC, abstractmethod
from collections.abc import Sized
from typing import Annotated, Any, ClassVar, Final

import msgspec

from vox.protocols.carriers.field_reader import Audio, DroppedFields, FieldReader
from vox.protocols.carriers.json_events import (
    MAX_MESSAGE_BYTES,
    MAX_TEXT,
    Phase,
    audio_events,
    base64_text,
    decode,
    digit_events,
    out_of_order,
    parameters,
)
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

Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class Media(msgspec.Struct, gc=False):
    """Audio; who says no track means the caller's. `chunk` counts the audio messages of a track."""

    payload: Audio = b""
    track: str = "inbound"
    chunk: int | str = ""


class Digit(msgspec.Struct, gc=False):
    """A pressed key."""

    digit: str = ""


class Mark(msgspec.Struct, gc=False):
    """A mark, on its way or reached."""

    name: Text = ""


class FromCarrier(msgspec.Struct, gc=False):
    """A carrier's message without what only its `start` holds."""

    event: str
    media: Media | None = None
    mark: Mark | None = None
    dtmf: Digit | None = None
    stop: Any = None
    name: Text = ""


class _FromServer(msgspec.Struct, gc=False):
    event: str
    media: Media | None = None
    mark: Mark | None = None


_FROM_CARRIER: Final = FieldReader(FromCarrier)
_FROM_SERVER: Final = msgspec.json.Decoder(_FromServer)


class JsonServer(ABC):
    """Our side of a stream without the carrier's message names; `_described` sets `_stream` and `_audio_prefix` for them."""

    carrier: ClassVar[str]
    min_audio_bytes: ClassVar[int] = 0
    reply_encoding: Encoding = "mulaw"
    reply_sample_rate: int = 8000

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._phase: Phase = "waiting"
        self._encoding: Encoding = "mulaw"  # of the caller's audio
        self._stream = '""'  # the stream's id as JSON
        self._audio_prefix = ""  # an audio message up to its payload, which `"}}` ends
        self.dropped = DroppedFields()

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """Turns one wire message into events; audio of the outbound track is ignored."""
        heard = _FROM_CARRIER.read(message, self._max_message_bytes, self.dropped)
        match heard.event:
            case "media" if heard.media is not None:
                return self._heard(heard.media) if heard.media.track == "inbound" else []
            case "dtmf" if heard.dtmf is not None:
                return digit_events(heard.dtmf.digit)
            case "start":
                return [self._started(message)]
            case "stop":
                return self._stopped(heard.stop)
            case _:
                return self._acknowledged(heard)

    def replies(self) -> list[WireMessage]:
        """None: these carriers expect no answers of the protocol itself."""
        return []

    def audio(self, payload: bytes) -> WireMessage:
        """Audio for the caller in `reply_encoding`."""
        return f'{self._audio_prefix}{base64_text(payload)}"}}}}'

    @abstractmethod
    def mark(self, name: str) -> WireMessage | None:
        """A mark that comes back when the audio before it was played."""

    @abstractmethod
    def clear(self) -> WireMessage | None:
        """Throws away what the carrier has not played yet."""

    def digits(self, digits: str) -> list[WireMessage]:
        """None: the stream cannot carry digits towards the caller."""
        return []

    def stop(self, reason: str = "") -> WireMessage | None:
        """None: closing the socket ends the stream."""
        return None

    @abstractmethod
    def _described(self, message: WireMessage) -> StreamStarted:
        """What the carrier's `start` says about the call."""

    def _heard(self, media: Media) -> list[StreamEvent]:
        """The caller's audio."""
        return audio_events(media.payload, self._phase, self._encoding)

    def _acknowledged(self, heard: FromCarrier) -> list[StreamEvent]:
        """What the carrier says about our marks: it echoes them, also those that a clear threw away."""
        return [MarkReached(heard.mark.name)] if heard.event == "mark" and heard.mark and heard.mark.name else []

    def _parameters(self, raw: object) -> dict[str, str]:
        """Custom parameters as text; those that are left out are counted."""
        found = parameters(raw)
        for _ in range(max(0, len(raw) - len(found)) if isinstance(raw, Sized) else 0):
            self.dropped.add("parameters")
        return found

    def _started(self, message: WireMessage) -> StreamStarted:
        if self._phase != "waiting":
            raise out_of_order("a second start")
        started = self._described(message)
        self._phase = "streaming"
        self._encoding = started.encoding
        return started

    def _stopped(self, stop: object) -> list[StreamEvent]:
        if self._phase == "stopped":
            return []
        self._phase = "stopped"
        match stop:
            case {"reason": str() as reason} if reason:
                return [StreamStopped(reason[:MAX_TEXT])]
            case _:
                return [StreamStopped("stop")]


class JsonCarrier:
    """The carrier's side of a stream without its message names: the counters, and the decoding of our messages.

    Attributes:
        is_numbered: whether audio carries chunk numbers; without them the same messages may be sent again and again.
    """

    is_numbered = True

    def __init__(
        self, *, encoding: Encoding = "mulaw", sample_rate: int = 8000, max_message_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        self.encoding: Encoding = encoding
        self.sample_rate = sample_rate
        self._max_message_bytes = max_message_bytes
        self._call = '""'  # the ids as JSON
        self._stream = '""'
        self._sequence = 0
        self._chunk = 0

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The server's audio, marks and clears."""
        heard = decode(_FROM_SERVER, message, self._max_message_bytes)
        match heard.event:
            case "media" if heard.media is not None:
                return [StreamAudio(heard.media.payload)] if heard.media.payload else []
            case "mark" if heard.mark is not None:
                return [MarkReached(heard.mark.name)]
            case "clear":
                return [AudioCleared()]
            case _:
                return []

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence
