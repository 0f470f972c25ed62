"""What is posted to outgoing webhooks, and the deliveries that a change makes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from vox.chat.api.json_ids import with_string_ids
from vox.chat.events import Event
from vox.chat.features.outgoing_webhooks import queries
from vox.chat.integrations.registry import Integrations
from vox.stores.sql import Connection

MAX_WAITING: Final = 1000
"""Deliveries that may wait for one subscription; further ones are counted and left out."""


def enqueue_deliveries(
    connection: Connection, events: Sequence[Event], integrations: Integrations, now_ms: int
) -> None:
    """Stores a delivery of each event for each subscription that it is for, in the events' own transaction.

    Args:
        connection: the unit's own.
        events: of the change.
        integrations: knows the subscriptions.
        now_ms: Unix milliseconds.
    """
    for event in events:
        for one in integrations.subscribed(event):
            payload = with_string_ids(event.payload) if one.string_ids else event.payload
            body = msgspec.json.encode(payload).decode()
            queries.enqueue(
                connection, subscription_id=one.id, event=event.type, body=body, now_ms=now_ms, most=MAX_WAITING
            )


def delivery_body(row: Mapping[str, Any]) -> bytes:
    """The JSON that travels; `row` has id, subscription_id, event, created_at and the event's own JSON as body."""
    return b'{"delivery_id":%d,"subscription_id":%d,"type":%b,"timestamp":%d,"d":%b}' % (
        row["id"],
        row["subscription_id"],
        msgspec.json.encode(row["event"]),
        row["created_at"],
        row["body"].encode(),
    )
