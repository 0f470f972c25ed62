"""Joining a room, coming back after the signalling was lost, changing what one may do, and leaving."""

from collections.abc import Mapping
from typing import Final

import msgspec
from livekit.protocol import models, rtc

from vox.errors import UsageError
from vox.relay.rooms import data, speakers
from vox.relay.rooms.context import if_known
from vox.relay.rooms.events import ParticipantAborted, ParticipantJoined, ParticipantLeft
from vox.relay.rooms.messages import Outbox, Outgoing, leave_request, update
from vox.relay.rooms.negotiation import restart_ice, want_negotiation
from vox.relay.rooms.participant import KINDS, JoinSettings, Participant, snapshot
from vox.relay.rooms.publishing import may_publish, unpublish, withdraw
from vox.relay.rooms.room import Room
from vox.relay.rooms.subscriptions import apply_all, end_listener, subscribe_to_all
from vox.security.room_tokens import RoomClaims

PING_INTERVAL_S: Final = 5
PING_TIMEOUT_S: Final = 15
PROTOCOL: Final = 17
AGENT_PROTOCOL: Final = 1
VERSION: Final = "1.9.0"
"""The server version that clients compare with what they need; ours has no meaning to them."""
MOST_ATTRIBUTES: Final = 64
_SOURCES: Final = {
    "camera": models.TrackSource.CAMERA,
    "microphone": models.TrackSource.MICROPHONE,
    "screen_share": models.TrackSource.SCREEN_SHARE,
    "screen_share_audio": models.TrackSource.SCREEN_SHARE_AUDIO,
}


def join(room: Room, claims: RoomClaims, settings: JoinSettings, outbox: Outbox, *, is_voice: bool) -> Participant:
    """Adds a participant; an older one of the same identity is disconnected. The join message goes out first.

    Raises:
        UsageError: room_full.
    """
    context = room.context
    older = room.participants.get(claims.sub)
    participant = _participant(room, claims, settings, outbox)
    most = room.state.max_participants
    if most and not participant.has_silent_place and _places_taken(room, but=older) >= most:
        raise UsageError(f"The room has {most} participants, which is its limit.", code="room_full", retryable=True)
    if older is not None:
        leave(room, older, models.DisconnectReason.DUPLICATE_IDENTITY)
    if not is_voice:
        participant.publisher = context.handle()
        participant.subscriber = participant.publisher if settings.is_single else context.handle()
        _open_peers(room, participant)
    room.participants[claims.sub] = room.by_sid[participant.sid] = participant
    room.empty_since, room.had_participants, room.has_news = None, True, True
    participant.send(_joined(room, participant))
    if is_voice:
        activate(room, participant)
    else:
        subscribe_to_all(room, participant)
        want_negotiation(context, participant)
    return participant


def activate(room: Room, participant: Participant) -> None:
    """The participant's media is connected; again after it was lost."""
    if not participant.is_here:
        return
    if not participant.is_active:
        participant.state = models.ParticipantInfo.ACTIVE
        room.announce(participant, is_urgent=bool(participant.tracks))
        speakers.repeat_speakers(room, participant)
        speakers.repeat_qualities(room, participant)
        room.context.emit(ParticipantJoined(room.info, snapshot(participant.info)))
    elif participant.quality == models.ConnectionQuality.LOST:
        speakers.set_quality(room, participant, models.ConnectionQuality.GOOD)


def detach(participant: Participant, outbox: Outbox, now: float) -> None:
    """The signalling is lost; the participant stays for a while, and their media goes on."""
    if participant.outbox is outbox:
        participant.outbox = None
        participant.detached_at = now


def resume(room: Room, participant: Participant, outbox: Outbox, settings: JoinSettings) -> None:
    """The signalling is back on a new socket: everything is sent as it is now, and ICE starts afresh."""
    older, participant.outbox = participant.outbox, outbox
    left = _left_meanwhile(room, participant)
    participant.detached_at = None
    if older is not None:
        older.end(None)
    participant.tell(
        rtc.SignalResponse(
            reconnect=rtc.ReconnectResponse(
                ice_servers=settings.ice_servers,
                server_info=server_info(),
                last_message_seq=participant.last_sequence,
            )
        )
    )
    participant.send(update(participant.info, *left, *room.others(participant)))
    participant.tell(rtc.SignalResponse(room_update=rtc.RoomUpdate(room=room.info)))
    speakers.repeat_speakers(room, participant)
    speakers.repeat_qualities(room, participant)
    participant.requested = {"audio": 0, "video": 0}
    participant.has_ends = participant.has_ends or participant.has_offered_ends
    restart_ice(room.context, participant)
    if participant.is_single or participant.is_offer_due:
        want_negotiation(room.context, participant)


