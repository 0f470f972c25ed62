"""What a place for files promises: bytes under a key, written whole or not at all.

Before changing it: keys are ours, random, and checked by every driver; a name that a client chose must never become one. Nothing
here belongs to one event loop, because a chat server may run on several at once. Whole files that people look for by date and name
(`FileStorage`) have paths instead of keys.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

from vox.errors import DependencyError, UsageError

CHUNK_BYTES: Final = 262_144
"""Bytes that are read or written at once: large enough that a thread's hop per piece does not matter."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._=+@ -]{1,128}", re.ASCII)
_LONGEST_PATH: Final = 1024
"""What S3 allows."""


class Storage(Protocol):
    """Keeps files by key. Every call may raise DependencyError `storage_failed`, and UsageError `invalid_storage_key`."""

    async def put(self, key: str, body: AsyncIterator[bytes], *, content_type: str) -> int:
        """Stores what `body` gives and returns its size in bytes; an error on the way, of `body` too, leaves nothing behind.

        When it returns, the file outlives a crash and a loss of power. An earlier file of that key is replaced in one step.
        """
        ...

    def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces; nothing where that is empty.

        Raises:
            UsageError: `file_not_stored`, at the first piece.
        """
        ...

    async def delete(self, key: str) -> None:
        """Deletes a file; one that is not there is no error."""
        ...

    async def size(self, key: str) -> int:
        """Size in bytes.

        Raises:
            UsageError: `file_not_stored`.
        """
        ...

    def prepare(self) -> None:
        """Makes sure, without a network, that files can be kept; blocks.

        Raises:
            UsageError: the operator must do something; the message says what.
        """
        ...


class FileStorage(Protocol):
    """Keeps whole files under paths such as `recordings/2026/05/15/call.wav`.

    Every call may raise DependencyError `storage_failed`, and UsageError `invalid_storage_path` or `storage_refused`: the operator
    must do something, such as make the bucket; a later try may succeed.
    """

    async def put_file(self, path: str, file: Path, *, content_type: str) -> None:
        """Stores a file of this machine, in pieces; one of that path is replaced in one step. The file itself stays."""
        ...

    async def probe(self, path: str) -> None:
        """Proves that a file can be stored under this path, by storing a small one."""
        ...

    def prepare(self) -> None:
        """Makes sure, without a network, that files can be kept; blocks.

        Raises:
            UsageError: the operator must do something; the message says what.
        """
        ...


def checked_key(key: str) -> str:
    """The key, if it is one: up to 128 letters, digits, `-` and `_`, so that no path can be made of it.

    Raises:
        UsageError: `invalid_storage_key`.
    """
    if not _KEY.fullmatch(key):
        raise UsageError("A storage key has letters, digits, - and _ only.", code="invalid_storage_key")
    return key


def checked_path(path: str) -> str:
    """The path, if it is one: names joined by `/`, none of which leads anywhere else.

    Raises:
        UsageError: `invalid_storage_path`.
    """
    if len(path) > _LONGEST_PATH or not all(_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        raise UsageError(
            "A storage path has names of letters, digits and .-_=+@ joined by single slashes.",
            code="invalid_storage_path",
        )
    return path


def missing(key: str) -> UsageError:
    """There is no file of that key."""
    return UsageError(f"There is no stored file {key}.", code="file_not_stored")


def failed(doing: str, key: str) -> DependencyError:
    """The place for files did not do what it was asked; raised with its cause."""
    return DependencyError(f"{doing} the file {key} failed.", code="storage_failed", retryable=True)
