"""A database that no server uses meanwhile: opened so that none can start to, or refused.

SQLite: a connection that uses the write-ahead log holds a shared lock on the file as long as it is open, so an exclusive lock shows
that there is no other, and keeps new ones out. PostgreSQL: the sessions of the database are listed, and its tables locked.
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import Connection, NullPool, StaticPool, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from vox.chat.database.transfer.tables import copied_tables, present_tables
from vox.errors import DependencyError, UsageError
from vox.stores.engines import make_engine

STOP: Final = "stop the server first, and every other program that has the database open"


@contextmanager
def stopped_sqlite(file: Path) -> Generator[Connection]:
    """A connection in a transaction that keeps everyone else out until the block ends.

    Raises:
        UsageError: the file does not exist (database_unusable), or something has it open (database_in_use).
    """
    if not file.is_file():
        raise UsageError(f"there is no database {file}", code="database_unusable", hint="look at the path")
    connection = sqlite3.connect(file, isolation_level=None, timeout=0.5, check_same_thread=False)
    with closing(connection):
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise UsageError(f"the database {file} is in use: {error}", code="database_in_use", hint=STOP) from error
        engine = create_engine("sqlite+pysqlite://", creator=lambda: connection, poolclass=StaticPool)
        with engine.connect() as held:
            yield held


@contextmanager
def stopped_postgres(url: URL) -> Generator[Connection]:
    """A connection in a transaction on one snapshot, while nothing can write to the tables.

    Raises:
        UsageError: other sessions use the database (database_in_use).
    """
    with unhurried_postgres(url) as connection:
        present = present_tables(connection)
        connection.rollback()
        _lift_deadlines(connection)
        if names := [f'"{table.name}"' for table in copied_tables() if table.name in present]:
            try:  # before the first query, so that the snapshot has all that was written until then
                connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN SHARE MODE NOWAIT")
            except OperationalError as error:
                raise UsageError("another session writes to the database", code="database_in_use", hint=STOP) from error
        others = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        ).scalar_one()
        if others:
            raise UsageError(f"{others} other sessions use the database", code="database_in_use", hint=STOP)
        yield connection


@contextmanager
def unhurried_postgres(url: URL, *, snapshot: bool = True) -> Generator[Connection]:
    """A connection in a transaction without the deadlines of a server's statements; the caller commits.

    Args:
        url: of the database.
        snapshot: whether all its statements see one moment.

    Raises:
        DependencyError: the database cannot be reached (database_failed).
    """
    engine = make_engine(url)
    try:
        connection = engine.connect()
    except (SQLAlchemyError, psycopg.Error) as error:
        raise DependencyError(f"the database cannot be reached: {error}", code="database_failed") from error
    try:
        with connection:
            if snapshot:
                connection.execution_options(isolation_level="REPEATABLE READ")
            _lift_deadlines(connection)
            yield connection
    finally:
        engine.dispose()


def _lift_deadlines(connection: Connection) -> None:
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = 0")


@contextmanager
def new_sqlite(file: Path) -> Generator[Connection]:
    """A connection to a new file, quick rather than safe: who needs the file forces it to the disk and renames it afterwards."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(file)), poolclass=NullPool, connect_args={"isolation_level": None}
    )
    with engine.connect() as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-65536"):
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        yield connection
        connection.exec_driver_sql("COMMIT")


@contextmanager
def database_failures(doing: str) -> Generator[None]:
    """Reports what a database or its disk raised as an error of this package.

    Args:
        doing: what was being done, for the message.

    Raises:
        DependencyError: database_failed.
    """
    try:
        yield
    except (SQLAlchemyError, psycopg.Error, sqlite3.Error, OSError) as error:
        raise DependencyError(f"{doing} failed: {error}", code="database_failed") from error
