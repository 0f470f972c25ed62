"""Small pictures for tests."""

import struct
import zlib


def png(width: int = 64, height: int = 48) -> bytes:
    """A picture of that size in one shade after the other."""
    rows = b"".join(b"\0" + bytes([line % 256, 80, 160]) * width for line in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
