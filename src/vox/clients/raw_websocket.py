"""Just enough of a WebSocket client for the load generator: an upgrade, masked frames made beforehand, a frame reader.

Everything else opens sockets with `vox.http.websocket`. This exists because a frame that is encoded and masked once
can be sent any number of times for the price of one write. No extension is offered, so none has to be understood.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from vox.errors import PeerError
from vox.protocols.media_stream import WireMessage

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL, _MASKED = 0x80, 0x80
_MEDIUM, _LONG = 126, 127
_SHORT_LIMIT, _MEDIUM_LIMIT = 126, 1 << 16
_MAX_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Target:
    """Where a `ws://` or `wss://` address leads."""

    host: str
    port: int
    path: str
    is_secure: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the server's answer to the upgrade; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    rest: bytes


def parse_target(url: str) -> Target:
    """Takes an address apart; the default ports are those of HTTP."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "wss"
    path = parts.path or "/"
    return Target(
        parts.hostname or "localhost",
        parts.port if parts.port is not None else (443 if is_secure else 80),
        f"{path}?{parts.query}" if parts.query else path,
        is_secure,
    )


def upgrade_request(target: Target, nonce: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The HTTP request that asks for a WebSocket; `nonce` is 16 bytes."""
    lines = [
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.host}:{target.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(nonce).decode()}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parse_answer(data: bytes) -> Answer | None:
    """Reads the answer's head; None while it is incomplete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        if len(data) > _MAX_ANSWER_BYTES:
            raise PeerError("the server's answer to the WebSocket upgrade is too long", code="bad_upgrade_answer")
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():  # noqa: PLR2004  version, status
        raise PeerError(f"the server did not answer in HTTP: {first[:80]!r}", code="bad_upgrade_answer")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}, rest)


def client_frame(message: WireMessage, mask: bytes) -> bytes:
    """One complete masked frame, ready to be written as often as wanted; `mask` is 4 bytes."""
    if isinstance(message, str):
        return _frame(TEXT, message.encode(), mask)
    return _frame(BINARY, message, mask)


def close_frame(code: int, mask: bytes) -> bytes:
    """The frame that closes the socket from our side."""
    return _frame(CLOSE, code.to_bytes(2, "big"), mask)


def pong_frame(payload: bytes, mask: bytes) -> bytes:
    """The answer to a ping."""
    return _frame(PONG, payload, mask)


class FrameReader:
    """Splits what a server sends into `(opcode, payload)`; a message in several frames is put together."""

    __slots__ = ("_buffer", "_fragments", "_max_bytes", "_opcode")

    def __init__(self, max_message_bytes: int = 1 << 20) -> None:
        self._max_bytes = max_message_bytes
        self._buffer = b""
        self._fragments = b""
        self._opcode = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Takes bytes as they come; `PeerError` for frames beyond the bound."""
        if self._buffer:
            data = self._buffer + data
        messages = list[tuple[int, bytes]]()
        at, end = 0, len(data)
        while end - at >= 2:  # noqa: PLR2004  the two bytes every frame has
            first = data[at]
            length = data[at + 1] & ~_MASKED
            head = at + 2
            if length == _MEDIUM:
                head = at + 4
                length = int.from_bytes(data[at + 2 : head], "big")
            elif length == _LONG:
                head = at + 10
                length = int.from_bytes(data[at + 2 : head], "big")
            if head + length > end and length + len(self._fragments) <= self._max_bytes:
                break
            if length + len(self._fragments) > self._max_bytes:
                raise PeerError("the server sent a message over the size limit", code="message_too_large")
            at = head + length
            self._collect(first, data[head:at], messages)
        self._buffer = data[at:]
        return messages

    def _collect(self, first: int, payload: bytes, messages: list[tuple[int, bytes]]) -> None:
        opcode = first & 0x0F
        if opcode >= CLOSE or (first & _FINAL and opcode):
            messages.append((opcode, payload))
            return
        self._opcode = opcode or self._opcode
        self._fragments += payload
        if first & _FINAL:
            messages.append((self._opcode, self._fragments))
            self._fragments = b""


def _frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    length = len(payload)
    head = bytearray((_FINAL | opcode,))
    if length < _SHORT_LIMIT:
        head.append(_MASKED | length)
    elif length < _MEDIUM_LIMIT:
        head.append(_MASKED | _MEDIUM)
        head += length.to_bytes(2, "big")
    else:
        head.append(_MASKED | _LONG)
        head += length.to_bytes(8, "big")
    key = np.frombuffer((mask * (length // 4 + 1))[:length], np.uint8)
    return bytes(head) + mask + (np.frombuffer(payload, np.uint8) ^ key).tobytes()
