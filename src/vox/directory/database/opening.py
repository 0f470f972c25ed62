"""Opens the directory's database: one directory at a time on a SQLite file, and the tables of this version."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from vox.directory.database.migrations.prepare import prepare
from vox.directory.settings import Database
from vox.stores.file_lock import exclusive_lock
from vox.stores.sql import SqlDatabase, sqlite_url


def database_of(settings: Database) -> SqlDatabase:
    """The database that the settings name, not open yet.

    Raises:
        UsageError: there is no such database (database_url_invalid, database_unusable).
    """
    return SqlDatabase(settings.url.get_secret_value() or sqlite_url(settings.path))


@asynccontextmanager
async def opened(database: SqlDatabase, path: str) -> AsyncGenerator[None, None]:
    """Keeps the database open, with up-to-date tables, while the block runs.

    Args:
        database: what `database_of` made.
        path: of the SQLite file, where it is one.

    Raises:
        UsageError: another directory runs on the file (database_in_use), or the tables are of a later version, or not a
            directory's (database_unknown).
        DependencyError: the database failed.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(database)
        if database.is_sqlite and not database.is_in_memory:
            stack.enter_context(exclusive_lock(path))
        await prepare(database)
        yield
