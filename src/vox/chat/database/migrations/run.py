"""Runs revisions on a connection, for the server's start and for alembic's command line alike.

The caller holds the lock and the transaction (`vox.chat.database.migrations.revisions.lock`): all revisions happen or none.
"""

from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from vox.chat.database.migrations.revisions import revision_of, stamp
from vox.chat.database.schema import full_text
from vox.errors import UsageError

FOLDER = Path(__file__).parent
VERSIONS = FOLDER / "versions"


def upgrade(connection: Connection) -> None:
    """Runs every revision after the one the database is marked with.

    Raises:
        UsageError: it is marked with a revision this version does not know (database_unknown).
    """
    scripts = ScriptDirectory(str(FOLDER), version_locations=[str(VERSIONS)])
    revision = revision_of(connection) or "base"
    if revision != "base" and revision not in {script.revision for script in scripts.walk_revisions()}:
        raise UsageError(
            f"the database is of the revision {revision}, which this version does not know",
            code="database_unknown",
            hint="it was used by a later version: start that one, or restore a backup",
        )
    ahead = list(scripts.iterate_revisions("head", revision))
    with Operations.context(MigrationContext.configure(connection)):
        for script in reversed(ahead):
            script.module.upgrade()
            stamp(connection, script.revision)


def is_compared(thing: Any, name: str | None, kind: str, is_reflected: bool, other: Any) -> bool:
    """Whether alembic compares something with the declarations: not the search's objects, nor other parts' tables."""
    if full_text.is_own(name) or (kind == "table" and name in {"leases", "lease_members"}):
        return False
    return not (kind == "index" and full_text.is_own(getattr(getattr(thing, "table", None), "name", None)))
