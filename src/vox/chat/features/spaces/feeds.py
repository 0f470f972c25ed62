"""Units of work for feeds.

A feed's messages are deleted in batches before the feed itself, so that a large feed does not keep other writers waiting;
the feed exists until the last batch, which is deleted in the same transaction.
"""

from collections.abc import Sequence
from typing import Any

from vox.chat.api.hierarchy import fresh_community
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import SpaceOverride, feed_create, feed_delete, feed_update
from vox.chat.events.ids import CategoryId, FeedId, UserId
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.delete import delete_messages
from vox.chat.features.spaces import queries
from vox.chat.features.spaces.reorder import Moves, assert_category, last_position, move
from vox.chat.features.spaces.schemas import CreateFeed, UpdateFeed
from vox.stores.sql import Connection


def create_feed(
    connection: Connection, *, actor_id: UserId, body: CreateFeed, overrides: Sequence[SpaceOverride]
) -> Change[FeedId]:
    """Inserts a feed, last in its category, and returns its id.

    Args:
        connection: of the writer.
        actor_id: the user who creates it.
        body: the request.
        overrides: those of the request, checked.

    Raises:
        Refusal: INVALID_OPERATION where there are too many, SPACE_NOT_FOUND (category).
    """
    lock_event_order(connection)
    queries.check_space_quota(connection, "feed")
    category_id = None if body.category_id is None else CategoryId(body.category_id)
    assert_category(connection, category_id)
    position = last_position(connection, category_id)
    feed_id: FeedId = queries.insert_space(
        connection, "feed", name=body.name, type_=body.type, category_id=category_id, position=position
    )
    queries.insert_overrides(connection, "feed", feed_id, overrides)
    event = feed_create(
        feed_id=feed_id,
        name=body.name,
        type=body.type,
        category_id=category_id,
        position=position,
        overrides=overrides,
    )
    return Change(feed_id, (event,), (AuditEntry("feed.create", actor_id, feed_id, {"name": body.name}),))


def update_feed(connection: Connection, *, actor_id: UserId, feed_id: FeedId, body: UpdateFeed) -> Change[None]:
    """Writes another name, topic, category or position.

    Raises:
        Refusal: SPACE_NOT_FOUND, for the feed or the category.
    """
    lock_event_order(connection)
    row = queries.lock_feed_for_update(connection, feed_id)
    if row is None:
        raise feed_not_found(feed_id)
    given: dict[str, Any] = {"name": body.name, "topic": body.topic, "category_id": body.category_id}
    changed = {name: value for name, value in given.items() if value is not None}
    category_id = None if body.category_id is None else CategoryId(body.category_id)
    assert_category(connection, category_id)
    if changed:
        queries.update_space(connection, "feed", feed_id, changed)
    moves = Moves()
    if body.position is not None:
        moves = move(connection, "feed", feed_id, row[0] if category_id is None else category_id, body.position)
        changed["position"] = body.position
    if not changed:
        return Change(None)
    event = feed_update(feed_id=feed_id, changed=changed, feeds=moves.feeds, rooms=moves.rooms)
    return Change(None, (event,), (AuditEntry("feed.update", actor_id, feed_id, {"changed": changed}),))


def delete_feed(connection: Connection, *, actor_id: UserId, feed_id: FeedId) -> Change[None]:
    """Deletes a feed with the messages that are left in it; `purge_messages` has deleted most of them before.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    overrides = fresh_community(connection, space=("feed", feed_id)).overrides_of("feed", feed_id)
    name = queries.lock_space_for_deletion(connection, "feed", feed_id)
    if name is None:
        raise feed_not_found(feed_id)
    while delete_messages(connection, MessageLocation("feed", feed_id)):  # sent since the batches; the lock stops more
        pass
    queries.withdraw_files_of_feed(connection, feed_id)
    queries.delete_space(connection, "feed", feed_id)
    event = feed_delete(feed_id=feed_id, overrides=overrides)
    return Change(None, (event,), (AuditEntry("feed.delete", actor_id, feed_id, {"name": name}),))


def feed_not_found(feed_id: FeedId) -> Refusal:
    """The refusal for a feed that does not exist."""
    return refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
