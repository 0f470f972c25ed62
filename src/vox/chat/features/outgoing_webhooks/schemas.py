"""Requests and responses of outgoing webhooks and their deliveries."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vox.chat.api.fields import Id, Limit

MAX_EVENTS = 64

EventNames = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=MAX_EVENTS)]
Url = Annotated[str, Meta(min_length=1, max_length=2048)]


class NewSubscription(msgspec.Struct, frozen=True):
    """An outgoing webhook to create: which events of a feed, or of the community, go to which address.

    Args:
        name: for people.
        url: where events are posted.
        events: their types.
        feed_id: the feed whose events they are; without one those of the community.
        string_ids: whether ids beyond 2^53 are written as strings.
    """

    name: str
    url: Url
    events: EventNames
    feed_id: Id | None = None
    string_ids: bool = False


class SubscriptionChange(msgspec.Struct, frozen=True):
    """What to change; `enabled` true also ends a suspension by the server."""

    name: str | None = None
    url: Url | None = None
    events: EventNames | None = None
    string_ids: bool | None = None
    enabled: bool | None = None


class Subscription(msgspec.Struct, frozen=True):
    """An outgoing webhook.

    Args:
        subscription_id: its number.
        name: for people.
        url: where events are posted.
        feed_id: its feed; null for the community.
        events: their types.
        string_ids: whether ids beyond 2^53 are strings.
        enabled: whether events are sent.
        disabled_reason: why not.
        creator_id: the member who made it.
        created_at: Unix seconds.
        failing_since: Unix seconds of the first failure after the last success.
        last_delivered_at: Unix seconds.
        last_error: of the last failure.
        waiting: events that wait to be sent.
        dropped: events that were not queued because too many waited.
    """

    subscription_id: int
    name: str
    url: str
    feed_id: int | None
    events: list[str]
    string_ids: bool
    enabled: bool
    disabled_reason: str | None
    creator_id: int | None
    created_at: int
    failing_since: int | None
    last_delivered_at: int | None
    last_error: str | None
    waiting: int
    dropped: int


class SubscriptionList(msgspec.Struct, frozen=True):
    """Outgoing webhooks, by id."""

    items: list[Subscription]


class CreatedSubscription(Subscription, frozen=True):
    """A new outgoing webhook with its signing secret, which is shown this once."""

    secret: str


class SubscriptionSecret(msgspec.Struct, frozen=True):
    """A new signing secret, shown this once; the one before signs too until that moment (Unix seconds)."""

    secret: str
    previous_valid_until: int


class Delivery(msgspec.Struct, frozen=True):
    """What became of an event on its way; times in Unix milliseconds.

    Args:
        delivery_id: its number, which ascends in the order of the events.
        event: its type.
        state: waiting, delivered, or dead where it was given up.
        attempts: how often it was sent.
        status: of the last answer.
        error: of the last attempt; null where it succeeded.
        duration_ms: how long the last attempt took.
        created_at: when the event happened.
        next_attempt_at: when it is sent next.
        finished_at: when it was delivered or given up.
    """

    delivery_id: int
    event: str
    state: Literal["waiting", "delivered", "dead"]
    attempts: int
    status: int | None
    error: str | None
    duration_ms: int | None
    created_at: int
    next_attempt_at: int | None
    finished_at: int | None


class DeliveryLog(msgspec.Struct, frozen=True):
    """Deliveries, the newest first."""

    items: list[Delivery]


class LogQuery(msgspec.Struct, frozen=True):
    """Which deliveries: below `before`; at most 100."""

    limit: Limit = 50
    before: Id | None = None


class Redelivered(msgspec.Struct, frozen=True):
    """The new delivery of an old or made-up event."""

    delivery_id: int
