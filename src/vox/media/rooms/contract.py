"""Members of a relay's room that have no WebRTC connection: agents, telephone callers, recorders.

`RoomVoices.join` gives a `RoomVoice`. The relay implements it in its own process (`vox.relay.voices`), `vox.clients.relay_voices`
over the relay's internal socket; who uses one cannot tell which it is. The one thing to know: nothing of a `RoomVoice` blocks or
raises after `join`. A command that is not carried out comes back as the event `Refused`, and the end of everything is `Removed`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from vox.protocols.relay_voices import CHAT_TOPIC, RoomEvent

MAX_EVENTS = 1_024
"""Events that wait for a reader; beyond that the oldest `Heard` go, and a reader without any of those is `Removed` as `too_slow`."""
MAX_QUEUED_MS = 30_000
"""Of audio that waits to be sent; what is beyond it is dropped."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a voice is.

    Attributes:
        room: name of the room.
        identity: of this member.
        sid: of this member at the relay.
        track: SID of its audio track; empty where it may not publish.
        metadata: of the room, at the time of joining.
    """

    room: str
    identity: str
    sid: str
    track: str
    metadata: str = ""


class RoomVoice(Protocol):
    """One member of a room. Its methods are called on the event loop, and may be called after its end: nothing happens then.

    Attributes:
        place: where it is.
    """

    place: Place

    def events(self) -> AsyncIterator[RoomEvent]:
        """What happens, in order, for one reader: first a `MemberJoined` for each who is there already; `Removed` is the last."""
        ...

    def speak(self, pcm: bytes, rate: int) -> None:
        """Audio to the room: s16le mono at 8, 16, 24 or 48 kHz, of any length; it goes out in time with what is queued."""
        ...

    def flush(self) -> None:
        """Throws away what is queued and not sent."""
        ...

    def queued_ms(self) -> int:
        """How much of what was given to `speak` has not gone out yet."""
        ...

    def listen(self, identity: str, *, on: bool) -> None:
        """Has a member's audio come apart, as `Heard` at 16 kHz; it holds while they are away, and for each of their tracks."""
        ...

    def mix(self, rate: int | None) -> None:
        """Has the audio of all other members come in one signal at this rate, as `Heard` without an identity; None ends it."""
        ...

    def mute(self, *, on: bool) -> None:
        """Mutes its microphone, for all members to see."""
        ...

    def send_data(self, payload: bytes, *, topic: str = "", is_reliable: bool = True, to: Sequence[str] = ()) -> None:
        """Sends a data packet to these identities, or to all members."""
        ...

    def send_text(self, text: str, *, topic: str = CHAT_TOPIC, to: Sequence[str] = ()) -> None:
        """Sends a text as a stream of the protocol to these identities, or to all members."""
        ...

    def send_digits(self, digits: str) -> None:
        """Tells the room which telephone keys were pressed."""
        ...

    def transcribe(self, segment: str, text: str, *, speaker: str, is_final: bool, language: str = "") -> None:
        """Tells the room what a member said: all of the utterance `segment` so far."""
        ...

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Sets attributes of itself; an empty value takes one away."""
        ...

    def set_metadata(self, metadata: str) -> None:
        """Sets its own metadata."""
        ...

    async def leave(self) -> None:
        """Leaves the room, within a deadline; idempotent. `events` ends with `Removed`."""
        ...


class RoomVoices(Protocol):
    """A relay, as seen by who puts members into its rooms."""

    async def join(self, token: str) -> RoomVoice:
        """Enters the room of a token, which is a JWT like any participant's with `kind` `agent` or `sip`.

        Raises:
            UsageError: `room_token_invalid`, `room_join_refused`: the relay does not take this token.
            DependencyError: `relay_unreachable`, `relay_full`.
        """
        ...


FindRelay: TypeAlias = Callable[[str], RoomVoices | None]
"""The relay of this process where this is its media URL; None for every other."""
