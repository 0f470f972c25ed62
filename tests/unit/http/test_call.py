import asyncio
from typing import Any

import pytest

from tests.unit.http.asgi import chunks, scope_of
from vox.errors import PeerError, UsageError
from vox.http.call import ROUTE, HttpCall, client_address

HEADERS = [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-b", "ä".encode("latin-1"))]


def call_of(messages=(), target="/items/7?a=1&b=x+y", path=None) -> HttpCall:
    incoming = list(messages)

    async def receive() -> Any:
        return incoming.pop(0) if incoming else await asyncio.Event().wait()

    return HttpCall({**scope_of("PATCH", target, HEADERS), ROUTE: "the route"}, receive, path or {"id": "7"})


def test_a_call_shows_what_was_asked():
    call = call_of()
    assert (call.method, call.route, call.text("id"), call.client) == ("PATCH", "the route", "7", "192.0.2.1")
    assert dict(call.query_params) == {"a": "1", "b": "x y"}


def test_headers_compare_without_case_and_the_first_counts():
    call = call_of()
    assert (call.headers["X-A"], call.headers.get("x-c", "")) == ("1", "")
    assert (call.header(b"x-a"), call.header(b"x-b"), call.header(b"x-c")) == ("1", "ä", "")


def test_a_call_keeps_its_request_id():
    call = call_of()
    assert call.request_id
    assert call.request_id == call.request_id


@pytest.mark.parametrize(
    ("scope", "address"),
    [
        ({"client": ("192.0.2.1", 1)}, "192.0.2.1"),
        ({"client": ("::1", 1)}, "::1"),
        ({"client": None}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_client_without_an_address_is_unknown(scope, address):
    assert client_address(scope) == address


async def test_a_body_is_read_whole_and_bounded():
    assert await call_of(chunks(b"12", b"34")).read_body(4) == b"1234"
    with pytest.raises(UsageError) as caught:
        await call_of(chunks(b"12", b"345")).read_body(4)
    assert caught.value.code == "body_too_large"


@pytest.mark.usefixtures("virtual_loop")
async def test_a_body_is_waited_for_as_long_as_said():
    began = asyncio.get_running_loop().time()
    with pytest.raises(PeerError) as caught:
        await call_of().read_body(4, timeout_s=7.0)
    assert caught.value.code == "body_timeout"
    assert asyncio.get_running_loop().time() - began == pytest.approx(7.0)


async def test_a_stream_gives_the_pieces_as_they_come():
    assert [piece async for piece in call_of(chunks(b"a", b"", b"b")).stream()] == [b"a", b"b"]
    assert [piece async for piece in call_of(chunks(b"")).stream()] == []


async def test_a_stream_that_breaks_off_is_the_peers_fault():
    pieces = call_of([{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]).stream()
    assert await anext(pieces) == b"a"
    with pytest.raises(PeerError) as caught:
        await anext(pieces)
    assert caught.value.code == "body_incomplete"
