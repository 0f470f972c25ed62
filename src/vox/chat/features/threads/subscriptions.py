"""Subscriptions to feeds and threads: a subscriber is notified of each message. Subscribing twice has no further effect."""

from functools import partial

from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events import Event
from vox.chat.events.ids import FeedId, ThreadId, UserId
from vox.chat.features.threads import queries
from vox.chat.features.threads.queries import SubscriptionKind
from vox.stores.sql import Connection


async def follow(
    chat: ChatContext, kind: SubscriptionKind, place_id: FeedId | ThreadId, user_id: UserId, event: Event
) -> None:
    """Subscribes a user to a feed or thread.

    Args:
        chat: the server.
        kind: feed or thread.
        place_id: id of the feed or thread.
        user_id: the subscriber.
        event: published where the subscription is new.

    Raises:
        Refusal: SPACE_NOT_FOUND where the place has just been deleted.
    """
    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        await chat.change(partial(_follow, kind=kind, place_id=place_id, user_id=user_id, event=event))


async def unfollow(
    chat: ChatContext, kind: SubscriptionKind, place_id: FeedId | ThreadId, user_id: UserId, event: Event
) -> None:
    """Ends a subscription; see `follow`."""
    await chat.change(partial(_unfollow, kind=kind, place_id=place_id, user_id=user_id, event=event))


def _follow(
    connection: Connection, *, kind: SubscriptionKind, place_id: FeedId | ThreadId, user_id: UserId, event: Event
) -> Change[None]:
    is_new = queries.insert_subscriber(connection, kind, place_id, user_id)
    return Change(None, (event,) if is_new else ())


def _unfollow(
    connection: Connection, *, kind: SubscriptionKind, place_id: FeedId | ThreadId, user_id: UserId, event: Event
) -> Change[None]:
    existed = queries.delete_subscriber(connection, kind, place_id, user_id)
    return Change(None, (event,) if existed else ())
