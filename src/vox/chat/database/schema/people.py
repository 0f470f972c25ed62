"""Who is here: accounts, logins, friends and blocks, roles, overrides, bans and invites.

`users.active` is false for kicked and banned members. A username is unique among local accounts by an index of its own, because
`unique(username, home_domain)` does not bind where the domain is empty.
"""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint, text

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

users: Final = Table(
    "users",
    metadata,
    numbered(),
    words("username"),
    words("display_name", optional=True),
    flag("federated"),
    flag("active", default=True),
    words("home_domain", optional=True),
    whole("created_at"),
    words("avatar", optional=True),
    words("bio", optional=True),
    words("nickname", optional=True),
    words("password_hash", optional=True),
    words("username_key", optional=True),
    flag("contact"),
    UniqueConstraint("username", "home_domain"),
    sqlite_autoincrement=True,
)
"""`username_key` is what look-alike names have in common (`vox.text.names`); empty for later ones of names that were alike before.
`contact` marks a user of another server who has written to members here and has not joined: no member, and in no list."""
Index(
    "ix_users_local_username",
    users.c.username,
    unique=True,
    sqlite_where=text("home_domain IS NULL"),
    postgresql_where=text("home_domain IS NULL"),
)
Index(
    "ix_users_local_username_key",
    users.c.username_key,
    unique=True,
    sqlite_where=text("home_domain IS NULL"),
    postgresql_where=text("home_domain IS NULL"),
)

sessions: Final = Table(
    "sessions",
    metadata,
    numbered(),
    words("token"),
    belongs_to("user_id", "users.id"),
    whole("created_at"),
    whole("expires_at"),
    whole("mfa_fail_count", default=0),
    whole("last_used_at", optional=True),
    words("client", optional=True),
    words("kind", default="login"),
    words("method", default="password"),
    whole("proved_at", optional=True),
    whole("started_by", optional=True),
    flag("is_keyless"),
    UniqueConstraint("token"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)
"""`token` is the SHA-256 of the token in hex. `kind` is `login`, `bot` (a bot's token; `bot_disabled` while the bot is), or what a ticket is for
(`vox.chat.identity.tickets`): only logins are listed, and only they and bots' tokens let a client in. `client` is what the program called itself,
`method` how the login began, `proved_at` when it last showed a password or second factor (empty: when it was created), `started_by` the login
that a ticket was made in. `is_keyless` is true once its device was removed."""

friends: Final = Table(
    "friends",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("friend_id", "users.id", key=True),
    words("status", default="pending"),
    whole("created_at"),
    one_of("status", "pending", "accepted"),
    Index(None, "friend_id"),
)

blocks: Final = Table(
    "blocks",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    belongs_to("blocked_id", "users.id", key=True),
    whole("created_at", default=0),
    Index(None, "blocked_id"),
)

dm_settings: Final = Table(
    "dm_settings",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    words("dm_permission", default="everyone"),
    one_of("dm_permission", "everyone", "friends_only", "mutual_servers", "nobody"),
)

roles: Final = Table(
    "roles",
    metadata,
    numbered(),
    words("name"),
    whole("color", optional=True),
    whole("position", default=0),
    whole("permissions", default=0),
    sqlite_autoincrement=True,
)
"""A lower position is a higher rank; position 0 with the name @everyone is everybody's role."""

role_members: Final = Table(
    "role_members",
    metadata,
    belongs_to("role_id", "roles.id", key=True),
    belongs_to("user_id", "users.id", key=True),
    Index(None, "user_id"),
)

permission_overrides: Final = Table(
    "permission_overrides",
    metadata,
    numbered(),
    words("space_type"),
    whole("space_id"),
    words("target_type"),
    whole("target_id"),
    whole("allow", default=0),
    whole("deny", default=0),
    UniqueConstraint("space_type", "space_id", "target_type", "target_id"),
    one_of("space_type", "feed", "room"),
    one_of("target_type", "role", "user"),
    Index(None, "target_type", "target_id"),
    sqlite_autoincrement=True,
)
"""No foreign keys: space and target are of two kinds each. Who deletes a space, a role or a user deletes these, too."""

bans: Final = Table(
    "bans",
    metadata,
    numbered(),
    belongs_to("user_id", "users.id"),
    words("reason", optional=True),
    whole("created_at"),
    UniqueConstraint("user_id"),
    sqlite_autoincrement=True,
)

invites: Final = Table(
    "invites",
    metadata,
    words("code", key=True),
    refers_to("creator_id", "users.id"),
    refers_to("feed_id", "feeds.id"),
    whole("max_uses", optional=True),
    whole("uses", default=0),
    whole("expires_at", optional=True),
    whole("created_at"),
    Index(None, "creator_id"),
    Index(None, "feed_id"),
)
"""`max_uses` empty or 0 means as often as one likes."""
