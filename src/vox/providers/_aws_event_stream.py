"""The event stream encoding of AWS (`application/vnd.amazon.eventstream`): framed messages with headers and checksums.

    total length (4) · length of the headers (4) · CRC-32 of these eight bytes (4) · headers · payload · CRC-32 of all before (4)

All numbers are big-endian. Pure: bytes go in, messages come out, and the other way.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from vox.errors import PeerError

MAX_MESSAGE_BYTES: Final = 16 << 20
"""What AWS allows for one message."""

_PRELUDE: Final = struct.Struct(">II")
_OVERHEAD: Final = 16
_TRUE, _FALSE, _BYTE, _SHORT, _INTEGER, _LONG, _BYTES, _TEXT, _TIME, _UUID = range(10)
_NUMBERS: Final = {_BYTE: ">b", _SHORT: ">h", _INTEGER: ">i", _LONG: ">q"}

HeaderValue = str | bytes | int | bool | datetime


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One message: its headers by name, and its payload."""

    payload: bytes = b""
    headers: Mapping[str, HeaderValue] = field(default_factory=dict[str, HeaderValue])

    def text(self, name: str) -> str:
        """A header that is a text; empty where there is none."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class EventStreamDecoder:
    """Messages out of bytes that are cut anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_whole(self) -> bool:
        """Whether the bytes so far end with a message."""
        return not self._buffer

    def feed(self, data: bytes) -> list[EventMessage]:
        """The messages that these bytes complete.

        Raises:
            PeerError: `bad_event_stream`: what comes is no event stream.
        """
        self._buffer += data
        messages: list[EventMessage] = []
        while len(self._buffer) >= _OVERHEAD:
            total, headers = _PRELUDE.unpack_from(self._buffer)
            _check(_OVERHEAD <= total <= MAX_MESSAGE_BYTES and headers <= total - _OVERHEAD, "a length is wrong")
            _check(_number(self._buffer, 8) == zlib.crc32(self._buffer[:8]), "the checksum of a length is wrong")
            if len(self._buffer) < total:
                break
            whole = bytes(self._buffer[:total])
            del self._buffer[:total]
            _check(_number(whole, total - 4) == zlib.crc32(whole[:-4]), "the checksum of a message is wrong")
            messages.append(EventMessage(whole[12 + headers : -4], _headers(whole[12 : 12 + headers])))
        return messages


def encode(message: EventMessage) -> bytes:
    """A message as it is sent."""
    headers = b"".join(_encoded(name, value) for name, value in message.headers.items())
    prelude = _PRELUDE.pack(_OVERHEAD + len(headers) + len(message.payload), len(headers))
    framed = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + message.payload
    return framed + struct.pack(">I", zlib.crc32(framed))


def _encoded(name: str, value: HeaderValue) -> bytes:
    head = bytes((len(name.encode()),)) + name.encode()
    if isinstance(value, bool):
        return head + bytes((_TRUE if value else _FALSE,))
    if isinstance(value, int):
        return head + bytes((_LONG,)) + struct.pack(">q", value)
    if isinstance(value, datetime):
        return head + bytes((_TIME,)) + struct.pack(">q", round(value.timestamp() * 1000))
    data, kind = (value.encode(), _TEXT) if isinstance(value, str) else (value, _BYTES)
    return head + bytes((kind,)) + struct.pack(">H", len(data)) + data


def _headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(data):
            length = data[at]
            name, kind = data[at + 1 : at + 1 + length].decode(), data[at + 1 + length]
            headers[name], at = _value(data, at + 2 + length, kind)
    except (IndexError, struct.error, UnicodeError, OverflowError, ValueError, OSError):
        raise PeerError("the headers of an event stream cannot be read", code="bad_event_stream") from None
    return headers


def _value(data: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind in _NUMBERS:
        (number,) = struct.unpack_from(_NUMBERS[kind], data, at)
        return int(number), at + struct.calcsize(_NUMBERS[kind])
    if kind == _TIME:
        (milliseconds,) = struct.unpack_from(">q", data, at)
        return datetime.fromtimestamp(milliseconds / 1000, UTC), at + 8
    if kind == _UUID:
        start, length = at, 16
    elif kind in (_BYTES, _TEXT):
        (length,) = struct.unpack_from(">H", data, at)
        start = at + 2
    else:
        raise ValueError(kind)
    value = data[start : start + length]
    if len(value) < length:
        raise ValueError(length)
    return value.decode() if kind == _TEXT else value, start + length


def _number(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 4])


def _check(condition: bool, problem: str) -> None:
    if not condition:
        raise PeerError(f"this is no event stream: {problem}", code="bad_event_stream")
