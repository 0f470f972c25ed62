"""Deletes what has expired, once an hour in one unit of work."""

from datetime import datetime
from functools import partial
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.event_log import delete_events_before
from vox.chat.database.schema.full_text import tidy
from vox.chat.database.snowflakes import first_at
from vox.chat.features.auth.queries import delete_expired_challenges, delete_expired_sessions
from vox.chat.features.automod import timeouts
from vox.chat.features.automod.queries import delete_old_turns
from vox.chat.features.feed_retention.service import delete_expired_messages
from vox.chat.features.files.cleanup import delete_orphaned_files
from vox.chat.features.interactions.queries import delete_expired as delete_expired_interactions
from vox.chat.features.keys.waiting import delete_expired_keys
from vox.chat.features.messages.insert import delete_expired_nonces
from vox.chat.features.oidc.queries import delete_expired_flows
from vox.chat.features.outgoing_webhooks.queries import delete_old_deliveries
from vox.chat.features.voice.guest_queries import delete_transcript_notes
from vox.chat.federation.queries import delete_expired as delete_expired_federation
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

EVENTS_KEPT_S: Final = 7 * 86_400
"""How far back /sync reaches; older clients are told to start over."""

DELIVERIES_KEPT_MS: Final = 7 * 86_400_000
"""How far back the log of an outgoing webhook reaches."""
INTERACTIONS_KEPT_MS: Final = 3_600_000
"""How long it is known that an interaction was answered or has expired."""
TURNS_KEPT_MS: Final = 86_400_000
"""How long slow mode remembers who wrote; longer than it can make anyone wait."""
TRANSCRIPTS_KEPT_S: Final = 86_400
"""How long it is known which segments of transcripts were written to feeds."""

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
    now_ms = int(now.timestamp()) * 1000
    removed += await write(partial(delete_expired_interactions, before_ms=now_ms - INTERACTIONS_KEPT_MS))
    removed += await write(partial(delete_old_deliveries, before_ms=now_ms - DELIVERIES_KEPT_MS))
    removed += await write(
        lambda connection: delete_old_turns(connection, before_ms=int(now.timestamp() * 1000) - TURNS_KEPT_MS)
    )
    removed += await chat.change(lambda connection: timeouts.sweep(connection, int(now.timestamp())))
    removed += await write(lambda connection: delete_expired_federation(connection, int(now.timestamp())))
    removed += await write(lambda connection: delete_expired_keys(connection, int(now.timestamp())))
    removed += await write(
        lambda connection: delete_transcript_notes(connection, int(now.timestamp()) - TRANSCRIPTS_KEPT_S)
    )
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
    removed += delete_expired_flows(connection, now_s=now_s)
    return removed + delete_expired_challenges(connection, now_s=now_s)
