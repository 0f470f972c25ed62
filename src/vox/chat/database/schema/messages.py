"""What people say and attach: messages, files, reactions, pins, mentions.

A message's id is its place in time and, on SQLite, its rowid, so that history, search and the order of events are the same order.
The newest message of a place is `max(id)` over one of the indexes below; no row keeps it. Full text stands beside this table and
is kept by triggers or by a generated column (`vox.chat.database.schema.full_text`).
"""

from typing import Final

from sqlalchemy import Index, Table, text

from vox.chat.database.schema.conventions import (
    belongs_to,
    flag,
    metadata,
    one_of,
    part_of,
    refers_to,
    snowflake,
    whole,
    words,
)

messages: Final = Table(
    "messages",
    metadata,
    snowflake(),
    part_of("feed_id", "feeds.id"),
    part_of("dm_id", "dms.id"),
    part_of("thread_id", "threads.id"),
    refers_to("author_id", "users.id"),
    words("body", optional=True),
    words("opaque_blob", optional=True),
    whole("timestamp"),
    whole("reply_to", optional=True),
    whole("edit_timestamp", optional=True),
    words("embed", optional=True),
    flag("federated"),
    words("author_address", optional=True),
    whole("webhook_id", optional=True),
    words("search_text", optional=True),
    words("extras", optional=True),
    Index(None, "feed_id", "thread_id", "id"),
    Index(None, "author_id", "id"),
)
"""Times in milliseconds. `embed` is JSON text. `reply_to` and `webhook_id` are no references: they outlive what they name.
`search_text` is the body as searches compare it (`vox.text.folding`). `extras` is JSON text: what few messages have, such as buttons.

A feed's history without its threads is one range on both engines: SQLite takes the index over feed and thread, PostgreSQL, which
does not see an order behind IS NULL, the partial `ix_messages_timeline`."""

_IN_FEED = text("feed_id IS NOT NULL AND thread_id IS NULL")
_IN_THREAD = text("thread_id IS NOT NULL")
_IN_DM = text("dm_id IS NOT NULL")
Index(
    "ix_messages_timeline",
    messages.c.feed_id,
    messages.c.id,
    sqlite_where=_IN_FEED,
    postgresql_where=_IN_FEED,
)
Index(None, messages.c.thread_id, messages.c.id, sqlite_where=_IN_THREAD, postgresql_where=_IN_THREAD)
Index(None, messages.c.dm_id, messages.c.id, sqlite_where=_IN_DM, postgresql_where=_IN_DM)

files: Final = Table(
    "files",
    metadata,
    words("id", key=True),
    words("name"),
    whole("size"),
    words("mime"),
    words("url"),
    refers_to("uploader_id", "users.id"),
    refers_to("feed_id", "feeds.id"),
    refers_to("dm_id", "dms.id"),
    whole("created_at"),
    words("purpose", default="attachment"),
    words("state", default="ready"),
    whole("width", optional=True),
    whole("height", optional=True),
    one_of("purpose", "attachment", "emoji", "sticker", "icon"),
    one_of("state", "uploading", "ready"),
    Index(None, "uploader_id", "size"),
    Index(None, "feed_id"),
    Index(None, "dm_id"),
    Index(None, "state", "created_at"),
)
"""`size` in bytes; the index over uploader and size answers how much of a quota is used. A row whose state stays `uploading` is
what a crash left of an upload. Deleting a feed leaves its files' rows, so that the stored bytes can still be found and removed."""

message_attachments: Final = Table(
    "message_attachments",
    metadata,
    belongs_to("msg_id", "messages.id", key=True),
    belongs_to("file_id", "files.id", key=True),
    whole("position", default=0),
    Index(None, "file_id"),
)

reactions: Final = Table(
    "reactions",
    metadata,
    belongs_to("msg_id", "messages.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    words("emoji", key=True),
    Index(None, "user_id"),
)

pins: Final = Table(
    "pins",
    metadata,
    belongs_to("feed_id", "feeds.id", key=True),
    belongs_to("msg_id", "messages.id", key=True),
    whole("pinned_at"),
    Index(None, "msg_id"),
)

message_mentions: Final = Table(
    "message_mentions",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("msg_id", "messages.id", key=True),
    part_of("feed_id", "feeds.id"),
    part_of("dm_id", "dms.id"),
    Index(None, "msg_id"),
    Index(None, "feed_id"),
    Index(None, "dm_id"),
)
"""Who was named in a message: the count of a user's rows after the read mark is the number on the feed."""

everyone_mentions: Final = Table(
    "everyone_mentions",
    metadata,
    belongs_to("msg_id", "messages.id", key=True),
    part_of("feed_id", "feeds.id"),
    part_of("dm_id", "dms.id"),
    Index(None, "feed_id", "msg_id"),
    Index(None, "dm_id"),
)
"""Messages that mention everyone: one row, and not one for each member."""

message_nonces: Final = Table(
    "message_nonces",
    metadata,
    belongs_to("author_id", "users.id", key=True),
    words("nonce", key=True),
    belongs_to("msg_id", "messages.id"),
    whole("created_at"),
    Index(None, "msg_id"),
    Index(None, "created_at"),
)
"""What a client called a message it sent: the same name a second time is answered with the first one's message."""
