"""The SQL of outgoing webhooks and their deliveries."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select, update

from vox.chat.database.schema import webhook_deliveries, webhook_subscriptions
from vox.chat.features.outgoing_webhooks.schemas import Delivery, Subscription
from vox.stores.sql import Connection
from vox.stores.statements import Statement

Row = Mapping[Any, Any]

_ENQUEUE: Final = Statement(
    "INSERT INTO webhook_deliveries (subscription_id, event, body, created_at, due_at)"
    " SELECT id, :event, :body, :now_ms, :now_ms FROM webhook_subscriptions WHERE id = :id AND enabled"
    " AND (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE subscription_id = :id AND state = 'waiting'"
    " LIMIT :most) waiting) < :most",
    "INSERT INTO webhook_deliveries (subscription_id, event, body, created_at, due_at)"
    " SELECT id, :event::text, :body::text, :now_ms::bigint, :now_ms::bigint FROM webhook_subscriptions"
    " WHERE id = :id AND enabled AND (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries"
    " WHERE subscription_id = :id AND state = 'waiting' LIMIT :most) waiting) < :most",
)
_DROPPED: Final = Statement("UPDATE webhook_subscriptions SET dropped = dropped + 1 WHERE id = :id AND enabled")


def insert_subscription(connection: Connection, values: Mapping[str, Any]) -> int:
    """Stores a subscription and returns its id."""
    inserted = insert(webhook_subscriptions).values(**values).returning(webhook_subscriptions.c.id)
    return int(connection.execute(inserted).scalar_one())


def list_subscriptions(connection: Connection, subscription_id: int | None = None) -> list[Subscription]:
    """Subscriptions by id, or one of them, each with the number of its waiting deliveries."""
    row, waiting = webhook_subscriptions.c, webhook_deliveries.c
    counted = (
        select(func.count())
        .where(waiting.subscription_id == row.id, waiting.state == "waiting")
        .correlate(webhook_subscriptions)
        .scalar_subquery()
    )
    query = select(webhook_subscriptions, counted.label("waiting")).order_by(row.id)
    if subscription_id is not None:
        query = query.where(row.id == subscription_id)
    return [
        Subscription(
            subscription_id=found["id"],
            name=found["name"],
            url=found["url"],
            feed_id=found["feed_id"],
            events=msgspec.json.decode(found["events"], type=list[str]),
            string_ids=bool(found["string_ids"]),
            enabled=bool(found["enabled"]),
            disabled_reason=found["disabled_reason"],
            creator_id=found["creator_id"],
            created_at=found["created_at"],
            failing_since=found["failing_since"],
            last_delivered_at=found["last_delivered_at"],
            last_error=found["last_error"],
            waiting=found["waiting"],
            dropped=found["dropped"],
        )
        for found in connection.execute(query).mappings()
    ]


def count_subscriptions(connection: Connection) -> int:
    """How many subscriptions there are."""
    return connection.execute(select(func.count()).select_from(webhook_subscriptions)).scalar_one()


def rotate_secret(connection: Connection, subscription_id: int, now_s: int) -> int | None:
    """Counts the version of the secret up and returns it; None where there is no such subscription."""
    row = webhook_subscriptions.c
    query = (
        update(webhook_subscriptions)
        .where(row.id == subscription_id)
        .values(secret_version=row.secret_version + 1, secret_rotated_at=now_s)
        .returning(row.secret_version)
    )
    return connection.execute(query).scalar_one_or_none()


def delete_subscription(connection: Connection, subscription_id: int) -> bool:
    """Deletes a subscription with its deliveries; False where there is none."""
    connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.subscription_id == subscription_id))
    row = webhook_subscriptions.c
    return connection.execute(delete(webhook_subscriptions).where(row.id == subscription_id)).rowcount > 0


def insert_delivery(connection: Connection, *, subscription_id: int, event: str, body: str, now_ms: int) -> int:
    """Stores a delivery and returns its id."""
    values = {"subscription_id": subscription_id, "event": event, "body": body, "created_at": now_ms, "due_at": now_ms}
    inserted = insert(webhook_deliveries).values(**values).returning(webhook_deliveries.c.id)
    return int(connection.execute(inserted).scalar_one())


def find_delivery(connection: Connection, subscription_id: int, delivery_id: int) -> tuple[str, str] | None:
    """Type and JSON of the event of a delivery; None where the subscription has no such delivery."""
    row = webhook_deliveries.c
    query = select(row.event, row.body).where(row.id == delivery_id, row.subscription_id == subscription_id)
    found = connection.execute(query).first()
    return None if found is None else (found[0], found[1])


def list_deliveries(connection: Connection, *, subscription_id: int, before: int | None, limit: int) -> list[Delivery]:
    """Deliveries of a subscription, the newest first."""
    row = webhook_deliveries.c
    columns = (
        row.id,
        row.event,
        row.state,
        row.attempts,
        row.status,
        row.error,
        row.duration_ms,
        row.created_at,
        row.due_at,
        row.finished_at,
    )
    query = select(*columns).where(row.subscription_id == subscription_id).order_by(row.id.desc()).limit(limit)
    if before is not None:
        query = query.where(row.id < before)
    return [
        Delivery(*found[:8], found[8] if found[2] == "waiting" else None, found[9])
        for found in connection.execute(query).all()
    ]


def enqueue(connection: Connection, *, subscription_id: int, event: str, body: str, now_ms: int, most: int) -> None:
    """Stores a delivery where the subscription is enabled and fewer than `most` wait; else counts it as dropped."""
    values = {"id": subscription_id, "event": event, "body": body, "now_ms": now_ms, "most": most}
    if _ENQUEUE.run(connection, values).rowcount == 0:
        _DROPPED.run(connection, values)


def claim_deliveries(connection: Connection, now_ms: int, until_ms: int, limit: int) -> Sequence[Row]:
    """Deliveries that are due, of each subscription the earliest only; others do not get them before `until_ms`."""
    row = webhook_deliveries.c
    first = select(func.min(row.id)).where(row.state == "waiting").group_by(row.subscription_id).scalar_subquery()
    due = (
        select(row.id)
        .where(row.state == "waiting", row.due_at <= now_ms, row.id.in_(first))
        .order_by(row.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    numbers = connection.execute(due).scalars().all()
    if not numbers:
        return []
    connection.execute(update(webhook_deliveries).where(row.id.in_(numbers)).values(due_at=until_ms))
    one = webhook_subscriptions.c
    columns = (row.id, row.subscription_id, row.event, row.body, row.created_at, row.attempts)
    found = (
        select(
            *columns, one.url, one.enabled, one.secret_version, one.secret_rotated_at, one.string_ids, one.failing_since
        )
        .outerjoin(webhook_subscriptions, one.id == row.subscription_id)
        .where(row.id.in_(numbers))
        .order_by(row.id)
    )
    return connection.execute(found).mappings().all()


def finish_delivery(connection: Connection, delivery_id: int, values: Mapping[str, Any]) -> None:
    """Stores the outcome of an attempt."""
    connection.execute(update(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id).values(**values))


def change_subscription(connection: Connection, subscription_id: int, values: Mapping[str, Any]) -> bool:
    """Changes columns of a subscription; False where there is none."""
    query = update(webhook_subscriptions).where(webhook_subscriptions.c.id == subscription_id).values(**values)
    return connection.execute(query).rowcount > 0


def begin_failing(connection: Connection, subscription_id: int, now_s: int, error: str) -> int:
    """Stores a failure, and returns since when the subscription has been failing; 0 where there is none."""
    row = webhook_subscriptions.c
    query = (
        update(webhook_subscriptions)
        .where(row.id == subscription_id)
        .values(failing_since=func.coalesce(row.failing_since, now_s), last_error=error)
        .returning(row.failing_since)
    )
    return connection.execute(query).scalar_one_or_none() or 0


def bury_waiting(connection: Connection, subscription_id: int, now_ms: int, error: str) -> None:
    """Gives up everything that waits for a subscription."""
    row = webhook_deliveries.c
    waiting = (row.subscription_id == subscription_id) & (row.state == "waiting")
    values = {"state": "dead", "error": error, "finished_at": now_ms}
    connection.execute(update(webhook_deliveries).where(waiting).values(**values))


def delete_old_deliveries(connection: Connection, *, before_ms: int) -> int:
    """Deletes deliveries that were finished before a moment, and those without a subscription; returns how many."""
    row = webhook_deliveries.c
    gone = (row.finished_at < before_ms) | row.subscription_id.not_in(select(webhook_subscriptions.c.id))
    return connection.execute(delete(webhook_deliveries).where(gone)).rowcount
