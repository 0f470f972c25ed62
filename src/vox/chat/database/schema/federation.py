"""Federation beyond the original's tables: peers, own keys, what goes out and what has come in.

No row refers to users or messages by a foreign key: a delivery outlives its author, and what has been received stays known when the
message is deleted, so that it does not come again.
"""

from typing import Final

from sqlalchemy import Index, Table

from vox.chat.database.schema.conventions import flag, metadata, numbered, one_of, whole, words

federation_peers: Final = Table(
    "federation_peers",
    metadata,
    words("domain", key=True),
    words("pins", default="{}"),
    flag("signs_fully"),
    whole("failures", default=0),
    whole("not_before", default=0),
    words("last_error", optional=True),
    whole("first_seen_at"),
    whole("last_seen_at", optional=True),
)
"""`pins` is JSON: keys and since when they are believed. `not_before` in Unix milliseconds, the other times in seconds."""

federation_keys: Final = Table(
    "federation_keys",
    metadata,
    words("key_id", key=True),
    words("public_key"),
    words("private_key", optional=True),
    words("state"),
    whole("created_at"),
    one_of("state", "next", "active", "retired"),
)
"""Keys of this server, base64; the private half of a SQLite database is in a file beside it."""

federation_outbox: Final = Table(
    "federation_outbox",
    metadata,
    numbered(),
    words("domain"),
    words("conversation"),
    words("kind"),
    words("body"),
    whole("msg_id", optional=True),
    whole("author_id", optional=True),
    whole("created_at"),
    whole("attempts", default=0),
    whole("not_before", default=0),
    words("state", default="pending"),
    words("code", optional=True),
    one_of("state", "pending", "failed"),
    Index(None, "state", "domain", "conversation", "id"),
    sqlite_autoincrement=True,
)
"""Deliveries to other servers in their order; a delivered one is deleted. `body` is JSON. Times in Unix milliseconds."""

federation_received: Final = Table(
    "federation_received",
    metadata,
    words("domain", key=True),
    words("delivery_id", key=True),
    whole("sequence"),
    whole("dm_id", optional=True),
    whole("msg_id", optional=True),
    whole("received_at"),
    Index(None, "domain", "sequence"),
    Index(None, "dm_id", "msg_id"),
)
"""What has come from other servers, by the names they gave it."""
