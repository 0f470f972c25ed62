"""Which revision the directory's tables are of, and how they get to this version's when a directory starts.

A database that a directory made before there were revisions has no mark, and neither has one of the original, which has only the table
`relays`. The first revision makes whatever is missing, so both begin there.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect

from vox.directory.database import schema
from vox.errors import UsageError
from vox.stores.migrations import BASE, Migrations
from vox.stores.sql import SqlDatabase

_DOCUMENTED: Final = frozenset(schema.relays.c.keys())


def revision_of_unmarked(connection: Connection) -> str | None:
    """`BASE` for the tables of a directory without a mark; None where there are none.

    Raises:
        UsageError: the tables are not a directory's (database_unknown).
    """
    found = inspect(connection)
    tables = set(found.get_table_names())
    if tables.isdisjoint(schema.metadata.tables):
        return None
    if "relays" in tables and {column["name"] for column in found.get_columns("relays")} >= _DOCUMENTED:
        return BASE
    raise UsageError(
        "the database has tables with names of the directory's, but they are not a directory's",
        code="database_unknown",
        hint="give the directory a database of its own",
    )


MIGRATIONS: Final = Migrations(
    head="0002",
    versions=Path(__file__).parent / "versions",
    version_table="directory_alembic_version",
    lock_id=0x766F7864,
    create=schema.create,
    revision_of_unmarked=revision_of_unmarked,
)


async def prepare(database: SqlDatabase) -> None:
    """Brings the database's tables up to date; of several directories one does it and the others wait.

    Raises:
        UsageError: the tables are of a later version, or not a directory's (database_unknown).
        DependencyError: the database failed.
    """
    await database.write_exclusive(MIGRATIONS.prepare)
