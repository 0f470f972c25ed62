"""A crowd of gateway clients that costs next to nothing: raw sockets, one epoll, frames counted by a search for their marker."""

import json
import select
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MARKER = b'"seq":'
READY = b'"type":"ready"'
PRESENCE = (b'"type":"presence_update"', b'"type":"presence_batch"')
_KEEP = max(len(READY), *(len(kind) for kind in PRESENCE)) - 1
LATE_S = 5.0
"""What has not come so long after the server's report never will."""


def masked(text: str) -> bytes:
    """A client's text frame; the mask is zero, which leaves the text as it is."""
    data = text.encode()
    length = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


@dataclass
class Seen:
    """What a crowd has received."""

    frames: int = 0
    bytes: int = 0
    ready: int = 0
    presence: int = 0
    first_at: float = 0.0
    last_at: float = 0.0


@dataclass
class Crowd:
    """Many clients; `openings` are what each says after its upgrade."""

    port: int
    path: str
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    counts_kinds: bool = True
    delays: list[float] | None = None
    since: float = 0.0
    _epoll: select.epoll = field(default_factory=select.epoll)
    _rest: dict[int, bytes] = field(default_factory=dict)
    _reports: Any = None
    _report: dict[str, float] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=lambda: bytearray(1 << 18))

    def connect(self, opening: str | None) -> None:
        """One more client; blocks until its upgrade is through."""
        one = socket.create_connection(("127.0.0.1", self.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b""
        if self.path:
            one.sendall(
                f"GET {self.path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            while b"\r\n\r\n" not in rest:
                rest += one.recv(65536)
            assert rest.startswith(b"HTTP/1.1 101"), rest
        if opening is not None:
            one.sendall(masked(opening))
        one.setblocking(False)
        self.sockets[one.fileno()] = one
        self._epoll.register(one.fileno(), select.EPOLLIN)

    def read(self, timeout_s: float = 0.05) -> bool:
        """Takes what has come; False when nothing did."""
        found = False
        for number, _ in self._epoll.poll(timeout_s):
            one = self.sockets.get(number)
            if one is None:
                self._report = json.loads(self._reports.readline())
                continue
            count = one.recv_into(self._buffer)
            if not count:
                self._epoll.unregister(number)
                del self.sockets[number]
                one.close()
                continue
            found = True
            self._count(number, count)
        if found:
            self.seen.last_at = time.perf_counter()
            self.seen.first_at = self.seen.first_at or self.seen.last_at
        return found

    def read_until(self, done: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Reads until a condition holds."""
        until = time.perf_counter() + timeout_s
        while not done() and time.perf_counter() < until:
            self.read()

    def listen(self, server: subprocess.Popen[str]) -> dict[str, float]:
        """Reads until the server reports how many events it has sent, and then until everybody has them."""
        self.seen, self._rest = Seen(), {}
        assert server.stdout is not None
        self._epoll.register(server.stdout.fileno(), select.EPOLLIN)
        self._reports = server.stdout
        self._report: dict[str, float] = {}
        self.read_until(lambda: bool(self._report))
        self._epoll.unregister(server.stdout.fileno())
        expected = self._report["events"] * len(self.sockets)
        self.read_until(lambda: self.seen.frames >= expected, LATE_S)
        return self._report

    def close(self) -> None:
        """Cuts all connections."""
        for number, one in self.sockets.items():
            self._epoll.unregister(number)
            one.close()
        self.sockets.clear()
        self._rest.clear()

    def _count(self, number: int, count: int) -> None:
        seen = self.seen
        seen.bytes += count
        if self.delays is not None and b'"type":"message_create"' in self._buffer[:count]:
            self.delays.append(time.perf_counter() - self.since)
        if not self.counts_kinds:
            seen.frames += self._buffer.count(MARKER, 0, count)
            # A marker cut in two by the buffer's end is completed from what was kept.
            seam = self._rest.get(number, b"") + bytes(self._buffer[: len(MARKER) - 1])
            seen.frames += seam.count(MARKER)
            self._rest[number] = bytes(self._buffer[max(count - len(MARKER) + 1, 0) : count])
            return
        data = self._rest.get(number, b"") + bytes(self._buffer[:count])
        seen.ready += data.count(READY)
        seen.presence += sum(data.count(kind) for kind in PRESENCE)
        seen.frames += data.count(MARKER)
        tail = data[-_KEEP:]
        for marker in (READY, MARKER, *PRESENCE):  # what is complete in the tail has been counted
            place = tail.rfind(marker)
            if place >= 0:
                tail = tail[place + len(marker) :]
        self._rest[number] = tail
