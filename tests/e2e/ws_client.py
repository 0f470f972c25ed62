"""A WebSocket client for tests: opens, remembers what comes, and tells how it ended."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from tests.time_limits import time_limit
from vox.http.sockets import Socket
from vox.http.websocket import UpgradeRefusedError, open_socket


class WsClient:
    """One connection; `closing` is how it ended."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.closing: tuple[int, str] | None = None
        self.socket: Socket | None = None
        self._changed = asyncio.Event()

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def received(self, message: str | bytes) -> None:
        self.messages.append(message)
        self._changed.set()

    def closed(self, code: int, reason: str) -> None:
        self.closing = (code, reason)
        self._changed.set()

    def send(self, message: str | bytes) -> None:
        assert self.socket is not None
        self.socket.send(message)

    def frames(self, kind: str) -> list[dict[str, Any]]:
        """The data of every JSON frame of that type so far."""
        texts = [json.loads(message) for message in self.messages if isinstance(message, str)]
        return [text["data"] for text in texts if text["type"] == kind]

    async def frame(self, kind: str) -> dict[str, Any]:
        """Waits for a frame of that type."""
        async with time_limit():
            while not self.frames(kind):
                assert self.closing is None, self.closing
                await self.change()
        return self.frames(kind)[0]

    async def ended(self, timeout_s: float = 60.0) -> tuple[int, str]:
        """Waits for the end: its code and reason."""
        async with time_limit(timeout_s):
            while self.closing is None:
                await self.change()
        return self.closing

    async def change(self) -> None:
        """Waits until something more has come, or the end."""
        self._changed.clear()
        await self._changed.wait()


@contextlib.asynccontextmanager
async def connected(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    client: WsClient | None = None,
) -> AsyncGenerator[WsClient, None]:
    """A connection for the length of the block; of this client, where one is given."""
    client = client or WsClient()
    socket = await open_socket(url, client, headers=list((headers or {}).items()), tls=tls)
    try:
        yield client
    finally:
        socket.close()
        with contextlib.suppress(TimeoutError):
            await client.ended(5.0)


async def upgrade_status(url: str, **headers: str) -> int:
    """101, or the status that the upgrade was refused with; 0 where the refusal is no error envelope."""
    try:
        async with connected(url, headers=headers):
            return 101
    except UpgradeRefusedError as refused:
        return refused.status if "code" in json.loads(refused.body).get("error", {}) else 0