def _left_meanwhile(room: Room, participant: Participant) -> list[models.ParticipantInfo]:
    """Who left lately and has not come back in a way that a participant who resumes has seen.

    Clients find participants by identity: the end of an earlier session would take away a present one, with tracks that are not
    signalled again.
    """
    since = participant.detached_at
    found: list[models.ParticipantInfo] = []
    for info in room.left:
        present = room.participants.get(info.identity)
        is_new = since is not None and present is not participant and present is not None and present.joined_at >= since
        if present is None or is_new:
            found.append(info)
    return found


def leave(
    room: Room,
    participant: Participant,
    reason: "models.DisconnectReason",
    message: rtc.LeaveRequest | None = None,
    *,
    is_asked: bool = False,
) -> None:
    """Removes a participant with everything of theirs.

    Args:
        room: the room they are in.
        participant: who goes.
        reason: why, for others and for the events.
        message: what the client is sent; by default that it should not come back.
        is_asked: whether the client itself asks to leave, so that it is sent nothing.
    """
    if not participant.is_here:
        return
    context = room.context
    was_active, had_tracks = participant.is_active, bool(participant.tracks)
    for track in list(participant.tracks.values()):
        unpublish(room, participant, track, is_announced=False)
    participant.pending.clear()
    end_listener(room, participant)
    participant.state = models.ParticipantInfo.DISCONNECTED
    participant.disconnect_reason = reason
    room.participants.pop(participant.identity, None)
    room.by_sid.pop(participant.sid, None)
    for peer in {participant.publisher, participant.subscriber} - {0}:
        with if_known():
            context.engine.close_peer(peer)
    outbox, participant.outbox = participant.outbox, None
    if outbox is not None:
        outbox.end(None if is_asked else message or leave_request(reason))
    participant.changed()
    if not participant.is_hidden:
        room.left.append(participant.info)
        room.announce(participant, is_urgent=had_tracks)
    room.speakers.pop(participant.sid, None)
    room.has_news = True
    if not room.participants:
        room.empty_since = context.clock.now()
    event = ParticipantLeft if was_active else ParticipantAborted
    context.emit(event(room.info, snapshot(participant.info)))


def set_permission(room: Room, participant: Participant, permission: models.ParticipantPermission) -> None:
    """Changes what a participant may do; what they may no longer do ends at once, where it arrives."""
    was_hidden, could_subscribe = participant.is_hidden, participant.permission.can_subscribe
    participant.permission = snapshot_permission(permission)
    for track in list(participant.tracks.values()):
        if not may_publish(permission, track.info.source):
            withdraw(room, participant, track)
    for cid, track in list(participant.pending.items()):
        if not may_publish(permission, track.info.source):
            del participant.pending[cid]
    if participant.publisher:
        with if_known():
            room.context.engine.permit_data(participant.publisher, permission.can_publish_data)
    apply_all(room, participant)
    if permission.can_subscribe and not could_subscribe and not participant.is_voice:
        subscribe_to_all(room, participant)
    _hide_or_show(room, participant, was_hidden)
    room.announce(participant)


def update_own_details(
    room: Room, participant: Participant, *, metadata: str | None, name: str | None, attributes: Mapping[str, str]
) -> None:
    """The same by the participant, whose token has to permit it.

    Raises:
        UsageError: metadata_denied, metadata_too_large or name_invalid.
    """
    if not participant.permission.can_update_metadata:
        raise UsageError("The token does not permit to change one's own data.", code="metadata_denied")
    update_details(room, participant, metadata=metadata, name=name, attributes=attributes)


