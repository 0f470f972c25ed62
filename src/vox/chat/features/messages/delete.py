"""Deleting messages and detaching their files.

Reactions, pins, mentions and nonces are deleted by foreign key and the search index by trigger, in the same transaction. A file
is only detached: its row leaves the state `ready`, so that it cannot be downloaded from that moment, and the hourly cleanup
deletes row and bytes later, because bytes cannot be deleted within a transaction.
"""

from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, UnitOfWork
from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.messages import queries
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.queries import Removed
from vox.stores.sql import Connection

BATCH: Final = 500
"""Messages deleted in one unit of work; more would keep other writers waiting for longer than some milliseconds."""


def delete_messages(connection: Connection, location: MessageLocation, limit: int = BATCH) -> list[Removed]:
    """Deletes messages of a feed, thread or conversation, the oldest first.

    Args:
        connection: of the writer.
        location: the messages to choose from.
        limit: how many at most; call again while that many were deleted.
    """
    return queries.delete_messages_at(connection, location, limit)


def delete_messages_of_author(
    connection: Connection, author_id: UserId, since_ms: int, limit: int = BATCH
) -> list[Removed]:
    """Deletes what a user has written since a moment, in feeds and conversations; for bans.

    Args:
        connection: of the writer.
        author_id: the author.
        since_ms: Unix milliseconds.
        limit: how many at most; call again while that many were deleted.
    """
    return queries.delete_messages_of_author(connection, author_id, since_ms, limit)


def delete_messages_before(connection: Connection, feed_id: FeedId, before: int, limit: int = BATCH) -> list[Removed]:
    """Deletes messages of a feed and its threads that are older than an id, the oldest first; pinned ones stay.

    Args:
        connection: of the writer.
        feed_id: the feed.
        before: the first id that stays.
        limit: how many at most; call again while that many were deleted.
    """
    return queries.delete_messages_before(connection, feed_id, before, limit)


async def purge_messages(chat: ChatContext, location: MessageLocation) -> None:
    """Deletes all messages of a place in batches, so that others can write in between; publishes no events."""

    def batch(connection: Connection) -> Change[int]:
        return Change(len(delete_messages(connection, location)))

    unit: UnitOfWork[int] = batch
    while await chat.change(unit) == BATCH:
        pass
