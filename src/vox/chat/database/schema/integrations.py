"""Webhooks, bots and their interactions, and federation.

Tokens of webhooks are kept as SHA-256 in hex, those of bots in `sessions`; what signs outgoing requests is derived from one key
(`vox.chat.integrations.signing`), so no row holds a secret.
"""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import (
    belongs_to,
    flag,
    metadata,
    numbered,
    one_of,
    part_of,
    refers_to,
    whole,
    words,
)

webhooks: Final = Table(
    "webhooks",
    metadata,
    numbered(),
    belongs_to("feed_id", "feeds.id"),
    words("name"),
    words("avatar", optional=True),
    words("token"),
    whole("created_at"),
    UniqueConstraint("token"),
    Index(None, "feed_id"),
    sqlite_autoincrement=True,
)

bots: Final = Table(
    "bots",
    metadata,
    numbered(),
    belongs_to("user_id", "users.id"),
    refers_to("owner_id", "users.id"),
    words("interaction_url", optional=True),
    whole("created_at"),
    flag("disabled"),
    whole("secret_version", default=1),
    whole("secret_rotated_at", optional=True),
    UniqueConstraint("user_id"),
    Index(None, "owner_id"),
    sqlite_autoincrement=True,
)

bot_commands: Final = Table(
    "bot_commands",
    metadata,
    numbered(),
    belongs_to("bot_id", "bots.id"),
    words("name"),
    words("description", optional=True),
    words("params", optional=True),
    UniqueConstraint("bot_id", "name"),
    sqlite_autoincrement=True,
)
"""`params` is JSON text."""

interactions: Final = Table(
    "interactions",
    metadata,
    words("id", key=True),
    words("kind"),
    belongs_to("bot_user_id", "users.id"),
    belongs_to("user_id", "users.id"),
    part_of("feed_id", "feeds.id"),
    part_of("dm_id", "dms.id"),
    part_of("thread_id", "threads.id"),
    whole("msg_id", optional=True),
    words("content", optional=True),
    words("state", default="open"),
    whole("expires_at"),
    one_of("state", "open", "answered"),
    Index(None, "expires_at"),
    Index(None, "bot_user_id"),
    Index(None, "user_id"),
    Index(None, "feed_id"),
    Index(None, "dm_id"),
    Index(None, "thread_id"),
)
"""What waits for a bot's or a user's next step, for seconds or minutes. `content` is JSON text: the form of an open modal, or the
components of an ephemeral message, whose `id` is its message's. `expires_at` in milliseconds."""

webhook_subscriptions: Final = Table(
    "webhook_subscriptions",
    metadata,
    numbered(),
    words("name"),
    words("url"),
    part_of("feed_id", "feeds.id"),
    words("events"),
    flag("string_ids"),
    flag("enabled", default=True),
    words("disabled_reason", optional=True),
    refers_to("creator_id", "users.id"),
    whole("created_at"),
    whole("secret_version", default=1),
    whole("secret_rotated_at", optional=True),
    whole("failing_since", optional=True),
    whole("last_delivered_at", optional=True),
    words("last_error", optional=True),
    whole("dropped", default=0),
    Index(None, "feed_id"),
    Index(None, "creator_id"),
    sqlite_autoincrement=True,
)
"""Outgoing webhooks; `events` is a JSON list."""

webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    numbered(),
    whole("subscription_id"),
    words("event"),
    words("body"),
    whole("created_at"),
    whole("due_at"),
    words("state", default="waiting"),
    whole("attempts", default=0),
    whole("status", optional=True),
    words("error", optional=True),
    whole("duration_ms", optional=True),
    whole("finished_at", optional=True),
    one_of("state", "waiting", "delivered", "dead"),
    Index(None, "subscription_id", "state", "id"),
    Index(None, "state", "due_at"),
    Index(None, "finished_at"),
    sqlite_autoincrement=True,
)
"""Events on their way to a subscription, and what became of them; times in milliseconds. No foreign key: a subscription that is
deleted at the same moment must not make a message fail. Rows without a subscription are swept."""

federation_list: Final = Table(
    "federation_list",
    metadata,
    numbered(),
    words("entry"),
    words("reason", optional=True),
    whole("created_at"),
    UniqueConstraint("entry"),
    sqlite_autoincrement=True,
)

federation_nonces: Final = Table(
    "federation_nonces",
    metadata,
    words("nonce", key=True),
    whole("seen_at"),
    whole("expires_at"),
    Index(None, "expires_at"),
)

federation_presence_subs: Final = Table(
    "federation_presence_subs",
    metadata,
    numbered(),
    words("domain"),
    words("user_address"),
    UniqueConstraint("domain", "user_address"),
    sqlite_autoincrement=True,
)
