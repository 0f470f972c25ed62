"""Thumbnails and pictures from elsewhere on the disk, within a budget: what was not asked for the longest goes first.

Nothing in it is the only copy, so the folder may be emptied at any time, and an error of the disk only means that there is nothing.
Several processes may share the folder: files are renamed into their place, and the folder itself says what is in it.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vox.chat.config.settings import ChatSettings
from vox.providers.storage.threads import in_thread

FOLDER: Final = ".cache"
PRIVATE_FOLDER: Final = 0o700
SHARE_OF_BUDGET: Final = 8
"""The folder is measured again after this part of the budget was written: other processes write, too."""
KEPT: Final = 0.8
"""How full the folder is after the oldest files have gone."""
FAILED_S: Final = 60.0
MAX_FAILED: Final = 2000
"""Sources remembered as failing, for FAILED_S, so that a thousand readers of a message do not ask a thousand times."""
_MOST_HEAD: Final = 128


@dataclass(frozen=True, slots=True)
class CachedMedia:
    """A picture: its MIME type, its bytes, and when it was stored, in Unix seconds."""

    mime: str
    body: bytes
    stored_at: int


class Failures:
    """Which sources gave no picture lately."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def has(self, source: str, now: float) -> bool:
        """Whether a source failed a moment ago."""
        return self._until.get(source, 0.0) > now

    def add(self, source: str, now: float) -> None:
        """Remembers a failure; the oldest is forgotten where there are too many."""
        with self._lock:
            self._until.pop(source, None)
            if len(self._until) >= MAX_FAILED:
                self._until.pop(next(iter(self._until)))
            self._until[source] = now + FAILED_S


class MediaCache:
    """Pictures by key.

    Args:
        folder: where they lie; made when the first is stored. None for a temporary one.
        max_bytes: what they may have together; 0 keeps nothing.
    """

    def __init__(self, folder: Path | None, max_bytes: int) -> None:
        self.failures = Failures()
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._since_measured = max_bytes  # the first file makes the folder be measured
        self._total = 0

    async def get(self, key: str) -> CachedMedia | None:
        """The picture that was stored under a key, unless it has gone."""
        if not self._max_bytes or self._folder is None:
            return None
        path = self._path(self._folder, key)
        return await in_thread(lambda: _read(path))

    async def put(self, key: str, media: CachedMedia) -> None:
        """Stores a picture in place of an earlier one; one that is larger than the budget allows is left out."""
        if len(media.body) * SHARE_OF_BUDGET <= self._max_bytes:
            await in_thread(lambda: self._store(key, media))

    def _store(self, key: str, media: CachedMedia) -> None:
        with contextlib.suppress(OSError):  # a full disk: there is nothing in the cache then
            path = self._path(self._made(), key)
            path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            part = path.with_name(f"{secrets.token_hex(8)}.part")
            head = f"{media.mime} {media.stored_at}\n".encode()
            try:
                part.write_bytes(head + media.body)
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            self._count(len(head) + len(media.body))

    def _count(self, added: int) -> None:
        with self._lock:
            self._total += added
            self._since_measured += added
            if self._total <= self._max_bytes and self._since_measured * SHARE_OF_BUDGET < self._max_bytes:
                return
            self._since_measured = 0
            files = sorted(self._files(), key=lambda file: file[0])
            self._total = sum(size for _, size, _ in files)
            if self._total <= self._max_bytes:
                return
            for _, size, path in files:
                with contextlib.suppress(OSError):
                    path.unlink()
                self._total -= size
                if self._total <= KEPT * self._max_bytes:
                    return

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Time of the last use, size and path of each file."""
        if self._folder is None:
            return
        for parent, _, names in os.walk(self._folder):
            for name in names:
                path = Path(parent, name)
                with contextlib.suppress(OSError):
                    found = path.stat()
                    yield found.st_mtime, found.st_size, path

    def _made(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="vox-media-"))
            self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            return self._folder

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return folder / name[:2] / name


def open_cache(settings: ChatSettings) -> MediaCache:
    """The cache that the settings name."""
    folder: Path | None = None
    if settings.media_cache_path:
        folder = Path(settings.media_cache_path)
    elif settings.storage_backend == "local":
        folder = Path(settings.storage_path) / FOLDER
    return MediaCache(folder, settings.media_cache_bytes)


def _read(path: Path) -> CachedMedia | None:
    try:
        content = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    head, end, body = content.partition(b"\n")
    mime, _, stored_at = head.decode("ascii", "replace").partition(" ")
    if not end or len(head) > _MOST_HEAD or not stored_at.isdigit():
        return None
    return CachedMedia(mime, body, int(stored_at))
