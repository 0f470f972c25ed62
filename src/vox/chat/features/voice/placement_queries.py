"""The SQL of where rooms' media is."""

from typing import NamedTuple

from sqlalchemy import delete, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import voice_guests, voice_placements, voice_states
from vox.chat.events.ids import RoomId
from vox.chat.features.voice.placement import Placement
from vox.stores.sql import Connection


class PlacementRow(NamedTuple):
    """Where a room's media is, and since when that server does not answer (Unix seconds)."""

    relay_id: str
    media_url: str
    failing_since: int | None

    @property
    def placement(self) -> Placement:
        """The place alone."""
        return Placement(self.relay_id, self.media_url)


def placement_of(connection: Connection, room_id: RoomId) -> PlacementRow | None:
    """Where a room's media is; None where no one is in it."""
    place = voice_placements.c
    query = select(place.relay_id, place.media_url, place.failing_since).where(place.room_id == room_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else PlacementRow(*row)


def insert_placement(connection: Connection, room_id: RoomId, place: Placement, now_s: int) -> Placement:
    """Puts a room somewhere, unless it is somewhere already; where it is now."""
    values = {"room_id": room_id, "relay_id": place.relay_id, "media_url": place.media_url, "placed_at": now_s}
    if insert_if_absent(connection, voice_placements, values):
        return place
    found = placement_of(connection, room_id)
    return place if found is None else found.placement


def replace_placement(connection: Connection, room_id: RoomId, old: Placement, new: Placement, now_s: int) -> bool:
    """Puts a room somewhere else; False where it is no longer where it was thought to be."""
    place = voice_placements.c
    values = {"relay_id": new.relay_id, "media_url": new.media_url, "placed_at": now_s, "failing_since": None}
    which = place.room_id == room_id, place.relay_id == old.relay_id, place.media_url == old.media_url
    return bool(connection.execute(update(voice_placements).where(*which).values(values)).rowcount)


def delete_empty(connection: Connection, room_id: RoomId) -> bool:
    """Forgets where a room was, where no one is in it; whether that was so."""
    place = voice_placements.c
    members = select(voice_states.c.user_id).where(voice_states.c.room_id == room_id)
    guests = select(voice_guests.c.id).where(voice_guests.c.room_id == room_id)
    which = place.room_id == room_id, ~members.exists(), ~guests.exists()
    return bool(connection.execute(delete(voice_placements).where(*which)).rowcount)


def take_turn(connection: Connection, room_id: RoomId, *, now_ms: int, every_ms: int) -> bool:
    """Whether this process looks after a room in this round; of several only one does."""
    place = voice_placements.c
    which = place.room_id == room_id, place.checked_at <= now_ms - every_ms
    return bool(connection.execute(update(voice_placements).where(*which).values(checked_at=now_ms)).rowcount)


def placed_rooms(connection: Connection) -> list[tuple[RoomId, Placement]]:
    """All rooms whose media is somewhere."""
    place = voice_placements.c
    rows = connection.execute(select(place.room_id, place.relay_id, place.media_url).order_by(place.room_id))
    return [(RoomId(room_id), Placement(relay_id, url)) for room_id, relay_id, url in rows]


def set_failing(connection: Connection, room_id: RoomId, since_s: int | None) -> None:
    """Notes since when a room's server does not answer."""
    place = voice_placements.c
    connection.execute(update(voice_placements).where(place.room_id == room_id).values(failing_since=since_s))
