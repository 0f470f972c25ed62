"""Moderation: the rules of auto-moderation, time-outs, and who last wrote where slow mode is on."""

from typing import Final

from sqlalchemy import Index, Table

from vox.chat.database.schema.conventions import belongs_to, flag, metadata, numbered, refers_to, whole, words

automod_rules: Final = Table(
    "automod_rules",
    metadata,
    numbered(),
    words("name"),
    words("definition"),
    flag("enabled", default=True),
    refers_to("creator_id", "users.id"),
    whole("created_at"),
    whole("updated_at"),
    Index(None, "creator_id"),
    sqlite_autoincrement=True,
)
"""`definition` is JSON text."""

timeouts: Final = Table(
    "timeouts",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    whole("until"),
    words("reason", optional=True),
    refers_to("actor_id", "users.id"),
    whole("created_at"),
    Index(None, "until"),
    Index(None, "actor_id"),
)
"""`until` in Unix seconds; `actor_id` is empty where a rule did it."""

slow_mode_posts: Final = Table(
    "slow_mode_posts",
    metadata,
    belongs_to("feed_id", "feeds.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    whole("sent_at"),
    Index(None, "user_id"),
    Index(None, "sent_at"),
)
"""`sent_at` in Unix milliseconds."""
