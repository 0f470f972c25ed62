"""Takes out of a PNG what is thrown away anyway: its texts, and a colour profile that unpacks to too much.

The decoder unpacks them before it looks at a pixel, and refuses the whole picture where they are large, so a photo with a long
description would be refused for something that no reader would ever see.
"""

import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

MAX_CHUNKS: Final = 100_000
IN_MEMORY_BYTES: Final = 262_144
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PIECE: Final = 65_536
_FRAME: Final = 12
"""Bytes around a chunk's data: length, type, checksum."""


def without_texts(source: BinaryIO, max_profile_bytes: int) -> BinaryIO:
    """The PNG itself where it has none of those chunks, else a temporary copy without them, from its beginning.

    Args:
        source: the file, from its beginning.
        max_profile_bytes: a colour profile that unpacks to more is left out.
    """
    source.seek(0)
    dropped = {
        start: size for start, size, kind in _chunks(source) if _is_dropped(source, start, kind, max_profile_bytes)
    }
    source.seek(0)
    if not dropped:
        return source
    copy = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115  closed with its last reference
    position = 0
    for start, size in dropped.items():
        _copy(source, copy, start - position)
        source.seek(size, 1)
        position = start + size
    _copy(source, copy, None)
    copy.seek(0)
    return copy


def _chunks(source: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Start, size and type of each whole chunk; none where this is no PNG."""
    if source.read(len(_SIGNATURE)) != _SIGNATURE:
        return
    end = source.seek(0, 2)
    start = len(_SIGNATURE)
    for _ in range(MAX_CHUNKS):
        source.seek(start)
        head = source.read(8)
        size = int.from_bytes(head[:4]) + _FRAME
        if len(head) < 8 or start + size > end:  # noqa: PLR2004  length and type
            return
        yield start, size, head[4:]
        start += size


def _is_dropped(source: BinaryIO, start: int, kind: bytes, max_profile_bytes: int) -> bool:
    if kind != b"iCCP":
        return kind in _TEXTS
    source.seek(start)
    size = int.from_bytes(source.read(8)[:4])
    if size > max_profile_bytes:
        return True
    _name, _, rest = source.read(size).partition(b"\0")
    try:
        return len(zlib.decompressobj().decompress(rest[1:], max_profile_bytes + 1)) > max_profile_bytes
    except zlib.error:
        return True


def _copy(source: BinaryIO, target: BinaryIO, size: int | None) -> None:
    """Copies so many bytes, or all that are left."""
    while size is None or size > 0:
        piece = source.read(_PIECE if size is None else min(_PIECE, size))
        if not piece:
            return
        target.write(piece)
        size = None if size is None else size - len(piece)
