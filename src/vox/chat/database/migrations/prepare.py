"""Brings a database to the tables of this version when the server starts.

An empty one gets them directly, which takes milliseconds; everything else goes through the revisions in `vox.chat.database.migrations`,
the same that `alembic upgrade head` runs. Both ways end in the same tables, and a test holds them together.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from vox.chat.database.migrations.revisions import HEAD, revision_of_unmarked
from vox.chat.database.schema import full_text
from vox.chat.database.schema.conventions import metadata
from vox.chat.database.schema.server import meta
from vox.stores.migrations import Migrations
from vox.stores.sql import SqlDatabase


def create(connection: Connection) -> None:
    """Makes all tables in an empty database, in the connection's transaction."""
    metadata.create_all(connection, checkfirst=False)
    full_text.create(connection)
    connection.execute(meta.insert().values(id=1, version=0))


MIGRATIONS: Final = Migrations(
    head=HEAD,
    versions=Path(__file__).parent / "versions",
    version_table="alembic_version",
    lock_id=0x766F7863,
    create=create,
    revision_of_unmarked=revision_of_unmarked,
)


def prepare(database: SqlDatabase) -> None:
    """Brings the database's tables up to date; of several processes one does it and the others wait. Blocks.

    Raises:
        UsageError: the tables are of a later version, or not the community's (database_unknown).
        DependencyError: the database failed.
    """
    database.run_exclusive(MIGRATIONS.prepare)
