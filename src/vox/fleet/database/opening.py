"""Opens the bridge's database: one bridge at a time on a SQLite file, several on one PostgreSQL, and the tables of this version."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from vox.fleet.database.migrations.prepare import prepare
from vox.stores.file_lock import exclusive_lock
from vox.stores.sql import SqlDatabase

DEFAULT_URL: Final = "sqlite:///vox-bridge.db"


@asynccontextmanager
async def open_database(url: str = DEFAULT_URL) -> AsyncGenerator[SqlDatabase, None]:
    """A database with up-to-date tables, open while the block runs.

    Args:
        url: `sqlite:///path`, or `postgresql://…`.

    Raises:
        UsageError: there is no such database (database_url_invalid), another bridge runs on the file (database_in_use), or the
            tables are of a later version or not a bridge's (database_unknown).
        DependencyError: the database failed.
    """
    database = SqlDatabase(url)
    async with opened(database):
        yield database


@asynccontextmanager
async def opened(database: SqlDatabase) -> AsyncGenerator[None, None]:
    """Keeps a database that was made before open, with up-to-date tables, while the block runs.

    Raises:
        UsageError: as `open_database`.
        DependencyError: the database failed.
    """
    async with AsyncExitStack() as stack:
        if database.file is not None:
            stack.enter_context(exclusive_lock(str(database.file), "bridge"))
        await stack.enter_async_context(opened_beside_a_bridge(database))
        yield


@asynccontextmanager
async def opened_beside_a_bridge(database: SqlDatabase) -> AsyncGenerator[None, None]:
    """The same for commands that look something up or change a key, also while a bridge runs on the file.

    Raises:
        UsageError: database_unknown.
        DependencyError: the database failed.
    """
    async with database:
        await prepare(database)
        yield
