"""The SQL of sending a message, hand-written because the throughput of the server depends on it.

Each function runs one statement. In the usual case a message costs two of them: the insert and the subscribers of its feed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.stores.sql import Connection
from vox.stores.statements import Statement
from vox.text.folding import folded

_INSERT: Final = Statement(
    "INSERT INTO messages (id, feed_id, dm_id, thread_id, author_id, body, opaque_blob, timestamp, reply_to, embed,"
    " search_text) VALUES (:id, :feed_id, :dm_id, :thread_id, :author_id, :body, :opaque_blob, :timestamp, :reply_to, :embed,"
    " :search_text)"
)
_INSERT_UNUSUAL: Final = Statement(
    "INSERT INTO messages (id, feed_id, dm_id, thread_id, author_id, body, opaque_blob, timestamp, reply_to, embed,"
    " search_text, webhook_id, extras) VALUES (:id, :feed_id, :dm_id, :thread_id, :author_id, :body, :opaque_blob, :timestamp,"
    " :reply_to, :embed, :search_text, :webhook_id, :extras)"
)
_THREAD: Final = Statement(
    "SELECT locked, archived FROM threads WHERE id = :thread_id AND feed_id = :feed_id",
    "SELECT locked, archived FROM threads WHERE id = :thread_id AND feed_id = :feed_id FOR SHARE",
)
_NEW_THREAD: Final = Statement(
    "INSERT INTO threads (name, feed_id, parent_msg_id) VALUES (:name, :feed_id, :id) RETURNING id"
)
_FEED_FOLLOWERS: Final = Statement("SELECT user_id FROM feed_subscribers WHERE feed_id = :feed_id ORDER BY user_id")
_THREAD_FOLLOWERS: Final = Statement(
    "SELECT user_id FROM thread_subscribers WHERE thread_id = :thread_id ORDER BY user_id"
)
_ANSWERED_IN_FEED: Final = Statement("SELECT author_id FROM messages WHERE id = :reply_to AND feed_id = :feed_id")
_ANSWERED_IN_DM: Final = Statement("SELECT author_id FROM messages WHERE id = :reply_to AND dm_id = :dm_id")
_MENTION: Final = Statement(
    "INSERT INTO message_mentions (user_id, msg_id, feed_id, dm_id) VALUES (:user_id, :id, :feed_id, :dm_id)"
)
_EVERYONE_MENTION: Final = Statement(
    "INSERT INTO everyone_mentions (msg_id, feed_id, dm_id) VALUES (:id, :feed_id, :dm_id)"
)
_NONCE: Final = Statement(
    "SELECT n.msg_id, m.timestamp, m.feed_id, m.dm_id, m.thread_id FROM message_nonces n JOIN messages m"
    " ON m.id = n.msg_id WHERE n.author_id = :author_id AND n.nonce = :nonce AND n.created_at > :since"
)
_KEEP_NONCE: Final = Statement(
    "INSERT INTO message_nonces (author_id, nonce, msg_id, created_at) VALUES (:author_id, :nonce, :id, :now_s)"
    " ON CONFLICT (author_id, nonce) DO UPDATE SET msg_id = excluded.msg_id, created_at = excluded.created_at"
)
_NONCE_LOCK: Final = Statement("SELECT 1", "SELECT pg_advisory_xact_lock(:author_id, hashtext(:nonce))")
_DELETE_NONCES: Final = Statement("DELETE FROM message_nonces WHERE created_at <= :until")


def insert_row(connection: Connection, row: Mapping[str, Any]) -> None:
    """Inserts a message; `row` has a value for each of its columns but for the text that searches compare."""
    body: str | None = row["body"]
    _INSERT.run(connection, {**row, "search_text": None if body is None else folded(body)})


def insert_unusual_row(connection: Connection, row: Mapping[str, Any]) -> None:
    """Inserts a message with `webhook_id` and `extras`, which most messages do not have."""
    body: str | None = row["body"]
    _INSERT_UNUSUAL.run(connection, {**row, "search_text": None if body is None else folded(body)})


def insert_mentions(connection: Connection, row: Mapping[str, Any], user_ids: Sequence[UserId]) -> None:
    """Stores the users that a message mentions; `row` is the message's own."""
    for user_id in user_ids:
        _MENTION.run(connection, {**row, "user_id": user_id})


def insert_everyone_mention(connection: Connection, row: Mapping[str, Any]) -> None:
    """Stores that a message mentions everyone; `row` is the message's own."""
    _EVERYONE_MENTION.run(connection, row)


def lock_thread(connection: Connection, thread_id: ThreadId, feed_id: FeedId | None) -> Sequence[Any] | None:
    """Whether a thread is locked, and whether it is archived, until the transaction ends; None where it is not in the feed."""
    return _THREAD.row(connection, {"thread_id": thread_id, "feed_id": feed_id})


def insert_thread(connection: Connection, name: str, feed_id: FeedId, msg_id: MessageId) -> ThreadId:
    """Inserts the thread that a message of a forum starts, and returns its id."""
    row = _NEW_THREAD.row(connection, {"name": name, "feed_id": feed_id, "id": msg_id})
    return ThreadId(0) if row is None else row[0]


def followers_of_feed(connection: Connection, feed_id: FeedId) -> Sequence[Sequence[UserId]]:
    """Rows with the ids of a feed's subscribers."""
    return _FEED_FOLLOWERS.rows(connection, {"feed_id": feed_id})


def followers_of_thread(connection: Connection, thread_id: ThreadId) -> Sequence[Sequence[UserId]]:
    """Rows with the ids of a thread's subscribers."""
    return _THREAD_FOLLOWERS.rows(connection, {"thread_id": thread_id})


def author_of(connection: Connection, msg_id: MessageId, feed_id: FeedId | None, dm_id: DmId | None) -> UserId | None:
    """The author of a message in a feed or conversation; None where the message or its author does not exist there."""
    statement = _ANSWERED_IN_FEED if dm_id is None else _ANSWERED_IN_DM
    row = statement.row(connection, {"reply_to": msg_id, "feed_id": feed_id, "dm_id": dm_id})
    return None if row is None else row[0]


def lock_nonce(connection: Connection, author_id: UserId, nonce: str) -> None:
    """Makes the second of two messages with the same nonce wait for the first; SQLite has only one writer anyway."""
    if connection.dialect.name != "sqlite":
        _NONCE_LOCK.run(connection, {"author_id": author_id & 0x7FFFFFFF, "nonce": nonce})


def message_of_nonce(connection: Connection, author_id: UserId, nonce: str, since_s: int) -> Sequence[Any] | None:
    """Id, timestamp, feed, conversation and thread of the message that an author sent with a nonce since a moment."""
    return _NONCE.row(connection, {"author_id": author_id, "nonce": nonce, "since": since_s})


def keep_nonce(connection: Connection, row: Mapping[str, Any], nonce: str, now_s: int) -> None:
    """Stores the nonce of a message; `row` is the message's own."""
    _KEEP_NONCE.run(connection, {**row, "nonce": nonce, "now_s": now_s})


def delete_nonces(connection: Connection, until_s: int) -> int:
    """Deletes nonces stored up to a moment, and returns how many."""
    return _DELETE_NONCES.run(connection, {"until": until_s}).rowcount
