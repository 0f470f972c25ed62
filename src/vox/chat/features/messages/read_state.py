"""How far people have read. A mark only moves forward, so that two devices of one person cannot undo each other's.

The original had no way to write the mark of a feed; `POST /feeds/{feed_id}/read` is ours.
"""

from functools import partial

from sqlalchemy import Connection

from vox.chat.api.access import IN_DM, in_feed
from vox.chat.api.request import Call, RouteTable
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.snowflakes import first_at
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import dm_read_notify
from vox.chat.events.permissions import P
from vox.chat.features.messages.schemas import MarkRead, ReadState
from vox.stores.statements import Statement

CLOCKS_DIFFER_MS = 60_000

routes = RouteTable()

_MARK_FEED = Statement(
    "INSERT INTO feed_read_state (user_id, feed_id, last_read_msg_id) VALUES (:user_id, :place, :msg_id)"
    " ON CONFLICT (user_id, feed_id) DO UPDATE SET last_read_msg_id = excluded.last_read_msg_id"
    " WHERE excluded.last_read_msg_id > feed_read_state.last_read_msg_id"
)
_MARK_DM = Statement(
    "INSERT INTO dm_read_state (user_id, dm_id, last_read_msg_id) VALUES (:user_id, :place, :msg_id)"
    " ON CONFLICT (user_id, dm_id) DO UPDATE SET last_read_msg_id = excluded.last_read_msg_id"
    " WHERE excluded.last_read_msg_id > dm_read_state.last_read_msg_id"
)
_FEED_MARKS = Statement(
    "SELECT feed_id, last_read_msg_id FROM feed_read_state WHERE user_id = :user_id ORDER BY feed_id"
)
_DM_MARKS = Statement("SELECT dm_id, last_read_msg_id FROM dm_read_state WHERE user_id = :user_id ORDER BY dm_id")


@routes.post("/feeds/{feed_id}/read", access=in_feed(P.READ_HISTORY), body=MarkRead)
async def read_feed(call: Call[MarkRead]) -> None:
    """Marks a feed as read up to a message."""
    values = {"user_id": call.user_id, "place": call.id("feed_id"), "msg_id": _bounded(call)}
    with map_conflict(refuse("SPACE_NOT_FOUND", "That feed has just been deleted.")):
        await call.chat.change(partial(_mark_feed, values=values))


@routes.post("/dms/{dm_id}/read", access=IN_DM, body=MarkRead)
async def read_dm(call: Call[MarkRead]) -> None:
    """Marks a conversation as read up to a message, and tells its participants."""
    values = {"user_id": call.user_id, "place": call.id("dm_id"), "msg_id": _bounded(call)}
    with map_conflict(refuse("NOT_DM_PARTICIPANT", "That conversation has just been deleted.")):
        await call.chat.change(partial(_mark_dm, values=values))


def read_states(connection: Connection, user_id: int) -> list[ReadState]:
    """All marks of a user: of feeds, then of conversations."""
    values = {"user_id": user_id}
    feeds = [ReadState(mark, feed_id=feed_id) for feed_id, mark in _FEED_MARKS.rows(connection, values)]
    return feeds + [ReadState(mark, dm_id=dm_id) for dm_id, mark in _DM_MARKS.rows(connection, values)]


def _bounded(call: Call[MarkRead]) -> int:
    """A mark of the future would hide messages that are not written yet, and marks never go back.

    Another process numbers its messages by its own clock, which may be ahead of this one's.
    """
    now_ms = int(call.chat.clock.wall().timestamp() * 1000)
    return min(call.body.up_to_msg_id, first_at(now_ms + CLOCKS_DIFFER_MS))


def _mark_feed(connection: Connection, *, values: dict[str, int]) -> Change[None]:
    _MARK_FEED.run(connection, values)
    return Change(None)


def _mark_dm(connection: Connection, *, values: dict[str, int]) -> Change[None]:
    if not _MARK_DM.run(connection, values).rowcount:
        return Change(None)
    event = dm_read_notify(dm_id=values["place"], user_id=values["user_id"], up_to_msg_id=values["msg_id"])
    return Change(None, (event,))
