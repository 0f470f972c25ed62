"""The original's tables, as its two revisions left them.

Only names are published, not types: this is what a database begun with our first revisions has in between, and what going back
makes. An original database found in place may differ; the step to our tables looks at what is there (`rebuild`).
"""

from typing import Any, Final, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

BIG: Final = BigInteger()
TIME: Final = DateTime(timezone=True)
MLS_KEY_PACKAGES: Final = "mls_key_packages"


def original_tables() -> MetaData:
    """All tables of the original's last revision; `mls_key_packages` came with it."""
    tables = MetaData()
    _people(tables)
    _spaces(tables)
    _messages(tables)
    _server(tables)
    _identity(tables)
    _integrations(tables)
    return tables


def _table(tables: MetaData, name: str, /, *parts: Any, primary: str = "", **columns: Any) -> None:
    """One table: a type alone may be empty, `(type,)` may not, a string is a reference; `primary` names the key."""
    keys = primary.split()
    made: list[Any] = [] if keys else [Column("id", Integer, primary_key=True)]
    for column, kind in columns.items():
        is_key = column in keys
        if isinstance(kind, str):
            target = ForeignKey(kind)
            reference = String if kind in {"files.id", "devices.id"} else BIG if kind == "messages.id" else Integer
            made.append(Column(column, reference, target, primary_key=is_key))
        elif isinstance(kind, tuple):
            made.append(Column(column, cast("Any", kind)[0], primary_key=is_key, nullable=False))
        else:
            made.append(Column(column, kind, primary_key=is_key, autoincrement=False if is_key else "auto"))
    Table(name, tables, *made, *parts)


def _people(tables: MetaData) -> None:
    _table(
        tables, "users", UniqueConstraint("username", "home_domain"),
        username=(String,), display_name=String, federated=(Boolean,), active=(Boolean,), home_domain=String,
        created_at=(TIME,), avatar=String, bio=String, nickname=String, password_hash=String,
    )  # fmt: skip
    _table(
        tables, "sessions", UniqueConstraint("token"),
        token=(String,), user_id="users.id", created_at=(TIME,), expires_at=(TIME,), mfa_fail_count=Integer,
    )  # fmt: skip
    _table(
        tables, "friends", primary="user_id friend_id",
        user_id="users.id", friend_id="users.id", status=(String,), created_at=TIME,
    )  # fmt: skip
    _table(tables, "blocks", primary="user_id blocked_id", user_id="users.id", blocked_id="users.id")
    _table(tables, "dm_settings", primary="user_id", user_id="users.id", dm_permission=(String,))
    _table(tables, "roles", name=(String,), color=Integer, position=(Integer,), permissions=(BIG,))
    _table(tables, "role_members", primary="role_id user_id", role_id="roles.id", user_id="users.id")
    _table(
        tables, "permission_overrides", UniqueConstraint("space_type", "space_id", "target_type", "target_id"),
        space_type=(String,), space_id=(Integer,), target_type=(String,), target_id=(Integer,), allow=(BIG,), deny=(BIG,),
    )  # fmt: skip
    _table(tables, "bans", UniqueConstraint("user_id"), user_id="users.id", reason=String, created_at=(TIME,))
    _table(
        tables, "invites", primary="code",
        code=String, creator_id="users.id", feed_id="feeds.id", max_uses=Integer, uses=(Integer,), expires_at=TIME,
        created_at=(TIME,),
    )  # fmt: skip


def _spaces(tables: MetaData) -> None:
    _table(tables, "categories", name=(String,), position=(Integer,))
    _table(
        tables, "feeds",
        name=(String,), type=(String,), topic=String, category_id="categories.id", position=(Integer,),
    )  # fmt: skip
    _table(
        tables, "rooms",
        name=(String,), type=(String,), category_id="categories.id", position=(Integer,), max_members=Integer, topic=String,
    )  # fmt: skip
    _table(
        tables, "threads",
        name=(String,), feed_id="feeds.id", parent_msg_id=BIG, archived=(Boolean,), locked=(Boolean,),
    )  # fmt: skip
    _table(tables, "dms", is_group=(Boolean,), name=String, icon=String, created_at=(TIME,))
    for name, place in (("dm_participants", "dm"), ("feed_subscribers", "feed"), ("thread_subscribers", "thread")):
        _table(tables, name, primary=f"{place}_id user_id", **{f"{place}_id": f"{place}s.id"}, user_id="users.id")
    for place in ("feed", "dm"):
        _table(
            tables, f"{place}_read_state", primary=f"user_id {place}_id",
            user_id="users.id", **{f"{place}_id": f"{place}s.id"}, last_read_msg_id=(BIG,),
        )  # fmt: skip


