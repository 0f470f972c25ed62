"""`/sync` over REST: the events a client missed, and the caller's read marks."""

from functools import partial
from typing import Final

from vox.chat.api.access import USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import refuse
from vox.chat.events import SYNC_CATEGORIES
from vox.chat.features.sync.schemas import SyncPage, SyncRequest
from vox.chat.features.sync.service import LogQuery, read_page

KEPT_FOR_MS: Final = 7 * 24 * 3600 * 1000
"""Older events are deleted; a client that was offline for longer reads everything anew."""
STILL_COMMITTING_MS: Final = 1000
"""An event gets its timestamp before it is committed. The timestamp a client continues from lies this much in the past, so that
the client sees such an event twice rather than never."""
READ_STATES: Final = "read_states"

routes = RouteTable()


@routes.post("/sync", access=USER, body=SyncRequest, returns=SyncPage)
async def sync(call: Call[SyncRequest]) -> SyncPage:
    """Events since a moment, oldest first, and the caller's read marks where they are requested."""
    chat, body = call.chat, call.body
    now_ms = chat.clock.unix_ms()
    unknown = [name for name in body.categories if name not in SYNC_CATEGORIES]
    if unknown:
        raise refuse("INVALID_CATEGORY", f"There is no category {unknown[0]}.")
    if body.since_timestamp < now_ms - KEPT_FOR_MS:
        raise refuse("FULL_SYNC_REQUIRED", "Events are kept for 7 days; read everything anew.")
    log = LogQuery(
        sorted({kind for name in body.categories for kind in SYNC_CATEGORIES[name]}),
        body.since_timestamp,
        body.after or 0,
        min(body.limit, chat.config.limit("page_limit_messages")),
        partial(chat.community.sees, call.user_id),
        call.user_id,
    )
    marks_of = call.user_id if READ_STATES in body.categories else None
    return await chat.read(partial(read_page, log=log, marks_of=marks_of, server_ms=now_ms - STILL_COMMITTING_MS))
