"""The SQL of what other servers ask for and bring: files, keys, messages, tickets."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from vox.chat.database.schema import (
    bans,
    blocks,
    dm_participants,
    federation_outbox,
    federation_received,
    files,
    message_attachments,
    messages,
    sessions,
    users,
)
from vox.chat.events.ids import DmId, FileId, LoginId, MessageId, UserId
from vox.chat.federation.wire import RemoteProfile

TICKET = "fed"
"""The kind of a ticket in `sessions` that a user of another server exchanges for a login."""


@dataclass(frozen=True, slots=True)
class RemoteUser:
    """A user of another server as the database has them."""

    user_id: UserId
    display_name: str | None
    nickname: str | None
    avatar: str | None
    is_active: bool
    is_contact: bool
    is_banned: bool
    home_domain: str | None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A message that has not arrived; `state` is pending or failed, `code` why it has not arrived yet."""

    number: int
    msg_id: MessageId
    dm_id: int
    domain: str
    state: str
    code: str | None


def is_shown_to(connection: Connection, file_id: FileId, domain: str) -> bool:
    """Whether a file is attached to a message of a conversation that a user of a server takes part in."""
    query = (
        select(message_attachments.c.file_id)
        .join(messages, messages.c.id == message_attachments.c.msg_id)
        .join(dm_participants, dm_participants.c.dm_id == messages.c.dm_id)
        .join(users, users.c.id == dm_participants.c.user_id)
        .where(message_attachments.c.file_id == file_id, users.c.home_domain == domain)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def bytes_from(connection: Connection, domain: str) -> tuple[int, int]:
    """How many bytes the files of a server's users have here, and those of all other servers together with it."""
    total = select(func.coalesce(func.sum(files.c.size), 0)).join(users, users.c.id == files.c.uploader_id)
    of_all = connection.execute(total.where(users.c.home_domain.is_not(None))).scalar_one()
    of_one = connection.execute(total.where(users.c.home_domain == domain)).scalar_one()
    return int(of_one), int(of_all)


def profile_of(connection: Connection, user_id: UserId) -> RemoteProfile | None:
    """What other servers may show of a user of this one."""
    row = connection.execute(
        select(users.c.display_name, users.c.avatar, users.c.bio).where(users.c.id == user_id, users.c.active)
    ).first()
    if row is None:
        return None
    is_address = row.avatar is not None and row.avatar.startswith(("https://", "http://"))
    return RemoteProfile(row.display_name, row.avatar if is_address else None, row.bio)


def is_received(connection: Connection, domain: str, delivery_id: str) -> bool:
    """Whether a delivery has come before."""
    row = federation_received.c
    query = select(row.domain).where(row.domain == domain, row.delivery_id == delivery_id)
    return connection.execute(query).first() is not None


def mark_federated(connection: Connection, msg_id: MessageId, address: str) -> None:
    """Notes that a message has come from another server, and its sender."""
    connection.execute(update(messages).where(messages.c.id == msg_id).values(federated=True, author_address=address))


def is_message_in(connection: Connection, dm_id: DmId, msg_id: int) -> bool:
    """Whether a message is in a conversation."""
    query = select(messages.c.id).where(messages.c.id == msg_id, messages.c.dm_id == dm_id)
    return connection.execute(query).first() is not None


def partners_of(connection: Connection, user_id: UserId) -> list[UserId]:
    """The users of this server that take part in a conversation with a user."""
    mine = select(dm_participants.c.dm_id).where(dm_participants.c.user_id == user_id)
    query = (
        select(dm_participants.c.user_id)
        .join(users, users.c.id == dm_participants.c.user_id)
        .where(dm_participants.c.dm_id.in_(mine), users.c.home_domain.is_(None))
        .distinct()
    )
    return list(connection.execute(query).scalars())


def is_blocked(connection: Connection, user_id: UserId, other_id: UserId) -> bool:
    """Whether a user has blocked another."""
    row = blocks.c
    query = select(row.user_id).where(row.user_id == user_id, row.blocked_id == other_id)
    return connection.execute(query).first() is not None


def remote_user(connection: Connection, user_id: UserId) -> RemoteUser | None:
    """A user of another server."""
    is_banned = exists().where(bans.c.user_id == users.c.id)
    row = users.c
    found = connection.execute(
        select(
            row.id, row.display_name, row.nickname, row.avatar, row.active, row.contact, is_banned, row.home_domain
        ).where(row.id == user_id, row.federated)
    ).first()
    return None if found is None else RemoteUser(*found)


def let_in(connection: Connection, user_id: UserId) -> None:
    """Makes a user of another server an active member."""
    connection.execute(update(users).where(users.c.id == user_id).values(active=True, contact=False))


def insert_ticket(connection: Connection, user_id: UserId, digest: str, now_s: int, expires_at: int) -> None:
    """Stores a ticket in place of the user's earlier ones."""
    row = sessions.c
    connection.execute(delete(sessions).where(row.user_id == user_id, row.kind == TICKET))
    values = {"token": digest, "user_id": user_id, "created_at": now_s, "expires_at": expires_at, "kind": TICKET}
    connection.execute(insert(sessions).values(values))


def use_ticket(connection: Connection, digest: str, now_s: int) -> UserId | None:
    """Deletes a ticket that has not expired and returns whose it was; of two at once one gets None."""
    row = sessions.c
    is_meant = (row.token == digest) & (row.kind == TICKET) & (row.expires_at > now_s)
    return connection.execute(delete(sessions).where(is_meant).returning(row.user_id)).scalar()


def end_logins_of(connection: Connection, domain: str) -> list[tuple[UserId, Sequence[LoginId]]]:
    """Deletes the logins and tickets of a server's users; whose they were, and their ids."""
    theirs = select(users.c.id).where(users.c.home_domain == domain)
    gone = delete(sessions).where(sessions.c.user_id.in_(theirs)).returning(sessions.c.user_id, sessions.c.id)
    ended: dict[UserId, list[LoginId]] = {}
    for user_id, login_id in connection.execute(gone):
        ended.setdefault(user_id, []).append(login_id)
    return sorted(ended.items())


def unsettled(connection: Connection, author_id: UserId, after: int, limit: int) -> list[Unsettled]:
    """A user's messages that have not arrived at another server, by number."""
    row = federation_outbox.c
    query = (
        select(row.id, row.msg_id, row.conversation, row.domain, row.state, row.code)
        .where(row.author_id == author_id, row.id > after, row.msg_id.is_not(None))
        .order_by(row.id)
        .limit(limit)
    )
    return [
        Unsettled(number, msg_id, int(conversation.removeprefix("dm:")), domain, state, code)
        for number, msg_id, conversation, domain, state, code in connection.execute(query)
    ]
