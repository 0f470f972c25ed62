"""A bridge as a worker needs it: bots' configurations and results, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from vox.http.server import Server


class PlayedBridge:
    """Answers with what a test puts into `bots` (an id without an entry is 404, a number is the status); keeps what it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.bots: dict[str, dict[str, Any] | int] = {}
        self.asked: list[dict[str, str]] = []
        self.results: list[dict[str, Any]] = []
        self.secrets: set[str] = set()
        self.takes_results = True
        self.has_result = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        path: str = scope["path"]
        if path.startswith("/v1/"):
            self.secrets.add(dict(scope["headers"]).get(b"x-voxcore-secret", b"").decode())
        if path.startswith("/v1/bots/") and path.endswith("/config"):
            query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
            self.asked.append({"bot": path.split("/")[3], **query})
            bot = self.bots.get(path.split("/")[3], 404)
            status, body = (bot, {"detail": "no"}) if isinstance(bot, int) else (200, bot)
        elif path == "/v1/results":
            raw = b""
            while True:
                message = await receive()
                raw += message.get("body", b"")
                if not message.get("more_body"):
                    break
            status, body = (204, {}) if self.takes_results else (500, {})
            if self.takes_results:
                self.results.append(json.loads(raw))
                self.has_result.set()
        else:
            status, body = 404, {}
        content = b"" if status == 204 else json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers if status != 204 else []})
        await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def played_bridge() -> AsyncGenerator[PlayedBridge]:
    """A bridge on a free port of this machine."""
    bridge = PlayedBridge()
    async with Server(bridge, "127.0.0.1", 0) as server:
        bridge.url = f"http://127.0.0.1:{server.port}"
        yield bridge
