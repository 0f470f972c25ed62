"""A realtime vendor on a real port: a WebSocket whose wire (`realtime_wires`) answers as the vendor documents it.

It keeps every message, refuses upgrades, and can be told to answer with garbage, to fall silent or to hang up.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tests.time_limits import time_limit
from vox.http.server import Server
from vox.http.websocket import Socket, refuse, serve_socket

Message = dict[str, Any]


class RealtimeWire(Protocol):
    """One vendor's side of one connection: messages in, messages out. `say` is what its next answers are."""

    def opened(self) -> list[Message]:
        """What the vendor says first."""
        ...

    def received(self, message: Message) -> list[Message]:
        """What the vendor answers to a message."""
        ...


class RealtimeServer:
    """What the server does next, and what it has seen.

    Attributes:
        refusal: answers the next upgrades instead: status, headers, body.
        mood: `answers`; `silent` takes everything and says nothing; `garbage` sends no JSON; `leaves` hangs up behind the
            first audio of an answer.
    """

    def __init__(self, wire: Callable[["RealtimeServer"], RealtimeWire]) -> None:
        self.port = 0
        self.messages: list[Message] = []
        self.urls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.refusal: tuple[int, dict[str, str], bytes] | None = None
        self.mood = "answers"
        self.open = 0
        self.changed = asyncio.Event()
        self._wire = wire

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> Starlette:
        return Starlette(routes=[WebSocketRoute("/{path:path}", self._connect)])

    async def _connect(self, websocket: WebSocket) -> None:
        self.urls.append(str(websocket.url))
        self.headers.append(dict(websocket.headers))
        if self.refusal is not None:
            status, headers, body = self.refusal
            await refuse(websocket, status, body, headers)
            return
        await serve_socket(websocket, _Connection(self, self._wire(self)), max_message_bytes=8 << 20)

    def saw(self, message: Message) -> None:
        self.messages.append(message)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the server has seen what makes this true."""
        async with time_limit():
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class _Connection:
    def __init__(self, server: RealtimeServer, wire: RealtimeWire) -> None:
        self._server = server
        self._wire = wire
        self._socket: Socket | None = None

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._server.open += 1
        self._answer(self._wire.opened())

    def received(self, message: str | bytes) -> None:
        decoded = json.loads(message)
        self._server.saw(decoded)
        self._answer(self._wire.received(decoded))

    def closed(self, code: int, reason: str) -> None:
        self._server.open -= 1
        self._server.changed.set()

    def _answer(self, messages: list[Message]) -> None:
        if self._socket is None or self._server.mood == "silent":
            return
        for message in messages:
            if self._server.mood == "garbage":
                self._socket.send("<html>nonsense</html>")
                continue
            self._socket.send(json.dumps(message))
            is_audio = message.get("type") == "response.output_audio.delta" or "inlineData" in json.dumps(message)
            if self._server.mood == "leaves" and is_audio:
                self._socket.close(1011, "gone")
                return


@asynccontextmanager
async def realtime_server(wire: Callable[[RealtimeServer], RealtimeWire]) -> AsyncGenerator[RealtimeServer, None]:
    """The server, running."""
    fake = RealtimeServer(wire)
    async with Server(fake.app(), "127.0.0.1", 0, close_timeout_s=0.1) as server:
        fake.port = server.port
        yield fake