def update_details(
    room: Room,
    participant: Participant,
    *,
    metadata: str | None = None,
    name: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Changes what a participant says about themselves; an empty attribute is removed.

    Raises:
        UsageError: metadata_too_large or name_invalid.
    """
    merged = dict(participant.attributes)
    for key, value in (attributes or {}).items():
        if value:
            merged[key] = value
        else:
            merged.pop(key, None)
    check_details(room, metadata or "", name or "", merged)
    if metadata is not None:
        participant.metadata = metadata
    if name is not None:
        participant.name = name
    participant.attributes = merged
    room.announce(participant)


def check_details(room: Room, metadata: str, name: str, attributes: Mapping[str, str]) -> None:
    """Refuses what is too large to be sent to everyone.

    Raises:
        UsageError: metadata_too_large or name_invalid.
    """
    limits = room.context.limits
    size = sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items())
    if max(len(metadata.encode()), size) > limits.metadata_bytes or len(attributes) > MOST_ATTRIBUTES:
        raise UsageError(
            f"Metadata and attributes may have {limits.metadata_bytes} bytes each, and {MOST_ATTRIBUTES} attributes.",
            code="metadata_too_large",
        )
    if len(name.encode()) > limits.name_bytes:
        raise UsageError(f"A name may have {limits.name_bytes} bytes.", code="name_invalid")


def server_info() -> models.ServerInfo:
    """What clients learn of the server."""
    return models.ServerInfo(
        edition=models.ServerInfo.Standard, version=VERSION, protocol=PROTOCOL, agent_protocol=AGENT_PROTOCOL
    )


def snapshot_permission(permission: models.ParticipantPermission) -> models.ParticipantPermission:
    """A copy that later changes do not reach."""
    copy = models.ParticipantPermission()
    copy.CopyFrom(permission)
    return copy


def claims_now(participant: Participant) -> RoomClaims:
    """The claims of a token that lets a participant back in as they are now."""
    now = participant.permission
    names = {number: name for name, number in _SOURCES.items()}
    video = msgspec.structs.replace(
        participant.claims.video,
        can_subscribe=now.can_subscribe,
        can_publish=now.can_publish,
        can_publish_data=now.can_publish_data,
        can_publish_sources=tuple(names.get(one, "unknown") for one in now.can_publish_sources),
        can_update_own_metadata=now.can_update_metadata,
        hidden=now.hidden,
    )
    return msgspec.structs.replace(
        participant.claims,
        video=video,
        name=participant.name,
        metadata=participant.metadata,
        attributes=dict(participant.attributes),
    )


def permission_of(claims: RoomClaims) -> models.ParticipantPermission:
    """What a token permits."""
    grant = claims.video
    return models.ParticipantPermission(
        can_subscribe=grant.may_subscribe(),
        can_publish=grant.may_publish(),
        can_publish_data=grant.may_publish_data(),
        can_publish_sources=[_SOURCES.get(one, models.TrackSource.UNKNOWN) for one in grant.can_publish_sources],
        hidden=grant.hidden,
        recorder=grant.recorder,
        can_update_metadata=grant.may_update_own_metadata(),
        agent=grant.agent,
        can_subscribe_metrics=grant.can_subscribe_metrics is True,
        can_manage_agent_session=grant.can_manage_agent_session is True,
    )


def _participant(room: Room, claims: RoomClaims, settings: JoinSettings, outbox: Outbox) -> Participant:
    context = room.context
    permission = permission_of(claims)
    attributes = dict(claims.attributes)
    metadata = claims.metadata
    if permission.can_update_metadata:
        attributes |= settings.attributes
        metadata = settings.metadata or metadata
    check_details(room, metadata, claims.name, attributes)
    kind = KINDS.get(claims.kind, models.ParticipantInfo.STANDARD)
    if not claims.kind and claims.video.agent:
        kind = models.ParticipantInfo.AGENT
    return Participant(
        sid=context.new_id("PA"),
        claims=claims,
        settings=settings,
        permission=permission,
        kind=kind,
        joined_ms=context.clock.unix_ms(),
        joined_at=context.clock.now(),
        token_at=context.clock.now(),
        outbox=outbox,
        name=claims.name,
        metadata=metadata,
        attributes=attributes,
    )


def _places_taken(room: Room, *, but: Participant | None) -> int:
    return sum(not one.has_silent_place for one in room.participants.values() if one is not but)


def _open_peers(room: Room, participant: Participant) -> None:
    engine = room.context.engine
    if participant.is_single:
        engine.open_peer(room.handle, participant.publisher, "both")
    else:
        engine.open_peer(room.handle, participant.publisher, "publisher")
        engine.open_peer(room.handle, participant.subscriber, "subscriber")
        engine.open_channel(participant.subscriber, data.RELIABLE)
        engine.open_channel(participant.subscriber, data.LOSSY, ordered=False, retransmits=0)
    if not participant.permission.can_publish_data:
        engine.permit_data(participant.publisher, False)


def _joined(room: Room, participant: Participant) -> Outgoing:
    return Outgoing(
        rtc.SignalResponse(
            join=rtc.JoinResponse(
                room=room.info,
                participant=participant.info,
                other_participants=room.others(participant),
                server_version=VERSION,
                ice_servers=participant.settings.ice_servers,
                subscriber_primary=participant.is_subscriber_primary,
                ping_timeout=PING_TIMEOUT_S,
                ping_interval=PING_INTERVAL_S,
                server_info=server_info(),
                enabled_publish_codecs=[models.Codec(mime=one) for one in ("audio/opus", "video/VP8", "video/H264")],
                fast_publish=may_publish_anything(participant),
            )
        )
    )


def may_publish_anything(participant: Participant) -> bool:
    """Whether the client should open its publishing connection at once; data goes over it, too."""
    return participant.permission.can_publish or participant.permission.can_publish_data


def _hide_or_show(room: Room, participant: Participant, was_hidden: bool) -> None:
    if was_hidden == participant.is_hidden:
        return
    if participant.is_hidden:
        gone = snapshot(participant.info)
        gone.state, gone.version = models.ParticipantInfo.DISCONNECTED, participant.version + 1
        room.send(update(gone), but=participant)
    room.has_news = True