def _messages(tables: MetaData) -> None:
    _table(
        tables, "messages", primary="id",
        id=BIG, feed_id="feeds.id", dm_id="dms.id", thread_id="threads.id", author_id="users.id", body=Text,
        opaque_blob=Text, timestamp=(BIG,), reply_to=BIG, edit_timestamp=BIG, embed=Text, federated=(Boolean,),
        author_address=String, webhook_id=Integer, search_vector=Text,
    )  # fmt: skip
    _table(
        tables, "files", primary="id",
        id=String, name=(String,), size=(Integer,), mime=(String,), url=(String,), uploader_id="users.id",
        feed_id="feeds.id", dm_id="dms.id", created_at=(TIME,),
    )  # fmt: skip
    _table(tables, "message_attachments", primary="msg_id file_id", msg_id="messages.id", file_id="files.id")
    _table(
        tables, "reactions", primary="msg_id user_id emoji", msg_id="messages.id", user_id="users.id", emoji=String
    )  # fmt: skip
    _table(tables, "pins", primary="feed_id msg_id", feed_id="feeds.id", msg_id="messages.id", pinned_at=(TIME,))


def _server(tables: MetaData) -> None:
    _table(tables, "config", primary="key", key=String, value=Text)
    for name in ("emoji", "stickers"):
        _table(tables, name, UniqueConstraint("name"), name=(String,), creator_id="users.id", image=(String,))
    _table(
        tables, "reports",
        reporter_id="users.id", reported_user_id=(Integer,), feed_id=Integer, msg_id=BIG, dm_id=Integer, reason=(String,),
        description=Text, evidence=JSON, status=(String,), action=String, created_at=(TIME,),
    )  # fmt: skip
    _table(
        tables, "audit_log", primary="id",
        id=BIG, event_type=(String,), actor_id=BIG, target_id=BIG, metadata=JSON, timestamp=(BIG,),
    )  # fmt: skip
    _table(tables, "event_log", primary="id", id=BIG, event_type=(String,), payload=(JSON,), timestamp=(BIG,))


def _identity(tables: MetaData) -> None:
    _table(
        tables, "totp_secrets", primary="user_id",
        user_id="users.id", secret=(String,), enabled=(Boolean,), last_used_counter=BIG,
    )  # fmt: skip
    _table(
        tables, "webauthn_credentials", primary="credential_id",
        credential_id=String, user_id="users.id", name=(String,), public_key=(Text,), sign_count=(Integer,),
        registered_at=(TIME,), last_used_at=TIME,
    )  # fmt: skip
    _table(
        tables, "webauthn_challenges", primary="id",
        id=String, user_id="users.id", challenge_type=(String,), challenge_data=(JSON,), expires_at=(TIME,),
    )  # fmt: skip
    _table(tables, "recovery_codes", user_id="users.id", code_hash=(String,), used=(Boolean,))
    _table(tables, "devices", primary="id", id=String, user_id="users.id", device_name=(String,), created_at=(TIME,))
    _table(tables, "prekeys", primary="device_id", device_id="devices.id", identity_key=(Text,), signed_prekey=(Text,))
    _table(tables, "one_time_prekeys", device_id="devices.id", key_data=(Text,))
    _table(tables, "key_backups", primary="user_id", user_id="users.id", encrypted_blob=(Text,))
    _table(tables, MLS_KEY_PACKAGES, device_id="devices.id", key_data=(Text,), created_at=(TIME,))


def _integrations(tables: MetaData) -> None:
    _table(
        tables, "webhooks", UniqueConstraint("token"),
        feed_id="feeds.id", name=(String,), avatar=String, token=(String,), created_at=(TIME,),
    )  # fmt: skip
    _table(
        tables, "bots", UniqueConstraint("user_id"),
        user_id="users.id", owner_id="users.id", interaction_url=String, created_at=(TIME,),
    )  # fmt: skip
    _table(
        tables, "bot_commands", UniqueConstraint("bot_id", "name"),
        bot_id="bots.id", name=(String,), description=String, params=JSON,
    )  # fmt: skip
    _table(tables, "federation_list", UniqueConstraint("entry"), entry=(String,), reason=String, created_at=(TIME,))
    _table(tables, "federation_nonces", primary="nonce", nonce=String, seen_at=(TIME,), expires_at=(TIME,))
    _table(
        tables, "federation_presence_subs", UniqueConstraint("domain", "user_address"),
        domain=(String,), user_address=(String,),
    )  # fmt: skip
    _table(
        tables, "voice_states", primary="user_id",
        user_id="users.id", room_id="rooms.id", self_mute=(Boolean,), self_deaf=(Boolean,), video=(Boolean,),
        streaming=(Boolean,), server_mute=(Boolean,), server_deaf=(Boolean,), joined_at=TIME,
    )  # fmt: skip
    for name, moment in (("stage_speakers", "granted_at"), ("stage_invites", "created_at")):
        _table(
            tables, name, primary="room_id user_id", room_id="rooms.id", user_id="users.id", **{moment: TIME}
        )  # fmt: skip
