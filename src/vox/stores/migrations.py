"""Brings the tables of one part of the product to this version: directly in an empty database, by alembic's revisions else.

Each part has a version table of its own, so several parts may share a database. Of several processes that start at once, one changes
the tables and the others wait. Alembic takes 100 ms to import and is rarely needed, so only `upgrade` imports it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from vox.errors import UsageError
from vox.runtime.logging import get_logger

BASE: Final = "base"
"""The revision of tables that every revision is still to be run on."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Migrations:
    """The migrations of one part's tables.

    Attributes:
        head: the last revision. A new revision changes it.
        versions: the folder of the revisions.
        version_table: where a database's revision is written.
        lock_id: PostgreSQL's advisory lock under which the tables change; every part has its own.
        create: makes the tables of `head` in a database that has none, in the connection's transaction.
        revision_of_unmarked: the revision of a database without a mark, `BASE` included; None where the part has no table in it.
            It raises for tables of the same names that are not the part's.
    """

    head: str
    versions: Path
    version_table: str
    lock_id: int
    create: Callable[[Connection], None]
    revision_of_unmarked: Callable[[Connection], str | None]

    def prepare(self, connection: Connection) -> None:
        """Brings the tables up to date; a unit for `SqlDatabase.run_exclusive`.

        Raises:
            UsageError: the tables are of a later version, or not the part's (database_unknown).
        """
        if self.revision_of(connection) == self.head:
            return
        connection.rollback()
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        try:
            self.lock(connection)
            revision = self.revision_of(connection)
            if revision is None:
                self.create(connection)
                self.stamp(connection, self.head)
            elif revision != self.head:
                self.upgrade(connection, revision)
            if is_sqlite:
                connection.exec_driver_sql("COMMIT")
            connection.commit()
        finally:
            connection.rollback()
            if is_sqlite:
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")

    def revision_of(self, connection: Connection) -> str | None:
        """The revision of the tables, marked or not; None where there are none.

        Raises:
            UsageError: the tables are not the part's (database_unknown).
        """
        if inspect(connection).has_table(self.version_table):
            marked = connection.execute(text(f"SELECT version_num FROM {self.version_table}")).scalar_one_or_none()  # noqa: S608  the part's own name
            if marked is not None:
                return str(marked)
        return self.revision_of_unmarked(connection)

    def stamp(self, connection: Connection, revision: str) -> None:
        """Writes the revision of the tables."""
        name = self.version_table
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {name} "
            f"(version_num VARCHAR(32) NOT NULL, CONSTRAINT {name}_pkc PRIMARY KEY (version_num))"
        )
        connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608  the part's own name
        connection.execute(text(f"INSERT INTO {name} VALUES (:revision)"), {"revision": revision})  # noqa: S608  same

    def lock(self, connection: Connection) -> None:
        """Begins a transaction in which no other process changes the tables; SQLite's foreign keys must be off already."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA busy_timeout=60000")
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            connection.exec_driver_sql("PRAGMA busy_timeout=5000")
            return
        for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {setting} = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({self.lock_id})")

    def upgrade(self, connection: Connection, revision: str, *, until: str | None = None) -> None:
        """Runs every revision after this one, in the transaction that `lock` began: all of them happen or none.

        Args:
            connection: in the transaction.
            revision: of the tables.
            until: the last one to run; None for all.

        Raises:
            UsageError: this version does not know the revision (database_unknown).
        """
        from alembic.operations import Operations  # noqa: PLC0415  see the module's docstring
        from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  same
        from alembic.script import ScriptDirectory  # noqa: PLC0415  same

        scripts = ScriptDirectory(str(self.versions), version_locations=[str(self.versions)])
        known = {BASE, *(script.revision for script in scripts.walk_revisions())}
        if unknown := {revision, until or BASE} - known:
            raise UsageError(
                f"the database has the revision {min(unknown)}, which this version does not know",
                code="database_unknown",
                hint="it was used by a later version: start that one, or restore a backup",
            )
        head = until or self.head
        _log.info("bringing the database up to date", revision=revision, head=head)
        with Operations.context(MigrationContext.configure(connection)):
            for script in reversed(list(scripts.iterate_revisions(head, revision))):
                script.module.upgrade()
                self.stamp(connection, script.revision)
