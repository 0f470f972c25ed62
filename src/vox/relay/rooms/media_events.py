"""What the engine reports, brought into the rooms. An event about something that is gone by now is left alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

from livekit.protocol import models, rtc

from vox.relay.engine.contract import Event
from vox.relay.rooms import data, speakers
from vox.relay.rooms.membership import activate, leave
from vox.relay.rooms.messages import leave_request
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.room import Room


@dataclass(slots=True)
class MediaEvents:
    """Finds the room and participant that an event is about.

    Args:
        peers: room and participant by peer connection.
        rooms: by their number in the engine.
        taps: who reads a tap, by its number.
        idle: who waits for the end of a voice's audio, by its track's number.
    """

    peers: dict[int, tuple[Room, Participant]] = field(default_factory=dict[int, tuple[Room, Participant]])
    rooms: dict[int, Room] = field(default_factory=dict[int, Room])
    taps: dict[int, Callable[[], None]] = field(default_factory=dict[int, Callable[[], None]])
    idle: dict[int, Callable[[], None]] = field(default_factory=dict[int, Callable[[], None]])

    def take(self, event: Event) -> None:
        """One event of the engine."""
        match event:
            case ("data", peer, label, payload, _):
                if (found := self.peers.get(peer)) is not None and found[1].is_here:
                    data.receive(*found, label, bytes(payload))
            case ("taps", taps):
                for tap in taps:
                    if (reader := self.taps.get(tap)) is not None:
                        reader()
            case ("voice_idle", track):
                if (waiting := self.idle.get(track)) is not None:
                    waiting()
            case ("speakers", handle, levels):
                if (room := self.rooms.get(handle)) is not None:
                    speakers.speakers_changed(room, levels)
            case (str(kind), int(peer), *rest):
                if (found := self.peers.get(peer)) is not None and found[1].is_here:
                    _about_peer(*found, kind, peer, rest)
            case _:
                pass

    def forget(self) -> None:
        """Drops the peers of participants who have left."""
        gone = [peer for peer, (_, participant) in self.peers.items() if not participant.is_here]
        for peer in gone:
            del self.peers[peer]


def _about_peer(room: Room, participant: Participant, kind: str, peer: int, rest: list[object]) -> None:
    match kind, rest:
        case "connected", _:
            if peer == participant.primary:
                activate(room, participant)
        case "disconnected", _:
            if peer == participant.primary and participant.is_active:
                speakers.set_quality(room, participant, models.ConnectionQuality.LOST)
        case "closed", _:
            _media_lost(room, participant, peer)
        case "channel", _:
            data.flush(room, participant)
        case "quality", [float() | int() as lost, float() | int() as rtt_ms, *_]:
            if peer == participant.primary or participant.tracks:
                speakers.set_quality(room, participant, speakers.quality_of(lost, rtt_ms))
        case "stream_state", [int(handle), state]:
            _stream_state(room, participant, handle, is_paused=state == "paused")
        case _:
            pass


def _media_lost(room: Room, participant: Participant, peer: int) -> None:
    """The peer connection is gone for good: only a new one helps, which is a full reconnect."""
    if peer != participant.primary and not participant.tracks:
        return
    message = leave_request(models.DisconnectReason.CONNECTION_TIMEOUT, rtc.LeaveRequest.RECONNECT)
    leave(room, participant, models.DisconnectReason.CONNECTION_TIMEOUT, message)


def _stream_state(room: Room, participant: Participant, handle: int, *, is_paused: bool) -> None:
    track = room.by_handle.get(handle)
    if track is None:
        return
    state = rtc.StreamState.PAUSED if is_paused else rtc.StreamState.ACTIVE
    info = rtc.StreamStateInfo(participant_sid=track.owner, track_sid=track.sid, state=state)
    participant.tell(rtc.SignalResponse(stream_state_update=rtc.StreamStateUpdate(stream_states=[info])))
