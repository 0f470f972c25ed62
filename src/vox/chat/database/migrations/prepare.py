"""Brings a database to the tables of this version when the server starts.

An empty one gets them directly, which takes milliseconds; everything else goes through the revisions in `vox.chat.database.migrations`,
the same that `alembic upgrade head` runs. Both ways end in the same tables, and a test holds them together.
"""

from sqlalchemy import Connection

from vox.chat.database.migrations.revisions import HEAD, lock, revision_of, stamp
from vox.chat.database.schema import full_text
from vox.chat.database.schema.conventions import metadata
from vox.chat.database.schema.server import meta
from vox.runtime.logging import get_logger
from vox.stores.sql import SqlDatabase

_log = get_logger(__name__)


def prepare(database: SqlDatabase) -> None:
    """Brings the database's tables up to date; of several processes one does it and the others wait. Blocks.

    Raises:
        UsageError: the tables are of a later version, or not the community's (database_unknown).
        DependencyError: the database failed.
    """
    database.run_exclusive(_prepare)


def create(connection: Connection) -> None:
    """Makes all tables in an empty database, in the connection's transaction, and marks them as this version's."""
    metadata.create_all(connection, checkfirst=False)
    full_text.create(connection)
    connection.execute(meta.insert().values(id=1, version=0))
    stamp(connection, HEAD)


def _prepare(connection: Connection) -> None:
    if revision_of(connection) == HEAD:
        return
    connection.rollback()
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    try:
        lock(connection)
        revision = revision_of(connection)
        if revision is None:
            create(connection)
        elif revision != HEAD:
            _upgrade(connection, revision)
        if is_sqlite:
            connection.exec_driver_sql("COMMIT")
        connection.commit()
    finally:
        connection.rollback()
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _upgrade(connection: Connection, revision: str) -> None:
    from vox.chat.database.migrations.run import upgrade  # noqa: PLC0415  alembic takes 100 ms to import and is rarely needed

    _log.info("bringing the database up to date", revision=revision, head=HEAD)
    stamp(connection, revision)
    upgrade(connection)
