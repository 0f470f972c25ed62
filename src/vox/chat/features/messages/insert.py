"""Storing a message: the unit of work that the whole server is measured by.

Two statements in the usual case, because feeds and their types are known in memory and foreign keys guard what may have gone
since. The id is taken inside the unit: on SQLite ids ascend in the order of commits; on PostgreSQL two messages of the same
moment may be told the other way round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from vox.chat.database.snowflakes import time_of
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, message_create, thread_create
from vox.chat.features.messages.attachments import Scope, attach, attachable
from vox.chat.features.messages.content import Content, stored_embed, told_embed
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.chat.features.messages.schemas import Attachment
from vox.stores.statements import Statement

NONCE_LIFE_S: Final = 600
THREAD_NAME_CHARS: Final = 64

_INSERT = Statement(
    "INSERT INTO messages (id, feed_id, dm_id, thread_id, author_id, body, opaque_blob, timestamp, reply_to, embed)"
    " VALUES (:id, :feed_id, :dm_id, :thread_id, :author_id, :body, :opaque_blob, :timestamp, :reply_to, :embed)"
)
_THREAD = Statement(
    "SELECT locked, archived FROM threads WHERE id = :thread_id AND feed_id = :feed_id",
    "SELECT locked, archived FROM threads WHERE id = :thread_id AND feed_id = :feed_id FOR SHARE",
)
_NEW_THREAD = Statement("INSERT INTO threads (name, feed_id, parent_msg_id) VALUES (:name, :feed_id, :id) RETURNING id")
_FEED_FOLLOWERS = Statement("SELECT user_id FROM feed_subscribers WHERE feed_id = :feed_id ORDER BY user_id")
_THREAD_FOLLOWERS = Statement("SELECT user_id FROM thread_subscribers WHERE thread_id = :thread_id ORDER BY user_id")
_ANSWERED_IN_FEED = Statement("SELECT author_id FROM messages WHERE id = :reply_to AND feed_id = :feed_id")
_ANSWERED_IN_DM = Statement("SELECT author_id FROM messages WHERE id = :reply_to AND dm_id = :dm_id")
_MENTION = Statement(
    "INSERT INTO message_mentions (user_id, msg_id, feed_id, dm_id) VALUES (:user_id, :id, :feed_id, :dm_id)"
)
_NONCE = Statement(
    "SELECT n.msg_id, m.timestamp, m.feed_id, m.dm_id, m.thread_id FROM message_nonces n JOIN messages m"
    " ON m.id = n.msg_id WHERE n.author_id = :author_id AND n.nonce = :nonce AND n.created_at > :since"
)
_KEEP_NONCE = Statement(
    "INSERT INTO message_nonces (author_id, nonce, msg_id, created_at) VALUES (:author_id, :nonce, :id, :now_s)"
    " ON CONFLICT (author_id, nonce) DO UPDATE SET msg_id = excluded.msg_id, created_at = excluded.created_at"
)
_NONCE_LOCK = Statement("SELECT 1", "SELECT pg_advisory_xact_lock(:author_id, hashtext(:nonce))")
_FORGET_NONCES = Statement("DELETE FROM message_nonces WHERE created_at <= :until")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: a feed, a thread of a feed, or a conversation."""

    feed_id: int | None = None
    thread_id: int | None = None
    dm_id: int | None = None


