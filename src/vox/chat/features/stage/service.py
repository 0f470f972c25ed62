"""Units of work of stages: transitions of the machine, in the database."""

from collections.abc import Callable

from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.events import Event, stage_invite, stage_invite_decline, stage_revoke, stage_topic_update
from vox.chat.events.ids import RoomId, UserId
from vox.chat.features.spaces.rooms import room_not_found
from vox.chat.features.voice import queries as voice_queries
from vox.chat.features.voice import stage_queries as queries
from vox.chat.features.voice.service import room_event
from vox.chat.features.voice.stage import Stage
from vox.stores.sql import Connection


def invite(connection: Connection, *, room_id: RoomId, user_id: UserId, now_s: int) -> Change[None]:
    """Asks a listener to speak.

    Raises:
        Refusal: SPACE_NOT_FOUND, NOT_IN_VOICE.
    """
    _change(connection, room_id, lambda stage: stage.invite(user_id, now_s), now_s)
    return Change(None, (stage_invite(room_id=room_id, user_id=user_id),))


def respond(connection: Connection, *, room_id: RoomId, user_id: UserId, accepted: bool, now_s: int) -> Change[None]:
    """An invited user accepts or declines.

    Raises:
        Refusal: SPACE_NOT_FOUND, NO_PENDING_INVITE.
    """
    _change(connection, room_id, lambda stage: stage.respond(user_id, now_s, accepted=accepted), now_s)
    declined = stage_invite_decline(room_id=room_id, user_id=user_id)
    return Change(None, (room_event(connection, room_id) if accepted else declined,))


def revoke(connection: Connection, *, room_id: RoomId, user_id: UserId, now_s: int) -> Change[None]:
    """Makes a speaker a listener again; takes an invitation back; nothing where there is neither.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    events: tuple[Event, ...] = ()
    if _change(connection, room_id, lambda stage: stage.revoke(user_id), now_s):
        events = (stage_revoke(room_id=room_id, user_id=user_id), room_event(connection, room_id))
    return Change(None, events)


def set_topic(connection: Connection, *, actor_id: UserId, room_id: RoomId, topic: str) -> Change[None]:
    """Writes another topic.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    if not voice_queries.set_topic(connection, room_id, topic):
        raise room_not_found(room_id)
    audit = AuditEntry("room.update", actor_id, room_id, {"changed": {"topic": topic}})
    return Change(None, (stage_topic_update(room_id=room_id, topic=topic),), (audit,))


def _change(connection: Connection, room_id: RoomId, step: Callable[[Stage], Stage], now_s: int) -> bool:
    if voice_queries.lock_room(connection, room_id) is None:
        raise room_not_found(room_id)
    before = queries.stage_of(connection, room_id)
    after = step(before)
    queries.store(connection, room_id, before, after, now_s)
    return after != before
