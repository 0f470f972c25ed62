"""The SQL of conversations and their participants."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vox.chat.database.schema import dm_participants, dms, files
from vox.chat.events.ids import DmId, UserId
from vox.chat.features.dms.schemas import DmInfo
from vox.stores.sql import Connection


def insert_pair(connection: Connection, pair: str, now_s: int) -> DmId | None:
    """Inserts the conversation of a pair of users and returns its id; None where it exists already.

    Args:
        connection: of the writer.
        pair: both ids, the lower one first, with a colon between them.
        now_s: Unix seconds.
    """
    insert_new = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"is_group": False, "created_at": now_s, "pair": pair}
    statement = insert_new(dms).values(row).on_conflict_do_nothing(index_elements=["pair"]).returning(dms.c.id)
    inserted = connection.execute(statement).first()
    return None if inserted is None else inserted[0]


def id_of_pair(connection: Connection, pair: str) -> DmId:
    """The conversation of a pair of users, which exists."""
    return connection.execute(select(dms.c.id).where(dms.c.pair == pair)).scalar_one()


def insert_group(connection: Connection, name: str | None, now_s: int) -> DmId:
    """Inserts a group without members and returns its id."""
    row = {"is_group": True, "created_at": now_s, "name": name}
    return connection.execute(insert(dms).values(row).returning(dms.c.id)).scalar_one()


def insert_participants(connection: Connection, dm_id: DmId, user_ids: Sequence[UserId]) -> None:
    """Adds participants to a conversation."""
    connection.execute(insert(dm_participants), [{"dm_id": dm_id, "user_id": user_id} for user_id in user_ids])


def dms_of_user(connection: Connection, *, user_id: UserId, after: int, limit: int) -> list[DmInfo]:
    """A user's conversations with ids above `after`, by id."""
    own = select(dm_participants.c.dm_id).where(dm_participants.c.user_id == user_id, dm_participants.c.dm_id > after)
    ids = connection.execute(own.order_by(dm_participants.c.dm_id).limit(limit)).scalars().all()
    return _infos(connection, ids)


def dm_info(connection: Connection, dm_id: DmId) -> DmInfo:
    """One conversation, which exists."""
    return _infos(connection, [dm_id])[0]


def lock_dm(connection: Connection, dm_id: DmId) -> bool | None:
    """Whether a conversation is a group; None where it does not exist. The lock orders changes of its members."""
    row = connection.execute(select(dms.c.is_group).where(dms.c.id == dm_id).with_for_update(key_share=True)).first()
    return None if row is None else bool(row[0])


def is_participant(connection: Connection, dm_id: DmId, user_id: UserId) -> bool:
    """Whether a user takes part in a conversation."""
    participant = dm_participants.c
    query = select(participant.user_id).where(participant.dm_id == dm_id, participant.user_id == user_id)
    return connection.execute(query).first() is not None


def count_participants(connection: Connection, dm_id: DmId) -> int:
    """How many users take part in a conversation."""
    return connection.execute(
        select(func.count()).select_from(dm_participants).where(dm_participants.c.dm_id == dm_id)
    ).scalar_one()


def update_dm(connection: Connection, dm_id: DmId, changed: dict[str, Any]) -> None:
    """Writes the changed columns of a conversation."""
    connection.execute(update(dms).where(dms.c.id == dm_id).values(changed))


def delete_participant(connection: Connection, dm_id: DmId, user_id: UserId) -> bool:
    """Removes a participant; False where the user did not take part."""
    participant = dm_participants.c
    statement = delete(dm_participants).where(participant.dm_id == dm_id, participant.user_id == user_id)
    return bool(connection.execute(statement).rowcount)


def delete_dm(connection: Connection, dm_id: DmId) -> None:
    """Deletes a conversation and makes the files uploaded to it unreadable; the hourly cleanup deletes them."""
    connection.execute(update(files).where(files.c.dm_id == dm_id).values(state="uploading"))
    connection.execute(delete(dms).where(dms.c.id == dm_id))


def _infos(connection: Connection, dm_ids: Sequence[DmId]) -> list[DmInfo]:
    if not dm_ids:
        return []
    members: dict[int, list[int]] = {dm_id: [] for dm_id in dm_ids}
    participant = dm_participants.c
    participants = select(participant.dm_id, participant.user_id).where(participant.dm_id.in_(dm_ids))
    for dm_id, user_id in connection.execute(participants.order_by(participant.user_id)):
        members[dm_id].append(user_id)
    rows = select(dms.c.id, dms.c.is_group, dms.c.name, dms.c.icon).where(dms.c.id.in_(dm_ids)).order_by(dms.c.id)
    return [
        DmInfo(dm_id, members[dm_id], bool(is_group), name, icon)
        for dm_id, is_group, name, icon in connection.execute(rows)
    ]
