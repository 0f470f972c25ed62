"""Our server and our sockets over real loopback connections: on uvloop, on asyncio, and under plain uvicorn.

`Wire` is a WebSocket client that does what a decent library refuses to do: split frames, stay silent, stop reading.
"""

import asyncio
import base64
import functools
import logging
import os
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
import websockets
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.require import require
from vox.errors import DependencyError, UsageError
from vox.runtime import asgi_socket, picows_socket, uvicorn_protocols
from vox.runtime.serving import Server, run
from vox.runtime.websocket import Socket, UpgradeRefusedError, open_socket, refuse, serve_socket

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
                async with asyncio.timeout(20):
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
            async with asyncio.timeout(20):
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
        return await asyncio.wait_for(self.events.get(), 10)

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
        recorder = await asyncio.wait_for(self.served.get(), 10)
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


@everywhere(FAST, PLAIN)
async def test_messages_of_all_sizes_come_back_in_order(server):
    async with serving(server, Place(echo)) as place:
        client = Recorder()
        socket = await open_socket(place.url, client)
        assert await client.next() == "opened"
        sent = ["hi", b"\x00\x01", "", b"", b"a" * 9000, b"b", "é" * 5000, b"c" * 200_000, "z", b"d" * 70_000, b"e"]
        for message in sent:
            socket.send(message)
        assert [await client.next() for _ in sent] == sent
        socket.close()
        assert await client.next() == (1000, "")


