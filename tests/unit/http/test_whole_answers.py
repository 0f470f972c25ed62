"""Answers in one piece: the same bytes as uvicorn makes of two messages, and two messages wherever it may not be left out."""

import asyncio
import logging
from typing import Any, cast

import pytest
from starlette.types import Message, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from vox.http.whole_answers import send_whole

HEADERS = [(b"content-type", b"application/json"), (b"etag", b'"1"')]
SERVER = [(b"date", b"Mon, 30 Nov 2026 12:00:00 GMT"), (b"server", b"vox")]
QUIET = logging.Logger("quiet", logging.CRITICAL)  # noqa: LOG001  of this file alone
ANSWERS = [
    ("GET", 200, [*HEADERS, (b"content-length", b"2")], b"{}"),
    ("HEAD", 200, [*HEADERS, (b"content-length", b"2")], b""),
    ("GET", 200, [(b"content-length", b"0")], b""),
    ("GET", 304, HEADERS, b""),
    ("DELETE", 204, [], b""),
    ("GET", 429, [*HEADERS, (b"content-length", b"2")], b"{}"),
]


class Wire(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True


def cycle(wire: Wire, method: str, ended: list[int], *, keeps: bool = True, logs: bool = False) -> RequestResponseCycle:
    scope: Any = {"type": "http", "method": method, "path": "/", "query_string": b"", "http_version": "1.1"}
    return RequestResponseCycle(
        scope, wire, FlowControl(wire), QUIET, QUIET, logs, SERVER, asyncio.Event(), False, keeps, lambda: ended.append(1)
    )  # fmt: skip


def sender(of: RequestResponseCycle) -> Send:
    return cast("Send", of.send)


def through_a_middleware(send: Send) -> Send:
    async def passing(message: Message) -> None:
        await send(message)

    return passing


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize(("method", "status", "headers", "body"), ANSWERS)
async def test_one_piece_has_the_bytes_of_two_messages(
    method: str, status: int, headers: list[tuple[bytes, bytes]], body: bytes, keeps: bool
):
    whole, parted, ended = Wire(), Wire(), list[int]()
    at_once = cycle(whole, method, ended, keeps=keeps)
    await send_whole(sender(at_once), status, headers, body)
    behind = cycle(parted, method, ended, keeps=keeps)
    await send_whole(through_a_middleware(sender(behind)), status, headers, body)
    assert len(whole.pieces) == 1
    assert whole.pieces[0] == b"".join(parted.pieces)
    assert whole.is_closed == parted.is_closed == (not keeps)
    assert (len(ended), at_once.response_complete, at_once.message_event.is_set()) == (2, True, True)


async def test_what_is_logged_begun_or_left_takes_the_servers_own_way():
    wire, ended = Wire(), list[int]()
    await send_whole(sender(cycle(wire, "GET", ended, logs=True)), *ANSWERS[0][1:])
    assert len(wire.pieces) == 2
    left = cycle(wire, "GET", ended)
    left.disconnected = True
    await send_whole(sender(left), *ANSWERS[0][1:])
    assert len(wire.pieces) == 2
    begun = cycle(wire, "GET", ended)
    await send_whole(sender(begun), *ANSWERS[0][1:])
    with pytest.raises(RuntimeError):
        await send_whole(sender(begun), *ANSWERS[0][1:])


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\n", b"\ra", b"a\0"])
async def test_no_header_ends_early(value: bytes):
    wire = Wire()
    for send in (sender(cycle(wire, "GET", [])), through_a_middleware(sender(cycle(wire, "GET", [])))):
        with pytest.raises(RuntimeError):
            await send_whole(send, 204, [(b"x-name", value)], b"")
    assert wire.pieces == []
