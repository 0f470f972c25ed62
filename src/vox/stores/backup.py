"""A copy of a SQLite file while it is in use, by SQLite's own online backup.

The copy is one moment of the database, without a journal beside it. It holds everything the community ever said, so only its owner
may read it. Neither readers nor writers wait for it: the source's transaction stays open over all steps, which also keeps SQLite
from starting over after each change by another process.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from vox.errors import DependencyError, UsageError

PAGES_AT_ONCE: Final = 2048
BUSY_TIMEOUT_S: Final = 30.0


def copy_sqlite(source: Path, target: Path, on_progress: Callable[[int, int], None] | None = None) -> int:
    """Writes a copy to a file that must not be there yet, and returns its bytes. Blocks.

    Args:
        source: the database; another process may be writing to it.
        target: where the copy goes.
        on_progress: is told how many pages are copied, and of how many.

    Raises:
        UsageError: there is no database, or the file cannot be made (backup_impossible).
        DependencyError: SQLite or the disk failed (database_failed).
    """
    if not source.is_file():
        raise UsageError(f"there is no database {source}", code="backup_impossible", hint="look at VOX_DATABASE_URL")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise UsageError(
            f"{target} cannot be created: {error.strerror}",
            code="backup_impossible",
            hint="choose a new name in a folder that you may write to",
        ) from error
    try:
        _copy(source, target, on_progress)
    except BaseException as error:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        if isinstance(error, (sqlite3.Error, OSError)):
            raise DependencyError(f"copying the database failed: {error}", code="database_failed") from error
        raise
    return target.stat().st_size


def _copy(source: Path, target: Path, on_progress: Callable[[int, int], None] | None) -> None:
    def step(_status: int, remaining: int, total: int) -> None:
        if on_progress is not None:
            on_progress(total - remaining, total)

    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S)) as live,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on one snapshot
        live.backup(copy, pages=PAGES_AT_ONCE, progress=step, sleep=0.001)
        live.execute("COMMIT")
        copy.execute("PRAGMA journal_mode=DELETE")  # the copy is one file, whatever the source's journal
    to_disk(target)


def to_disk(file: Path) -> None:
    """Forces a file's bytes to the disk."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
