"""What somebody missed: the kept events of some categories, as far as he may know of them now.

An event is filtered by the audience that was stored with it, judged with the permissions of this moment, exactly as the gateway
judges. A page may need many rows for few visible events, so the rows that one request looks at are bounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from vox.chat.api.access import USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.database.schema import event_log
from vox.chat.database.snowflakes import first_at
from vox.chat.errors import refuse
from vox.chat.events import SYNC_CATEGORIES, audience_of
from vox.chat.events.audience import Audience, audience_from
from vox.chat.features.messages.read_state import read_states
from vox.chat.features.sync.schemas import SyncEvent, SyncPage, SyncRequest

KEPT_FOR_MS: Final = 7 * 24 * 3600 * 1000
"""Older events are deleted; who was away for longer reads everything anew."""
STILL_COMMITTING_MS: Final = 1000
"""An event gets its time before it is committed. The time a client is told to ask from next lies this much in the past, so that
it sees such an event twice rather than never."""
BATCH: Final = 500
MAX_BATCHES: Final = 20
READ_STATES: Final = "read_states"

routes = RouteTable()


@dataclass(frozen=True, slots=True)
class Log:
    """Which rows are asked for, and by whom they are judged."""

    types: Sequence[str]
    since_ms: int
    after: int
    limit: int
    sees: Callable[[Audience], bool]


@routes.post("/sync", access=USER, body=SyncRequest, returns=SyncPage)
async def sync(call: Call[SyncRequest]) -> SyncPage:
    """Events since a moment, oldest first, and the caller's read marks where they are asked for."""
    chat, body = call.chat, call.body
    now_ms = int(chat.clock.wall().timestamp() * 1000)
    unknown = [name for name in body.categories if name not in SYNC_CATEGORIES]
    if unknown:
        raise refuse("INVALID_CATEGORY", f"There is no category {unknown[0]}.")
    if body.since_timestamp < now_ms - KEPT_FOR_MS:
        raise refuse("FULL_SYNC_REQUIRED", "Events are kept for 7 days; read everything anew.")
    log = Log(
        sorted({kind for name in body.categories for kind in SYNC_CATEGORIES[name]}),
        body.since_timestamp,
        body.after or 0,
        min(body.limit, chat.config.limit("page_limit_messages")),
        partial(chat.community.sees, call.user_id),
    )
    marks_of = call.user_id if READ_STATES in body.categories else None
    return await chat.read(partial(_read, log=log, marks_of=marks_of, server_ms=now_ms - STILL_COMMITTING_MS))


def _read(connection: Connection, *, log: Log, marks_of: int | None, server_ms: int) -> SyncPage:
    events, cursor = _events(connection, log) if log.types else ([], None)
    marks = [] if marks_of is None else read_states(connection, marks_of)
    return SyncPage(events, server_ms, cursor, marks)


def _events(connection: Connection, log: Log) -> tuple[list[SyncEvent], int | None]:
    """The visible events, and from where to go on: null when nothing is left and nothing was found."""
    found: list[SyncEvent] = []
    last, row = log.after, event_log.c
    columns = (row.id, row.event_type, row.payload, row.timestamp, row.audience)
    since = (row.id >= first_at(log.since_ms)) & row.event_type.in_(log.types)
    for _ in range(MAX_BATCHES):
        query = select(*columns).where(since, row.id > last).order_by(row.id).limit(BATCH)
        rows = connection.execute(query).all()
        for id_, kind, text, timestamp, audience_text in rows:
            last = id_
            payload = msgspec.json.decode(text)
            audience = audience_of(kind, payload) if audience_text is None else audience_from(audience_text)
            if log.sees(audience):
                found.append(SyncEvent(kind, payload, timestamp))
                if len(found) == log.limit:
                    return found, last
        if len(rows) < BATCH:
            return found, last if found else None
    return found, last
