"""The SQL of who may speak on a stage and who was asked to."""

from sqlalchemy import Table, delete, select

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import stage_invites, stage_speakers, voice_states
from vox.chat.events.ids import RoomId, UserId
from vox.chat.features.voice.stage import Stage
from vox.stores.sql import Connection


def stage_of(connection: Connection, room_id: RoomId) -> Stage:
    """The stage of a room."""
    inside = select(voice_states.c.user_id).where(voice_states.c.room_id == room_id)
    invited = select(stage_invites.c.user_id, stage_invites.c.created_at).where(stage_invites.c.room_id == room_id)
    members = frozenset(UserId(user_id) for (user_id,) in connection.execute(inside))
    invites = {UserId(user_id): at for user_id, at in connection.execute(invited)}
    return Stage(members, speakers_of(connection, room_id), invites)


def speakers_of(connection: Connection, room_id: RoomId) -> frozenset[UserId]:
    """Who was let on the stage."""
    query = select(stage_speakers.c.user_id).where(stage_speakers.c.room_id == room_id)
    return frozenset(UserId(user_id) for (user_id,) in connection.execute(query))


def store(connection: Connection, room_id: RoomId, before: Stage, after: Stage, now_s: int) -> None:
    """Writes what a transition has changed."""
    for user_id in before.speakers - after.speakers:
        _delete(connection, stage_speakers, room_id, user_id)
    for user_id in after.speakers - before.speakers:
        values = {"room_id": room_id, "user_id": user_id, "granted_at": now_s}
        insert_if_absent(connection, stage_speakers, values)
    for user_id, at in before.invites.items():
        if after.invites.get(user_id) != at:
            _delete(connection, stage_invites, room_id, user_id)
    for user_id, at in after.invites.items():
        if before.invites.get(user_id) != at:
            insert_if_absent(connection, stage_invites, {"room_id": room_id, "user_id": user_id, "created_at": at})


def forget(connection: Connection, room_id: RoomId, user_id: UserId) -> None:
    """A member has left."""
    for table in (stage_speakers, stage_invites):
        _delete(connection, table, room_id, user_id)


def _delete(connection: Connection, table: Table, room_id: RoomId, user_id: UserId) -> None:
    connection.execute(delete(table).where(table.c.room_id == room_id, table.c.user_id == user_id))
