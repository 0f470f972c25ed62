"""Measures what clients that come back together cost the chat server: CPU seconds and memory, with and without a snapshot.

One process, SQLite in a temporary folder, sockets without a network between, so that the figure is the server's own work. CPU time,
not wall time: other programs on the machine do not change it. `chat_reconnect.py --clients 2000`
"""

import argparse
import asyncio
import gc
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import insert

from vox.chat.app import ChatApp, make_app
from vox.chat.config.settings import load_chat_settings
from vox.chat.context import Parts
from vox.chat.database.schema import feed_read_state, feeds, messages, role_members, roles, sessions, users
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.tokens import digest

FEEDS = 100
ROLES = 10
MESSAGES = 50
"""In each feed."""
FIRST = 7_000_000_000_000_000_000


def token(number: int) -> str:
    """The token of the n-th user."""
    return f"vox_sess_bench_{number:06}"


def fill(app: ChatApp, people: int) -> None:
    """A community of this size: everyone has one of the roles, and has read half of each feed."""
    now = int(time.time())
    numbers = range(1, people + 1)

    def unit(connection: Any) -> None:
        connection.execute(insert(roles).values(id=1, name="@everyone", position=0, permissions=6443107123))
        more = [{"id": n, "name": f"role {n}", "position": n, "permissions": 0} for n in range(2, ROLES + 2)]
        connection.execute(insert(roles), more)
        rows = [{"id": n, "name": f"feed-{n}", "type": "text", "position": n} for n in range(1, FEEDS + 1)]
        connection.execute(insert(feeds), rows)
        rows = [{"id": n, "username": f"u{n}", "display_name": f"User {n}", "created_at": now} for n in numbers]
        connection.execute(insert(users), rows)
        connection.execute(insert(role_members), [{"role_id": 2 + n % ROLES, "user_id": n} for n in numbers])
        logins = {"created_at": now, "expires_at": now + 10**6, "last_used_at": now}
        rows = [{"token": digest(token(n)), "user_id": n, **logins} for n in numbers]
        connection.execute(insert(sessions), rows)
        rows = [
            {"id": FIRST + index * FEEDS + feed, "feed_id": feed, "author_id": 1, "body": "x", "timestamp": 0}
            for index in range(MESSAGES)
            for feed in range(1, FEEDS + 1)
        ]
        connection.execute(insert(messages), rows)
        read = FIRST + MESSAGES // 2 * FEEDS
        for feed in range(1, FEEDS + 1):
            rows = [{"user_id": n, "feed_id": feed, "last_read_msg_id": read} for n in numbers]
            connection.execute(insert(feed_read_state), rows)
        app.chat.community.load(connection)

    app.chat.database.run_sync(unit)


class Client:
    """One socket that identifies and then only listens."""

    def __init__(self, app: ChatApp, number: int, capabilities: list[str]) -> None:
        said = {"type": "identify", "d": {"token": token(number), "capabilities": capabilities}}
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(said)})
        self.ready = asyncio.Event()
        self.ready_bytes = 0
        scope = {
            "type": "websocket", "path": "/gateway", "raw_path": b"/gateway", "query_string": b"", "headers": [],
            "client": (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1), "scheme": "ws", "subprotocols": [],
            "extensions": {},
        }  # fmt: skip
        self._serving = asyncio.create_task(app(scope, self._inbox.get, self._send))

    async def _send(self, message: Any) -> None:
        text = message.get("text") or ""
        if '"type":"ready"' in text[:40]:
            self.ready_bytes = len(text)
            self.ready.set()

    async def close(self) -> None:
        """Leaves."""
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._serving


def resident() -> int:
    """Bytes of memory in use."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def storm(app: ChatApp, count: int, *capabilities: str) -> dict[str, float]:
    """What it costs that so many clients identify at once."""
    before, cpu = resident(), time.process_time()
    clients = [Client(app, number, list(capabilities)) for number in range(1, count + 1)]
    for client in clients:
        await client.ready.wait()
    used, memory = time.process_time() - cpu, resident() - before
    size = clients[0].ready_bytes
    for client in clients:
        await client.close()
    return {"cpu_s": used, "cpu_ms_each": used / count * 1000, "kib_each": memory / count / 1024, "ready_bytes": size}


async def main(count: int) -> None:
    """Runs each storm twice: the first finds nothing encoded, the second is what a restart of a proxy costs."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="reconnect-bench-") as folder:
        given = {"database_url": f"sqlite:///{folder}/vox.db", "storage_path": folder, "rate_limit_scale": 0}
        app = make_app(load_chat_settings({}, given).settings, Parts(clock, Metrics(), Lifecycle(clock, 1.0)))
        await asyncio.to_thread(app.server.open)
        await asyncio.to_thread(fill, app, count)
        async with app.server.running():
            await storm(app, 50, "presence_batch")
            for name, capabilities in (
                ("without a snapshot", ("presence_batch",)),
                ("with a snapshot, first", ("presence_batch", "snapshot")),
                ("with a snapshot, again", ("presence_batch", "snapshot")),
                ("with a snapshot, ids as texts", ("presence_batch", "snapshot", "string_ids")),
            ):
                found = await storm(app, count, *capabilities)
                print(name, json.dumps({key: round(value, 3) for key, value in found.items()}), flush=True)
        app.server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=2000)
    structlog.configure(processors=[], wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(main(parser.parse_args().clients))
