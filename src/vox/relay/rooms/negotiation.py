"""Who offers when: our offers to subscribers, one at a time, and asking for sections where the client alone offers.

Several changes within one message or event make one offer.
"""

from typing import Final

from livekit.protocol import rtc

from vox.errors import PeerError
from vox.relay.rooms.context import RoomContext, if_known
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.sdp_sections import Section, media_sections
from vox.relay.rooms.tracks import Track

_KINDS: Final = ("audio", "video")


def want_negotiation(context: RoomContext, participant: Participant) -> None:
    """Negotiates after the present message or event, where that is possible; else as soon as it is."""
    participant.is_offer_due = True
    if participant.is_voice or participant.is_offer_scheduled:
        return
    participant.is_offer_scheduled = True
    context.soon(lambda: _negotiate(context, participant))


def restart_ice(context: RoomContext, participant: Participant) -> None:
    """Offers with new ICE credentials, because the client's network may have changed."""
    if participant.is_single or participant.is_voice:
        return
    participant.offered_at = None
    _offer(context, participant, ice_restart=True)


def take_answer(context: RoomContext, participant: Participant, answer: rtc.SessionDescription) -> None:
    """The client's answer to our offer; one that is late, or to an older offer, is left alone.

    Raises:
        PeerError: no_offer_waits or sdp_refused.
    """
    if participant.is_single:
        raise PeerError("the relay offers nothing to this client", code="no_offer_waits")
    if participant.offered_at is None:
        return
    if answer.id and answer.id != participant.offer_id:
        return
    check_size(context, answer.sdp)
    try:
        context.engine.accept_answer(participant.subscriber, answer.sdp)
    except ValueError as error:
        raise PeerError(f"the answer cannot be used: {error}", code="sdp_refused") from None
    participant.offered_at = None
    participant.has_offered_ends = False
    _release(participant)
    want_negotiation(context, participant)


def check_size(context: RoomContext, sdp: str) -> None:
    """Refuses a description that is too large.

    Raises:
        PeerError: sdp_too_large.
    """
    if len(sdp) > context.limits.sdp_bytes:
        raise PeerError(f"a description may have {context.limits.sdp_bytes} bytes", code="sdp_too_large")


def _negotiate(context: RoomContext, participant: Participant) -> None:
    participant.is_offer_scheduled = False
    if not participant.is_here or participant.outbox is None or not participant.is_offer_due:
        return
    if participant.is_single:
        participant.is_offer_due = False
        _ask_for_sections(participant)
    elif participant.offered_at is None:
        _offer(context, participant, ice_restart=False)


def _offer(context: RoomContext, participant: Participant, *, ice_restart: bool) -> None:
    participant.is_offer_due = False
    sdp = None
    with if_known():
        sdp = context.engine.make_offer(participant.subscriber, ice_restart=ice_restart)
    if sdp is None:
        if participant.held:
            participant.has_ends = False
            _release(participant)
            want_negotiation(context, participant)
        return
    participant.has_offered_ends = participant.has_offered_ends or participant.has_ends
    participant.has_ends = False
    participant.offered_at = context.clock.now()
    participant.offer_id += 1
    participant.tell(
        rtc.SignalResponse(
            offer=rtc.SessionDescription(
                type="offer",
                sdp=sdp,
                id=participant.offer_id,
                mid_to_track_id={one.mid: one.track_id for one in media_sections(sdp) if one.sends and one.track_id},
            )
        )
    )


def note_sections(
    participant: Participant, sections: list[Section], placed: dict[str, int], missing: tuple[int, int]
) -> None:
    """Keeps what a client's offer had room for, where it alone offers.

    Args:
        participant: who has offered.
        sections: of the offer.
        placed: track by section, as the engine has put them.
        missing: subscriptions to audio and to video that found no section.
    """
    active = _sent(participant)
    participant.placed = placed
    participant.settled = set(placed.values())
    for kind, lacking in zip(_KINDS, missing, strict=True):
        needed = [track.handle for track in active if track.kind == kind]
        have = sum(one.receives and one.kind == kind for one in sections)
        came = max(0, have - participant.sections[kind])
        participant.requested[kind] = max(0, participant.requested[kind] - came)
        participant.sections[kind] = len(needed) - lacking if lacking else have
        if not lacking:
            participant.settled.update(needed)
    participant.settled &= {track.handle for track in active}
    participant.has_ends = False
    if participant.held:
        _release(participant)
        participant.is_offer_due = True
    if any(missing):
        participant.is_offer_due = True


def _release(participant: Participant) -> None:
    """Begins what waited for the client to see the ends of other subscriptions."""
    if participant.has_ends:
        return
    held, participant.held = participant.held, {}
    for begin in held.values():
        begin()


def _sent(participant: Participant) -> list[Track]:
    return [
        one.track for sid, one in participant.subscriptions.items() if one.is_active and sid not in participant.held
    ]


def _ask_for_sections(participant: Participant) -> None:
    """Says how many more receiving sections are needed; zero of them still makes the client offer again."""
    active = _sent(participant)
    missing: dict[str, int] = {}
    for kind in _KINDS:
        needed = sum(track.kind == kind for track in active)
        missing[kind] = max(0, needed - participant.sections[kind] - participant.requested[kind])
    if not any(missing.values()) and any(participant.requested.values()):
        return
    for kind in _KINDS:
        participant.requested[kind] += missing[kind]
    if participant.settled != {track.handle for track in active}:
        participant.tell(
            rtc.SignalResponse(
                media_sections_requirement=rtc.MediaSectionsRequirement(
                    num_audios=missing["audio"], num_videos=missing["video"]
                )
            )
        )
