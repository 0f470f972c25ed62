"""The SQL of what processes remember of bots and outgoing webhooks, and of the key that signs."""

from collections import defaultdict
from typing import Any, Final

import msgspec
from sqlalchemy import select, text

from vox.chat.database.schema import bot_commands, bots, config, meta, webhook_subscriptions
from vox.chat.events.ids import UserId
from vox.stores.sql import Connection

SIGNING_KEY: Final = "integration_signing_key"


def read_all(connection: Connection) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
    """The version of the community, all bots with their commands, and all enabled subscriptions."""
    version = connection.execute(select(meta.c.version)).scalar_one_or_none() or 0
    return version, read_bots(connection), read_subscriptions(connection)


def read_bots(connection: Connection, user_id: UserId | None = None) -> list[dict[str, Any]]:
    """Bots by user id, or one of them."""
    row = bots.c
    query = select(row.id, row.user_id, row.owner_id, row.interaction_url, row.disabled).order_by(row.user_id)
    offered = select(bot_commands).order_by(bot_commands.c.name)
    if user_id is not None:
        query = query.where(row.user_id == user_id)
        offered = offered.join(bots, bots.c.id == bot_commands.c.bot_id).where(row.user_id == user_id)
    commands: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for found in connection.execute(offered):
        commands[found.bot_id].append(_command(found.name, found.description, found.params))
    return [
        {
            "user_id": found.user_id,
            "bot_id": found.id,
            "owner_id": found.owner_id,
            "is_http": bool(found.interaction_url),
            "is_disabled": bool(found.disabled),
            "commands": commands[found.id],
        }
        for found in connection.execute(query)
    ]


def read_subscriptions(connection: Connection, subscription_id: int | None = None) -> list[dict[str, Any]]:
    """Enabled subscriptions, or one of them."""
    row = webhook_subscriptions.c
    query = select(row.id, row.feed_id, row.events, row.string_ids).where(row.enabled).order_by(row.id)
    if subscription_id is not None:
        query = query.where(row.id == subscription_id)
    return [
        {
            "id": found.id,
            "feed_id": found.feed_id,
            "events": msgspec.json.decode(found.events),
            "string_ids": bool(found.string_ids),
        }
        for found in connection.execute(query)
    ]


def insert_signing_key(connection: Connection, value: str) -> None:
    """Stores the key where there is none yet."""
    insertion = text("INSERT INTO config (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING")
    connection.execute(insertion, {"key": SIGNING_KEY, "value": value})


def stored_signing_key(connection: Connection) -> str | None:
    """The stored key; None where there is none yet."""
    return connection.execute(select(config.c.value).where(config.c.key == SIGNING_KEY)).scalar_one_or_none()


def _command(name: str, description: str | None, params: str | None) -> dict[str, Any]:
    """A stored command; options that an original stored in another form are left out."""
    try:
        declared = msgspec.json.decode(params, type=list[Any]) if params else []
    except msgspec.DecodeError:
        declared = []
    return {"name": name, "description": description, "params": declared}
