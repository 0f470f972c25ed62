"""Files in a folder of this machine, readable by this user only.

A file is written beside its place, forced to the disk and renamed into it, and then the folder's entry is forced too: so
it is there whole or not at all, also after the power failed. All file work happens in threads.

The one thing to know before changing it: the original kept files flat in the folder; those are still found.
Whole files that have paths lie under them as they are named.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from vox.errors import UsageError
from vox.providers.storage.contract import CHUNK_BYTES, checked_key, checked_path, failed, missing
from vox.providers.storage.threads import in_thread
from vox.stores.disk_errors import FULL, disk_failure

T = TypeVar("T")

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Config:
    """Where the folder is; it is made where it is missing. `setting` is what the operator calls it."""

    path: str
    setting: str = "VOX_STORAGE_PATH"


class LocalStorage:
    """Keeps files in a folder, spread over 256 folders by the hash of their key."""

    def __init__(self, folder: Path, setting: str = "VOX_STORAGE_PATH") -> None:
        self._folder = folder
        self._setting = setting

    def prepare(self) -> None:
        """Makes the folder and proves that it can be written."""
        try:
            self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            probe = self._folder / f".{secrets.token_hex(8)}.part"
            with _created(probe):
                pass
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"the folder for files {self._folder} cannot be used: {error.strerror}",
                code="storage_unusable",
                hint=f"set {self._setting} to a folder in which the server can write",
            ) from error

    async def put(self, key: str, body: AsyncIterator[bytes], *, content_type: str) -> int:
        """Stores a file; the type is not kept, the database has it."""
        place = self._place(checked_key(key))
        part = place.with_name(f".{key}.{secrets.token_hex(8)}.part")
        written = 0
        out = await _in_thread(lambda: _open_part(part), "Storing", key)
        try:
            try:
                async for piece in body:
                    written += len(piece)
                    await _in_thread(lambda piece=piece: _write(out, piece), "Storing", key)
                await _in_thread(lambda: _finish(out, part, place), "Storing", key)
            finally:
                out.close()
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        return written

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Reads a file piece by piece."""
        paths = self._paths(key)
        file = await _in_thread(lambda: _open_first(paths, key, start), "Reading", key)
        try:
            left = None if end is None else max(0, end - start)
            while left is None or left > 0:
                want = CHUNK_BYTES if left is None else min(left, CHUNK_BYTES)
                piece = await _in_thread(lambda want=want: file.read(want), "Reading", key)
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                yield piece
        finally:
            file.close()

    async def delete(self, key: str) -> None:
        """Deletes a file."""
        paths = self._paths(key)

        def remove() -> None:
            for path in paths:
                path.unlink(missing_ok=True)

        await _in_thread(remove, "Deleting", key)

    async def size(self, key: str) -> int:
        """Size in bytes."""
        paths = self._paths(key)

        def measure() -> int:
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    return path.stat().st_size
            raise missing(key)

        return await _in_thread(measure, "Measuring", key)

    async def put_file(self, path: str, file: Path, *, content_type: str) -> None:
        """Stores a file without copying it, where it lies on the same file system."""
        place = self._folder / checked_path(path)
        await _in_thread(lambda: _store_file(file, place), "Storing", path)

    async def probe(self, path: str) -> None:
        """Proves that the folder can be written."""
        place = self._folder / checked_path(path)

        def write() -> None:
            place.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            part = place.with_name(f".{secrets.token_hex(8)}.part")
            with _created(part) as out:
                _write(out, b"ok")
            part.unlink()

        await _in_thread(write, "Storing", path)

    def _place(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:2] / key

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self._place(checked_key(key)), self._folder / key


def create(config: Config) -> LocalStorage:
    """The driver of that configuration."""
    return LocalStorage(Path(config.path), config.setting)


async def _in_thread(work: Callable[[], T], doing: str, key: str) -> T:
    try:
        return await in_thread(work)
    except OSError as error:
        if error.errno in FULL:
            raise disk_failure(error, f"{doing} the file {key} failed") from error
        raise failed(doing, key) from error


def _open_part(part: Path) -> BinaryIO:
    part.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    return _created(part)


def _created(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb", buffering=0)


def _write(out: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[out.write(rest) :]


def _finish(out: BinaryIO, part: Path, place: Path) -> None:
    os.fsync(out.fileno())
    part.replace(place)
    _force_entries(place)


def _force_entries(place: Path) -> None:
    for folder in (place.parent, place.parent.parent):
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def _store_file(file: Path, place: Path) -> None:
    place.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    part = place.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            os.link(file, part)
        except OSError:  # another file system, or one without links
            with file.open("rb") as source, _created(part) as out:
                shutil.copyfileobj(source, out, CHUNK_BYTES)
                os.fsync(out.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)  # replacing a name by another of the same file leaves both
    _force_entries(place)


def _open_first(paths: tuple[Path, ...], key: str, start: int) -> BinaryIO:
    for path in paths:
        try:
            file = path.open("rb", buffering=0)
        except (FileNotFoundError, IsADirectoryError):
            continue
        try:
            file.seek(start)
        except BaseException:
            file.close()
            raise
        return file
    raise missing(key)
