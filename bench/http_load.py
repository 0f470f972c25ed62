"""Asks a server over HTTP as fast as it answers, or by the clock: the load generator of the benchmarks that measure requests.

One epoll loop without objects per request, because it shares a machine with what it measures; a bare ASGI application shows
its own limit.
"""

import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from vox.runtime.clock import SystemClock

CLOCK = SystemClock()
BARE_BODY = b"x" * 4096
BARE_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(BARE_BODY))]


def ask(method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A request as bytes; a body is JSON."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "host: 127.0.0.1",
        "accept: */*",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Lane:
    """Keep-alive connections with one kind of request, one at a time on each; a rate of 0 asks again at once."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int, per_s: float = 0.0) -> None:
        self.requests = cycle(requests)
        self.per_s = per_s
        self.waiting = deque[float]()
        self.idle = deque(socket.create_connection(("127.0.0.1", port)) for _ in range(connections))
        for one in self.idle:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
        self.due = 0
        self.seconds = array("d")
        self.refused = 0
        self.in_time = 0


class Load:
    """Asks without pause on one thread, without pipelining; what is due by the clock does not wait for what is asked at once."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._poll = select.epoll()
        self._lanes = lanes
        self._open: dict[int, tuple[socket.socket, Lane]] = {}
        self._began: dict[int, float] = {}
        self._parts: dict[int, bytes] = {}
        for lane in lanes:
            for one in lane.idle:
                self._open[one.fileno()] = (one, lane)
                self._poll.register(one.fileno(), select.EPOLLIN)

    def run(self, seconds: float) -> float:
        """Asks for so long; returns how long it took until nothing was in flight."""
        started = time.perf_counter()
        end = started + seconds
        clocks = [(lane, 1 / lane.per_s) for lane in self._lanes if lane.per_s]
        for lane in self._lanes:
            while not lane.per_s and lane.idle:
                self._ask(lane, lane.idle.popleft(), started)
        now = started
        while now < end or (self._began and now < end + 5):
            if now < end:
                for lane, every in clocks:
                    while (due := started + lane.due * every) <= now:
                        lane.waiting.append(due)
                        lane.due += 1
            for lane, _ in clocks:
                while lane.waiting and lane.idle:
                    self._ask(lane, lane.idle.popleft(), lane.waiting.popleft())
            for number, _ in self._poll.poll(0):
                self._receive(number, is_over=now >= end)
            now = time.perf_counter()
        took = time.perf_counter() - started
        for one, _ in self._open.values():
            one.close()
        self._poll.close()
        return took

    def _ask(self, lane: Lane, one: socket.socket, since: float) -> None:
        self._began[one.fileno()] = since
        one.send(next(lane.requests))

    def _receive(self, number: int, *, is_over: bool) -> None:
        one, lane = self._open[number]
        data = self._parts.pop(number, b"") + one.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        head = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ")
        if head < 0 or len(data) < head + 4 + int(data[at + 16 : data.index(b"\r", at)]):
            self._parts[number] = data
            return
        now = time.perf_counter()
        lane.seconds.append(now - self._began.pop(number))
        if not data.startswith(b"HTTP/1.1 2"):
            lane.refused += 1
        elif not is_over:
            lane.in_time += 1
        if lane.per_s or is_over:
            lane.idle.append(one)
        else:
            self._ask(lane, one, now)


def percentile_ms(seconds: Sequence[float], share: float) -> float:
    """The share of the sorted times, in milliseconds; 0 where there are none."""
    ordered = sorted(seconds)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


async def bare_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers a constant: what the HTTP stack and the load generator can do at most."""
    if scope["type"] == "lifespan":
        await no_lifespan(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": BARE_HEADERS})
    await send({"type": "http.response.body", "body": BARE_BODY})


async def no_lifespan(receive: Any, send: Any) -> None:
    """The ASGI lifespan of an application that needs none."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
