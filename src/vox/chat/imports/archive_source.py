"""The files of an export: a ZIP archive, a folder, or one file. What is read is bounded, and no name in it becomes a path.

An archive may be hostile: its list of files is measured before it is read, an entry that unpacks to far more than it takes is a bomb,
and all that is unpacked together may be so many times the archive's own size, however often a piece of it is referred to.
"""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self, cast

from vox.errors import UsageError

MAX_ENTRIES: Final = 1_000_000
MAX_DIRECTORY_BYTES: Final = 256 << 20
"""Of a ZIP archive's list of files, which is read into memory."""
MAX_RATIO: Final = 200
"""Text of chats compresses to a tenth; the most that deflate can do is a thousand times."""
FREE_BYTES: Final = 64 << 20
"""What may be unpacked of a small archive whatever its ratio."""
PASSES: Final = 3
"""How often the same entry may be read: looked into, checked, imported."""
_END: Final = struct.Struct("<4s4H2LH")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_LONGEST_COMMENT: Final = 65_535
_ENCRYPTED: Final = 1
_UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
"""What `zipfile` raises of an archive that is cut, changed, or compressed in a way it does not know."""


class ArchiveSource(Protocol):
    """What an importer reads from."""

    def names(self) -> list[str]:
        """All files, sorted, with `/` between folders."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file, unpacked; None where there is none."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file, to be read and closed.

        Raises:
            UsageError: archive_damaged, archive_refused.
        """
        ...

    def fingerprint(self, name: str) -> str:
        """What changes when the file's content does."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


def open_source(path: Path) -> ArchiveSource:
    """The files of an export.

    Raises:
        UsageError: there is nothing, or it cannot be read (archive_damaged, archive_refused).
    """
    if path.is_dir():
        return FolderSource(path)
    if not path.is_file():
        raise UsageError(f"there is no archive {path}", code="archive_damaged", hint="look at the path")
    if path.suffix.lower() == ".json":
        return FolderSource(path.parent, only=path.name)
    return ZipSource(path)


class FolderSource:
    """Files below a folder; links out of it are not followed.

    Args:
        folder: with the export.
        only: the one file of it that is listed; others beside it are still found by name.
    """

    def __init__(self, folder: Path, only: str | None = None) -> None:
        self._folder = folder.resolve()
        self._names = [only] if only is not None else sorted(self._walk())
        if len(self._names) > MAX_ENTRIES:
            raise _refused(f"it has more than {MAX_ENTRIES} files")

    def names(self) -> list[str]:
        """See `ArchiveSource`."""
        return self._names

    def size(self, name: str) -> int | None:
        """See `ArchiveSource`."""
        path = self._path(name)
        return None if path is None else path.stat().st_size

    def open(self, name: str) -> BinaryIO:
        """See `ArchiveSource`."""
        path = self._path(name)
        if path is None:
            raise damaged(name, "it is missing")
        try:
            return path.open("rb")
        except OSError as error:
            raise damaged(name, error.strerror or "it cannot be read") from error

    def fingerprint(self, name: str) -> str:
        """See `ArchiveSource`."""
        path = self._path(name)
        return "" if path is None else f"{path.stat().st_size}:{path.stat().st_mtime_ns}"

    def close(self) -> None:
        """See `ArchiveSource`."""

    def _walk(self) -> Iterator[str]:
        for path in self._folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(self._folder).as_posix()

    def _path(self, name: str) -> Path | None:
        try:
            path = (self._folder / name).resolve()
            return path if path.is_relative_to(self._folder) and path.is_file() else None
        except (OSError, ValueError):  # a name with a NUL, or one that is too long
            return None


class ZipSource:
    """Entries of a ZIP archive.

    Args:
        path: of the archive.

    Raises:
        UsageError: archive_damaged, archive_refused.
    """

    def __init__(self, path: Path) -> None:
        self._bytes = path.stat().st_size
        _check_directory(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except _UNREADABLE as error:
            raise damaged(path.name, f"it is no ZIP archive, or it was cut: {error}") from error
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._archive.infolist():
            if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
                continue
            if entry.filename in self._entries:
                raise _refused(f"it has two files called {entry.filename[:100]}")
            self._entries[entry.filename] = entry
        self._budget = PASSES * max(FREE_BYTES, MAX_RATIO * self._bytes)

    def names(self) -> list[str]:
        """See `ArchiveSource`."""
        return sorted(self._entries)

    def size(self, name: str) -> int | None:
        """See `ArchiveSource`."""
        entry = self._entries.get(name)
        return None if entry is None else entry.file_size

    def open(self, name: str) -> BinaryIO:
        """See `ArchiveSource`."""
        entry = self._entries.get(name)
        if entry is None:
            raise damaged(name, "it is missing")
        if entry.flag_bits & _ENCRYPTED:
            raise _refused(f"{name[:100]} is encrypted")
        if entry.file_size > max(FREE_BYTES, MAX_RATIO * max(1, entry.compress_size)):
            raise _refused(f"{name[:100]} unpacks to {MAX_RATIO} times its size and more")
        try:
            return cast("BinaryIO", _Metered(cast("BinaryIO", self._archive.open(entry)), name, self))
        except _UNREADABLE as error:
            raise damaged(name, str(error)) from error

    def fingerprint(self, name: str) -> str:
        """See `ArchiveSource`."""
        entry = self._entries.get(name)
        return "" if entry is None else f"{entry.file_size}:{entry.CRC:08x}"

    def close(self) -> None:
        """See `ArchiveSource`."""
        self._archive.close()

    def spend(self, count: int) -> None:
        """Takes what was unpacked from the budget.

        Raises:
            UsageError: archive_refused.
        """
        self._budget -= count
        if self._budget < 0:
            raise _refused(f"it unpacks to {MAX_RATIO} times its size and more")


class _Metered:
    """A file of a ZIP archive whose bytes are counted as they are unpacked."""

    def __init__(self, file: BinaryIO, name: str, source: ZipSource) -> None:
        self._file = file
        self._name = name
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            UsageError: archive_damaged, archive_refused.
        """
        try:
            piece = self._file.read(size)
        except _UNREADABLE as error:
            raise damaged(self._name, f"it cannot be unpacked: {error}") from error
        self._source.spend(len(piece))
        return piece

    def close(self) -> None:
        """Closes it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def damaged(name: str, reason: str) -> UsageError:
    """A part of an archive cannot be read."""
    return UsageError(
        f"{name[:200]}: {reason}",
        code="archive_damaged",
        hint="export or download it again; `--skip-damaged` imports the rest",
    )


def _refused(reason: str) -> UsageError:
    return UsageError(f"the archive is refused: {reason}", code="archive_refused", hint="nothing more of it is read")


def _check_directory(path: Path) -> None:
    """Measures the list of files by the record at the archive's end, before it is read into memory."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END.size - _LONGEST_COMMENT - _LOCATOR.size))
        tail = file.read()
        place = tail.rfind(b"PK\5\6")
        if place < 0 or len(tail) - place < _END.size:
            raise damaged(path.name, "it is no ZIP archive, or it was cut")
        _, _, _, _, entries, directory, _, _ = _END.unpack_from(tail, place)
        before = place - _LOCATOR.size
        if before >= 0 and tail[before : before + 4] == b"PK\6\7":
            _, _, offset, _ = _LOCATOR.unpack_from(tail, before)
            file.seek(min(offset, size))
            record = file.read(_END_64.size)
            if len(record) == _END_64.size:
                entries, directory = _END_64.unpack(record)[7:9]
    if entries > MAX_ENTRIES or directory > MAX_DIRECTORY_BYTES:
        raise _refused(f"it has more than {MAX_ENTRIES} files")
