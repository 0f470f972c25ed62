"""Storing a message: the unit of work that decides the throughput of the server.

Two statements in the usual case, because feeds and their types are known in memory, and foreign keys refuse a message to a
place that has been deleted since. The id is taken inside the unit: on SQLite ids ascend in the order of commits; on PostgreSQL
two messages of the same moment may be delivered in the other order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vox.chat.database.snowflakes import time_of
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, message_create, thread_create
from vox.chat.events.ids import FeedId, MessageId, UserId
from vox.chat.features.messages import insert_queries as queries
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.attachments import Scope, attachable
from vox.chat.features.messages.content import (
    EVERYONE_MENTION,
    Content,
    embed_fields,
    extra_fields,
    stored_embed,
    stored_extras,
)
from vox.chat.features.messages.dm_rules import assert_unblocked
from vox.chat.features.messages.queries import insert_attachments
from vox.chat.features.messages.schemas import Attachment, Extras
from vox.chat.features.messages.slow_mode import take_turn
from vox.stores.sql import Connection
from vox.text.names import is_visible, problem_with_name, stored_name, without_unshown

NONCE_LIFE_S: Final = 600
THREAD_NAME_CHARS: Final = 64
DEFAULT_THREAD_NAME: Final = "Thread"


@dataclass(frozen=True, slots=True)
class InsertedMessage:
    """The outcome of storing a message.

    Args:
        msg_id: its id.
        timestamp: Unix milliseconds.
        is_new: False where a message with this nonce existed, and nothing was stored.
        answered: the author of the message it replies to, where that is in the same place.
        followers: subscribers of the feed or thread.
    """

    msg_id: MessageId
    timestamp: int
    is_new: bool = True
    answered: UserId | None = None
    followers: Sequence[UserId] = ()


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that its author may send.

    Args:
        author_id: the author; None for a webhook.
        address: where it is sent.
        content: the checked message.
        known: mentioned users that exist; never 0.
        names_thread: whether the message starts a thread, as in a forum.
        extras: what few messages have.
        webhook_id: the webhook that posts it.
        thread_name: the name of that thread, where its author gave one.
        wait_s: how long its author waits between two messages of the feed.
    """

    author_id: UserId | None
    address: Address
    content: Content
    known: Sequence[UserId] = ()
    names_thread: bool = False
    extras: Extras | None = None
    webhook_id: int | None = None
    thread_name: str | None = None
    wait_s: int = 0


def insert_message(
    connection: Connection, draft: NewMessage, next_id: Callable[[], int], now_s: int
) -> Change[InsertedMessage]:
    """Stores a message; the change carries its events.

    Args:
        connection: of the writer.
        draft: the message.
        next_id: gives snowflakes.
        now_s: Unix seconds.

    Raises:
        Refusal: SPACE_NOT_FOUND, THREAD_LOCKED, USER_BLOCKED, SLOW_MODE, or the refusal of an attachment.
        DependencyError: database_conflict where the place was deleted at the same moment.
    """
    address, content, author = draft.address, draft.content, draft.author_id
    if content.nonce is not None and author is not None:
        earlier = _sent_before(connection, draft, author, content.nonce, now_s)
        if earlier is not None:
            return Change(earlier)
    if draft.names_thread:
        lock_event_order(connection)
    _assert_open(connection, draft)
    attachments: Sequence[Attachment] = ()
    if content.attachments and author is not None:
        scope = Scope(address.feed_id, address.dm_id)
        attachments = attachable(connection, author, scope, content.attachments)
    msg_id = MessageId(next_id())
    if draft.wait_s and address.feed_id is not None and author is not None:
        take_turn(connection, address.feed_id, author, now_ms=time_of(msg_id), wait_s=draft.wait_s)
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
    if draft.extras is None:
        queries.insert_row(connection, row)
    else:
        extras = {"webhook_id": draft.webhook_id, "extras": stored_extras(draft.extras)}
        queries.insert_unusual_row(connection, row | extras)
    if attachments:
        insert_attachments(connection, msg_id, attachments)
    queries.insert_mentions(connection, row, draft.known)
    if EVERYONE_MENTION in content.mentions:
        queries.insert_everyone_mention(connection, row)
    if content.nonce is not None:
        queries.keep_nonce(connection, row, content.nonce, now_s)
    events: list[Event] = []
    if draft.names_thread:
        events.append(_thread_event(connection, draft, msg_id))
    events.append(_message_event(draft, posted, attachments))
    return Change(_with_recipients(connection, draft, posted), events)


