"""The SQL of replication: the version of the community, which every change of access counts up."""

from sqlalchemy import select

from vox.chat.database.schema import meta
from vox.stores.sql import Connection


def stored_version(connection: Connection) -> int:
    """The version of the community in the database."""
    return int(connection.execute(select(meta.c.version)).scalar_one())


def polled_version(connection: Connection) -> int:
    """The version of the community in the database; 0 where there is none yet."""
    return int(connection.execute(select(meta.c.version)).scalar_one_or_none() or 0)
