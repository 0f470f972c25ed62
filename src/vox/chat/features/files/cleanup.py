"""Files that nobody can reach any more: found once an hour and deleted.

Unfinished uploads, files of deleted messages, and uploads that no message took within a day. What an emoji, a sticker, an avatar or an
icon shows is no orphan, although no message shows it.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from vox.chat.context import ChatContext
from vox.chat.database.schema import config, dms, emoji, files, message_attachments, stickers, users
from vox.chat.database.unit_of_work import Change
from vox.chat.features.files.service import delete_stored, detach, storage_key

UNATTACHED_S: Final = 86_400
"""How long an upload may wait for its message."""
UNFINISHED_S: Final = 7200
"""Longer than the slowest upload that is not given up; also how long the bytes of a deleted message's file may stay."""
BATCH: Final = 200


async def delete_orphaned_files(chat: ChatContext, now: datetime) -> int:
    """Deletes orphans, in batches, so that other writers get their turn.

    Args:
        chat: the server.
        now: the present time.

    Returns:
        How many files went.

    Raises:
        DependencyError: the database failed; the next round goes on.
    """
    now_s, removed, after = int(now.timestamp()), 0, ""
    while True:
        batch = await chat.change(lambda connection: Change(_hidden(connection, now_s, after)))  # noqa: B023  awaited here
        if not batch:
            return removed
        removed += await delete_stored(chat, batch)
        after = batch[-1][0]


def _hidden(connection: Connection, now_s: int, after: str) -> list[tuple[str, str]]:
    """Ids and keys of the next orphans, out of reach from here on, in the order of ids."""
    unfinished = (files.c.state == "uploading") & (files.c.created_at < now_s - UNFINISHED_S)
    hooked = select(message_attachments.c.file_id).where(message_attachments.c.file_id == files.c.id).exists()
    unattached = (
        (files.c.state == "ready")
        & (files.c.purpose == "attachment")
        & (files.c.created_at < now_s - UNATTACHED_S)
        & ~hooked
    )
    query = (
        select(files.c.id, files.c.purpose, files.c.url, files.c.state)
        .where(files.c.id > after, unfinished | unattached)
        .order_by(files.c.id)
        .limit(BATCH)
        .with_for_update()
    )
    rows = connection.execute(query).all()
    # Asked once more behind the lock: a message may have taken the file between the two.
    ids = [row.id for row in rows]
    taken = select(message_attachments.c.file_id).where(message_attachments.c.file_id.in_(ids))
    spared = set(connection.execute(taken).scalars())
    shown = _shown(connection, [row.url for row in rows if row.state == "ready"])
    gone = [row for row in rows if row.state == "uploading" or (row.id not in spared and row.url not in shown)]
    detach(connection, [row.id for row in gone])
    return [(row.id, storage_key(row.id, row.purpose)) for row in gone]


def _shown(connection: Connection, urls: list[str]) -> set[str]:
    """Which of the addresses stand somewhere else than in a message."""
    found: set[str] = set()
    for column in (emoji.c.image, stickers.c.image, users.c.avatar, dms.c.icon):
        found.update(connection.execute(select(column).where(column.in_(urls))).scalars())
    icon = select(config.c.value).where(config.c.key == "server_icon", config.c.value.in_(urls))
    found.update(connection.execute(icon).scalars())
    return found
