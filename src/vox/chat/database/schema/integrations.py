"""Webhooks, bots, federation and voice: tables the original keeps; nothing of the community's core writes them."""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from vox.chat.database.schema.conventions import (
    belongs_to,
    flag,
    metadata,
    numbered,
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

voice_states: Final = Table(
    "voice_states",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("room_id", "rooms.id"),
    flag("self_mute"),
    flag("self_deaf"),
    flag("video"),
    flag("streaming"),
    flag("server_mute"),
    flag("server_deaf"),
    whole("joined_at"),
    Index(None, "room_id"),
)

stage_speakers: Final = Table(
    "stage_speakers",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    whole("granted_at"),
    Index(None, "user_id"),
)

stage_invites: Final = Table(
    "stage_invites",
    metadata,
    belongs_to("room_id", "rooms.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    whole("created_at"),
    Index(None, "user_id"),
)
