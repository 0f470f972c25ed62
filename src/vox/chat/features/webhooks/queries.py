"""The SQL of incoming webhooks; a token is only ever looked up by its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from vox.chat.database.schema import webhooks
from vox.chat.events.ids import FeedId
from vox.chat.features.webhooks.schemas import Webhook
from vox.stores.sql import Connection


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """A webhook and the digest of its token."""

    webhook: Webhook
    digest: str


def insert_webhook(
    connection: Connection, *, feed_id: FeedId, name: str, avatar: str | None, digest: str, now_s: int
) -> int:
    """Stores a webhook and returns its id."""
    values = {"feed_id": feed_id, "name": name, "avatar": avatar, "token": digest, "created_at": now_s}
    return int(connection.execute(insert(webhooks).values(**values).returning(webhooks.c.id)).scalar_one())


def count_webhooks(connection: Connection, feed_id: FeedId) -> int:
    """How many webhooks a feed has."""
    return connection.execute(select(func.count()).where(webhooks.c.feed_id == feed_id)).scalar_one()


def list_webhooks(connection: Connection, feed_id: FeedId) -> list[Webhook]:
    """The webhooks of a feed, by id."""
    row = webhooks.c
    query = select(row.id, row.feed_id, row.name, row.avatar).where(row.feed_id == feed_id).order_by(row.id)
    return [Webhook(*found) for found in connection.execute(query)]


def find_webhook(connection: Connection, webhook_id: int) -> StoredWebhook | None:
    """A webhook; None where there is none."""
    row = webhooks.c
    query = select(row.id, row.feed_id, row.name, row.avatar, row.token).where(row.id == webhook_id)
    found = connection.execute(query).first()
    return None if found is None else StoredWebhook(Webhook(*found[:4]), found[4])


def change_webhook(connection: Connection, webhook_id: int, values: Mapping[str, Any]) -> bool:
    """Changes columns of a webhook; False where there is none."""
    return connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values)).rowcount > 0


def delete_webhook(connection: Connection, webhook_id: int) -> bool:
    """Deletes a webhook; False where there is none."""
    return connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount > 0
