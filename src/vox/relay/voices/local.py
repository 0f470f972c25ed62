"""Voices of this process: agents and telephone callers whose relay runs beside them. Implements `vox.media.rooms.contract`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from vox.errors import DependencyError, UsageError
from vox.media.rooms.contract import Place, RoomVoice
from vox.media.rooms.event_queue import EventQueue
from vox.protocols import relay_voices as wire
from vox.relay.rooms.admission import Admission
from vox.relay.rooms.registry import Rooms
from vox.relay.voices.member import VoiceMember

_FULL: Final = frozenset({"room_full", "rooms_full", "relay_full", "relay_draining"})
_TOKEN: Final = frozenset({"room_token_missing", "bad_room_token", "room_token_expired"})


class LocalVoices:
    """The relay of this process.

    Args:
        rooms: its rooms.
        admission: checks tokens.
    """

    def __init__(self, rooms: Rooms, admission: Admission) -> None:
        self._rooms = rooms
        self._admission = admission

    async def join(self, token: str) -> RoomVoice:
        """Enters the room of a token.

        Raises:
            UsageError: room_token_invalid or room_join_refused.
            DependencyError: relay_full.
        """
        try:
            voice = LocalVoice()
            voice.enter(VoiceMember(self._rooms, self._admission.claims(token), voice.notify))
        except UsageError as error:
            message = str(error.args[0])
            if error.code in _FULL:
                raise DependencyError(message, code="relay_full", retryable=True) from error
            code = "room_token_invalid" if error.code in _TOKEN else "room_join_refused"
            raise UsageError(message, code=code) from error
        return voice


class LocalVoice:
    """Implements `RoomVoice`."""

    def __init__(self) -> None:
        self.place = Place("", "", "", "")
        self._queue = EventQueue()
        self._member: VoiceMember | None = None

    def enter(self, member: VoiceMember) -> None:
        """Joins as this member.

        Raises:
            UsageError: as `VoiceMember.join`.
        """
        joined = member.join()
        self._member = member
        self.place = Place(joined.room, joined.identity, joined.sid, joined.track, joined.metadata)
        for one in joined.members:
            self.notify(wire.MemberJoined(one))

    def notify(self, event: wire.RoomEvent) -> None:
        """Takes an event of the room; a reader who does not keep up is taken out of it."""
        was_over = self._queue.is_over
        if not self._queue.put(event) and not was_over and self._member is not None:
            self._member.leave()

    def events(self) -> AsyncIterator[wire.RoomEvent]:
        """What happens, in order, to `Removed`."""
        return self._queue.events()

    def speak(self, pcm: bytes, rate: int) -> None:
        """Audio to the room."""
        self._take(wire.Speech(pcm, rate))

    def flush(self) -> None:
        """Drops what is queued and not sent."""
        self._take(wire.Flush())

    def queued_ms(self) -> int:
        """How much of what was given to `speak` has not gone out yet."""
        return self._member.queued_ms() if self._member is not None and not self._queue.is_over else 0

    def listen(self, identity: str, *, on: bool) -> None:
        """Has a member's audio come apart."""
        self._take(wire.Listen(identity, on))

    def mix(self, rate: int | None) -> None:
        """Has everyone's audio but its own come in one signal."""
        if rate is not None and rate not in wire.RATES:
            self.notify(wire.Refused("mix", "audio_invalid", f"audio of {rate} Hz is not supported"))
            return
        self._take(wire.Mix(rate))

    def mute(self, *, on: bool) -> None:
        """Mutes its microphone, for everyone to see."""
        self._take(wire.Mute(on))

    def send_data(self, payload: bytes, *, topic: str = "", is_reliable: bool = True, to: Sequence[str] = ()) -> None:
        """Sends a data packet to these identities, or to everyone."""
        self._take(wire.SendData(payload, topic, is_reliable, list(to)))

    def send_text(self, text: str, *, topic: str = wire.CHAT_TOPIC, to: Sequence[str] = ()) -> None:
        """Sends a text as a stream to these identities, or to everyone."""
        self._take(wire.SendText(text, topic, list(to)))

    def send_digits(self, digits: str) -> None:
        """Says which telephone keys were pressed."""
        self._take(wire.SendDigits("".join(one for one in digits.upper() if one in "0123456789ABCD*#")[:64]))

    def transcribe(self, segment: str, text: str, *, speaker: str, is_final: bool, language: str = "") -> None:
        """Sends what was said to the room: all of the utterance so far."""
        self._take(wire.Transcribe(segment, text, speaker, is_final, language=language))

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Sets attributes of itself; an empty value takes one away."""
        self._take(wire.SetAttributes(dict(attributes)))

    def set_metadata(self, metadata: str) -> None:
        """Sets its own metadata."""
        self._take(wire.SetMetadata(metadata))

    async def leave(self) -> None:
        """Leaves the room; idempotent."""
        self._take(wire.Leave())

    def _take(self, message: wire.ClientMessage) -> None:
        if self._member is not None and not self._queue.is_over:
            self._member.take(message)
