"""Answers that an application has at once, through a real server: which requests they are for, and what goes over the wire."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.time_limits import scaled
from vox.http.server import Server
from vox.http.whole_answers import WholeAnswer

ANSWER_S = scaled(10.0)
LARGE = 32 << 20
"""Bytes of an answer of which the sockets of both sides do not take all."""


class App:
    """Says which way a request went; `/wrong` fails at once, `/scope` is nothing that it has at once, and `/large` is LARGE."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def answer_at_once(self, target: bytes, headers: list[tuple[bytes, bytes]]) -> WholeAnswer | None:
        if target.startswith(b"/wrong"):
            raise ValueError("not for anyone's eyes")
        if target.startswith(b"/scope"):
            return None
        if target == b"/large":
            return 200, b"content-length: %d\r\n" % LARGE, bytes(LARGE)
        self.asked.append(target)
        seen = dict(headers).get(b"x-seen", b"")
        return 200, b"x-seen: %b\r\ncontent-length: %d\r\n" % (seen, len(target) + 5), b"once " + target

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body = b"scope " + scope["raw_path"]
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


@asynccontextmanager
async def connected(app: App) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    async with Server(app, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> tuple[dict[str, str], bytes]:
    async with asyncio.timeout(ANSWER_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        assert head[0] == "HTTP/1.1 200 OK"
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        assert len(headers) == len(head) - 3  # none stands twice
        return headers, await reader.readexactly(int(headers["content-length"])) if has_body else b""


def get(target: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", "host: here", *lines, "", ""]).encode()


async def test_requests_on_one_connection_are_answered_in_their_order():
    async with connected(App()) as (reader, writer):
        writer.write(get("/a?b=1", "X-Seen: yes") + get("/scope") + get("/b") + get("/c") + get("/scope/2") + get("/d"))
        headers, body = await answer(reader)
        assert (headers["x-seen"], body) == ("yes", b"once /a?b=1")
        assert "date" in headers
        bodies = [(await answer(reader))[1] for _ in range(5)]
        # What comes while another answer is being made goes the ordinary way, behind it.
        assert [body.split()[1] for body in bodies] == [b"/scope", b"/b", b"/c", b"/scope/2", b"/d"]
        writer.write(get("/e"))
        assert (await answer(reader))[1] == b"once /e"


async def test_a_request_that_comes_in_pieces_is_answered_once():
    app = App()
    async with connected(app) as (reader, writer):
        for byte in get("/slowly"):
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await answer(reader))[1] == b"once /slowly"
        assert app.asked == [b"/slowly"]


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (get("/a", "content-length: 3") + b"abc", b"scope /a"),
        (get("/a", "transfer-encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", b"scope /a"),
        (get("/a", "content-length: 2", method="POST") + b"ab", b"scope /a"),
        (get("/a", "expect: 100-continue"), b"scope /a"),
        (get("/a", "connection: close"), b"scope /a"),
        (get("/a", version="1.0"), b"scope /a"),
        (get("/wrong"), b"scope /wrong"),
        (get("/a", "connection: upgrade", "upgrade: h2c"), b"scope /a"),
    ],
)
async def test_what_is_not_a_plain_get_becomes_a_scope(request_bytes: bytes, expected: bytes):
    async with connected(App()) as (reader, writer):
        writer.write(request_bytes)
        assert (await answer(reader))[1] == expected


async def test_head_becomes_a_scope():
    async with connected(App()) as (reader, writer):
        writer.write(get("/a", method="HEAD") + get("/b"))
        headers, _ = await answer(reader, has_body=False)
        assert headers["content-length"] == "8"
        assert (await answer(reader))[1].split()[1] == b"/b"


async def test_a_connection_that_had_an_answer_at_once_is_closed_with_the_port():
    async with Server(App(), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/a"))
        await answer(reader)
        await server.stop_accepting()
        async with asyncio.timeout(ANSWER_S):
            assert await reader.read() == b""
        writer.close()


async def test_what_comes_while_the_client_does_not_read_waits_for_it():
    app = App()
    async with connected(app) as (reader, writer):
        writer.write(get("/large") + get("/a"))
        assert len((await answer(reader))[1]) == LARGE
        assert (await answer(reader))[1] == b"scope /a"
        assert app.asked == []


async def test_a_first_request_after_the_port_closed_is_the_connections_last():
    async with Server(App(), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        other = await asyncio.open_connection("127.0.0.1", server.port)
        other[1].write(get("/a"))
        await answer(other[0])  # by then the server has taken both connections
        await server.stop_accepting()
        writer.write(get("/b"))
        headers, body = await answer(reader)
        assert (headers["connection"], body) == ("close", b"scope /b")
        async with asyncio.timeout(ANSWER_S):
            assert await reader.read() == b""
        for one in (writer, other[1]):
            one.close()


async def test_a_connection_without_a_next_request_is_closed_in_time():
    async with Server(App(), "127.0.0.1", 0, keep_alive_s=1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/a"))
        await answer(reader)
        async with asyncio.timeout(ANSWER_S):
            assert await reader.read() == b""
        writer.close()
