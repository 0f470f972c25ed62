"""One room: who is in it, what it says about itself, and sending to everyone in it."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol import models, rtc

from vox.relay.rooms.context import RoomContext
from vox.relay.rooms.messages import Outgoing, update
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.tracks import Track

BIG_ROOM = 32
"""Participants from which on the others may learn a little later who comes and goes."""
MOST_LEFT = 256
"""Participants who left lately, for those who resume."""


@dataclass(slots=True, eq=False)
class Room:
    """One room.

    Args:
        context: what all rooms share.
        handle: its number in the engine.
        state: as clients see it; the numbers in it are filled in by `info`.
        created_at: on the clock.
        config: what the token or request that made it says about it, as JSON.
        participants: by identity.
        by_sid: the same by SID.
        tracks: live tracks by SID.
        by_handle: live tracks by their number in the engine.
        empty_since: when the last participant left, or the room was made; None while any is here.
        left: who left lately.
        due: participants that the others have still to learn of.
        speakers: level by participant SID, of those who speak now.
        replies: what waits for the answer to a call of the server, by its id.
    """

    context: RoomContext
    handle: int
    state: models.Room
    created_at: float
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    participants: dict[str, Participant] = field(default_factory=dict[str, Participant])
    by_sid: dict[str, Participant] = field(default_factory=dict[str, Participant])
    tracks: dict[str, Track] = field(default_factory=dict[str, Track])
    by_handle: dict[int, Track] = field(default_factory=dict[int, Track])
    empty_since: float | None = None
    had_participants: bool = False
    is_open: bool = True
    has_news: bool = False
    left: deque[models.ParticipantInfo] = field(default_factory=lambda: deque(maxlen=MOST_LEFT))
    due: dict[str, models.ParticipantInfo] = field(default_factory=dict[str, models.ParticipantInfo])
    speakers: dict[str, float] = field(default_factory=dict[str, float])
    replies: dict[str, Callable[[models.RpcResponse | models.RpcAck], None]] = field(
        default_factory=dict[str, Callable[[models.RpcResponse | models.RpcAck], None]]
    )

    @property
    def name(self) -> str:
        """Unique in the relay."""
        return self.state.name

    @property
    def info(self) -> models.Room:
        """A snapshot, as clients and servers see it."""
        room = models.Room()
        room.CopyFrom(self.state)
        for one in self.participants.values():
            permission = one.permission
            if not permission.hidden:
                room.num_participants += 1
                room.num_publishers += bool(one.tracks)
            if permission.recorder or one.kind == models.ParticipantInfo.EGRESS:
                room.active_recording = True
        return room

    def visible(self) -> Iterator[Participant]:
        """Those that others learn of."""
        return (one for one in self.participants.values() if not one.is_hidden)

    def others(self, than: Participant) -> list[models.ParticipantInfo]:
        """What a participant learns of the others."""
        return [one.info for one in self.visible() if one is not than]

    def send(self, message: Outgoing, *, but: Participant | None = None) -> None:
        """Sends to everyone, or to all but one."""
        for one in self.participants.values():
            if one is not but:
                one.send(message)

    def announce(self, participant: Participant, *, is_urgent: bool = True) -> None:
        """Has to follow every change of a participant: tells everyone, and themselves at once.

        In a big room others may learn a little later of what is not urgent, of many participants by one message.
        """
        participant.changed()
        if participant.is_hidden:
            participant.send(update(participant.info))
        elif is_urgent or len(self.participants) < BIG_ROOM:
            self.due.pop(participant.sid, None)
            self.send(update(participant.info))
        else:
            self.due[participant.sid] = participant.info
            participant.send(update(participant.info))

    def announce_due(self) -> None:
        """Tells everyone of those who have come and gone since the last time."""
        if self.due:
            due, self.due = self.due, {}
            self.send(update(*due.values()))

    def announce_room(self) -> None:
        """Tells everyone what the room says about itself."""
        self.has_news = False
        self.send(Outgoing(rtc.SignalResponse(room_update=rtc.RoomUpdate(room=self.info))))
