"""A community in this process: people who talk REST and gateway to `make_app`, without a network between.

`async with community(url) as c: alice = await c.register("alice"); reply = await alice.post("/feeds", {...})`. The first to
register is the administrator, as in production.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.time_limits import WAIT_S, time_limit
from vox.chat.app import ChatApp, make_app
from vox.chat.config.settings import ChatSettings, load_chat_settings
from vox.chat.context import Parts
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics

API = "/api/v1"
PASSWORD = "correct horse battery"
QUIET: dict[str, Any] = {"rate_limit_scale": 0, "password_memory_kib": 64, "password_passes": 1}


@dataclass(slots=True)
class Person:
    """Somebody with an account; methods answer the response and never raise for its status."""

    rig: "Rig"
    name: str
    user_id: int
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **query: Any) -> httpx2.Response:
        return await self.call("GET", path, params=query)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.call("POST", path, json=body if body is not None else {}, **more)

    async def put(self, path: str, body: Any = None) -> httpx2.Response:
        return await self.call("PUT", path, json=body if body is not None else {})

    async def patch(self, path: str, body: Any = None) -> httpx2.Response:
        return await self.call("PATCH", path, json=body if body is not None else {})

    async def delete(self, path: str, body: Any = None) -> httpx2.Response:
        return await self.call("DELETE", path, **({} if body is None else {"json": body}))

    async def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        return await self.rig.http.request(method, API + path, headers={**self.headers, **(headers or {})}, **more)

    async def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of a request that must succeed; None where the answer is empty."""
        more: dict[str, Any] = {"params": query} if query else {}
        if body is not None:
            more["json"] = body
        reply = await self.call(method, path, **more)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    @contextlib.asynccontextmanager
    async def gateway(self, **identify: Any) -> "AsyncGenerator[Gateway, None]":
        """A gateway session behind `ready`."""
        async with self.rig.socket() as gateway:
            await gateway.expect("hello")
            await gateway.send("identify", {"token": self.token, **identify})
            gateway.ready = (await gateway.expect("ready"))["d"]
            yield gateway


@dataclass(slots=True)
class Gateway:
    """One socket; frames come out as dicts, in order."""

    inbox: "asyncio.Queue[dict[str, Any] | None]"
    outbox: "asyncio.Queue[dict[str, Any]]"
    ready: dict[str, Any] = field(default_factory=dict[str, Any])
    close_code: int | None = None
    close_reason: str = ""
    last_seq: int = 0

    async def send(self, kind: str, d: Any = None) -> None:
        """Sends a frame."""
        await self.send_text(json.dumps({"type": kind} if d is None else {"type": kind, "d": d}))

    async def send_text(self, text: str) -> None:
        await self.outbox.put({"type": "websocket.receive", "text": text})

    async def next(self) -> dict[str, Any]:
        """The next frame, of whatever type."""
        async with time_limit():
            frame = await self.inbox.get()
        assert frame is not None, f"closed with {self.close_code} {self.close_reason}"
        self.last_seq = frame.get("seq", self.last_seq)
        return frame

    async def expect(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next frame of that type whose `d` has these fields; others before it are passed over."""
        seen: list[str] = []
        try:
            while True:
                frame = await self.next()
                d = frame.get("d") or {}
                if frame["type"] == kind and all(d.get(name) == value for name, value in fields.items()):
                    return frame
                seen.append(frame["type"])
        except (TimeoutError, AssertionError) as error:
            raise AssertionError(f"no {kind} {fields}; saw {seen}; {error}") from error

    async def events(self) -> list[dict[str, Any]]:
        """What has come so far: everything up to the answer to a heartbeat sent now."""
        await self.send("heartbeat")
        found: list[dict[str, Any]] = []
        while True:
            frame = await self.next()
            if frame["type"] == "heartbeat_ack":
                return found
            found.append(frame)

    async def closed(self) -> int:
        """The close code, once the server has closed."""
        async with time_limit():
            while await self.inbox.get() is not None:
                pass
        assert self.close_code is not None
        return self.close_code

    def drop(self) -> None:
        """Cuts the connection without a word."""
        self.outbox.put_nowait({"type": "websocket.disconnect", "code": 1006})


class Rig:
    """A server, a client of it, and the people who registered through it."""

    def __init__(self, app: ChatApp, http: httpx2.AsyncClient) -> None:
        self.app = app
        self.chat = app.chat
        self.server = app.server
        self.http = http

    async def register(self, name: str, password: str = PASSWORD) -> Person:
        """Makes an account."""
        reply = await self.http.post(f"{API}/auth/register", json={"username": name, "password": password})
        assert reply.status_code == 201, reply.text
        body = reply.json()
        return Person(self, name, body["user_id"], body["token"])

    @contextlib.asynccontextmanager
    async def socket(self, query: str = "", headers: Mapping[str, str] | None = None) -> AsyncGenerator[Gateway, None]:
        """A gateway connection before its first frame."""
        gateway = Gateway(asyncio.Queue(), asyncio.Queue())
        raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        scope: dict[str, Any] = {
            "type": "websocket", "path": "/gateway", "raw_path": b"/gateway", "query_string": query.encode(),
            "headers": raw, "client": ("127.0.0.1", 50_000), "scheme": "ws", "subprotocols": [], "extensions": {},
        }  # fmt: skip
        gateway.outbox.put_nowait({"type": "websocket.connect"})

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                text = message.get("text")
                await gateway.inbox.put(
                    json.loads(text) if text is not None else {"type": "binary", "bytes": message["bytes"]}
                )
            elif message["type"] == "websocket.close":
                gateway.close_code, gateway.close_reason = message.get("code", 1000), message.get("reason") or ""
                await gateway.inbox.put(None)

        serving = asyncio.create_task(self.app(scope, gateway.outbox.get, send))
        try:
            yield gateway
        finally:
            gateway.drop()
            await asyncio.wait({serving}, timeout=WAIT_S)
            if not serving.done():
                serving.cancel()
                await asyncio.wait({serving})
            serving.result()


def chat_settings(database_url: str, folder: Path, **overrides: Any) -> ChatSettings:
    """Settings of a test, untouched by the environment."""
    given = {
        "database_url": database_url,
        "storage_path": str(folder / "uploads"),
        "secrets_key_file": str(folder / "vox.key"),
        **QUIET,
        **overrides,
    }
    return load_chat_settings({}, given).settings


@contextlib.asynccontextmanager
async def community(
    database_url: str, folder: Path, *, clock: Clock | None = None, parts: Parts | None = None, **overrides: Any
) -> AsyncGenerator[Rig, None]:
    """A running community on that database."""
    clock = clock or SystemClock()
    parts = parts or Parts(clock, Metrics(), Lifecycle(clock, 1.0))
    app = make_app(chat_settings(database_url, folder, **overrides), parts)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
    async with httpx2.AsyncClient(transport=transport, base_url="http://chat.test", timeout=WAIT_S) as http:
        await asyncio.to_thread(app.server.open)
        try:
            async with app.server.running():
                yield Rig(app, http)
        finally:
            app.server.close()
