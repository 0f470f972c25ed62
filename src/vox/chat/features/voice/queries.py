"""The SQL of who is in which voice room."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import rooms, voice_connections, voice_guests, voice_marks, voice_settings, voice_states
from vox.chat.events.ids import FeedId, RoomId, UserId
from vox.chat.features.voice.schemas import VoiceGuest, VoiceMember
from vox.stores.sql import Connection


class RoomRow(NamedTuple):
    """What counts of a room here."""

    type: str
    max_members: int | None
    topic: str | None


class MemberRow(NamedTuple):
    """A member with what is known of the connection to the media."""

    user_id: UserId
    room_id: RoomId
    self_mute: bool
    self_deaf: bool
    video: bool
    streaming: bool
    server_mute: bool
    server_deaf: bool
    joined_at: int
    absent_since: int | None
    was_present: bool
    token_until: int


def lock_room(connection: Connection, room_id: RoomId) -> RoomRow | None:
    """A room, which no other changes until the transaction ends; its members come and go one after the other."""
    query = select(rooms.c.type, rooms.c.max_members, rooms.c.topic).where(rooms.c.id == room_id).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else RoomRow(*row)


def find_room(connection: Connection, room_id: RoomId) -> RoomRow | None:
    """A room."""
    row = connection.execute(
        select(rooms.c.type, rooms.c.max_members, rooms.c.topic).where(rooms.c.id == room_id)
    ).one_or_none()
    return None if row is None else RoomRow(*row)


def members_of(connection: Connection, room_id: RoomId) -> list[MemberRow]:
    """Who is in a room, in the order in which they came."""
    return _members(connection, voice_states.c.room_id == room_id)


def member(connection: Connection, user_id: UserId) -> MemberRow | None:
    """The room a user is in, if any."""
    found = _members(connection, voice_states.c.user_id == user_id)
    return found[0] if found else None


def shown_members(connection: Connection, room_id: RoomId) -> list[VoiceMember]:
    """Who is in a room, as clients see it."""
    return [shown(row) for row in members_of(connection, room_id)]


def shown(row: MemberRow) -> VoiceMember:
    """A member as clients see it."""
    return VoiceMember(
        row.user_id,
        row.self_mute,
        row.self_deaf,
        row.video,
        row.streaming,
        row.server_mute,
        row.server_deaf,
        row.joined_at,
    )


def shown_guests(connection: Connection, room_id: RoomId) -> list[VoiceGuest]:
    """The agents and callers of a room."""
    guest = voice_guests.c
    columns = (guest.id, guest.kind, guest.name, guest.inviter_id, guest.joined_at)
    rows = connection.execute(select(*columns).where(guest.room_id == room_id).order_by(guest.id))
    return [VoiceGuest(id_, kind, f"{kind}-{id_}", name, inviter, at) for id_, kind, name, inviter, at in rows]


def occupied_rooms(connection: Connection) -> list[RoomId]:
    """Rooms with members or guests."""
    found = connection.execute(select(voice_states.c.room_id).union(select(voice_guests.c.room_id)))
    return sorted(RoomId(room_id) for (room_id,) in found)


def count_members(connection: Connection, room_id: RoomId) -> int:
    """How many are in a room."""
    query = select(func.count()).select_from(voice_states).where(voice_states.c.room_id == room_id)
    return connection.execute(query).scalar_one()


def insert_member(connection: Connection, user_id: UserId, room_id: RoomId, values: Mapping[str, Any]) -> bool:
    """Puts a user into a room; False where the user is in one already."""
    return insert_if_absent(connection, voice_states, {"user_id": user_id, "room_id": room_id, **values})


def update_member(connection: Connection, user_id: UserId, room_id: RoomId, changed: Mapping[str, Any]) -> bool:
    """Writes columns of a member; False where the user is not in that room."""
    states = voice_states.c
    statement = update(voice_states).where(states.user_id == user_id, states.room_id == room_id).values(changed)
    return bool(connection.execute(statement).rowcount)


def delete_members(connection: Connection, room_id: RoomId, user_ids: Collection[UserId]) -> list[UserId]:
    """Takes users out of a room, and returns those who were in it."""
    states = voice_states.c
    inside = states.room_id == room_id, states.user_id.in_(user_ids)
    gone = [UserId(user_id) for (user_id,) in connection.execute(select(states.user_id).where(*inside))]
    connection.execute(delete(voice_connections).where(voice_connections.c.user_id.in_(gone)))
    connection.execute(delete(voice_states).where(*inside))
    return gone


def marks_of(connection: Connection, user_id: UserId) -> dict[str, bool]:
    """What moderators have muted of a user, in whichever room."""
    marks = voice_marks.c
    row = connection.execute(select(marks.server_mute, marks.server_deaf).where(marks.user_id == user_id)).one_or_none()
    return {"server_mute": bool(row and row[0]), "server_deaf": bool(row and row[1])}


def set_marks(connection: Connection, user_id: UserId, marks: Mapping[str, bool]) -> None:
    """Remembers what moderators have muted of a user."""
    connection.execute(delete(voice_marks).where(voice_marks.c.user_id == user_id))
    if any(marks.values()):
        connection.execute(insert(voice_marks).values(user_id=user_id, **marks))


def set_connection(connection: Connection, user_id: UserId, values: Mapping[str, Any]) -> None:
    """Writes what is known of a member's connection to the media."""
    if not insert_if_absent(connection, voice_connections, {"user_id": user_id, **values}):
        connection.execute(update(voice_connections).where(voice_connections.c.user_id == user_id).values(values))


def transcript_feed(connection: Connection, room_id: RoomId) -> FeedId | None:
    """The feed that a room's transcripts are written to."""
    query = select(voice_settings.c.transcript_feed_id).where(voice_settings.c.room_id == room_id)
    return connection.execute(query).scalar()


def set_transcript_feed(connection: Connection, room_id: RoomId, feed_id: FeedId | None) -> None:
    """Names that feed; None: no transcripts are written."""
    connection.execute(delete(voice_settings).where(voice_settings.c.room_id == room_id))
    if feed_id is not None:
        connection.execute(insert(voice_settings).values(room_id=room_id, transcript_feed_id=feed_id))


def set_max_members(connection: Connection, room_id: RoomId, most: int | None) -> None:
    """Bounds how many members a room takes; None: as many as the community's limit says."""
    connection.execute(update(rooms).where(rooms.c.id == room_id).values(max_members=most))


def set_topic(connection: Connection, room_id: RoomId, topic: str) -> bool:
    """Writes the topic of a room; False where there is none."""
    return bool(connection.execute(update(rooms).where(rooms.c.id == room_id).values(topic=topic)).rowcount)


def _members(connection: Connection, which: Any) -> list[MemberRow]:
    states, link = voice_states.c, voice_connections.c
    query = (
        select(
            states.user_id,
            states.room_id,
            states.self_mute,
            states.self_deaf,
            states.video,
            states.streaming,
            states.server_mute,
            states.server_deaf,
            states.joined_at,
            link.absent_since,
            func.coalesce(link.was_present, False),
            func.coalesce(link.token_until, 0),
        )
        .select_from(voice_states.outerjoin(voice_connections, states.user_id == link.user_id))
        .where(which)
        .order_by(states.joined_at, states.user_id)
    )
    return [MemberRow(*row) for row in connection.execute(query)]
