"""Moves a community from one database to another, SQLite or PostgreSQL, while its server is stopped: all of it or nothing.

PostgreSQL gets everything in one transaction; a SQLite file is written beside its place and renamed into it. So a move that was
interrupted has left nothing, and is simply begun again. What was written is read back and compared row for row by digest before
it counts. The search's index is made anew at the end, because the two engines have nothing of it in common.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from vox.chat.database.migrations.prepare import MIGRATIONS
from vox.chat.database.migrations.revisions import HEAD
from vox.chat.database.schema import full_text
from vox.chat.database.schema.conventions import metadata
from vox.chat.database.transfer.row_digest import TableDigest
from vox.chat.database.transfer.rows import Row, count_rows, read_rows, write_rows
from vox.chat.database.transfer.stopped import (
    database_failures,
    new_sqlite,
    stopped_postgres,
    stopped_sqlite,
    unhurried_postgres,
)
from vox.chat.database.transfer.tables import (
    CopiedTable,
    copied_tables,
    present_tables,
    read_counters,
    revision,
    write_counters,
)
from vox.errors import DependencyError, UsageError
from vox.stores.backup import to_disk
from vox.stores.engines import is_in_memory, parse_url
from vox.stores.sqlite_file import refuse_where_lost

OnProgress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""

PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class MovedTable:
    """What was moved of one table, and compared."""

    name: str
    rows: int
    digest: str


def move_database(source: str, target: str, on_progress: OnProgress) -> list[MovedTable]:
    """Copies everything, compares, and makes it count; the source stays as it is. Blocks.

    Args:
        source: URL of the database that has the community; its server is stopped.
        target: URL of an empty database, or of a SQLite file that does not exist.
        on_progress: is told how far it is.

    Raises:
        UsageError: database_in_use, database_unusable, target_not_empty, database_outdated, or move_refused where a row of the
            source cannot be stored in the target.
        DependencyError: a database failed (database_failed), or what was read back differs (move_differs).
    """
    source_url, target_url = parse_url(source), parse_url(target)
    for url in (source_url, target_url):
        if url.get_backend_name() == "sqlite" and (is_in_memory(url) or (url.database or "").startswith("file:")):
            raise UsageError("an in-memory database or a SQLite URI cannot be moved", code="database_unusable")
    with _opened_source(source_url) as origin:
        if revision(origin) != HEAD:
            raise UsageError(
                "the source's tables are not those of this version",
                code="database_outdated",
                hint="run `vox chat migrate` on it with this version first",
            )
        with (
            database_failures("the move, of which nothing is left,"),
            opened_target(target_url) as destination,
        ):
            moved = _copy_all(origin, destination, on_progress)
            finish_tables(destination, read_counters(origin), on_progress)
    return moved


@contextmanager
def opened_target(url: URL) -> Generator[Connection]:
    """An empty database with the tables but without the search; what the block wrote counts when it ends without an error.

    Raises:
        UsageError: there is something in it (target_not_empty), or it cannot be made (database_unusable).
    """
    if url.get_backend_name() == "sqlite":
        with _new_file(Path(url.database or "")) as connection:
            metadata.create_all(connection, checkfirst=False)
            yield connection
        return
    with unhurried_postgres(url, snapshot=False) as connection:
        refuse_filled(connection)
        MIGRATIONS.lock(connection)
        metadata.create_all(connection, checkfirst=False)
        yield connection
        connection.commit()


def refuse_filled(connection: Connection) -> None:
    """Refuses a database that has tables of a community.

    Raises:
        UsageError: target_not_empty.
    """
    if found := present_tables(connection):
        raise UsageError(
            f"the target has tables already, such as {min(found)}",
            code="target_not_empty",
            hint="give it an empty database; a move or restore that failed leaves none",
        )


def finish_tables(connection: Connection, counters: dict[str, int], on_progress: OnProgress) -> None:
    """Makes what follows from the rows: counters, the search's index, the mark of the revision."""
    on_progress("search index", 0, 1)
    write_counters(connection, counters)
    full_text.create(connection)
    MIGRATIONS.stamp(connection, HEAD)
    full_text.settle(connection)
    on_progress("search index", 1, 1)


@contextmanager
def _opened_source(url: URL) -> Generator[Connection]:
    if url.get_backend_name() == "sqlite":
        with stopped_sqlite(Path(url.database or "")) as connection:
            yield connection
        return
    with stopped_postgres(url) as connection:
        yield connection


@contextmanager
def _new_file(file: Path) -> Generator[Connection]:
    """A file that appears under its name when the block ends without an error."""
    if file.exists() and file.stat().st_size:
        raise UsageError(f"{file} is there already", code="target_not_empty", hint="choose a name that is free")
    log = file.with_name(f"{file.name}-wal")
    if log.exists():
        refuse_where_lost(file)
    partial = file.with_name(file.name + PARTIAL)
    try:
        partial.unlink(missing_ok=True)
        partial.touch(0o600, exist_ok=False)
    except OSError as error:
        raise UsageError(
            f"{partial} cannot be created: {error.strerror}",
            code="database_unusable",
            hint="choose a folder that you may write to",
        ) from error
    try:
        with new_sqlite(partial) as connection:
            yield connection
        to_disk(partial)
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


def _copy_all(origin: Connection, destination: Connection, on_progress: OnProgress) -> list[MovedTable]:
    tables = copied_tables()
    sizes = {table.name: count_rows(origin, table) for table in tables}
    total, done = sum(sizes.values()), 0
    taken: dict[str, TableDigest] = {}
    for table in tables:
        taken[table.name] = digest = TableDigest(table.flags)
        try:
            write_rows(destination, table, _digested(read_rows(origin, table), digest, done, total, on_progress))
        except (psycopg.DataError, psycopg.IntegrityError, sqlite3.DatabaseError, ValueError) as error:
            raise UsageError(
                f"a row of the table {table.name} cannot be moved: {str(error).splitlines()[0]}",
                code="move_refused",
                hint="correct or delete it in the source, and begin again; nothing was moved",
            ) from error
        done += digest.rows
    moved: list[MovedTable] = []
    done = 0
    for table in tables:
        back = TableDigest(table.flags)
        for batch in read_rows(destination, table):
            back.add(batch)
            on_progress("compare", done + back.rows, total)
        done += back.rows
        moved.append(_compared(table, taken[table.name], back))
    return moved


def _digested(
    batches: Iterator[list[Row]], digest: TableDigest, done: int, total: int, on_progress: OnProgress
) -> Iterator[list[Row]]:
    for batch in batches:
        digest.add(batch)
        yield batch
        on_progress("copy", done + digest.rows, total)


def _compared(table: CopiedTable, taken: TableDigest, back: TableDigest) -> MovedTable:
    if (taken.rows, taken.hex) != (back.rows, back.hex):
        raise DependencyError(
            f"the table {table.name} has {back.rows} rows in the target and {taken.rows} in the source, or their values differ",
            code="move_differs",
            hint="nothing was moved; a value of another type than its column's in the source is the usual cause",
        )
    return MovedTable(table.name, back.rows, back.hex)
