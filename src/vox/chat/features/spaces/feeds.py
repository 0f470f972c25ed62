"""Feeds over REST, and who follows them.

Deleting a feed first deletes its messages in batches, so that a large one does not keep everybody else from writing; the feed
stays there until the last batch, which goes together with it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import in_feed, requires
from vox.chat.api.hierarchy import fresh_community, recheck_in_transaction
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.database import quotas
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import feed_subscribers, feeds, files, messages, permission_overrides
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import (
    SpaceOverride,
    feed_create,
    feed_delete,
    feed_subscribe,
    feed_unsubscribe,
    feed_update,
)
from vox.chat.events.permissions import P
from vox.chat.features.messages.delete import delete_messages, purge_messages
from vox.chat.features.spaces.initial_overrides import checked_overrides, override_user_ids, store_overrides
from vox.chat.features.spaces.layout import feed_info
from vox.chat.features.spaces.reorder import Moves, assert_category, last_position, move
from vox.chat.features.spaces.schemas import CreateFeed, FeedInfo, UpdateFeed
from vox.chat.features.threads.subscriptions import follow, unfollow

routes = RouteTable()


@routes.get("/feeds/{feed_id}", access=in_feed(P.VIEW_SPACE), returns=FeedInfo)
async def get_feed(call: Call) -> FeedInfo:
    """One feed."""
    return feed_info(call.chat.community, call.id("feed_id"))


@routes.post("/feeds", access=requires(P.MANAGE_SPACES), body=CreateFeed, status=201, returns=FeedInfo)
async def create_feed(call: Call[CreateFeed]) -> FeedInfo:
    """A new feed, last in its category."""
    chat, body = call.chat, call.body
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    may_override = partial(checked_overrides, actor_id=call.user_id, wanted=body.permission_overrides)
    unit = partial(_create, actor_id=call.user_id, body=body, overrides=may_override(chat.community))
    feed_id = await chat.change(
        recheck_in_transaction(unit, may_override, call.user_id, *override_user_ids(body.permission_overrides))
    )
    return feed_info(chat.community, feed_id)


@routes.patch("/feeds/{feed_id}", access=requires(P.MANAGE_SPACES, sees="feed"), body=UpdateFeed, returns=FeedInfo)
async def update_feed(call: Call[UpdateFeed]) -> FeedInfo:
    """Another name, topic, category or position."""
    chat, body, feed_id = call.chat, call.body, call.id("feed_id")
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    validate_length(chat.config.limit, "topic", body.topic, "topic_max")
    await chat.change(partial(_update, actor_id=call.user_id, feed_id=feed_id, body=body))
    return feed_info(chat.community, feed_id)


@routes.delete("/feeds/{feed_id}", access=requires(P.MANAGE_SPACES, sees="feed"))
async def delete_feed(call: Call) -> None:
    """Deletes a feed with its threads and messages."""
    chat, feed_id = call.chat, call.id("feed_id")
    feed_info(chat.community, feed_id)
    await purge_messages(chat, messages.c.feed_id == feed_id)
    await chat.change(partial(_delete, actor_id=call.user_id, feed_id=feed_id))


@routes.put("/feeds/{feed_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def subscribe(call: Call) -> None:
    """Follows a feed: its messages become notifications."""
    feed_id, user_id = call.id("feed_id"), call.user_id
    event = feed_subscribe(feed_id=feed_id, user_id=user_id)
    await follow(call.chat, feed_subscribers, feed_id, user_id, event)


@routes.delete("/feeds/{feed_id}/subscribers", access=in_feed(P.VIEW_SPACE))
async def unsubscribe(call: Call) -> None:
    """Follows a feed no longer."""
    feed_id, user_id = call.id("feed_id"), call.user_id
    event = feed_unsubscribe(feed_id=feed_id, user_id=user_id)
    await unfollow(call.chat, feed_subscribers, feed_id, user_id, event)


def _create(
    connection: Connection, *, actor_id: int, body: CreateFeed, overrides: Sequence[SpaceOverride]
) -> Change[int]:
    lock_event_order(connection)
    check_quota(connection, feeds, quotas.MAX_SPACES, "feeds")
    assert_category(connection, body.category_id)
    position = last_position(connection, body.category_id)
    values = {"name": body.name, "type": body.type, "category_id": body.category_id, "position": position}
    feed_id: int = connection.execute(insert(feeds).values(values).returning(feeds.c.id)).scalar_one()
    store_overrides(connection, "feed", feed_id, overrides)
    event = feed_create(
        feed_id=feed_id,
        name=body.name,
        type=body.type,
        category_id=body.category_id,
        position=position,
        overrides=overrides,
    )
    return Change(feed_id, (event,), (AuditEntry("feed.create", actor_id, feed_id, {"name": body.name}),))


def _update(connection: Connection, *, actor_id: int, feed_id: int, body: UpdateFeed) -> Change[None]:
    lock_event_order(connection)
    query = select(feeds.c.category_id).where(feeds.c.id == feed_id).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    wanted: dict[str, Any] = {"name": body.name, "topic": body.topic, "category_id": body.category_id}
    changed = {name: value for name, value in wanted.items() if value is not None}
    assert_category(connection, body.category_id)
    if changed:
        connection.execute(update(feeds).where(feeds.c.id == feed_id).values(changed))
    moves = Moves()
    if body.position is not None:
        category_id = row[0] if body.category_id is None else body.category_id
        moves = move(connection, "feed", feed_id, category_id, body.position)
        changed["position"] = body.position
    if not changed:
        return Change(None)
    event = feed_update(feed_id=feed_id, changed=changed, feeds=moves.feeds, rooms=moves.rooms)
    return Change(None, (event,), (AuditEntry("feed.update", actor_id, feed_id, {"changed": changed}),))


def _delete(connection: Connection, *, actor_id: int, feed_id: int) -> Change[None]:
    overrides = fresh_community(connection, space=("feed", feed_id)).overrides_of("feed", feed_id)
    query = select(feeds.c.name).where(feeds.c.id == feed_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    while delete_messages(connection, messages.c.feed_id == feed_id):  # what came since the batches; now no more can
        pass
    connection.execute(update(files).where(files.c.feed_id == feed_id).values(state="uploading"))
    override = permission_overrides.c
    connection.execute(delete(permission_overrides).where(override.space_type == "feed", override.space_id == feed_id))
    connection.execute(delete(feeds).where(feeds.c.id == feed_id))
    event = feed_delete(feed_id=feed_id, overrides=overrides)
    return Change(None, (event,), (AuditEntry("feed.delete", actor_id, feed_id, {"name": row[0]}),))