def delete_expired_nonces(connection: Connection, now_s: int) -> int:
    """Deletes nonces that have expired, and returns how many; for the hourly cleanup."""
    return queries.delete_nonces(connection, now_s - NONCE_LIFE_S)


def _assert_open(connection: Connection, draft: NewMessage) -> None:
    address = draft.address
    if address.thread_id is not None:
        thread = queries.lock_thread(connection, address.thread_id, address.feed_id)
        if thread is None:
            raise refuse("SPACE_NOT_FOUND", f"There is no thread {address.thread_id} in this feed.")
        if thread[0] or thread[1]:
            raise refuse("THREAD_LOCKED", "This thread is locked or archived.")
    elif address.dm_id is not None and draft.author_id is not None:
        assert_unblocked(connection, address.dm_id, draft.author_id)


def _sent_before(
    connection: Connection, draft: NewMessage, author: UserId, nonce: str, now_s: int
) -> InsertedMessage | None:
    queries.lock_nonce(connection, author, nonce)
    row = queries.message_of_nonce(connection, author, nonce, now_s - NONCE_LIFE_S)
    if row is None:
        return None
    msg_id, timestamp, feed_id, dm_id, thread_id = row
    if Address(feed_id, thread_id, dm_id) != draft.address:
        return None
    return InsertedMessage(msg_id, timestamp, is_new=False)


def _thread_event(connection: Connection, draft: NewMessage, msg_id: MessageId) -> Event:
    feed_id = draft.address.feed_id or FeedId(0)
    name = draft.thread_name or _thread_name(draft.content.body or "")
    thread_id = queries.insert_thread(connection, name, feed_id, msg_id)
    return thread_create(thread_id=thread_id, parent_feed_id=feed_id, name=name, parent_msg_id=msg_id)


def _thread_name(body: str) -> str:
    """The beginning of a message as the name of its thread: its first line that shows something."""
    lines = (stored_name(without_unshown(line)) for line in body.splitlines())
    name = next((line for line in lines if is_visible(line)), "")[:THREAD_NAME_CHARS].strip()
    return name if name and not problem_with_name(name) else DEFAULT_THREAD_NAME


def _message_event(draft: NewMessage, posted: InsertedMessage, attachments: Sequence[Attachment]) -> Event:
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
        embed=None if content.embed is None else embed_fields(content.embed),
        attachments=[
            {"file_id": file.file_id, "name": file.name, "size": file.size, "mime": file.mime, "url": file.url}
            for file in attachments
        ],
        webhook_id=draft.webhook_id,
        extras=None if draft.extras is None else extra_fields(draft.extras),
        nonce=content.nonce,
    )


def _with_recipients(connection: Connection, draft: NewMessage, posted: InsertedMessage) -> InsertedMessage:
    address, reply_to = draft.address, draft.content.reply_to
    answered: UserId | None = None
    if reply_to is not None:
        answered = queries.author_of(connection, reply_to, address.feed_id, address.dm_id)
    followers: Sequence[Sequence[UserId]] = ()
    if address.thread_id is not None:
        followers = queries.followers_of_thread(connection, address.thread_id)
    elif address.feed_id is not None:
        followers = queries.followers_of_feed(connection, address.feed_id)
    if answered is None and not followers:
        return posted
    return replace(posted, answered=answered, followers=[row[0] for row in followers])
