"""What time makes worthless, deleted once an hour: logins, old events, nonces, files that cannot be reached any more."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete

from vox.chat.context import ChatContext
from vox.chat.database.schema import event_log, sessions, webauthn_challenges
from vox.chat.database.schema.full_text import tidy
from vox.chat.features.files.cleanup import delete_orphaned_files
from vox.chat.features.messages.insert import delete_expired_nonces
from vox.runtime.logging import get_logger

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
    removed += await delete_orphaned_files(chat, now)
    _log.info("swept", removed=removed)
    return removed


def delete_expired(connection: Connection, now: datetime) -> int:
    """Deletes expired logins and tickets, and events older than /sync reaches.

    Args:
        connection: in a unit of work.
        now: the present time.

    Returns:
        How many rows went.
    """
    now_s = int(now.timestamp())
    oldest_event = ((now_s - EVENTS_KEPT_S) * 1000) << 22
    removed = connection.execute(delete(sessions).where(sessions.c.expires_at <= now_s)).rowcount
    removed += connection.execute(delete(event_log).where(event_log.c.id < oldest_event)).rowcount
    removed += connection.execute(delete(webauthn_challenges).where(webauthn_challenges.c.expires_at <= now_s)).rowcount
    return removed
