"""The secrets that sign requests to other programs: derived from one key of the community, so that no row holds any.

A secret is known by what it is for, its row and its version. Replacing it counts the version up, and for a day both sign.
"""

import base64
import secrets
from typing import Final, Literal

from vox.chat.database.unit_of_work import ApplyChange, Change
from vox.chat.integrations.queries import insert_signing_key, stored_signing_key
from vox.security.digests import hmac_digest
from vox.stores.sql import Connection

KEY_BYTES: Final = 32
PREFIX: Final = "vox_sign_"
OVERLAP_S: Final = 86_400
"""How long a replaced secret still signs."""

Purpose = Literal["bot", "subscription"]


class SigningKey:
    """The community's key; made at the first use, and the same in every process."""

    def __init__(self) -> None:
        self._key = b""

    async def get(self, change: ApplyChange) -> bytes:
        """The key.

        Args:
            change: writes it where there is none yet.
        """
        if not self._key:
            self._key = bytes.fromhex(await change(_kept))
        return self._key


def secret_of(key: bytes, purpose: Purpose, row_id: int, version: int) -> str:
    """A secret as its owner is shown it.

    Args:
        key: the community's.
        purpose: what it signs.
        row_id: of the bot or the subscription.
        version: counts from 1.
    """
    digest = hmac_digest(key, f"vox integration 1\0{purpose}\0{row_id}\0{version}", "sha256")
    return PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def valid_secrets(
    key: bytes, purpose: Purpose, row_id: int, *, version: int, rotated_at: int | None, now_s: int
) -> tuple[str, ...]:
    """The secrets that sign at present: the current one, and for a day the one before it."""
    current = secret_of(key, purpose, row_id, version)
    if version < 2 or rotated_at is None or now_s >= rotated_at + OVERLAP_S:  # noqa: PLR2004  the first has none before it
        return (current,)
    return current, secret_of(key, purpose, row_id, version - 1)


def _kept(connection: Connection) -> Change[str]:
    key = stored_signing_key(connection)
    if key is None:
        insert_signing_key(connection, secrets.token_hex(KEY_BYTES))
        key = stored_signing_key(connection) or ""
    return Change(key)
