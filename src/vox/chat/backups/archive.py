"""The file of a backup: a tar archive in one zstd stream, written and read in pieces, so its size needs no memory.

The first member says what it is, the last one how much there was and its digest; a file that ends before it is no backup. Any tool
can look into it: `tar --zstd -tf FILE`.
"""

import tarfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import msgspec
import zstandard

from vox.errors import UsageError

FORMAT: Final = "vox chat backup"
VERSION: Final = 1
HEADER_NAME: Final = "vox-backup.json"
END_NAME: Final = "end.json"
PIECE: Final = 1 << 20
LARGEST_NOTE: Final = 1 << 24
"""Bytes of the first and the last member: they list columns and missing files, never rows."""
LONGEST_NAME: Final = 8192
"""Bytes of a member's name: a key of S3 has 1,024."""
_BLOCK: Final = 512
_MODE: Final = 0o600

T = TypeVar("T")


class Header(msgspec.Struct, frozen=True):
    """What a backup is.

    Args:
        engine: sqlite or postgresql.
        revision: of the tables.
        created_at: Unix seconds.
        columns: of each table, in the order of its rows; empty for SQLite, whose file is copied as it is.
        version: of this format.
        format: what tells a backup from any other archive.
    """

    engine: str
    revision: str
    created_at: int
    columns: dict[str, list[str]] = {}
    version: int = VERSION
    format: str = FORMAT


class End(msgspec.Struct, frozen=True):
    """What was written.

    Args:
        digest: SHA-256 of every member before this one: name, size and bytes.
        files: stored files of messages, emoji and so on.
        rows: of each table; empty for SQLite.
        counters: the last id that each numbered table gave out; empty for SQLite.
        missing: ids of files that the database names and the storage did not have, at most 1,000 of them.
        missing_count: how many those were.
    """

    digest: str
    files: int
    rows: dict[str, int] = {}
    counters: dict[str, int] = {}
    missing: list[str] = []
    missing_count: int = 0


