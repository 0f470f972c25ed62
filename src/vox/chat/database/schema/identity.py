"""Second factors and keys of devices: tables the original keeps; what ours add for keys stands in `keys`."""

from typing import Final

from sqlalchemy import Index, Table

from vox.chat.database.schema.conventions import (
    belongs_to,
    flag,
    metadata,
    numbered,
    part_of,
    whole,
    words,
)

totp_secrets: Final = Table(
    "totp_secrets",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    words("secret"),
    flag("enabled"),
    whole("last_used_counter", optional=True),
)

webauthn_credentials: Final = Table(
    "webauthn_credentials",
    metadata,
    words("credential_id", key=True),
    belongs_to("user_id", "users.id"),
    words("name"),
    words("public_key"),
    whole("sign_count", default=0),
    whole("registered_at"),
    whole("last_used_at", optional=True),
    Index(None, "user_id"),
)

webauthn_challenges: Final = Table(
    "webauthn_challenges",
    metadata,
    words("id", key=True),
    part_of("user_id", "users.id"),
    words("challenge_type"),
    words("challenge_data"),
    whole("expires_at"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""`challenge_data` is JSON text."""

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    numbered(),
    belongs_to("user_id", "users.id"),
    words("code_hash"),
    flag("used"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

devices: Final = Table(
    "devices",
    metadata,
    words("id", key=True),
    belongs_to("user_id", "users.id"),
    words("device_name"),
    whole("created_at"),
    whole("login_id", optional=True),
    flag("has_missed"),
    Index(None, "user_id"),
)
"""`login_id` is the row of `sessions` that registered it last, which may be gone. `has_missed` says that MLS messages for the device
were dropped before it took them."""

prekeys: Final = Table(
    "prekeys",
    metadata,
    belongs_to("device_id", "devices.id", key=True),
    words("identity_key"),
    words("signed_prekey"),
)

one_time_prekeys: Final = Table(
    "one_time_prekeys",
    metadata,
    numbered(),
    belongs_to("device_id", "devices.id"),
    words("key_data"),
    Index(None, "device_id", "id"),
    sqlite_autoincrement=True,
)

key_backups: Final = Table(
    "key_backups",
    metadata,
    belongs_to("user_id", "users.id", key=True),
    words("encrypted_blob"),
)

mls_key_packages: Final = Table(
    "mls_key_packages",
    metadata,
    numbered(),
    belongs_to("device_id", "devices.id"),
    words("key_data"),
    whole("created_at"),
    flag("is_last_resort"),
    Index(None, "device_id", "id"),
    sqlite_autoincrement=True,
)
"""One package of a device may be its last resort, which is given out when no other is left, and stays."""