@everywhere(FAST)
async def test_messages_queued_for_a_slow_reader_keep_their_headers(server):
    async with serving(server, Place(max_backlog_bytes=1 << 30)) as place:
        wire = await Wire.connect(place.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        sent = [
            (2, b"x" * 9000),
            (1, b"small"),
        ] * 1500  # more than the kernel takes; the last header written is another
        for opcode, payload in sent:
            listener.socket.send(payload if opcode == 2 else payload.decode())
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert [await wire.receive() for _ in sent] == sent
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_library_of_another_house_can_talk_to_us(server):
    async with serving(server, Place(echo)) as place:
        async with websockets.connect(
            place.url, subprotocols=[websockets.Subprotocol("rtvi"), websockets.Subprotocol("x")]
        ) as peer:
            assert peer.subprotocol == "rtvi"
            assert peer.response is not None
            assert peer.response.headers["X-Vox"] == "1"
            await peer.send(["frag", "men", "ted"])
            assert await peer.recv() == "fragmented"
            await peer.send(b"x" * 100_000)
            assert await peer.recv() == b"x" * 100_000
            await (await peer.ping())
        listener = await place.listener()
        assert await listener.until_closed() == (1000, "")


@everywhere(FAST, PLAIN)
async def test_the_peers_close_code_reaches_the_listener(server):
    async with serving(server, Place()) as place:
        client = Recorder()
        socket = await open_socket(place.url, client)
        listener = await place.listener()
        socket.close(4001, "bye")
        assert not socket.is_open
        socket.send("ignored")
        socket.close(4002)
        assert await listener.next() == (4001, "bye")
        assert await client.until_closed() == (4001, "bye")
        await asyncio.wait_for(place.finished.wait(), 5)


@everywhere(FAST, PLAIN)
async def test_our_close_code_reaches_the_peer_behind_what_was_sent(server):
    async with serving(server, Place()) as place:
        client = Recorder()
        await open_socket(place.url, client)
        listener = await place.listener()
        listener.socket.send("last words")
        listener.socket.close(4003, "enough")
        assert [await client.next() for _ in range(3)] == ["opened", "last words", (4003, "enough")]
        assert await listener.next() == (4003, "enough")


@everywhere(FAST, PLAIN)
async def test_a_connection_that_breaks_is_1006_and_a_close_without_code_1005(server):
    async with serving(server, Place()) as place:
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        await wire.drop()
        assert (await listener.next())[0] in ({1006} if server == FAST else {1005, 1006})  # uvicorn says 1005
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        wire.send(Wire.frame(8))
        assert (await listener.next())[0] == 1005
        assert (await wire.receive())[0] == 8
        assert await wire.reader.read() == b""
        await wire.drop()


@everywhere(FAST)
async def test_what_arrives_behind_the_upgrade_request_is_not_lost(server):
    async with serving(server, Place(echo)) as place:
        early = Wire.frame(1, b"early") + Wire.frame(2, b"x" * 40_000)
        wire = await Wire.connect(place.port, behind=early)
        assert await wire.receive() == (1, b"early")
        assert await wire.receive() == (2, b"x" * 40_000)
        await wire.drop()


@everywhere(FAST)
async def test_what_arrives_while_the_application_decides_waits_within_bounds(server):
    place = Place(echo)
    place.gate.clear()
    async with serving(server, place):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(Wire.request())
        await place.asked.wait()
        writer.write(Wire.frame(2, b"y" * 300_000) + Wire.frame(1, b"then"))
        await asyncio.sleep(0)
        place.gate.set()
        await reader.readuntil(b"\r\n\r\n")
        wire = Wire(reader, writer)
        assert await wire.receive() == (2, b"y" * 300_000)
        assert await wire.receive() == (1, b"then")
        await wire.drop()


@both_loops
async def test_an_application_that_speaks_plain_asgi_under_our_server_gets_early_bytes_too():
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await receive()

    async with Server(app, "127.0.0.1", 0) as server:
        wire = await Wire.connect(server.port, behind=Wire.frame(1, b"early"))
        assert await wire.receive() == (1, b"early")
        await wire.drop()


@everywhere(FAST)
async def test_firefox_upgrades_with_keep_alive(server):
    async with serving(server, Place(echo)) as place:
        wire = await Wire.connect(place.port, connection="keep-alive, Upgrade")
        wire.send(Wire.frame(1, b"hi"))
        assert await wire.receive() == (1, b"hi")
        await wire.drop()


@everywhere(FAST)
async def test_a_client_that_leaves_before_the_decision_is_never_told_to_the_listener(server):
    place = Place()
    place.gate.clear()
    async with serving(server, place):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(Wire.request())
        await place.asked.wait()
        writer.transport.abort()
        await asyncio.sleep(0.1)
        place.gate.set()
        await asyncio.wait_for(place.finished.wait(), 5)
        assert place.served.get_nowait().events.empty()
        assert await reader.read() == b""


BROKEN = {
    "invalid UTF-8": ([Wire.frame(1, b"\xff\xfe")], 1007),
    "invalid UTF-8 over fragments": ([Wire.frame(1, b"\xc3", fin=False), Wire.frame(0, b"\x28")], 1007),
    "frame too big": ([Wire.frame(2, b"x" * 2001)], 1009),
    "fragments too big": ([Wire.frame(2, b"x" * 1500, fin=False), Wire.frame(0, b"x" * 1500)], 1009),
    "endless empty fragments": ([Wire.frame(2, b"", fin=False), Wire.frame(0, b"", fin=False) * 2100], 1009),
    "continuation of nothing": ([Wire.frame(0, b"x")], 1002),
    "message inside a message": ([Wire.frame(1, b"x", fin=False), Wire.frame(1, b"y")], 1002),
    "not masked": ([Wire.frame(1, b"x", masked=False)], 1002),
    "unknown opcode": ([Wire.frame(3, b"x")], 1002),
    "compressed without agreement": ([Wire.frame(1, b"x", rsv=0x40)], 1002),
    "close code 1006": ([Wire.frame(8, struct.pack("!H", 1006))], None),
}


@everywhere(FAST)
async def test_a_peer_that_breaks_the_protocol_is_closed_with_the_code_that_says_why(server):
    async with serving(server, Place(echo, max_message_bytes=2000)) as place:
        for name, (frames, code) in BROKEN.items():
            wire = await Wire.connect(place.port)
            listener = await place.listener()
            wire.send(*frames)
            if code is not None:
                assert await wire.close_code() == code, name
                wire.send(Wire.frame(8, struct.pack("!H", code)))
            with suppress(ConnectionResetError):
                await asyncio.wait_for(wire.reader.read(), 5)
            told = await listener.until_closed()
            assert told[0] == code or code is None, name
            await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_message_at_the_limit_passes_and_one_byte_more_does_not(server):
    async with serving(server, Place(echo, max_message_bytes=2000)) as place:
        client = Recorder()
        socket = await open_socket(place.url, client)
        await client.next()
        socket.send(b"x" * 2000)
        assert await client.next() == b"x" * 2000
        socket.send(b"x" * 2001)
        assert (await client.until_closed())[0] == 1009


@everywhere(FAST)
async def test_control_frames_may_stand_between_fragments(server):
    async with serving(server, Place(echo)) as place:
        wire = await Wire.connect(place.port)
        wire.send(Wire.frame(1, b"a", fin=False), Wire.frame(9, b"p"), Wire.frame(0, b"b"))
        assert await wire.receive() == (10, b"p")
        assert await wire.receive() == (1, b"ab")
        await wire.drop()


@everywhere(FAST)
async def test_a_silent_peer_is_pinged_and_then_closed(server):
    async with serving(server, Place(ping_interval_s=0.05, ping_timeout_s=0.1)) as place:
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        opcode, payload = await wire.receive()
        assert opcode == 9
        wire.send(Wire.frame(10, payload))  # an answer keeps it open
        assert await wire.receive() == (9, payload)
        assert await wire.close_code() == 1011  # no answer does not
        assert (await listener.next())[0] == 1011
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_peer_that_does_not_read_is_closed_with_1013(server):
    async with short(0.3, asgi_socket, picows_socket), serving(server, Place(max_backlog_bytes=200_000)) as place:
        wire = await Wire.connect(place.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        for _ in range(2000):
            listener.socket.send(b"x" * 20_000)
            if not listener.socket.is_open:
                break
            await asyncio.sleep(0)
        assert not listener.socket.is_open
        assert (await listener.next())[0] == 1013
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_listener_that_fails_closes_only_its_own_socket(server):
    def fail(_to: Socket, message: Any) -> None:
        if message == "fail":
            raise RuntimeError("a fault of ours")

    async with serving(server, Place(fail)) as place:
        one, other = Recorder(), Recorder()
        failing, well = await open_socket(place.url, one), await open_socket(place.url, other)
        failing.send("fail")
        assert (await one.until_closed())[0] == 1011
        assert well.is_open
        well.close()
        assert await other.until_closed() == (1000, "")


@everywhere(FAST, PLAIN)
async def test_an_upgrade_can_be_refused_with_any_response(server):
    async with serving(server, Place()) as place:
        with pytest.raises(UpgradeRefusedError) as caught:
            await open_socket(f"{place.url}?refuse=503&token=k", Recorder())
        error = caught.value
        assert (error.status, error.retry_after_s, error.retryable, error.code) == (503, 7.0, True, "upgrade_refused")
        assert error.body == b'{"error":"busy"}'
        assert error.headers["content-type"] == "application/json"
        assert "token" not in str(error)
        with pytest.raises(UpgradeRefusedError) as caught:
            await open_socket(f"{place.url}?refuse=401", Recorder())
        assert (caught.value.status, caught.value.retryable) == (401, False)


@both_loops
async def test_a_connection_that_cannot_be_made_is_a_dependency_error():
    async def mute(_reader: Any, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        writer.close()

    async def hang_up(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for behaviour, code in ((mute, "connect_timed_out"), (hang_up, "connect_failed")):
        listening = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(DependencyError) as caught:
            await open_socket(f"ws://127.0.0.1:{port}/", Recorder(), connect_timeout_s=0.2)
        assert caught.value.code == code
        listening.close()
    with pytest.raises(DependencyError) as caught:
        await open_socket(f"ws://127.0.0.1:{port}/", Recorder())
    assert caught.value.code == "connect_failed"
    for url in ("ftp://x/", "x", "ws://", "ws://x:99999/"):
        with pytest.raises(UsageError) as usage:
            await open_socket(url, Recorder())
        assert usage.value.code == "invalid_url"
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@both_loops
async def test_closing_the_server_says_1001_and_does_not_wait_for_idle_connections():
    place = Place()
    server = Server(place.app, "127.0.0.1", 0)
    async with server:
        place.port = server.port
        client = Recorder()
        await open_socket(place.url, client)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"page" in await reader.readuntil(b"page")
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert await client.until_closed() == (1001, "server is closing")
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", server.port)


@both_loops
async def test_closing_the_server_never_hangs():
    place = Place(max_backlog_bytes=1 << 30)
    server = Server(place.app, "127.0.0.1", 0, close_timeout_s=0.3)
    async with server:
        wire = await Wire.connect(server.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        for _ in range(500):
            listener.socket.send(b"x" * 20_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"x\r\n")
        began = time.monotonic()
    assert time.monotonic() - began < 2.5
    assert (await asyncio.wait_for(listener.until_closed(), 1))[0] == 1001
    assert not server._server.server_state.connections
    writer.close()
    await wire.drop()


@both_loops
async def test_a_used_port_is_a_usage_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            async with Server(Place().app, "127.0.0.1", port):
                pass
    assert caught.value.code == "address_in_use"
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "another port" in str(caught.value)


@both_loops
async def test_an_address_of_another_machine_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        async with Server(Place().app, "192.0.2.1", 0):
            pass
    assert caught.value.code == "address_unusable"


@both_loops
async def test_no_host_means_all_interfaces_and_localhost_means_ipv4():
    for host in ("", "localhost"):
        async with Server(Place().app, host, 0) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()


@both_loops
async def test_an_application_that_fails_to_start_raises_instead_of_ending_the_process():
    @asynccontextmanager
    async def broken(_app: Any) -> AsyncGenerator[None]:
        raise RuntimeError("no database")
        yield

    with pytest.raises(DependencyError) as caught:
        async with Server(Starlette(lifespan=broken), "127.0.0.1", 0):
            pass
    assert caught.value.code == "startup_failed"


def test_tls_needs_both_files():
    for files in ({"tls_cert": "c.pem"}, {"tls_key": "k.pem"}):
        with pytest.raises(UsageError) as caught:
            Server(Starlette(), "127.0.0.1", 0, **files)  # type: ignore[arg-type]
        assert caught.value.code == "tls_incomplete"


@both_loops
async def test_a_missing_certificate_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        async with Server(Starlette(), "127.0.0.1", 0, tls_cert="missing.pem", tls_key="missing.key"):
            pass
    assert caught.value.code == "tls_unreadable"
    assert "missing.pem" in str(caught.value)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_fast_path_runs_over_tls(loop: str, tmp_path: Path):
    require(shutil.which("openssl") is not None, "openssl", "apt-get install openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip

    async def scenario() -> None:
        place = Place(echo)
        async with Server(place.app, "127.0.0.1", 0, tls_cert=cert, tls_key=key) as server:
            url = f"wss://127.0.0.1:{server.port}/ws"
            client = Recorder()
            socket = await open_socket(url, client, tls=ssl.create_default_context(cafile=str(cert)))
            await client.next()
            for message in ("hi", b"x" * 100_000, b"y", "z" * 9000):
                socket.send(message)
                assert await client.next() == message
            socket.close()
            assert await client.next() == (1000, "")
            with pytest.raises(DependencyError) as caught:
                await open_socket(url, Recorder())
            assert caught.value.code == "connect_failed"

    LOOPS[loop](scenario())


@everywhere(FAST)
async def test_endless_headers_are_refused(server):
    async with serving(server, Place()) as place:
        for line in (b"X-A: " + b"b" * 1000 + b"\r\n", b"c" * 1000):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(b"GET / HTTP/1.1\r\n")
            with suppress(OSError):
                for _ in range(200):
                    writer.write(line)
                    await writer.drain()
            with suppress(OSError):
                answer = await reader.read()
                assert answer == b"" or b" 400 " in answer
            writer.close()


@everywhere(FAST)
async def test_a_client_that_never_finishes_its_headers_is_cut(server):
    before = uvicorn_protocols.HEADER_TIMEOUT_S
    uvicorn_protocols.HEADER_TIMEOUT_S = 0.1
    try:
        async with serving(server, Place()) as place:
            for start in (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /"):
                reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
                writer.write(start)
                assert b" 408 " not in await asyncio.wait_for(reader.read(), 5)
                writer.close()
    finally:
        uvicorn_protocols.HEADER_TIMEOUT_S = before


@everywhere(FAST)
async def test_pipelined_requests_are_answered_in_order(server):
    async with serving(server, Place()) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            assert b" 200 OK" in await reader.readuntil(b"page")
        writer.close()


@both_loops
async def test_the_server_leaves_no_connection_behind():
    place = Place(echo)
    async with Server(place.app, "127.0.0.1", 0) as running:
        place.port = running.port
        for _ in range(20):
            client = Recorder()
            socket = await open_socket(place.url, client)
            socket.send("x")
            socket.close()
            await client.until_closed()
        for _ in range(100):
            if not running._server.server_state.connections and not running._server.server_state.tasks:
                break
            await asyncio.sleep(0.01)
        assert not running._server.server_state.connections
        assert not running._server.server_state.tasks


def test_run_uses_uvloop():
    async def which() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(which()).startswith("uvloop")
    logging.getLogger("uvicorn").debug("the logging of uvicorn is ours")
