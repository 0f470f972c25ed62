"""Feeds, rooms and categories as clients see them, answered from memory. A space a user may not view is left out."""

from collections.abc import Sequence

from vox.chat.community import Community
from vox.chat.events.audience import SpaceOverride
from vox.chat.events.ids import CategoryId, FeedId, RoomId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.spaces.categories import category_not_found
from vox.chat.features.spaces.feeds import feed_not_found
from vox.chat.features.spaces.rooms import room_not_found
from vox.chat.features.spaces.schemas import CategoryInfo, FeedInfo, Layout, Override, RoomInfo


def visible_layout(community: Community, user_id: UserId) -> Layout:
    """Categories, and the feeds and rooms that a user may view, by position."""
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


def category_info(community: Community, category_id: CategoryId) -> CategoryInfo:
    """One category.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    category = community.categories.get(category_id)
    if category is None:
        raise category_not_found(category_id)
    return CategoryInfo(category.id, category.name, category.position)


def feed_info(community: Community, feed_id: FeedId) -> FeedInfo:
    """One feed with its overrides.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    feed = community.feeds.get(feed_id)
    if feed is None:
        raise feed_not_found(feed_id)
    overrides = _overrides(community.overrides_of("feed", feed_id))
    return FeedInfo(feed.id, feed.name, feed.type, feed.topic, feed.category_id, feed.position, overrides)


def room_info(community: Community, room_id: RoomId) -> RoomInfo:
    """One room with its overrides.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    room = community.rooms.get(room_id)
    if room is None:
        raise room_not_found(room_id)
    overrides = _overrides(community.overrides_of("room", room_id))
    return RoomInfo(room.id, room.name, room.type, room.category_id, room.position, overrides)


def _overrides(found: Sequence[SpaceOverride]) -> list[Override]:
    return [Override(each.target_type, each.target_id, each.allow, each.deny) for each in found]
