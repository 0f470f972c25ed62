"""Second factors, logins at an organisation's provider, and the tables that the original keeps for keys of devices; what ours add stands in `keys`."""

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

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
"""`secret` is encrypted (`vox.security.secret_box`), or base32 in clear as an original wrote it."""

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
    words("transports", optional=True),
    Index(None, "user_id"),
)
"""`credential_id` and `public_key` (COSE) are base64; `transports` is a JSON list, a hint for browsers."""

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

oidc_identities: Final = Table(
    "oidc_identities",
    metadata,
    words("issuer", key=True),
    words("subject", key=True),
    belongs_to("user_id", "users.id"),
    whole("created_at"),
    Index(None, "user_id"),
)
"""Which account a person of an organisation's provider has here."""

oidc_flows: Final = Table(
    "oidc_flows",
    metadata,
    words("state", key=True),
    words("ticket", optional=True),
    words("purpose"),
    part_of("user_id", "users.id"),
    words("challenge"),
    words("nonce"),
    words("code_verifier"),
    words("return_to"),
    words("subject", optional=True),
    words("profile", optional=True),
    whole("expires_at"),
    UniqueConstraint("ticket"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)
"""Logins that are under way at the provider. `state` and `ticket` are SHA-256 in hex; `profile` is JSON text."""

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
