"""Deletes what has expired, once an hour in one unit of work."""

from datetime import datetime
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.event_log import delete_events_before
from vox.chat.database.schema.full_text import tidy
from vox.chat.database.snowflakes import first_at
from vox.chat.features.auth.queries import delete_expired_challenges, delete_expired_sessions
from vox.chat.features.feed_retention.service import delete_expired_messages
from vox.chat.features.files.cleanup import delete_orphaned_files
from vox.chat.features.messages.insert import delete_expired_nonces
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

EVENTS_KEPT_S: Final = 7 * 86_400
"""How far back /sync reaches; older clients are told to start over."""

_log = get_logger(__name__)


async def sweep(chat: ChatContext) -> int:
    """Deletes all of it.

    Returns:
        How many rows and files went.

    Raises:
        DependencyError: the database failed; the next round goes on.
    """
    now, write = chat.clock.wall(), chat.database.write
    removed = await write(lambda connection: delete_expired(connection, now))
    removed += await write(lambda connection: delete_expired_nonces(connection, int(now.timestamp())))
    await write(tidy)
    removed += await delete_expired_messages(chat, now)
    removed += await delete_orphaned_files(chat, now)
    _log.info("swept", removed=removed)
    return removed


def delete_expired(connection: Connection, now: datetime) -> int:
    """Deletes expired logins and tickets, and events older than /sync reaches.

    Args:
        connection: in a unit of work.
        now: the current time.

    Returns:
        How many rows were deleted.
    """
    now_s = int(now.timestamp())
    removed = delete_expired_sessions(connection, now_s=now_s)
    removed += delete_events_before(connection, first_at((now_s - EVENTS_KEPT_S) * 1000))
    return removed + delete_expired_challenges(connection, now_s=now_s)