class ArchiveWriter:
    """Writes members one after the other.

    Args:
        out: where the bytes go.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(out, closefd=False)
        self._digest = sha256()
        self._left = 0
        self._padding = 0

    @property
    def digest(self) -> str:
        """Of all members so far."""
        return self._digest.hexdigest()

    def begin(self, name: str, size: int) -> None:
        """Begins a member, of which exactly `size` bytes must follow.

        Raises:
            ValueError: its name has more than LONGEST_NAME bytes.
        """
        if len(name.encode()) > LONGEST_NAME:
            raise ValueError("the member's name is too long")
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, _MODE
        self._compressor.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))
        self._digest.update(f"{name}\0{size}\0".encode())
        self._left, self._padding = size, -size % _BLOCK

    def write(self, piece: bytes) -> None:
        """Writes a part of the member.

        Raises:
            ValueError: it is more than the member may have.
        """
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("the member is longer than it was said to be")
        self._compressor.write(piece)
        self._digest.update(piece)

    def finish_member(self) -> None:
        """Ends a member.

        Raises:
            ValueError: it is shorter than it was said to be.
        """
        if self._left:
            raise ValueError("the member is shorter than it was said to be")
        self._compressor.write(bytes(self._padding))

    def add(self, name: str, content: bytes) -> None:
        """Writes a whole member."""
        self.begin(name, len(content))
        self.write(content)
        self.finish_member()

    def close(self) -> None:
        """Ends the archive; the file stays open."""
        self._compressor.write(bytes(2 * _BLOCK))
        self._compressor.close()  # pyright: ignore[reportUnknownMemberType]


class Member:
    """One member of an archive that is being read."""

    def __init__(self, name: str, size: int, source: "ArchiveReader") -> None:
        self.name = name
        self.size = size
        self._source = source

    def pieces(self) -> Iterator[bytes]:
        """Its bytes; once."""
        return self._source.pieces()

    def content(self, most: int = LARGEST_NOTE) -> bytes:
        """All of its bytes, of a small member.

        Raises:
            UsageError: it is too large (backup_damaged).
        """
        if self.size > most:
            raise damaged(f"{self.name} is too large")
        return b"".join(self.pieces())


class ArchiveReader:
    """Reads members one after the other, and knows their digest.

    Args:
        file: the archive, from its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        self._source = decompressor.stream_reader(file, read_across_frames=False, closefd=False)
        self._digest = sha256()
        self._left = 0
        self._padding = 0

    @property
    def position(self) -> int:
        """How many bytes of the file have been taken."""
        return self._file.tell()

    @property
    def digest(self) -> str:
        """Of all members that have been read to their end."""
        return self._digest.hexdigest()

    def members(self) -> Generator[Member]:
        """The members in order; what is not read of one is passed over."""
        while True:
            for _ in self.pieces():
                pass
            block = self._exactly(_BLOCK)
            if not block.strip(b"\0"):
                return
            info = _head(block)
            if info.type == tarfile.GNUTYPE_LONGNAME:
                info = self._long_named(info.size)
            if not info.isreg() or info.size < 0:
                raise damaged("it has a member that is no file")
            self._left, self._padding = info.size, -info.size % _BLOCK
            if info.name != END_NAME:
                self._digest.update(f"{info.name}\0{info.size}\0".encode())
                yield Member(info.name, info.size, self)
            else:
                digest, self._digest = self._digest, sha256()
                yield Member(info.name, info.size, self)
                self._digest = digest

    def pieces(self) -> Iterator[bytes]:
        """What is left of the present member."""
        while self._left:
            piece = self._exactly(min(PIECE, self._left))
            self._left -= len(piece)
            self._digest.update(piece)
            yield piece
        if self._padding:
            self._exactly(self._padding)
            self._padding = 0

    def _long_named(self, size: int) -> tarfile.TarInfo:
        """The head behind one that only holds the member's name, as tar has it for names of more than 100 bytes."""
        if not 0 < size <= LONGEST_NAME + 1:
            raise damaged("a member's name is too long")
        name = self._exactly(size + -size % _BLOCK)[:size].removesuffix(b"\0")
        info = _head(self._exactly(_BLOCK))
        try:
            info.name = name.decode()
        except UnicodeDecodeError as error:
            raise damaged("a member's name is not readable") from error
        return info

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            try:
                piece = self._source.read(size - len(found))
            except zstandard.ZstdError as error:
                raise damaged("it is no zstd stream, or its bytes have changed") from error
            if not piece:
                raise damaged("it ends too early")
            found += piece
        return bytes(found)


def _head(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise damaged("a member's head is not readable") from error


@contextmanager
def opened_archive(path: Path) -> Generator[tuple[Header, Iterator[Member], ArchiveReader]]:
    """A backup's head, its members behind that, and the reader.

    Raises:
        UsageError: it cannot be read, or is none (backup_damaged).
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", code="backup_damaged") from error
    with file:
        reader = ArchiveReader(file)
        members = reader.members()
        first = next(members, None)
        if first is None or first.name != HEADER_NAME:
            raise damaged("it does not begin as a backup of a chat server does")
        header = note(first.content(), Header)
        if (header.format, header.version) != (FORMAT, VERSION):
            raise damaged("it is of a format that this version does not know")
        yield header, members, reader


def verified_end(path: Path, on_read: Callable[[int, int], None] | None = None) -> End:
    """Reads a whole backup, and returns its last member where everything before it has the digest that this names.

    Raises:
        UsageError: backup_damaged.
    """
    with opened_archive(path) as (_, members, reader):
        size = path.stat().st_size
        for member in members:
            if member.name == END_NAME:
                end = note(member.content(), End)
                for _ in members:
                    raise damaged("something follows its end")
                if end.digest != reader.digest:
                    raise damaged("its digest is another one")
                return end
            if on_read is not None:
                on_read(reader.position, size)
    raise damaged("it has no end")


def note(content: bytes, kind: type[T]) -> T:
    """The first or the last member, decoded.

    Raises:
        UsageError: backup_damaged.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except ValueError as error:  # not JSON, not UTF-8, or of another shape
        raise damaged(f"its {kind.__name__.lower()} is not readable: {error}") from error


def damaged(reason: str) -> UsageError:
    """The refusal of a file that is no whole backup."""
    return UsageError(
        f"the backup cannot be used: {reason}", code="backup_damaged", hint="take another backup; nothing was restored"
    )
