"""Feeds, rooms, categories and their overrides over REST."""

from functools import partial
from typing import Any

from vox.chat.api.access import USER, in_feed, in_room, requires
from vox.chat.api.hierarchy import recheck_in_transaction
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_prose, with_name
from vox.chat.community.state import Space
from vox.chat.events import feed_subscribe, feed_unsubscribe
from vox.chat.events.audience import Readers
from vox.chat.events.ids import FeedId, RoomId
from vox.chat.events.permissions import P
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.delete import purge_messages
from vox.chat.features.spaces import categories, feeds, rooms
from vox.chat.features.spaces.initial_overrides import checked_overrides, override_user_ids, target_kind, target_of
from vox.chat.features.spaces.layout import categories_in_order, category_info, feed_info, room_info, visible_layout
from vox.chat.features.spaces.overrides import OverrideChange, change_override, check_override
from vox.chat.features.spaces.queries import Kind
from vox.chat.features.spaces.schemas import (
    CategoryInfo,
    CategoryList,
    CreateCategory,
    CreateFeed,
    CreateRoom,
    FeedInfo,
    Layout,
    OverrideMasks,
    ReaderCount,
    RoomInfo,
    UpdateCategory,
    UpdateFeed,
    UpdateRoom,
)
from vox.chat.features.threads.subscriptions import follow, unfollow

routes = RouteTable()


@routes.get("/server/layout", access=USER, returns=Layout)
async def get_layout(call: Call) -> Layout:
    """Categories, and the feeds and rooms that the caller may view, by position."""
    return visible_layout(call.chat.community, call.user_id)


@routes.get("/categories", access=USER, returns=CategoryList)
async def list_categories(call: Call) -> CategoryList:
    """All categories by position."""
    return CategoryList(categories_in_order(call.chat.community))


@routes.get("/categories/{category_id}", access=USER, returns=CategoryInfo)
async def get_category(call: Call) -> CategoryInfo:
    """One category."""
    return category_info(call.chat.community, call.id("category_id"))


@routes.post("/categories", access=requires(P.MANAGE_SPACES), body=CreateCategory, status=201, returns=CategoryInfo)
async def create_category(call: Call[CreateCategory]) -> CategoryInfo:
    """Creates a category at a given position."""
    chat = call.chat
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    category_id = await chat.change(partial(categories.create_category, actor_id=call.user_id, body=body))
    return category_info(chat.community, category_id)


@routes.patch("/categories/{category_id}", access=requires(P.MANAGE_SPACES), body=UpdateCategory, returns=CategoryInfo)
async def update_category(call: Call[UpdateCategory]) -> CategoryInfo:
    """Changes name or position; a new position re-numbers all categories from 0."""
    chat, category_id = call.chat, call.id("category_id")
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    unit = partial(categories.update_category, actor_id=call.user_id, category_id=category_id, body=body)
    await chat.change(unit)
    return category_info(chat.community, category_id)


@routes.delete("/categories/{category_id}", access=requires(P.MANAGE_SPACES))
async def delete_category(call: Call) -> None:
    """Deletes a category; its feeds and rooms stay, without a category."""
    unit = partial(categories.delete_category, actor_id=call.user_id, category_id=call.id("category_id"))
    await call.chat.change(unit)


@routes.get("/feeds/{feed_id}", access=in_feed(P.VIEW_SPACE), returns=FeedInfo)
async def get_feed(call: Call) -> FeedInfo:
    """One feed."""
    return feed_info(call.chat.community, call.id("feed_id"))


@routes.get("/feeds/{feed_id}/readers", access=in_feed(P.MENTION_EVERYONE), returns=ReaderCount)
async def count_readers(call: Call) -> ReaderCount:
    """How many others a mention of everyone reaches."""
    feed_id = call.id("feed_id")
    readers = call.chat.community.members_seeing(Readers(feed_id))
    return ReaderCount(sum(user_id != call.user_id for user_id in readers))


@routes.post("/feeds", access=requires(P.MANAGE_SPACES), body=CreateFeed, status=201, returns=FeedInfo)
async def create_feed(call: Call[CreateFeed]) -> FeedInfo:
    """Creates a feed, last in its category."""
    chat = call.chat
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    check = partial(checked_overrides, actor_id=call.user_id, requested=body.permission_overrides)
    unit = partial(feeds.create_feed, actor_id=call.user_id, body=body, overrides=check(chat.community))
    targets = override_user_ids(body.permission_overrides)
    feed_id = await chat.change(recheck_in_transaction(unit, check, call.user_id, *targets))
    return feed_info(chat.community, feed_id)


