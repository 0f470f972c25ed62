"""What clients keep for a user on the server: settings, and where pushes of a login go."""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import belongs_to, metadata, numbered, whole, words

user_settings: Final = Table(
    "user_settings",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    whole("revision"),
    words("document"),
)
"""`document` is JSON text, of which the server reads `notifications` only; `revision` counts its changes."""

push_subscriptions: Final = Table(
    "push_subscriptions",
    metadata,
    numbered(),
    belongs_to("session_id", "sessions.id"),
    belongs_to("user_id", "users.id"),
    words("endpoint"),
    words("public_key"),
    words("auth_secret"),
    whole("created_at"),
    UniqueConstraint("session_id"),
    Index(None, "user_id"),
    Index(None, "endpoint"),
    sqlite_autoincrement=True,
)
"""Web Push: one subscription for each login, which goes with it. Keys in base64url, as the browser gives them."""
