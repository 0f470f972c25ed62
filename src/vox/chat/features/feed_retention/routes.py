"""How long a feed keeps its messages: show, set, end."""

from functools import partial

from vox.chat.api.access import in_feed, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.database.conflicts import map_conflict
from vox.chat.errors import refuse
from vox.chat.events.ids import FeedId
from vox.chat.events.permissions import P
from vox.chat.features.feed_retention import queries, service
from vox.chat.features.feed_retention.schemas import NewRetention, Retention

routes = RouteTable()


@routes.get("/feeds/{feed_id}/retention", access=in_feed(P.VIEW_SPACE), returns=Retention)
async def get_retention(call: Call) -> Retention:
    """How many days the feed keeps its messages."""
    keep_s = await call.chat.read(partial(queries.read, feed_id=FeedId(call.id("feed_id"))))
    return Retention(None if keep_s is None else keep_s // service.DAY_S)


@routes.put(
    "/feeds/{feed_id}/retention", access=requires(P.MANAGE_SPACES, sees="feed"), body=NewRetention, returns=Retention
)
async def set_retention(call: Call[NewRetention]) -> Retention:
    """Deletes messages of the feed and its threads once they are older than so many days; pinned ones stay."""
    feed_id, days = FeedId(call.id("feed_id")), call.body.keep_days
    with map_conflict(refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")):
        await call.chat.change(partial(service.set_retention, feed_id=feed_id, keep_days=days, actor_id=call.user_id))
    return Retention(days)


@routes.delete("/feeds/{feed_id}/retention", access=requires(P.MANAGE_SPACES, sees="feed"))
async def end_retention(call: Call) -> None:
    """Lets the feed keep its messages from now on."""
    unit = partial(service.end_retention, feed_id=FeedId(call.id("feed_id")), actor_id=call.user_id)
    await call.chat.change(unit)
