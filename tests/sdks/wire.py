"""A bad line between a machine and the network of a test: delay, jitter, loss, reordering, and what a firewall lets through.

The kernel of a container seldom has netem, so that a process moves the frames between two interfaces. As a program
(`wire.py FIRST SECOND SEED`) it takes one JSON object a line: the fields of `Line` from now on.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import heapq
import json
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sdks.namespaces import Namespace

PROTOCOLS = {"tcp": 6, "udp": 17}
ETH_P_ALL, ETH_P_IP = 3, 0x0800
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SIOCETHTOOL = 0x8946
TX_CHECKSUM, SEGMENTATION, GENERIC_SEGMENTATION = 0x17, 0x1F, 0x24
LATE_S = 0.04
MOST_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """How the line is, in both directions."""

    delay_ms: float = 0
    jitter_ms: float = 0
    """Each frame waits up to this long on top, whatever those before it do"""
    loss: float = 0
    reorder: float = 0
    """Share of frames that come 40 ms after their turn"""
    delays_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    """Further delay of what goes to or comes from an address"""
    blocked: Sequence[str] = ()
    """Protocols that nothing of comes through: tcp, udp"""


@dataclass(slots=True)
class Wire:
    """The line of one machine."""

    _process: asyncio.subprocess.Process
    line: Line = field(default_factory=Line)

    async def set(self, **changes: Any) -> None:
        """Changes the line; what is not named stays."""
        self.line = replace(self.line, **changes)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(self.line)).encode() + b"\n")
        await self._process.stdout.readline()


@contextlib.asynccontextmanager
async def open_wire(hub: "Namespace", first: str, second: str, seed: int) -> AsyncGenerator[Wire, None]:
    """Joins two interfaces of that namespace."""
    process = await asyncio.create_subprocess_exec(
        *hub.command(sys.executable, __file__, first, second, str(seed)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 16,
    )  # fmt: skip
    assert process.stdin is not None
    wire = Wire(process)
    try:
        await wire.set()
        yield wire
    finally:
        process.stdin.close()
        await process.wait()


def whole_frames(one: socket.socket, interface: str) -> None:
    """Has the interface send frames as they go over a wire, with their checksums: nothing behind it completes them."""
    for command in (TX_CHECKSUM, SEGMENTATION, GENERIC_SEGMENTATION):
        value = (ctypes.c_uint32 * 2)(command, 0)
        request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
        fcntl.ioctl(one, SIOCETHTOOL, request)


class Mover:
    """Moves frames both ways until its standard input ends."""

    def __init__(self, first: str, second: str, seed: int) -> None:
        self._ends = (_open(first), _open(second))
        self._chance = Random(seed)
        self._line = Line()
        self._waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self._number = 0

    def run(self) -> None:
        """The loop."""
        poll = select.epoll()
        poll.register(sys.stdin.fileno(), select.EPOLLIN)
        others = {one.fileno(): (one, other) for one, other in (self._ends, self._ends[::-1])}
        for number in others:
            poll.register(number, select.EPOLLIN)
        while True:
            now = time.monotonic()
            timeout = max(self._waiting[0][0] - now, 0) if self._waiting else -1
            for number, _ in poll.poll(timeout):
                if number in others:
                    self._take(*others[number])
                elif not self._obey():
                    return
            self._send_due()

    def _obey(self) -> bool:
        text = sys.stdin.readline()
        if not text:
            return False
        fields: dict[str, Any] = json.loads(text)
        self._line = Line(**fields)
        print("{}", flush=True)  # noqa: T201  the answer
        return True

    def _take(self, one: socket.socket, other: socket.socket) -> None:
        line = self._line
        for _ in range(64):
            try:
                frame = one.recv(65_536)
            except BlockingIOError:
                return
            if (
                is_blocked(frame, line.blocked)
                or self._chance.random() < line.loss
                or len(self._waiting) >= MOST_WAITING
            ):
                continue
            wait_s = (line.delay_ms + further_ms(frame, line.delays_ms) + self._chance.random() * line.jitter_ms) / 1000
            if self._chance.random() < line.reorder:
                wait_s += LATE_S
            if wait_s == 0:
                _send(other, frame)
            else:
                self._number += 1
                heapq.heappush(self._waiting, (time.monotonic() + wait_s, self._number, other, frame))

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, other, frame = heapq.heappop(self._waiting)
            _send(other, frame)


def further_ms(frame: bytes, delays_ms: Mapping[str, float]) -> float:
    """What an IPv4 packet waits for where it comes from or goes to."""
    if not delays_ms or len(frame) < 34 or int.from_bytes(frame[12:14]) != ETH_P_IP:
        return 0
    ends = (socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]))
    return max(delays_ms.get(end, 0) for end in ends)


def is_blocked(frame: bytes, blocked: Sequence[str]) -> bool:
    """Whether it is an IPv4 packet of one of these protocols."""
    is_ip = len(frame) > 23 and int.from_bytes(frame[12:14]) == ETH_P_IP
    return is_ip and frame[23] in {PROTOCOLS[name] for name in blocked}


def _open(interface: str) -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    one.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    one.bind((interface, 0))
    one.setblocking(False)
    return one


def _send(one: socket.socket, frame: bytes) -> None:
    with contextlib.suppress(OSError):  # a queue that is full loses frames, as on any line
        one.send(frame)


if __name__ == "__main__":
    Mover(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()
