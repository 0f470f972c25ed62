"""Rows of whole tables, read and written in batches on either engine, in the transaction that the connection is in."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection

from vox.chat.database.transfer.tables import CopiedTable
from vox.stores.engines import raw

BATCH: Final = 2000
"""Rows in memory at once; one message may have 64 KiB."""

Row = Sequence[Any]


def count_rows(connection: Connection, table: CopiedTable) -> int:
    """How many rows there are."""
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{table.name}"').scalar_one())  # noqa: S608  a declared name


def read_rows(connection: Connection, table: CopiedTable) -> Iterator[list[Row]]:
    """All rows, in batches; flags as the engine has them."""
    statement = f'SELECT {table.column_list} FROM "{table.name}"'  # noqa: S608  declared names
    if connection.dialect.name == "sqlite":
        cursor = raw(connection).execute(statement)
        while found := cursor.fetchmany(BATCH):
            yield found
        return
    with raw(connection).cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT") as copy:
        copy.set_types(
            [
                "bool" if place in table.flags else "int8" if place in table.numbers else "text"
                for place in range(len(table.columns))
            ]
        )
        rows: Iterator[Row] = copy.rows()
        while batch := list(islice(rows, BATCH)):
            yield batch


def write_rows(connection: Connection, table: CopiedTable, batches: Iterable[list[Row]]) -> None:
    """Inserts all rows."""
    driver = raw(connection)
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(table.columns))
        insert = f'INSERT INTO "{table.name}" ({table.column_list}) VALUES ({places})'  # noqa: S608  declared names
        for batch in batches:
            driver.executemany(insert, batch)
        return
    flags = table.flags
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({table.column_list}) FROM STDIN') as copy:
        for batch in batches:
            for row in batch:
                if flags:
                    values = list(row)
                    for place in flags:
                        values[place] = bool(values[place])
                    copy.write_row(values)
                else:
                    copy.write_row(row)
