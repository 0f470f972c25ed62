"""The key of signed links: made once, kept as a row of `config`, the same in every process."""

import secrets

from vox.chat.database.unit_of_work import ApplyChange, Change
from vox.chat.storage.limits import UploadLimits
from vox.chat.storage.queries import insert_link_key, stored_link_key
from vox.chat.storage.signed_links import SECRET_BYTES
from vox.stores.sql import Connection


async def link_key(limits: UploadLimits, change: ApplyChange) -> bytes:
    """The key, made at the first use. Deleting the row and restarting makes all links invalid.

    Args:
        limits: keep it in memory.
        change: writes it where there is none yet.
    """
    if not limits.link_secret:
        limits.link_secret = bytes.fromhex(await change(_kept))
    return limits.link_secret


def _kept(connection: Connection) -> Change[str]:
    insert_link_key(connection, secrets.token_hex(SECRET_BYTES))
    return Change(stored_link_key(connection))
