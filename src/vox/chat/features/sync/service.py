"""Reading the event log for a user: the events of some categories that the user may see at present.

An event is filtered by the audience that was stored with it, judged by present permissions, exactly as the gateway does. A page
may need many rows for few visible events, so the rows that one request examines are bounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from vox.chat.events import audience_of
from vox.chat.events.audience import Audience, audience_from
from vox.chat.events.ids import UserId
from vox.chat.features.messages.queries import read_states
from vox.chat.features.sync.queries import events_after
from vox.chat.features.sync.schemas import SyncEvent, SyncPage
from vox.stores.sql import Connection

BATCH: Final = 500
MAX_BATCHES: Final = 20


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which events are requested, and which of them the caller may see.

    Args:
        types: event types.
        since_ms: Unix milliseconds.
        after: the cursor of the page before; 0 on the first page.
        limit: how many events at most.
        sees: whether the caller belongs to an audience.
        user_id: the caller, who knows of their own joining.
    """

    types: Sequence[str]
    since_ms: int
    after: int
    limit: int
    sees: Callable[[Audience], bool]
    user_id: UserId


def read_page(connection: Connection, *, log: LogQuery, marks_of: UserId | None, server_ms: int) -> SyncPage:
    """One page of events.

    Args:
        connection: of a reader.
        log: the requested events.
        marks_of: the user whose read marks are added; None for no marks.
        server_ms: the timestamp that the client continues from, Unix milliseconds.
    """
    events, cursor = _events(connection, log) if log.types else ([], None)
    marks = [] if marks_of is None else read_states(connection, marks_of)
    return SyncPage(events, server_ms, cursor, marks)


def _events(connection: Connection, log: LogQuery) -> tuple[list[SyncEvent], int | None]:
    """The visible events, and the cursor of the next page; None where nothing was found and nothing is left."""
    found: list[SyncEvent] = []
    last = log.after
    for _ in range(MAX_BATCHES):
        rows = events_after(connection, log.types, log.since_ms, last, BATCH)
        for id_, kind, text, timestamp, audience_text in rows:
            last = id_
            payload = msgspec.json.decode(text)
            if kind == "member_join" and payload["user_id"] == log.user_id:
                continue
            audience = audience_of(kind, payload) if audience_text is None else audience_from(audience_text)
            if log.sees(audience):
                found.append(SyncEvent(kind, payload, timestamp))
                if len(found) == log.limit:
                    return found, last
        if len(rows) < BATCH:
            return found, last if found else None
    return found, last
