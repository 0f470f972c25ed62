"""How far users have read.

A mark only moves forward, so that two devices of one user cannot undo each other's, unless the user marks something as unread.

The original had no way to write the mark of a feed; `POST /feeds/{feed_id}/read` is an addition.
"""

from typing import Protocol

from vox.chat.database.snowflakes import first_at
from vox.chat.database.unit_of_work import Change
from vox.chat.events import dm_read_notify, read_update
from vox.chat.events.ids import DmId, FeedId, MessageId, UserId
from vox.chat.features.messages import queries
from vox.stores.sql import Connection

CLOCKS_DIFFER_MS = 60_000


def bounded_mark(msg_id: MessageId, now_ms: int) -> MessageId:
    """A mark that does not lie in the future, where it would hide messages not written yet: marks never move back.

    Args:
        msg_id: the requested mark.
        now_ms: Unix milliseconds; other processes number messages by their own clocks, which may be CLOCKS_DIFFER_MS ahead.
    """
    return MessageId(min(msg_id, first_at(now_ms + CLOCKS_DIFFER_MS)))


def mark_feed_read(
    connection: Connection, *, user_id: UserId, feed_id: FeedId, msg_id: MessageId, is_unread: bool = False
) -> Change[None]:
    """Marks a feed as read up to a message; the user's other sessions are told where the mark moved.

    Args:
        connection: of the writer.
        user_id: whose mark.
        feed_id: where.
        msg_id: the last message that counts as read.
        is_unread: whether the mark may go back.
    """
    if not queries.mark_feed_read(connection, user_id, feed_id, msg_id, is_unread=is_unread):
        return Change(None)
    event = read_update(user_id=user_id, feed_id=feed_id, last_read_msg_id=msg_id, is_unread=is_unread)
    return Change(None, (event,))


class RelayRead(Protocol):
    """Queues a read mark for another server."""

    def __call__(self, connection: Connection, *, msg_id: MessageId) -> None:
        """Within the unit of work that moved the mark."""
        ...


def mark_dm_read(
    connection: Connection,
    *,
    user_id: UserId,
    dm_id: DmId,
    msg_id: MessageId,
    is_unread: bool = False,
    relayed: RelayRead | None = None,
) -> Change[None]:
    """Marks a conversation as read up to a message; its participants are told where the mark moved forward.

    Args:
        connection: of the writer.
        user_id: whose mark.
        dm_id: where.
        msg_id: the last message that counts as read.
        is_unread: whether the mark may go back, which only the user's own sessions hear of.
        relayed: queues the mark for another server.
    """
    if not queries.mark_dm_read(connection, user_id, dm_id, msg_id, is_unread=is_unread):
        return Change(None)
    own = read_update(user_id=user_id, dm_id=dm_id, last_read_msg_id=msg_id, is_unread=is_unread)
    if is_unread:
        return Change(None, (own,))
    if relayed is not None:
        relayed(connection, msg_id=msg_id)
    return Change(None, (dm_read_notify(dm_id=dm_id, user_id=user_id, up_to_msg_id=msg_id), own))
