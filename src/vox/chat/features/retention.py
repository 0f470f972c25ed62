"""What time makes worthless, deleted once an hour in one unit of work."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete

from vox.chat.database.schema import event_log, sessions, webauthn_challenges

EVENTS_KEPT_S: Final = 7 * 86_400
"""How far back /sync reaches; older clients are told to start over."""


def sweep(connection: Connection, now: datetime) -> int:
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
