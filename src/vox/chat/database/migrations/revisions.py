"""Which revision a database's tables are of, where that is written down, and the lock under which it changes.

Both ways to the present tables stand on this: the direct one of an empty database (`prepare`) and alembic's revisions (`run`). Whoever
adds a revision changes `HEAD` here.
"""

from typing import Final

from sqlalchemy import Connection, inspect, text

from vox.chat.database.schema.conventions import metadata
from vox.errors import UsageError

HEAD: Final = "5d0c3e1f7a42"
WITHOUT_KEY_PACKAGES: Final = "9713e33403d0"
WITH_KEY_PACKAGES: Final = "98a0cee110c2"
"""The two revisions of the original."""

_LOCK: Final = 0x766F7863
"""PostgreSQL's advisory lock: whoever holds it changes the tables."""
_VERSION_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS alembic_version "
    "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def stamp(connection: Connection, revision: str) -> None:
    """Writes down which revision the tables are of."""
    connection.exec_driver_sql(_VERSION_TABLE)
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def revision_of(connection: Connection) -> str | None:
    """The revision of the tables, also of an original's that were never marked; None where there are none.

    Raises:
        UsageError: the tables are not the community's (database_unknown).
    """
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        marked = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        if marked is not None:
            return str(marked)
    if tables.isdisjoint(metadata.tables):
        return None
    if {"users", "messages", "feeds", "event_log"} <= tables and "meta" not in tables:
        return WITH_KEY_PACKAGES if "mls_key_packages" in tables else WITHOUT_KEY_PACKAGES
    raise UsageError(
        "the database has tables of the community's names, but they are not the community's",
        code="database_unknown",
        hint="give the chat server a database of its own",
    )


def lock(connection: Connection) -> None:
    """Begins a transaction in which no other process changes the tables; SQLite's foreign keys must be off already."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA busy_timeout=60000")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        connection.exec_driver_sql("PRAGMA busy_timeout=5000")
        return
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
