"""A PostgreSQL database as the bytes of COPY, from one snapshot and back, in the order of the tables' references."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import psycopg
from sqlalchemy import Connection, inspect, text

from vox.chat.database.migrations.prepare import MIGRATIONS
from vox.chat.database.migrations.revisions import HEAD
from vox.chat.database.schema import full_text
from vox.chat.database.schema.conventions import metadata
from vox.chat.database.transfer.tables import CopiedTable, write_counters
from vox.errors import UsageError
from vox.stores.engines import raw
from vox.stores.migrations import BASE

CHUNK: Final = 1 << 22


def copy_out(connection: Connection, table: CopiedTable) -> Iterator[bytes]:
    """All rows of a table as COPY writes them, whole rows in each chunk."""
    statement = f'COPY (SELECT {table.column_list} FROM "{table.name}") TO STDOUT'  # noqa: S608  declared names
    waiting = bytearray()
    with raw(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for line in copy:
            waiting += line
            if len(waiting) >= CHUNK:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)


def create_tables(connection: Connection, revision: str) -> None:
    """Makes the empty tables of a revision, the search's index only where the revision is an earlier one.

    Raises:
        UsageError: this version does not know the revision (database_unknown).
    """
    if revision == HEAD:
        metadata.create_all(connection, checkfirst=False)
    else:
        MIGRATIONS.upgrade(connection, BASE, until=revision)
        connection.execute(text("DELETE FROM meta"))  # its one row comes with the others


def copy_in(connection: Connection, name: str, columns: Sequence[str], chunks: Iterable[bytes]) -> None:
    """Inserts rows as COPY wrote them.

    Args:
        connection: in the transaction that made the tables.
        name: of the table.
        columns: in the order of the rows.
        chunks: whole rows in each.

    Raises:
        UsageError: there is no such table or column, or the rows do not fit (backup_damaged).
    """
    known = (
        {column["name"] for column in inspect(connection).get_columns(name)} if _has(connection, name) else set[str]()
    )
    if not columns or not known.issuperset(columns):
        raise UsageError(f"the backup has a table {name} with unknown columns", code="backup_damaged")
    listed = ", ".join(f'"{column}"' for column in columns)
    try:
        with raw(connection).cursor() as cursor, cursor.copy(f'COPY "{name}" ({listed}) FROM STDIN') as copy:
            for chunk in chunks:
                copy.write(chunk)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"rows of the table {name} do not fit: {reason}", code="backup_damaged") from error


def finish(connection: Connection, revision: str, counters: Mapping[str, int]) -> None:
    """Makes what follows from the rows, and brings the tables to this version."""
    write_counters(connection, counters)
    if revision == HEAD:
        full_text.create(connection)
        MIGRATIONS.stamp(connection, HEAD)
        full_text.settle(connection)
    else:
        MIGRATIONS.upgrade(connection, revision)


def _has(connection: Connection, name: str) -> bool:
    return name in metadata.tables and inspect(connection).has_table(name)
