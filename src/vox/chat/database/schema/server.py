"""The community as a whole: settings, emoji, stickers, reports, what moderators did, and the log of events for /sync.

`meta` has exactly one row, made with the tables.
"""

from typing import Final

from sqlalchemy import CheckConstraint, Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import (
    metadata,
    numbered,
    one_of,
    refers_to,
    snowflake,
    whole,
    words,
)

meta: Final = Table(
    "meta",
    metadata,
    whole("id", key=True),
    whole("version", default=0),
    CheckConstraint("id = 1", name="one_row"),
)
"""`version` goes up with every change of who may see or do what: `UPDATE meta SET version = version + 1 RETURNING version`."""

config: Final = Table(
    "config",
    metadata,
    words("key", key=True),
    words("value", optional=True),
)

emoji: Final = Table(
    "emoji",
    metadata,
    numbered(),
    words("name"),
    refers_to("creator_id", "users.id"),
    words("image"),
    words("name_key", optional=True),
    UniqueConstraint("name"),
    Index(None, "creator_id"),
    Index(None, "name_key", unique=True),
    sqlite_autoincrement=True,
)

stickers: Final = Table(
    "stickers",
    metadata,
    numbered(),
    words("name"),
    refers_to("creator_id", "users.id"),
    words("image"),
    words("name_key", optional=True),
    UniqueConstraint("name"),
    Index(None, "creator_id"),
    Index(None, "name_key", unique=True),
    sqlite_autoincrement=True,
)

reports: Final = Table(
    "reports",
    metadata,
    numbered(),
    refers_to("reporter_id", "users.id"),
    whole("reported_user_id"),
    whole("feed_id", optional=True),
    whole("msg_id", optional=True),
    whole("dm_id", optional=True),
    words("reason"),
    words("description", optional=True),
    words("evidence", optional=True),
    words("status", default="open"),
    words("action", optional=True),
    whole("created_at"),
    whole("assignee_id", optional=True),
    whole("resolver_id", optional=True),
    whole("rule_id", optional=True),
    one_of("status", "open", "resolved"),
    Index(None, "status", "id"),
    Index(None, "reporter_id"),
    sqlite_autoincrement=True,
)
"""`evidence` is JSON text; `rule_id` is the rule that made it, which then has no reporter. What is named is no reference: the report
outlives it."""

audit_log: Final = Table(
    "audit_log",
    metadata,
    snowflake(),
    words("event_type"),
    whole("actor_id", optional=True),
    whole("target_id", optional=True),
    words("metadata", optional=True),
    whole("timestamp"),
    Index(None, "event_type", "id"),
    Index(None, "actor_id", "id"),
    Index(None, "target_id", "id"),
)
"""Time in milliseconds, `metadata` JSON text; an entry outlives the people it names."""

event_log: Final = Table(
    "event_log",
    metadata,
    snowflake(),
    words("event_type"),
    words("payload"),
    whole("timestamp"),
    words("audience", optional=True),
    whole("version", default=0),
)
"""Time in milliseconds, `payload` and `audience` JSON text; rows of an older server have no audience, it follows from the type."""
