"""Who speaks, and how well participants are connected: what the engine measures, as clients hear of it."""

from collections.abc import Sequence
from typing import Final

from livekit.protocol import models, rtc

from vox.relay.rooms.messages import Outgoing
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.room import Room

_LOST_EXCELLENT: Final = 0.02
_LOST_GOOD: Final = 0.10
_RTT_EXCELLENT_MS: Final = 300
_RTT_GOOD_MS: Final = 800
_SCORES: Final = {
    models.ConnectionQuality.EXCELLENT: 5.0,
    models.ConnectionQuality.GOOD: 4.0,
    models.ConnectionQuality.POOR: 2.0,
    models.ConnectionQuality.LOST: 0.0,
}


def speakers_changed(room: Room, levels: Sequence[tuple[int, float, bool]]) -> None:
    """Takes all who speak now, as track, level from 0 to 1, and whether active; sends who began, changed and ended."""
    now: dict[str, float] = {}
    for handle, level, is_active in levels:
        track = room.by_handle.get(handle)
        if is_active and track is not None and not track.info.muted:
            now[track.owner] = max(level, now.get(track.owner, 0.0))
    set_speakers(room, now)


def set_speakers(room: Room, now: dict[str, float]) -> None:
    """Replaces who speaks, by participant SID, and sends the difference."""
    changes = [
        models.SpeakerInfo(sid=sid, level=level, active=True)
        for sid, level in now.items()
        if room.speakers.get(sid) != level
    ]
    changes += [models.SpeakerInfo(sid=sid, level=0.0, active=False) for sid in room.speakers.keys() - now.keys()]
    room.speakers = now
    visible = [one for one in changes if (who := room.by_sid.get(one.sid)) is None or not who.is_hidden]
    if visible:
        room.send(_speakers(visible))


def repeat_speakers(room: Room, listener: Participant) -> None:
    """Sends who speaks now to one who was not there when they began."""
    current = [
        models.SpeakerInfo(sid=sid, level=level, active=True)
        for sid, level in room.speakers.items()
        if (who := room.by_sid.get(sid)) is not None and not who.is_hidden
    ]
    if current:
        listener.send(_speakers(current))


def quality_of(lost: float, rtt_ms: float) -> "models.ConnectionQuality":
    """How well a participant is connected, from the share of lost packets and the round trip."""
    if lost <= _LOST_EXCELLENT and rtt_ms <= _RTT_EXCELLENT_MS:
        return models.ConnectionQuality.EXCELLENT
    if lost <= _LOST_GOOD and rtt_ms <= _RTT_GOOD_MS:
        return models.ConnectionQuality.GOOD
    return models.ConnectionQuality.POOR


def set_quality(room: Room, participant: Participant, quality: "models.ConnectionQuality") -> None:
    """Tells everyone when a participant's connection gets better or worse."""
    if quality == participant.quality:
        return
    participant.quality = quality
    message = _qualities([participant])
    if participant.is_hidden:
        participant.send(message)
    else:
        room.send(message)


def repeat_qualities(room: Room, listener: Participant) -> None:
    """Sends who is not connected well to one who was not there when it changed, and how well they are themselves."""
    best = models.ConnectionQuality.EXCELLENT
    listener.send(
        _qualities([listener, *(one for one in room.visible() if one is not listener and one.quality != best)])
    )


def _speakers(speakers: list[models.SpeakerInfo]) -> Outgoing:
    return Outgoing(rtc.SignalResponse(speakers_changed=rtc.SpeakersChanged(speakers=speakers)))


def _qualities(participants: list[Participant]) -> Outgoing:
    updates = [
        rtc.ConnectionQualityInfo(participant_sid=one.sid, quality=one.quality, score=_SCORES[one.quality])
        for one in participants
    ]
    return Outgoing(rtc.SignalResponse(connection_quality=rtc.ConnectionQualityUpdate(updates=updates)))
