"""Where people talk: categories, feeds, rooms, threads, direct messages, who follows them and how far they have read.

The marks `last_read_msg_id` are no references: they outlive the message they name.
"""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import (
    belongs_to,
    flag,
    metadata,
    numbered,
    one_of,
    refers_to,
    whole,
    words,
)

categories: Final = Table(
    "categories",
    metadata,
    numbered(),
    words("name"),
    whole("position", default=0),
    sqlite_autoincrement=True,
)

feeds: Final = Table(
    "feeds",
    metadata,
    numbered(),
    words("name"),
    words("type", default="text"),
    words("topic", optional=True),
    refers_to("category_id", "categories.id"),
    whole("position", default=0),
    whole("slow_mode_s", default=0),
    one_of("type", "text", "forum", "announcement"),
    Index(None, "category_id"),
    sqlite_autoincrement=True,
)
"""`slow_mode_s` is how long an author waits between two messages; 0 for not at all."""

feed_retention: Final = Table(
    "feed_retention",
    metadata,
    belongs_to("feed_id", "feeds.id", key=True),
    whole("keep_s"),
)
"""How many seconds a feed keeps its messages; one without a row keeps them."""

rooms: Final = Table(
    "rooms",
    metadata,
    numbered(),
    words("name"),
    words("type", default="voice"),
    refers_to("category_id", "categories.id"),
    whole("position", default=0),
    whole("max_members", optional=True),
    words("topic", optional=True),
    one_of("type", "voice", "stage"),
    Index(None, "category_id"),
    sqlite_autoincrement=True,
)

threads: Final = Table(
    "threads",
    metadata,
    numbered(),
    words("name"),
    belongs_to("feed_id", "feeds.id"),
    whole("parent_msg_id", optional=True),
    flag("archived"),
    flag("locked"),
    Index(None, "feed_id", "id"),
    sqlite_autoincrement=True,
)
"""`parent_msg_id` is no reference: a thread outlives the message it started from."""

feed_subscribers: Final = Table(
    "feed_subscribers",
    metadata,
    belongs_to("feed_id", "feeds.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    Index(None, "user_id"),
)

thread_subscribers: Final = Table(
    "thread_subscribers",
    metadata,
    belongs_to("thread_id", "threads.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    Index(None, "user_id"),
)

dms: Final = Table(
    "dms",
    metadata,
    numbered(),
    flag("is_group"),
    words("name", optional=True),
    words("icon", optional=True),
    whole("created_at"),
    words("pair", optional=True),
    UniqueConstraint("pair"),
    sqlite_autoincrement=True,
)
"""`pair` is `"<lower user id>:<higher user id>"` of a conversation of two, else empty: two people who write to each other at the
same moment get one conversation. Converting to a group or leaving empties it."""

dm_participants: Final = Table(
    "dm_participants",
    metadata,
    belongs_to("dm_id", "dms.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    Index(None, "user_id", "dm_id"),
)

feed_read_state: Final = Table(
    "feed_read_state",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("feed_id", "feeds.id", key=True),
    whole("last_read_msg_id"),
    Index(None, "feed_id"),
)

dm_read_state: Final = Table(
    "dm_read_state",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("dm_id", "dms.id", key=True),
    whole("last_read_msg_id"),
    Index(None, "dm_id"),
)
