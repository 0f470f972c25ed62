"""The key of signed links: made once, kept as a row of `config`, the same in every process."""

import secrets
from typing import Final

from sqlalchemy import Connection, select, text

from vox.chat.database.schema import config
from vox.chat.database.unit_of_work import ApplyChange, Change
from vox.chat.storage.limits import UploadLimits
from vox.chat.storage.signed_links import SECRET_BYTES

ROW: Final = "media_link_key"


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
    insertion = text("INSERT INTO config (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING")
    connection.execute(insertion, {"key": ROW, "value": secrets.token_hex(SECRET_BYTES)})
    value = connection.execute(select(config.c.value).where(config.c.key == ROW)).scalar_one()
    return Change(str(value))
