"""Which revision the bridge's tables are of, and how they get to this version's when a bridge starts."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect

from vox.errors import UsageError
from vox.fleet.database import campaign_tables, schema
from vox.stores.migrations import Migrations
from vox.stores.sql import SqlDatabase


def revision_of_unmarked(connection: Connection) -> str | None:
    """None where there are no tables of the bridge's.

    Raises:
        UsageError: there are, but without the mark that a bridge leaves with them (database_unknown).
    """
    tables = campaign_tables.metadata.tables  # schema's, with those of campaigns
    if set(inspect(connection).get_table_names()).isdisjoint(tables):
        return None
    raise UsageError(
        "the database has tables with names of the bridge's, but they are not a bridge's",
        code="database_unknown",
        hint="give the bridge a database of its own",
    )


MIGRATIONS: Final = Migrations(
    head="0003",
    versions=Path(__file__).parent / "versions",
    version_table="bridge_alembic_version",
    lock_id=0x766F7862,
    create=schema.create,
    revision_of_unmarked=revision_of_unmarked,
)


async def prepare(database: SqlDatabase) -> None:
    """Brings the database's tables up to date; of several bridges one does it and the others wait.

    Raises:
        UsageError: the tables are of a later version, or not a bridge's (database_unknown).
        DependencyError: the database failed.
    """
    await database.write_exclusive(MIGRATIONS.prepare)
