"""Whether the file of a SQLite database is the one that was opened, and whole; and whether there was one before.

SQLite itself makes a new, empty database where a file is missing or empty. For a server whose first user becomes administrator that
is the worst answer to a lost disk, so a mark beside the file remembers that there was one.
"""

import os
import struct
from pathlib import Path
from typing import Final

from vox.errors import DependencyError, UsageError

MAGIC: Final = b"SQLite format 3\0"
MARK_SUFFIX: Final = ".in-use"
_MARK_TEXT: Final = (
    "Vox keeps a database beside this file. Where the database is missing or empty, the server does not start:\n"
    "restore a backup, or delete this file to begin with an empty database.\n"
)
_HEADER: Final = struct.Struct(">16sH10xI")
"""Magic, page size (1 stands for 65536) and number of pages (sqlite.org/fileformat.html, section 1.3)."""


def refuse_where_lost(path: Path) -> None:
    """Refuses to go on where the database is missing or empty although there was one.

    Raises:
        UsageError: database_lost.
    """
    mark, log = _mark(path), path.with_name(f"{path.name}-wal")
    if _size(path) == 0 and (mark.exists() or _size(log) > 0):
        raise UsageError(
            f"the database {path} is missing or empty, although it was in use before",
            code="database_lost",
            hint=f"restore a backup, or delete {mark.name} (and {log.name}, if it exists) to begin with an empty database",
        )


def mark_in_use(path: Path) -> None:
    """Remembers beside a database that there is one.

    Raises:
        OSError: the mark cannot be written.
    """
    mark = _mark(path)
    if not mark.exists():
        mark.write_text(_MARK_TEXT, encoding="utf-8")


class SqliteFile:
    """The file of an open database.

    Args:
        path: where it is; it exists.

    Raises:
        OSError: it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        found = path.stat()
        self._identity = found.st_dev, found.st_ino

    def check(self) -> None:
        """Looks whether the file is still that one, has its header, and no page is cut off.

        Raises:
            DependencyError: database_lost, database_damaged.
        """
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                head = file.read(_HEADER.size)
        except OSError as error:
            raise DependencyError(
                f"the database's file cannot be read: {error.strerror}", code="database_lost"
            ) from None
        if (status.st_dev, status.st_ino) != self._identity:
            raise DependencyError("another file has taken the place of the database", code="database_lost")
        if len(head) < _HEADER.size or not head.startswith(MAGIC):
            raise DependencyError("the database's file has no header", code="database_damaged")
        _, size, pages = _HEADER.unpack(head)
        if status.st_size < pages * (65_536 if size == 1 else size):
            raise DependencyError("the database's file is cut off", code="database_damaged")


def _mark(path: Path) -> Path:
    return path.with_name(path.name + MARK_SUFFIX)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
