"""Orphaned files: found once an hour and deleted.

Orphans are unfinished uploads, files of deleted messages, and uploads that were not attached to a message within a day. A file
that an emoji, a sticker, an avatar or an icon shows is no orphan, although no message shows it.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.events.ids import FileId
from vox.chat.features.files import queries
from vox.chat.features.files.service import delete_stored
from vox.chat.features.files.stored_files import storage_key
from vox.stores.sql import Connection

UNATTACHED_S: Final = 86_400
"""How long an upload may wait for its message."""
UNFINISHED_S: Final = 7200
"""Longer than the slowest upload that is not given up; also how long the bytes of a deleted message's file can stay."""
BATCH: Final = 200


async def delete_orphaned_files(chat: ChatContext, now: datetime) -> int:
    """Deletes orphans, in batches, so that other writers get their turn.

    Args:
        chat: the server.
        now: the present time.

    Returns:
        How many files were deleted.

    Raises:
        DependencyError: the database failed; the next round goes on.
    """
    now_s, removed = int(now.timestamp()), 0
    after: str | None = ""
    while after is not None:
        batch = await chat.change(partial(_detach_batch, now_s=now_s, after=after))
        removed += await delete_stored(chat, batch.detached)
        after = batch.last_id
    return removed


@dataclass(frozen=True, slots=True)
class _Batch:
    """Ids and keys of orphans that cannot be read any more, and the last id that was looked at; None where none is left."""

    detached: list[tuple[FileId, str]]
    last_id: str | None


def _detach_batch(connection: Connection, *, now_s: int, after: str) -> Change[_Batch]:
    """Detaches those of the next files that are orphans; those that are shown elsewhere stay and are passed over."""
    found = queries.lock_orphans(
        connection,
        unfinished_before_s=now_s - UNFINISHED_S,
        unattached_before_s=now_s - UNATTACHED_S,
        after=after,
        limit=BATCH,
    )
    # Checked once more behind the lock: the file may have been attached to a message between the two.
    attached = queries.attached_among(connection, [file.id for file in found])
    shown = queries.shown_elsewhere(connection, [file.url for file in found if file.state == "ready"])
    gone = [file for file in found if file.state == "uploading" or (file.id not in attached and file.url not in shown)]
    queries.detach_files(connection, [file.id for file in gone])
    last_id = found[-1].id if len(found) == BATCH else None
    return Change(_Batch([(file.id, storage_key(file.id, file.purpose)) for file in gone], last_id))
