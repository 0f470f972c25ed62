"""Answers that are written in one piece say on the wire what two ASGI messages say, and give way where something stands between."""

import asyncio
import itertools
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.e2e.http_server_harness import both_loops
from tests.time_limits import time_limit
from tests.unit.http.parts import ANYONE, Access, Call, Policy
from vox.http.dispatch import Dispatcher, RawHeaders
from vox.http.routing import Reply, Route, Router, RouteTable
from vox.http.server import Server
from vox.runtime.clock import SystemClock


@asynccontextmanager
async def no_lifespan():
    yield


class Silent(Policy):
    """Adds no header of its own, so that an answer may have none at all."""

    async def admit(
        self, route: Route[Access], scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> Call:
        return Call(scope, receive, values)


def make_app() -> Dispatcher[Access, Call]:
    table = RouteTable[Access]("")

    @table.get("/page", access=ANYONE)
    async def page(call: Call) -> Reply:
        return Reply(200, b"page", {"content-type": "text/plain", "X-Mixed": "A"})

    @table.get("/nothing", access=ANYONE)
    async def nothing(call: Call) -> Reply:
        return Reply(204, b"", {})

    @table.get("/broken", access=ANYONE)
    async def broken(call: Call) -> Reply:
        return Reply(200, b"", {"x-name": "a\r\nset-cookie: stolen=1"})

    return Dispatcher(Router(table), Silent(), SystemClock(), lifespan=no_lifespan)


def in_two_messages(app: ASGIApp) -> ASGIApp:
    """The application behind a middleware that looks at what is sent."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def seen(message: Message) -> None:
            await send(message)

        await app(scope, receive, seen)

    return wrapped


async def answers(app: ASGIApp, *requests: str) -> bytes:
    """All that the server says to these requests on one connection, until it closes."""
    async with Server(app, "127.0.0.1", 0) as server, time_limit():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write("".join(requests).encode())
        found = await reader.read()
        writer.close()
        return found


def head_and_body(answer: bytes) -> tuple[bytes, set[bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return status, {one for one in headers if not one.startswith(b"date:")}, body


@both_loops
async def test_one_piece_says_what_two_messages_say():
    for asked in itertools.product(("GET", "HEAD"), ("/page", "/nothing", "/missing")):
        request = f"{' '.join(asked)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        whole, apart = await answers(make_app(), request), await answers(in_two_messages(make_app()), request)
        assert head_and_body(whole) == head_and_body(apart), asked
        assert b"connection: close" in whole


@both_loops
async def test_answers_to_pipelined_requests_come_in_order_on_one_connection():
    last = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    said = await answers(make_app(), *["GET /page HTTP/1.1\r\nHost: x\r\n\r\n"] * 3, last)
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert said.count(b"\r\n\r\npage") == 3
    assert said.index(b"HTTP/1.1 204") > said.rindex(b"\r\n\r\npage")
    assert said.count(b"connection: close") == 1


@both_loops
async def test_http_1_0_is_answered_and_closed():
    status, headers, body = head_and_body(await answers(make_app(), "GET /page HTTP/1.0\r\n\r\n"))
    assert (status, body) == (b"HTTP/1.1 200 OK", b"page")
    assert b"connection: close" in headers
    assert b"content-length: 4" in headers


@both_loops
async def test_a_header_with_a_line_break_never_reaches_the_client():
    asked = "GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    said = await answers(make_app(), asked)
    assert b"stolen" not in said
    assert said.startswith(b"HTTP/1.1 500")
