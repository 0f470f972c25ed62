"""The SQL of interactions: who was asked what, until when, and whether it was answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import bots, interactions, messages
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.chat.features.messages.addresses import Address
from vox.stores.sql import Connection

MODAL: Final = "modal"
EPHEMERAL: Final = "ephemeral"


@dataclass(frozen=True, slots=True)
class StoredInteraction:
    """An interaction, an open modal or an ephemeral message; `expires_at` in Unix milliseconds."""

    id: str
    kind: str
    bot_user_id: UserId
    user_id: UserId
    address: Address
    msg_id: MessageId | None
    content: str | None
    state: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class UsedMessage:
    """A message whose component is used."""

    address: Address
    author_id: UserId | None
    extras: str | None
    embed: str | None


def insert_interaction(connection: Connection, one: StoredInteraction) -> bool:
    """Stores an interaction; False where there is one with its id."""
    return insert_if_absent(connection, interactions, _values(one))


def lock_interaction(connection: Connection, interaction_id: str) -> StoredInteraction | None:
    """An interaction, until the transaction ends; None where there is none."""
    query = select(interactions).where(interactions.c.id == interaction_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _stored(row)


def find_interaction(connection: Connection, interaction_id: str) -> StoredInteraction | None:
    """An interaction as it is at this moment; None where there is none."""
    row = connection.execute(select(interactions).where(interactions.c.id == interaction_id)).mappings().one_or_none()
    return None if row is None else _stored(row)


def find_ephemeral(connection: Connection, msg_id: MessageId, user_id: UserId, now_ms: int) -> StoredInteraction | None:
    """An ephemeral message that a user was sent and that has not expired."""
    row = interactions.c
    mine = (row.id == str(msg_id)) & (row.kind == EPHEMERAL) & (row.user_id == user_id) & (row.expires_at > now_ms)
    found = connection.execute(select(interactions).where(mine)).mappings().one_or_none()
    return None if found is None else _stored(found)


def set_answered(connection: Connection, interaction_id: str) -> None:
    """Marks an interaction as answered."""
    connection.execute(update(interactions).where(interactions.c.id == interaction_id).values(state="answered"))


def set_content(connection: Connection, interaction_id: str, content: str) -> None:
    """Stores other components of an ephemeral message."""
    connection.execute(update(interactions).where(interactions.c.id == interaction_id).values(content=content))


def store_ephemeral(connection: Connection, one: StoredInteraction) -> None:
    """Stores an ephemeral message that has components."""
    connection.execute(insert(interactions).values(**_values(one)))


def find_used_message(connection: Connection, msg_id: MessageId) -> UsedMessage | None:
    """A stored message, wherever it is."""
    row = messages.c
    query = select(row.feed_id, row.thread_id, row.dm_id, row.author_id, row.extras, row.embed).where(row.id == msg_id)
    found = connection.execute(query).one_or_none()
    return None if found is None else UsedMessage(Address(*found[:3]), *found[3:])


def interaction_address(connection: Connection, user_id: UserId) -> tuple[str, int, int, int | None] | None:
    """Where interactions of an enabled bot are posted, its row, and version and last rotation of its secret."""
    row = bots.c
    query = select(row.interaction_url, row.id, row.secret_version, row.secret_rotated_at)
    found = connection.execute(query.where(row.user_id == user_id, ~row.disabled)).first()
    return None if found is None or not found[0] else (found[0], found[1], found[2], found[3])


def delete_expired(connection: Connection, *, before_ms: int) -> int:
    """Deletes what expired before a moment, and returns how many."""
    return connection.execute(delete(interactions).where(interactions.c.expires_at < before_ms)).rowcount


def _values(one: StoredInteraction) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "bot_user_id": one.bot_user_id,
        "user_id": one.user_id,
        "feed_id": one.address.feed_id,
        "thread_id": one.address.thread_id,
        "dm_id": one.address.dm_id,
        "msg_id": one.msg_id,
        "content": one.content,
        "state": one.state,
        "expires_at": one.expires_at,
    }


def _stored(row: Mapping[Any, Any]) -> StoredInteraction:
    address = Address(_maybe(FeedId, row["feed_id"]), _maybe(ThreadId, row["thread_id"]), _maybe(DmId, row["dm_id"]))
    return StoredInteraction(
        row["id"],
        row["kind"],
        UserId(row["bot_user_id"]),
        UserId(row["user_id"]),
        address,
        _maybe(MessageId, row["msg_id"]),
        row["content"],
        row["state"],
        row["expires_at"],
    )


def _maybe(kind: Any, value: int | None) -> Any:
    return None if value is None else kind(value)
