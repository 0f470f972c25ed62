"""Messages between a driver and its worker process: length-prefixed MessagePack over the worker's stdin and stdout.

Both ends are of one version and trust each other; the limit only keeps a broken stream from asking for memory.
"""

import struct
from collections.abc import Iterator

import msgspec

MAX_FRAME = 8 * 1024 * 1024
_LENGTH = struct.Struct(">I")


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes over the pipe."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


class Unframer:
    """Cuts a stream of bytes into the bodies of frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that this data completes; raises ValueError where the stream is broken."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                raise ValueError(f"a frame of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield body