@dataclass(frozen=True, slots=True)
class InsertedMessage:
    """What became of a message.

    Args:
        msg_id: its id.
        timestamp: Unix milliseconds.
        is_new: False where its nonce was known, and nothing was stored.
        answered: who wrote what it answers, where that is in the same place.
        followers: who follows the feed or thread.
    """

    msg_id: int
    timestamp: int
    is_new: bool = True
    answered: int | None = None
    followers: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that its author may send.

    Args:
        author_id: who.
        address: where to.
        content: what.
        known: those of the mentioned who exist; 0 is not among them.
        names_thread: whether the message starts a thread, as in a forum.
    """

    author_id: int
    address: Address
    content: Content
    known: Sequence[int] = ()
    names_thread: bool = False


def insert_message(
    connection: Connection, draft: NewMessage, next_id: Callable[[], int], now_s: int
) -> Change[InsertedMessage]:
    """Stores a message and says what is to be told.

    Args:
        connection: of the writer.
        draft: the message.
        next_id: gives snowflakes.
        now_s: Unix seconds.

    Raises:
        Refusal: SPACE_NOT_FOUND, THREAD_LOCKED, USER_BLOCKED, or what is wrong with an attachment.
        DependencyError: database_conflict where the place was deleted at the same moment.
    """
    address, content, author = draft.address, draft.content, draft.author_id
    if content.nonce is not None:
        earlier = _sent_before(connection, draft, content.nonce, now_s)
        if earlier is not None:
            return Change(earlier)
    if draft.names_thread:
        lock_event_order(connection)
    _assert_open(connection, draft)
    attachments: Sequence[Attachment] = ()
    if content.attachments:
        scope = Scope(address.feed_id, address.dm_id)
        attachments = attachable(connection, author, scope, content.attachments)
    msg_id = next_id()
    posted = InsertedMessage(msg_id, time_of(msg_id))
    row: dict[str, Any] = {
        "id": msg_id,
        "feed_id": address.feed_id,
        "dm_id": address.dm_id,
        "thread_id": address.thread_id,
        "author_id": author,
        "body": content.body,
        "opaque_blob": content.opaque_blob,
        "timestamp": posted.timestamp,
        "reply_to": content.reply_to,
        "embed": None if content.embed is None else stored_embed(content.embed),
    }
    _INSERT.run(connection, row)
    if attachments:
        attach(connection, msg_id, attachments)
    for user in draft.known:
        _MENTION.run(connection, {**row, "user_id": user})
    if content.nonce is not None:
        _KEEP_NONCE.run(connection, {**row, "nonce": content.nonce, "now_s": now_s})
    events: list[Event] = []
    if draft.names_thread:
        events.append(_thread_of(connection, draft, msg_id))
    events.append(_told(draft, posted, attachments))
    return Change(_with_circle(connection, draft, posted), events)


def delete_expired_nonces(connection: Connection, now_s: int) -> int:
    """Deletes nonces that no longer count, and says how many; for the hourly cleanup."""
    return _FORGET_NONCES.run(connection, {"until": now_s - NONCE_LIFE_S}).rowcount


def _assert_open(connection: Connection, draft: NewMessage) -> None:
    address = draft.address
    if address.thread_id is not None:
        thread = _THREAD.row(connection, {"thread_id": address.thread_id, "feed_id": address.feed_id})
        if thread is None:
            raise refuse("SPACE_NOT_FOUND", f"There is no thread {address.thread_id} in this feed.")
        if thread[0] or thread[1]:
            raise refuse("THREAD_LOCKED", "This thread is locked or archived.")
    elif address.dm_id is not None:
        assert_unblocked(connection, address.dm_id, draft.author_id)


def _sent_before(connection: Connection, draft: NewMessage, nonce: str, now_s: int) -> InsertedMessage | None:
    if connection.dialect.name != "sqlite":  # SQLite has one writer; here the second of two retries waits for the first
        _NONCE_LOCK.run(connection, {"author_id": draft.author_id & 0x7FFFFFFF, "nonce": nonce})
    values = {"author_id": draft.author_id, "nonce": nonce, "since": now_s - NONCE_LIFE_S}
    row = _NONCE.row(connection, values)
    if row is None:
        return None
    msg_id, timestamp, feed_id, dm_id, thread_id = row
    if Address(feed_id, thread_id, dm_id) != draft.address:
        return None
    return InsertedMessage(msg_id, timestamp, is_new=False)


def _thread_of(connection: Connection, draft: NewMessage, msg_id: int) -> Event:
    feed_id = draft.address.feed_id or 0
    name = (draft.content.body or "").strip()[:THREAD_NAME_CHARS] or "Thread"
    row = _NEW_THREAD.row(connection, {"name": name, "feed_id": feed_id, "id": msg_id})
    thread_id = 0 if row is None else row[0]
    return thread_create(thread_id=thread_id, parent_feed_id=feed_id, name=name, parent_msg_id=msg_id)


def _told(draft: NewMessage, posted: InsertedMessage, attachments: Sequence[Attachment]) -> Event:
    address, content = draft.address, draft.content
    return message_create(
        msg_id=posted.msg_id,
        author_id=draft.author_id,
        body=content.body,
        timestamp=posted.timestamp,
        feed_id=address.feed_id,
        dm_id=address.dm_id,
        thread_id=address.thread_id,
        opaque_blob=content.opaque_blob,
        reply_to=content.reply_to,
        mentions=content.mentions,
        embed=None if content.embed is None else told_embed(content.embed),
        attachments=[
            {"file_id": file.file_id, "name": file.name, "size": file.size, "mime": file.mime, "url": file.url}
            for file in attachments
        ],
    )


def _with_circle(connection: Connection, draft: NewMessage, posted: InsertedMessage) -> InsertedMessage:
    address, reply_to = draft.address, draft.content.reply_to
    answered: int | None = None
    if reply_to is not None:
        statement = _ANSWERED_IN_FEED if address.dm_id is None else _ANSWERED_IN_DM
        values = {"reply_to": reply_to, "feed_id": address.feed_id, "dm_id": address.dm_id}
        row = statement.row(connection, values)
        answered = None if row is None else row[0]
    followers: Sequence[Sequence[Any]] = ()
    if address.thread_id is not None:
        followers = _THREAD_FOLLOWERS.rows(connection, {"thread_id": address.thread_id})
    elif address.feed_id is not None:
        followers = _FEED_FOLLOWERS.rows(connection, {"feed_id": address.feed_id})
    if answered is None and not followers:
        return posted
    return replace(posted, answered=answered, followers=[row[0] for row in followers])
