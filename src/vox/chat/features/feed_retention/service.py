"""Feeds that keep their messages for some days only; what is older goes within the hour, pinned messages excepted."""

from datetime import datetime
from functools import partial

from vox.chat.context import ChatContext
from vox.chat.database.snowflakes import first_at, unix_ms
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.events import message_bulk_delete
from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.feed_retention import queries
from vox.chat.features.messages.delete import BATCH, delete_messages_before
from vox.stores.sql import Connection

DAY_S = 86_400


def set_retention(connection: Connection, *, feed_id: FeedId, keep_days: int, actor_id: UserId) -> Change[None]:
    """Stores how many days a feed keeps its messages."""
    queries.store(connection, feed_id, keep_days * DAY_S)
    return Change(None, (), [AuditEntry("feed.retention", actor_id, feed_id, {"keep_days": keep_days})])


def end_retention(connection: Connection, *, feed_id: FeedId, actor_id: UserId) -> Change[None]:
    """Lets a feed keep its messages from now on."""
    queries.remove(connection, feed_id)
    return Change(None, (), [AuditEntry("feed.retention", actor_id, feed_id, {"keep_days": None})])


async def delete_expired_messages(chat: ChatContext, now: datetime) -> int:
    """Deletes what feeds no longer keep, in batches, and tells clients.

    Args:
        chat: the server.
        now: the present time.

    Returns:
        How many messages were deleted.

    Raises:
        DependencyError: the database failed; the next round goes on.
    """
    removed = 0
    for feed_id, keep_s in await chat.read(queries.read_all):
        before = first_at(unix_ms(now) - keep_s * 1000)
        while True:
            count = await chat.change(partial(_delete_batch, feed_id=feed_id, before=before))
            removed += count
            if count < BATCH:
                break
    return removed


def _delete_batch(connection: Connection, *, feed_id: FeedId, before: int) -> Change[int]:
    gone = delete_messages_before(connection, feed_id, before)
    if not gone:
        return Change(0)
    return Change(len(gone), [message_bulk_delete(feed_id=feed_id, msg_ids=[message.msg_id for message in gone])])
