"""A copy of a SQLite database while it is in use; PostgreSQL brings its own tools for that.

The copy is one moment of the database, compact and without a journal beside it. It holds everything the community ever said, so
only its owner may read it.
"""

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from vox.errors import UsageError
from vox.stores.engines import raw
from vox.stores.sql import SqlDatabase


def back_up(database: SqlDatabase, target: Path) -> int:
    """Writes a copy to a file that must not be there yet, and returns its bytes. Blocks.

    Writers of this process wait meanwhile; readers and other processes do not.

    Raises:
        UsageError: the database is not SQLite, or the file cannot be made (backup_impossible).
        DependencyError: the database failed.
    """
    if not database.is_sqlite:
        raise UsageError(
            "Vox backs up SQLite databases only",
            code="backup_impossible",
            hint="use pg_dump or your provider's snapshots",
        )
    partial = target.with_name(target.name + ".partial")
    if target.exists():
        raise UsageError(f"{target} exists already", code="backup_impossible", hint="choose another name")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # VACUUM fills an empty file as it is
    except OSError as error:
        raise UsageError(
            f"{partial} cannot be created: {error.strerror}",
            code="backup_impossible",
            hint="choose a folder that you may write to",
        ) from error
    try:
        database.run_exclusive(lambda connection: _copy(connection, partial))
        _to_disk(partial)
        partial.rename(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(connection: Connection, partial: Path) -> None:
    raw(connection).execute("VACUUM INTO ?", (str(partial),))


def _to_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
