"""Deleting messages: the rows, what hangs on them, and the files they showed.

Reactions, pins, mentions and nonces go by foreign key, the search index by trigger, all in the same transaction. A file is only
unhooked: its row leaves the state `ready`, so that nobody can fetch it from that moment, and the sweeper of unfinished uploads
removes row and bytes later, because bytes cannot be deleted within a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, select, update

from vox.chat.context import ChatContext
from vox.chat.database.schema import files, message_attachments, messages
from vox.chat.database.unit_of_work import Change, UnitOfWork

BATCH: Final = 500
"""Messages deleted in one unit of work; more would keep other writers waiting for longer than some milliseconds."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A message that was deleted, and where it was."""

    msg_id: int
    feed_id: int | None
    dm_id: int | None


def delete_messages(connection: Connection, where: ColumnElement[bool], limit: int = BATCH) -> list[Removed]:
    """Deletes messages, the oldest first, and unhooks their files.

    Args:
        connection: of the writer.
        where: which, as a condition on the table of messages.
        limit: how many at most.
    """
    columns = (messages.c.id, messages.c.feed_id, messages.c.dm_id)
    rows = connection.execute(select(*columns).where(where).order_by(messages.c.id).limit(limit).with_for_update())
    removed = [Removed(*row) for row in rows]
    ids = [message.msg_id for message in removed]
    if ids:
        detach_files(connection, ids)
        connection.execute(delete(messages).where(messages.c.id.in_(ids)))
    return removed


def detach_files(connection: Connection, msg_ids: Sequence[int]) -> None:
    """Makes the files of some messages unreachable."""
    hooked = select(message_attachments.c.file_id).where(message_attachments.c.msg_id.in_(msg_ids))
    connection.execute(update(files).where(files.c.id.in_(hooked)).values(state="uploading"))


def delete_messages_of_author(
    connection: Connection, author_id: int, since_ms: int, limit: int = BATCH
) -> list[Removed]:
    """Deletes what somebody wrote since a moment, in feeds and conversations; for bans.

    Args:
        connection: of the writer.
        author_id: who wrote it.
        since_ms: Unix milliseconds.
        limit: how many at most; ask again while that many were deleted.
    """
    return delete_messages(connection, (messages.c.author_id == author_id) & (messages.c.timestamp >= since_ms), limit)


async def purge_messages(chat: ChatContext, where: ColumnElement[bool]) -> None:
    """Deletes any number of messages in batches, so that others can write in between; tells nobody."""

    def batch(connection: Connection) -> Change[int]:
        return Change(len(delete_messages(connection, where)))

    unit: UnitOfWork[int] = batch
    while await chat.change(unit) == BATCH:
        pass
