"""The SQL of agents and callers in rooms, and of rooms' telephone numbers."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import rooms, voice_guests, voice_numbers, voice_transcripts
from vox.chat.events.ids import RoomId, UserId
from vox.chat.features.voice.guest_schemas import RoomNumber
from vox.stores.sql import Connection


class GuestRow(NamedTuple):
    """An agent or caller."""

    id: int
    room_id: RoomId
    kind: str
    name: str
    agent: str
    created_at: int
    joined_at: int | None
    absent_since: int | None

    @property
    def identity(self) -> str:
        """The identity in the media."""
        return f"{self.kind}-{self.id}"


_COLUMNS = (
    voice_guests.c.id,
    voice_guests.c.room_id,
    voice_guests.c.kind,
    voice_guests.c.name,
    voice_guests.c.agent,
    voice_guests.c.created_at,
    voice_guests.c.joined_at,
    voice_guests.c.absent_since,
)


def guests_of(connection: Connection, room_id: RoomId) -> list[GuestRow]:
    """The guests of a room."""
    query = select(*_COLUMNS).where(voice_guests.c.room_id == room_id).order_by(voice_guests.c.id)
    return [GuestRow(*row) for row in connection.execute(query)]


def find_guest(connection: Connection, guest_id: int) -> GuestRow | None:
    """A guest."""
    row = connection.execute(select(*_COLUMNS).where(voice_guests.c.id == guest_id)).one_or_none()
    return None if row is None else GuestRow(*row)


def insert_guest(
    connection: Connection,
    *,
    room_id: RoomId,
    kind: str,
    name: str,
    agent: str,
    inviter_id: UserId | None,
    now_s: int,
) -> int:
    """Lets a guest in; its id."""
    values = {
        "room_id": room_id,
        "kind": kind,
        "name": name,
        "agent": agent,
        "inviter_id": inviter_id,
        "created_at": now_s,
    }
    return connection.execute(insert(voice_guests).values(values).returning(voice_guests.c.id)).scalar_one()


def delete_guests(connection: Connection, room_id: RoomId, guest_ids: Collection[int]) -> list[int]:
    """Takes guests out of a room; the ids of those who were in it."""
    guest = voice_guests.c
    which = guest.room_id == room_id, guest.id.in_(guest_ids)
    return [id_ for (id_,) in connection.execute(delete(voice_guests).where(*which).returning(guest.id))]


def set_absent(connection: Connection, room_id: RoomId, guest_ids: Collection[int], now_s: int) -> None:
    """Guests whose media is away."""
    if guest_ids:
        guest = voice_guests.c
        which = guest.room_id == room_id, guest.id.in_(guest_ids)
        connection.execute(update(voice_guests).where(*which).values(absent_since=now_s))


def set_present(connection: Connection, room_id: RoomId, guest_ids: Collection[int], now_s: int) -> None:
    """Guests who have come."""
    if guest_ids:
        guest = voice_guests.c
        which = guest.room_id == room_id, guest.id.in_(guest_ids)
        connection.execute(update(voice_guests).where(*which, guest.joined_at.is_(None)).values(joined_at=now_s))
        connection.execute(update(voice_guests).where(*which).values(absent_since=None))


def numbers_of(connection: Connection, room_id: RoomId) -> list[RoomNumber]:
    """The telephone numbers of a room."""
    number = voice_numbers.c
    columns = (number.id, number.room_id, number.number, number.code, number.creator_id, number.created_at)
    query = select(*columns).where(number.room_id == room_id).order_by(number.id)
    return [RoomNumber(*row) for row in connection.execute(query)]


def insert_number(
    connection: Connection, *, room_id: RoomId, number: str, code: str, creator_id: UserId, now_s: int
) -> int | None:
    """Maps a number and code to a room; None where that pair is in use."""
    taken = select(voice_numbers.c.id).where(voice_numbers.c.number == number, voice_numbers.c.code == code)
    if connection.execute(taken).first() is not None:
        return None
    values = {"room_id": room_id, "number": number, "code": code, "creator_id": creator_id, "created_at": now_s}
    return connection.execute(insert(voice_numbers).values(values).returning(voice_numbers.c.id)).scalar_one()


def codes_of_number(connection: Connection, number: str) -> list[str]:
    """The codes of a number's rooms."""
    return [
        code for (code,) in connection.execute(select(voice_numbers.c.code).where(voice_numbers.c.number == number))
    ]


def room_of_code(connection: Connection, number: str, code: str) -> tuple[RoomId, str] | None:
    """The room that a number and code lead to, and its name."""
    query = (
        select(rooms.c.id, rooms.c.name)
        .select_from(voice_numbers.join(rooms, rooms.c.id == voice_numbers.c.room_id))
        .where(voice_numbers.c.number == number, voice_numbers.c.code == code)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (RoomId(row[0]), row[1])


def delete_number(connection: Connection, room_id: RoomId, number_id: int) -> bool:
    """Ends a mapping; False where there is none."""
    number = voice_numbers.c
    which = number.id == number_id, number.room_id == room_id
    return bool(connection.execute(delete(voice_numbers).where(*which)).rowcount)


def note_transcript(connection: Connection, room_id: RoomId, segment_id: str, now_s: int) -> bool:
    """Remembers that a segment was written to the feed; False where it was already."""
    values = {"room_id": room_id, "segment_id": segment_id, "created_at": now_s}
    return insert_if_absent(connection, voice_transcripts, values)


def delete_transcript_notes(connection: Connection, before_s: int) -> int:
    """Forgets segments of before."""
    statement = delete(voice_transcripts).where(voice_transcripts.c.created_at < before_s)
    return connection.execute(statement).rowcount
