"""SQL of the table `config`: settings that administrators change while the server runs, by key."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select, update

from vox.chat.database.inserts import insert_if_absent
from vox.chat.database.schema import config


def read_rows(connection: Connection) -> dict[str, str]:
    """All values that are set."""
    return {row.key: row.value for row in connection.execute(select(config)) if row.value is not None}


def read_value(connection: Connection, *, key: str) -> str | None:
    """One value; None where it is not set."""
    return connection.execute(select(config.c.value).where(config.c.key == key)).scalar()


def store_rows(connection: Connection, values: Mapping[str, str]) -> None:
    """Stores values by key, within a unit of work."""
    for key, value in values.items():
        if not insert_if_absent(connection, config, {"key": key, "value": value}):
            connection.execute(update(config).where(config.c.key == key).values(value=value))


def keep_row(connection: Connection, *, key: str, value: str) -> None:
    """Stores a value where there is none yet."""
    insert_if_absent(connection, config, {"key": key, "value": value})


def delete_row(connection: Connection, *, key: str) -> None:
    """Deletes a value; without one it does nothing."""
    connection.execute(delete(config).where(config.c.key == key))
