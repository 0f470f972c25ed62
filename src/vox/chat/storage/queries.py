"""The SQL of stored files: the key of signed links."""

from typing import Final

from sqlalchemy import select, text

from vox.chat.database.schema import config
from vox.stores.sql import Connection

LINK_KEY: Final = "media_link_key"


def insert_link_key(connection: Connection, value: str) -> None:
    """Stores the key of signed links where there is none yet."""
    insertion = text("INSERT INTO config (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING")
    connection.execute(insertion, {"key": LINK_KEY, "value": value})


def stored_link_key(connection: Connection) -> str:
    """The stored key of signed links, which exists."""
    return str(connection.execute(select(config.c.value).where(config.c.key == LINK_KEY)).scalar_one())
