"""What stands in the side bar, answered from memory: who may not view a space does not learn that it is there."""

from typing import Literal

from vox.chat.api.access import USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.community import Community
from vox.chat.errors import refuse
from vox.chat.events.permissions import P
from vox.chat.features.spaces.schemas import CategoryInfo, FeedInfo, Layout, Override, RoomInfo
from vox.chat.features.threads.schemas import ThreadInfo

routes = RouteTable()


@routes.get("/server/layout", access=USER, returns=Layout)
async def get_layout(call: Call) -> Layout:
    """Categories, and the feeds and rooms that the caller may view, by position."""
    community, user_id = call.chat.community, call.user_id
    feeds = [
        feed_info(community, feed.id)
        for feed in community.feeds.values()
        if community.may_in(user_id, "feed", feed.id, P.VIEW_SPACE)
    ]
    rooms = [
        room_info(community, room.id)
        for room in community.rooms.values()
        if community.may_in(user_id, "room", room.id, P.VIEW_SPACE)
    ]
    feeds.sort(key=lambda feed: (feed.position, feed.feed_id))
    rooms.sort(key=lambda room: (room.position, room.room_id))
    return Layout(categories_in_order(community), feeds, rooms)


def categories_in_order(community: Community) -> list[CategoryInfo]:
    """All categories by position."""
    found = [CategoryInfo(each.id, each.name, each.position) for each in community.categories.values()]
    return sorted(found, key=lambda category: (category.position, category.category_id))


def category_info(community: Community, category_id: int) -> CategoryInfo:
    """One category.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    category = community.categories.get(category_id)
    if category is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no category {category_id}.")
    return CategoryInfo(category.id, category.name, category.position)


def feed_info(community: Community, feed_id: int) -> FeedInfo:
    """One feed with its overrides.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    feed = community.feeds.get(feed_id)
    if feed is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    overrides = _overrides(community, "feed", feed_id)
    return FeedInfo(feed.id, feed.name, feed.type, feed.topic, feed.category_id, feed.position, overrides)


def room_info(community: Community, room_id: int) -> RoomInfo:
    """One room with its overrides.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    room = community.rooms.get(room_id)
    if room is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no room {room_id}.")
    overrides = _overrides(community, "room", room_id)
    return RoomInfo(room.id, room.name, room.type, room.category_id, room.position, overrides)


def thread_info(community: Community, thread_id: int) -> ThreadInfo:
    """One thread.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    thread = community.threads.get(thread_id)
    if thread is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no thread {thread_id}.")
    return ThreadInfo(thread.id, thread.feed_id, thread.parent_msg_id, thread.name, thread.archived, thread.locked)


def _overrides(community: Community, kind: Literal["feed", "room"], space_id: int) -> list[Override]:
    return [
        Override(each.target_type, each.target_id, each.allow, each.deny)
        for each in community.overrides_of(kind, space_id)
    ]
