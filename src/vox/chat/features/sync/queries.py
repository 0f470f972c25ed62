"""The SQL of `/sync`: the event log, read in batches."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from vox.chat.database.schema import event_log
from vox.chat.database.snowflakes import first_at
from vox.stores.sql import Connection


def events_after(
    connection: Connection, types: Sequence[str], since_ms: int, after: int, limit: int
) -> Sequence[Sequence[Any]]:
    """Rows of id, type, payload, timestamp and audience (both as JSON text), oldest first.

    Args:
        connection: of a reader.
        types: event types.
        since_ms: Unix milliseconds.
        after: only events with ids above it.
        limit: how many at most.
    """
    row = event_log.c
    columns = (row.id, row.event_type, row.payload, row.timestamp, row.audience)
    since = (row.id >= first_at(since_ms)) & row.event_type.in_(types)
    query = select(*columns).where(since, row.id > after).order_by(row.id).limit(limit)
    return connection.execute(query).all()
