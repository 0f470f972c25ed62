"""Making and changing outgoing webhooks: which events of a feed, or of the community, are posted to which address.

A subscription gives another program what a member may read, so making and seeing one needs to read the feed; one of the community needs
MANAGE_SERVER.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.api.validation import validate_name
from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, missing_permission, refuse
from vox.chat.events import SYNC_CATEGORIES, Event
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.integrations import subscription_changed
from vox.chat.events.permissions import P
from vox.chat.features.messages.send import READ
from vox.chat.features.outgoing_webhooks import queries
from vox.chat.features.outgoing_webhooks.schemas import NewSubscription, Subscription, SubscriptionChange
from vox.chat.integrations.addresses import assert_reachable
from vox.chat.integrations.queries import read_subscriptions
from vox.chat.integrations.signing import OVERLAP_S, secret_of
from vox.stores.sql import Connection

MAX_SUBSCRIPTIONS: Final = 200
PING: Final = "ping"
OF_A_FEED: Final = frozenset({
    "message_create", "message_update", "message_delete", "message_bulk_delete", "message_reaction_add",
    "message_reaction_remove", "message_pin_update", "thread_create", "thread_update", "thread_delete", "feed_update",
})  # fmt: skip
OF_THE_COMMUNITY: Final = (
    SYNC_CATEGORIES["members"]
    | SYNC_CATEGORIES["roles"]
    | SYNC_CATEGORIES["users"]
    | SYNC_CATEGORIES["server"]
    | SYNC_CATEGORIES["emoji"]
)
"""Types of events that can be subscribed to."""


async def create(chat: ChatContext, actor_id: UserId, body: NewSubscription) -> tuple[int, str]:
    """Makes a subscription; its id and its signing secret.

    Raises:
        Refusal: MISSING_PERMISSIONS, SPACE_NOT_FOUND, VALIDATION_ERROR, INVALID_URL, INVALID_OPERATION where there are too many.
    """
    feed_id = None if body.feed_id is None else FeedId(body.feed_id)
    assert_may(chat, actor_id, feed_id)
    if feed_id is not None and feed_id not in chat.community.feeds:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    name = validate_name(chat.config.limit, "name", body.name, "webhook_name_max")
    events = _checked_events(body.events, feed_id)
    await assert_reachable(chat.integration_guard, body.url)
    key = await chat.signing_key.get(chat.change)
    values = {
        "name": name,
        "url": body.url,
        "feed_id": feed_id,
        "events": msgspec.json.encode(events).decode(),
        "string_ids": body.string_ids,
        "creator_id": actor_id,
        "created_at": chat.clock.unix_s(),
    }
    with map_conflict(refuse("SPACE_NOT_FOUND", "That feed has just been deleted.")):
        number = await chat.change(partial(_create, actor_id=actor_id, values=values))
    return number, secret_of(key, "subscription", number, 1)


async def managed(chat: ChatContext, actor_id: UserId, subscription_id: int) -> Subscription:
    """A subscription that the caller may manage.

    Raises:
        Refusal: WEBHOOK_NOT_FOUND, also where the caller may not see it.
    """
    found = await chat.read(partial(queries.list_subscriptions, subscription_id=subscription_id))
    if not found or not may_manage(chat, actor_id, found[0]):
        raise not_found(subscription_id)
    return found[0]


def may_manage(chat: ChatContext, actor_id: UserId, one: Subscription) -> bool:
    """Whether a user may see and manage a subscription."""
    try:
        assert_may(chat, actor_id, None if one.feed_id is None else FeedId(one.feed_id))
    except Refusal:
        return False
    return True


def assert_may(chat: ChatContext, actor_id: UserId, feed_id: FeedId | None) -> None:
    """Refuses a user who may not give the events of a feed, or of the community, to others.

    Raises:
        Refusal: MISSING_PERMISSIONS.
    """
    community = chat.community
    if not community.may(actor_id, P.MANAGE_WEBHOOKS):
        raise missing_permission("MANAGE_WEBHOOKS")
    if feed_id is None and not community.may(actor_id, P.MANAGE_SERVER):
        raise missing_permission("MANAGE_SERVER")
    if feed_id is not None and feed_id in community.feeds and not community.may_in(actor_id, "feed", feed_id, READ):
        raise missing_permission("READ_HISTORY")


async def change(chat: ChatContext, actor_id: UserId, one: Subscription, body: SubscriptionChange) -> None:
    """Changes what was given of a subscription.

    Raises:
        Refusal: VALIDATION_ERROR, INVALID_URL, WEBHOOK_NOT_FOUND.
    """
    values: dict[str, Any] = {}
    if body.name is not None:
        values["name"] = validate_name(chat.config.limit, "name", body.name, "webhook_name_max")
    if body.url is not None:
        await assert_reachable(chat.integration_guard, body.url)
        values["url"] = body.url
    if body.events is not None:
        feed_id = None if one.feed_id is None else FeedId(one.feed_id)
        values["events"] = msgspec.json.encode(_checked_events(body.events, feed_id)).decode()
    if body.string_ids is not None:
        values["string_ids"] = body.string_ids
    if body.enabled is not None:
        reason = None if body.enabled else "It was disabled by a member."
        values |= {"enabled": body.enabled, "disabled_reason": reason}
        if body.enabled:
            values |= {"failing_since": None, "dropped": 0}
    if values:
        await chat.change(partial(_change, actor_id=actor_id, subscription_id=one.subscription_id, values=values))


async def rotate_secret(chat: ChatContext, actor_id: UserId, one: Subscription) -> tuple[str, int]:
    """Replaces the signing secret; the new one, and until when the old one signs too (Unix seconds).

    Raises:
        Refusal: WEBHOOK_NOT_FOUND.
    """
    key, now_s = await chat.signing_key.get(chat.change), chat.clock.unix_s()
    number = one.subscription_id
    version = await chat.change(partial(_rotate, actor_id=actor_id, subscription_id=number, now_s=now_s))
    return secret_of(key, "subscription", number, version), now_s + OVERLAP_S


def delete(connection: Connection, *, actor_id: UserId, subscription_id: int) -> Change[None]:
    """Deletes a subscription and what waits for it.

    Raises:
        Refusal: WEBHOOK_NOT_FOUND.
    """
    lock_event_order(connection)
    if not queries.delete_subscription(connection, subscription_id):
        raise not_found(subscription_id)
    event = subscription_changed(subscription_id, None)
    return Change(None, (event,), (AuditEntry("outgoing_webhook.delete", actor_id, subscription_id),))


def ping(connection: Connection, *, subscription_id: int, now_ms: int) -> Change[int]:
    """Queues a made-up event; its number."""
    number = queries.insert_delivery(connection, subscription_id=subscription_id, event=PING, body="{}", now_ms=now_ms)
    return Change(number)


def redeliver(connection: Connection, *, subscription_id: int, delivery_id: int, now_ms: int) -> Change[int]:
    """Queues the event of an earlier delivery again; the new delivery's number.

    Raises:
        Refusal: NOT_FOUND.
    """
    found = queries.find_delivery(connection, subscription_id, delivery_id)
    if found is None:
        raise refuse("NOT_FOUND", f"There is no delivery {delivery_id} of this webhook.")
    event, body = found
    number = queries.insert_delivery(connection, subscription_id=subscription_id, event=event, body=body, now_ms=now_ms)
    return Change(number)


def not_found(subscription_id: int) -> Refusal:
    """The refusal for a subscription that does not exist, or not for the caller."""
    return refuse("WEBHOOK_NOT_FOUND", f"There is no outgoing webhook {subscription_id}.")


def assert_enabled(one: Subscription) -> None:
    """Refuses to queue something for a subscription that sends nothing.

    Raises:
        Refusal: INVALID_OPERATION.
    """
    if not one.enabled:
        raise refuse("INVALID_OPERATION", "This outgoing webhook is disabled; enable it first.")


def _create(connection: Connection, *, actor_id: UserId, values: Mapping[str, Any]) -> Change[int]:
    lock_event_order(connection)
    if queries.count_subscriptions(connection) >= MAX_SUBSCRIPTIONS:
        raise refuse("INVALID_OPERATION", f"There are at most {MAX_SUBSCRIPTIONS} outgoing webhooks.")
    number = queries.insert_subscription(connection, values)
    facts = {"name": values["name"], "feed_id": values["feed_id"]}  # the address may hold a secret
    entry = AuditEntry("outgoing_webhook.create", actor_id, number, facts)
    return Change(number, (_state_event(connection, number),), (entry,))


def _change(
    connection: Connection, *, actor_id: UserId, subscription_id: int, values: Mapping[str, Any]
) -> Change[None]:
    lock_event_order(connection)
    if not queries.change_subscription(connection, subscription_id, values):
        raise not_found(subscription_id)
    entry = AuditEntry("outgoing_webhook.update", actor_id, subscription_id, {"changed": sorted(values)})
    return Change(None, (_state_event(connection, subscription_id),), (entry,))


def _rotate(connection: Connection, *, actor_id: UserId, subscription_id: int, now_s: int) -> Change[int]:
    version = queries.rotate_secret(connection, subscription_id, now_s)
    if version is None:
        raise not_found(subscription_id)
    return Change(version, (), (AuditEntry("outgoing_webhook.secret_rotate", actor_id, subscription_id),))


def _state_event(connection: Connection, subscription_id: int) -> Event:
    rows = read_subscriptions(connection, subscription_id)
    return subscription_changed(subscription_id, rows[0] if rows else None)


def _checked_events(events: Sequence[str], feed_id: FeedId | None) -> list[str]:
    offered = OF_THE_COMMUNITY if feed_id is None else OF_A_FEED
    for name in events:
        if name not in offered:
            where = "the community" if feed_id is None else "a feed"
            raise refuse("VALIDATION_ERROR", f"body.events: expected events of {where}: {', '.join(sorted(offered))}")
    return list(dict.fromkeys(events))
