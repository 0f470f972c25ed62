"""Keys of devices beyond the original's tables: pairings, keys that were given out, and MLS messages that wait for devices.

All of it is opaque to the server: public keys, ciphertexts, and the group and epoch that an MLS message names in clear.
"""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import (
    belongs_to,
    metadata,
    numbered,
    one_of,
    refers_to,
    snowflake,
    whole,
    words,
)

device_pairings: Final = Table(
    "device_pairings",
    metadata,
    words("id", key=True),
    belongs_to("user_id", "users.id"),
    whole("login_id"),
    words("state", default="pending"),
    whole("expires_at"),
    one_of("state", "pending", "approved", "denied"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""`login_id` is the row of `sessions` that asked; `expires_at` in Unix seconds."""

spent_keys: Final = Table(
    "spent_keys",
    metadata,
    numbered(),
    belongs_to("device_id", "devices.id"),
    words("digest"),
    UniqueConstraint("device_id", "digest"),
    Index(None, "device_id", "id"),
    sqlite_autoincrement=True,
)
"""SHA-256 of the one-time keys and key packages that were given out: an upload that is repeated does not bring them back."""

mls_groups: Final = Table(
    "mls_groups",
    metadata,
    belongs_to("dm_id", "dms.id", key=True),
    words("group_id", key=True),
    whole("epoch"),
    whole("used_at"),
)
"""The epoch that the next commit of a group must name; `used_at` is the number of its last commit."""

mls_messages: Final = Table(
    "mls_messages",
    metadata,
    snowflake(),
    belongs_to("dm_id", "dms.id"),
    refers_to("sender_id", "users.id"),
    words("sender_device_id", optional=True),
    words("kind"),
    words("data"),
    words("group_id", optional=True),
    whole("epoch", optional=True),
    whole("created_at"),
    one_of("kind", "welcome", "commit", "proposal"),
    Index(None, "dm_id", "id"),
    Index(None, "sender_id"),
    Index(None, "created_at"),
)
"""`created_at` in Unix seconds."""

mls_deliveries: Final = Table(
    "mls_deliveries",
    metadata,
    belongs_to("device_id", "devices.id", key=True),
    belongs_to("message_id", "mls_messages.id", key=True),
    Index(None, "message_id"),
)
"""Which devices have not yet taken which messages."""
