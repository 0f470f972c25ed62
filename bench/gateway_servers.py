"""The servers that bench/gateway.py compares: ours, a bare uvloop transport, and Starlette under stock uvicorn.

Started as `gateway_servers.py NAME`; prints its port, then answers one line of JSON to each command line on stdin:
`go EVENTS_PER_TICK SECONDS` sends 200-byte events to everybody, `rss` says how much memory is in use.
"""

import asyncio
import gc
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
import uvicorn
import uvloop
from sqlalchemy import insert
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from vox.chat.app import make_app
from vox.chat.config.settings import load_chat_settings
from vox.chat.context import Parts
from vox.chat.database.schema import feeds, roles, sessions, users
from vox.chat.events import message_create, notification_create
from vox.http.server import Server
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.tokens import digest

PEOPLE = 5000
PAYLOAD = 200
WIRE = (
    b"\x81\x7e"
    + PAYLOAD.to_bytes(2, "big")
    + b'{"seq":12345,"type":"message_create","d":{"body":"'.ljust(PAYLOAD, b"x")
)
TEXT = WIRE[4:].decode()
BUSY_BYTES = 32 << 10

Go = Callable[[int, float], Awaitable[int]]


def token(number: int) -> str:
    """The token of the n-th user, from 1."""
    return f"vox_sess_bench_{number:06}"


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def serve_commands(port: int, go: Go) -> None:
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        words = line.split()
        if words[0] == "rss":
            gc.collect()
            answer = {"rss": _resident_bytes()}
        else:
            wall, cpu = time.perf_counter(), time.process_time()
            events = await go(int(words[1]), float(words[2]))
            answer = {"events": events, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        print(json.dumps(answer), flush=True)


async def vox() -> None:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        given = {
            "database_url": f"sqlite:///{folder}/vox.db",
            "storage_path": folder,
            "connections_per_address": 1_000_000,
            "rate_limit_scale": 0,
        }
        app = make_app(load_chat_settings({}, given).settings, Parts(clock, Metrics(), Lifecycle(clock, 1.0)))
        chat = app.chat
        app.server.open()
        now = int(time.time())

        def fill(connection):
            connection.execute(insert(roles).values(id=1, name="@everyone", position=0, permissions=6443107123))
            connection.execute(insert(feeds).values(id=1, name="general", type="text", position=0))
            rows = [
                {"id": n, "username": f"u{n}", "display_name": f"User {n}", "created_at": now}
                for n in range(1, PEOPLE + 1)
            ]
            connection.execute(insert(users), rows)
            logins = [
                {
                    "token": digest(token(n)),
                    "user_id": n,
                    "created_at": now,
                    "expires_at": now + 10**6,
                    "last_used_at": now,
                }
                for n in range(1, PEOPLE + 1)
            ]
            connection.execute(insert(sessions), logins)
            chat.community.load(connection)

        chat.database.run_sync(fill)
        event = message_create(msg_id=1 << 62, author_id=1, body="", timestamp=1_790_000_000_000, feed_id=1)
        room = (
            PAYLOAD
            - len('{"seq":12345,"type":"message_create","d":')
            - len(json.dumps(event.payload, separators=(",", ":")))
            - 1
        )
        event = message_create(msg_id=1 << 62, author_id=1, body="x" * room, timestamp=1_790_000_000_000, feed_id=1)

        async def go(per_tick: int, seconds: float) -> int:
            if per_tick == 0:  # brings everybody to a number of his own
                for session in app.server.hub.connections:
                    private = notification_create(user_id=session.user_id, type="message")
                    chat.bus.publish([private] * random.randrange(60))  # noqa: S311  a load
                    await asyncio.sleep(0)
                return 0
            until, events = time.perf_counter() + seconds, 0
            batch = [event] * per_tick
            sample = list(app.server.hub.connections)[:: max(len(app.server.hub.connections) // 8, 1)]
            while time.perf_counter() < until:
                if per_tick == 1:
                    chat.bus.publish(batch)
                else:
                    for one in batch:
                        chat.bus.publish((one,))
                events += per_tick
                await asyncio.sleep(0)
                while any(one.socket is not None and one.socket.backlog_bytes > BUSY_BYTES for one in sample):  # noqa: ASYNC110  flow control
                    await asyncio.sleep(0.001)
            return events

        async with Server(app, "127.0.0.1", 0) as server:
            await serve_commands(server.port, go)


async def transport() -> None:
    transports: list[asyncio.Transport] = []

    class Bare(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(transport)

    async def go(per_tick: int, seconds: float) -> int:
        until, events = time.perf_counter() + seconds, 0
        block = WIRE * per_tick
        writes = [one.write for one in transports]
        while per_tick and time.perf_counter() < until:
            for write in writes:
                write(block)
            events += per_tick
            await asyncio.sleep(0)
            while any(one.get_write_buffer_size() > BUSY_BYTES for one in transports[::125]):  # noqa: ASYNC110  flow control
                await asyncio.sleep(0.001)
        return events

    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0, backlog=1024)
    await serve_commands(server.sockets[0].getsockname()[1], go)


async def starlette() -> None:
    connected: set[WebSocket] = set()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        connected.add(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            connected.discard(websocket)

    async def go(per_tick: int, seconds: float) -> int:
        until, events = time.perf_counter() + seconds, 0
        while per_tick and time.perf_counter() < until:
            for websocket in tuple(connected):
                for _ in range(per_tick):
                    await websocket.send_text(TEXT)
            events += per_tick
            await asyncio.sleep(0)
        return events

    app = Starlette(routes=[WebSocketRoute("/gateway", endpoint)])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws_max_queue=1024)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn tells nobody
        await asyncio.sleep(0.01)
    await serve_commands(server.servers[0].sockets[0].getsockname()[1], go)
    task.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    uvloop.run({"vox": vox, "transport": transport, "starlette": starlette}[sys.argv[1]]())
