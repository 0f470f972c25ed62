"""What has outlived its time: participants who never connect or do not come back, unanswered offers, tracks that never arrive."""

from typing import Final

from livekit.protocol import models, rtc

from vox.relay.rooms.data import flush
from vox.relay.rooms.membership import leave
from vox.relay.rooms.messages import leave_request
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.room import Room

ANSWER_WITHIN_S: Final = 30.0


def look_after(room: Room, now: float) -> None:
    """Ends what is overdue in a room, and sends what has gathered; to be called about once a second."""
    for participant in list(room.participants.values()):
        if not _ended(room, participant, now):
            _drop_announced(room, participant, now)
            if participant.backlog:
                flush(room, participant)
    if room.has_news and room.participants:
        room.announce_room()


def is_over(room: Room, now: float) -> bool:
    """Whether a room has been empty for as long as it may be."""
    if room.empty_since is None:
        return False
    timeout = room.state.departure_timeout if room.had_participants else room.state.empty_timeout
    return now - room.empty_since >= timeout


def _ended(room: Room, participant: Participant, now: float) -> bool:
    limits = room.context.limits
    if participant.detached_at is not None and now - participant.detached_at >= limits.resume_within_s:
        leave(room, participant, models.DisconnectReason.SIGNAL_CLOSE)
        return True
    if participant.is_voice:
        return False
    if not participant.is_active and now - participant.joined_at >= limits.join_within_s:
        room.context.refused("media_never_connected")
        leave(room, participant, models.DisconnectReason.JOIN_FAILURE)
        return True
    if participant.offered_at is not None and now - participant.offered_at >= ANSWER_WITHIN_S:
        if participant.outbox is None:
            return False
        room.context.refused("offer_unanswered")
        message = leave_request(models.DisconnectReason.STATE_MISMATCH, rtc.LeaveRequest.RECONNECT)
        leave(room, participant, models.DisconnectReason.STATE_MISMATCH, message)
        return True
    return False


def _drop_announced(room: Room, participant: Participant, now: float) -> None:
    for cid, track in list(participant.pending.items()):
        if now - track.announced_at >= room.context.limits.publish_within_s:
            del participant.pending[cid]
            participant.tell(rtc.SignalResponse(track_unpublished=rtc.TrackUnpublishedResponse(track_sid=track.sid)))
