"""What the tests of the server and of its sockets share: a place to connect to, and a client with bad manners."""

import asyncio
import base64
import functools
import os
import struct
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.time_limits import WAIT_S, time_limit
from vox.http.server import Server
from vox.http.websocket import Socket, refuse, serve_socket

FAST, PLAIN = "fast", "plain"
LOOPS: dict[str, Callable[[Coroutine[Any, Any, None]], None]] = {"uvloop": uvloop.run, "asyncio": asyncio.run}


def everywhere(*servers: str):
    """Runs a scenario on both loops under our server, and under plain uvicorn where that is named."""

    def decorate(scenario: Callable[[str], Coroutine[Any, Any, None]]):
        combinations = [(loop, server) for server in servers for loop in (LOOPS if server == FAST else ["uvloop"])]

        @pytest.mark.parametrize(("loop", "server"), combinations)
        @functools.wraps(scenario, assigned=("__name__", "__doc__"), updated=())
        def test(loop: str, server: str) -> None:
            async def bounded() -> None:
                async with time_limit():
                    await scenario(server)

            LOOPS[loop](bounded())

        del test.__wrapped__  # type: ignore[attr-defined]
        return test

    return decorate


def both_loops(scenario: Callable[[], Coroutine[Any, Any, None]]):
    """Runs a scenario that makes its own server, on both loops."""

    @pytest.mark.parametrize("loop", LOOPS)
    @functools.wraps(scenario, assigned=("__name__", "__doc__"), updated=())
    def test(loop: str) -> None:
        async def bounded() -> None:
            async with time_limit():
                await scenario()

        LOOPS[loop](bounded())

    del test.__wrapped__  # type: ignore[attr-defined]
    return test


class Recorder:
    """A listener that keeps what happens, as an awaitable queue."""

    def __init__(self, on_message: Callable[[Socket, Any], None] | None = None) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.socket: Any = None
        self._on_message = on_message

    def opened(self, socket: Socket) -> None:
        self.socket = socket
        self.events.put_nowait("opened")

    def received(self, message: str | bytes) -> None:
        if self._on_message:
            self._on_message(self.socket, message)
        self.events.put_nowait(message)

    def closed(self, code: int, reason: str) -> None:
        self.events.put_nowait((code, reason))

    async def next(self) -> Any:
        return await asyncio.wait_for(self.events.get(), WAIT_S)

    async def until_closed(self) -> tuple[int, str]:
        while not isinstance(event := await self.next(), tuple):
            pass
        return event


class Place:
    """An application with one socket route; each connection's listener appears in `served`."""

    def __init__(self, on_message: Callable[[Socket, Any], None] | None = None, **limits: Any) -> None:
        self.served: asyncio.Queue[Recorder] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.finished = asyncio.Event()
        self._on_message = on_message
        self._limits = limits
        self.app = Starlette(
            routes=[WebSocketRoute("/ws", self._socket), Route("/", self._page), Route("/slow", self._slow)]
        )
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def _socket(self, websocket: WebSocket) -> None:
        if status := websocket.query_params.get("refuse"):
            await refuse(
                websocket, int(status), b'{"error":"busy"}', {"Retry-After": "7", "Content-Type": "application/json"}
            )
            return
        self.asked.set()
        await self.gate.wait()
        recorder = Recorder(self._on_message)
        self.served.put_nowait(recorder)
        offered = websocket.scope["subprotocols"]
        await serve_socket(
            websocket, recorder, subprotocol=offered[0] if offered else None, headers=[("X-Vox", "1")], **self._limits
        )
        self.finished.set()

    async def _page(self, _request: Any) -> PlainTextResponse:
        return PlainTextResponse("page")

    async def _slow(self, _request: Any) -> StreamingResponse:
        async def endless() -> AsyncGenerator[bytes]:
            yield b"x"
            await asyncio.Event().wait()

        return StreamingResponse(endless())

    async def listener(self) -> Recorder:
        recorder = await asyncio.wait_for(self.served.get(), WAIT_S)
        assert await recorder.next() == "opened"
        return recorder


@asynccontextmanager
async def serving(kind: str, place: Place) -> AsyncGenerator[Place]:
    if kind == FAST:
        async with Server(place.app, "127.0.0.1", 0) as server:
            place.port = server.port
            yield place
        return
    config = uvicorn.Config(place.app, port=0, log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    place.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def short(close_timeout_s: float, *modules: Any) -> AsyncGenerator[None]:
    """Lets a peer that never answers a close wait less long."""
    before = [module.CLOSE_TIMEOUT_S for module in modules]
    for module in modules:
        module.CLOSE_TIMEOUT_S = close_timeout_s
    yield
    for module, value in zip(modules, before, strict=True):
        module.CLOSE_TIMEOUT_S = value


class Wire:
    """A raw WebSocket client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @staticmethod
    def request(connection: str = "Upgrade") -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: {connection}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()

    @classmethod
    async def connect(cls, port: int, *, behind: bytes = b"", connection: str = "Upgrade") -> "Wire":
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
        writer.write(cls.request(connection) + behind)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return cls(reader, writer)

    @staticmethod
    def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
        first = (0x80 if fin else 0) | rsv | opcode
        bit = 0x80 if masked else 0
        if len(payload) < 126:
            head = struct.pack("!BB", first, bit | len(payload))
        elif len(payload) < 65536:
            head = struct.pack("!BBH", first, bit | 126, len(payload))
        else:
            head = struct.pack("!BBQ", first, bit | 127, len(payload))
        mask = os.urandom(4)
        body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        return head + mask + body if masked else head + payload

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def receive(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0xF, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        while (got := await self.receive())[0] != 8:
            pass
        return struct.unpack("!H", got[1][:2])[0]

    async def drop(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


def echo(to: Socket, message: Any) -> None:
    to.send(message)
