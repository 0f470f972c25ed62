"""Inserting a row that may be there already, on either engine."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Whether the row was not there and has been inserted.

    Args:
        connection: of the writer.
        table: one with a key over some of the values.
        values: the row.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    key = next(iter(table.primary_key.columns))
    # SQLAlchemy keeps no count of inserted rows for PostgreSQL, so the row itself is asked for.
    statement = insert(table).values(values).on_conflict_do_nothing().returning(key)
    return connection.execute(statement).first() is not None