@routes.patch("/feeds/{feed_id}", access=requires(P.MANAGE_SPACES, sees="feed"), body=UpdateFeed, returns=FeedInfo)
async def update_feed(call: Call[UpdateFeed]) -> FeedInfo:
    """Changes name, topic, category or position."""
    chat, feed_id = call.chat, call.id("feed_id")
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    validate_prose(chat.config.limit, "topic", body.topic, "topic_max")
    await chat.change(partial(feeds.update_feed, actor_id=call.user_id, feed_id=feed_id, body=body))
    return feed_info(chat.community, feed_id)


@routes.delete("/feeds/{feed_id}", access=requires(P.MANAGE_SPACES, sees="feed").fresh())
async def delete_feed(call: Call) -> None:
    """Deletes a feed with its threads and messages."""
    chat, feed_id = call.chat, call.id("feed_id")
    feed_info(chat.community, feed_id)
    await purge_messages(chat, MessageLocation("feed", feed_id))
    await chat.change(partial(feeds.delete_feed, actor_id=call.user_id, feed_id=feed_id))


@routes.put("/feeds/{feed_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def subscribe_to_feed(call: Call) -> None:
    """Subscribes the caller to notifications about a feed's messages."""
    feed_id, user_id = call.id("feed_id"), call.user_id
    await follow(call.chat, "feed", feed_id, user_id, feed_subscribe(feed_id=feed_id, user_id=user_id))


@routes.delete("/feeds/{feed_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def unsubscribe_from_feed(call: Call) -> None:
    """Ends the caller's subscription of a feed."""
    feed_id, user_id = call.id("feed_id"), call.user_id
    await unfollow(call.chat, "feed", feed_id, user_id, feed_unsubscribe(feed_id=feed_id, user_id=user_id))


@routes.get("/rooms/{room_id}", access=in_room(P.VIEW_SPACE), returns=RoomInfo)
async def get_room(call: Call) -> RoomInfo:
    """One room."""
    return room_info(call.chat.community, call.id("room_id"))


@routes.post("/rooms", access=requires(P.MANAGE_SPACES), body=CreateRoom, status=201, returns=RoomInfo)
async def create_room(call: Call[CreateRoom]) -> RoomInfo:
    """Creates a room, last in its category."""
    chat = call.chat
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    check = partial(checked_overrides, actor_id=call.user_id, requested=body.permission_overrides)
    unit = partial(rooms.create_room, actor_id=call.user_id, body=body, overrides=check(chat.community))
    targets = override_user_ids(body.permission_overrides)
    room_id = await chat.change(recheck_in_transaction(unit, check, call.user_id, *targets))
    return room_info(chat.community, room_id)


@routes.patch("/rooms/{room_id}", access=requires(P.MANAGE_SPACES, sees="room"), body=UpdateRoom, returns=RoomInfo)
async def update_room(call: Call[UpdateRoom]) -> RoomInfo:
    """Changes name, category or position."""
    chat, room_id = call.chat, call.id("room_id")
    body = with_name(chat.config.limit, call.body, "channel_name_max", "channel_name_min")
    await chat.change(partial(rooms.update_room, actor_id=call.user_id, room_id=room_id, body=body))
    return room_info(chat.community, room_id)


@routes.delete("/rooms/{room_id}", access=requires(P.MANAGE_SPACES, sees="room").fresh())
async def delete_room(call: Call) -> None:
    """Deletes a room."""
    await call.chat.change(partial(rooms.delete_room, actor_id=call.user_id, room_id=call.id("room_id")))


@routes.put(
    "/feeds/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES), body=OverrideMasks
)
async def set_feed_override(call: Call[OverrideMasks]) -> None:
    """Sets what a role or user is allowed and denied in a feed."""
    await _change_override(call, "feed", call.body)


@routes.put(
    "/rooms/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES), body=OverrideMasks
)
async def set_room_override(call: Call[OverrideMasks]) -> None:
    """Sets what a role or user is allowed and denied in a room."""
    await _change_override(call, "room", call.body)


@routes.delete("/feeds/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES))
async def delete_feed_override(call: Call) -> None:
    """Deletes an override of a feed; succeeds where there is none."""
    await _change_override(call, "feed", None)


@routes.delete("/rooms/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES))
async def delete_room_override(call: Call) -> None:
    """Deletes an override of a room; succeeds where there is none."""
    await _change_override(call, "room", None)


async def _change_override(call: Call[Any], kind: Kind, masks: OverrideMasks | None) -> None:
    target = target_of(target_kind(call.text("target_type")), call.id("target_id"))
    number = call.id("space_id")
    space: Space = ("feed", FeedId(number)) if kind == "feed" else ("room", RoomId(number))
    requested = OverrideChange(call.user_id, space, target, masks)
    check_override(call.chat.community, requested)
    await call.chat.change(partial(change_override, requested=requested))
