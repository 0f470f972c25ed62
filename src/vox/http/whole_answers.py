"""Answers that are there as a whole, written in one piece where the server is uvicorn and nothing stands between it and the application.

ASGI hands over head and body as two messages, and uvicorn matches two expressions against every header: a third of the time that a
small answer takes. Here the head is joined with the body and looked over once. Behind a middleware, which may change what is sent, and
under other servers, the two messages are sent as ever.

An application that has some of its answers without waiting for anything may offer `answer_at_once`. Requests for those become no ASGI
scope and no task, which is half of what the server does for a small answer; the application must have the same answer for a scope.
"""

from collections.abc import Callable, Sequence
from typing import Final

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = Sequence[tuple[bytes, bytes]]
WholeAnswer = tuple[int, bytes, bytes]
"""Status, header lines each with its end, body; the length is among the headers."""

AnswerAtOnce = Callable[[bytes, list[tuple[bytes, bytes]]], WholeAnswer | None]
"""What an application may offer as `answer_at_once`: called with the target (path and query) and the headers, names in lower case, of a
GET without a body whose connection is kept. None where a scope has to be made of it."""


class _Block:
    """The headers that the server adds to every answer, joined; uvicorn makes a new list of them each second."""

    __slots__ = ("headers", "lines")

    def __init__(self) -> None:
        self.headers: Headers = ()
        self.lines = b""

    def of(self, headers: Headers) -> bytes:
        """The lines of these headers, each with its end."""
        if headers is not self.headers:
            self.headers, self.lines = headers, _lines(headers)
        return self.lines


def _lines(headers: Headers) -> bytes:
    return b"\r\n".join([*map(b": ".join, headers), b""])  # quicker than formatting each


_default: Final = _Block()


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Sends an answer with its head, in one piece where `write_whole` can.

    Args:
        send: as the application was called with it.
        status: HTTP status.
        headers: as for `write_whole`.
        body: as for `write_whole`.

    Raises:
        RuntimeError: as `write_whole`.
    """
    if not write_whole(send, status, headers, body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def write_whole(send: Send, status: int, headers: Headers, body: bytes) -> bool:
    """Writes an answer with its head; False where it has to be sent as ASGI messages.

    Args:
        send: as the application was called with it.
        status: HTTP status.
        headers: names in lower case; none of them is `connection` or `transfer-encoding`, and the length is among them.
        body: empty for HEAD, 204 and 304.

    Raises:
        RuntimeError: a header has a line break, or a character that ends one.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle:
        return False
    if cycle.response_started or cycle.disconnected or cycle.access_log or cycle.flow.write_paused:
        return False
    head, count = _lines(headers), len(headers)
    if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
        raise RuntimeError("a header has a line break")
    end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join((STATUS_LINE[status], _default.of(cycle.default_headers), head, end, body)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def joined(answer: WholeAnswer, default_headers: Headers) -> bytes:
    """An answer as it goes over the wire, with the headers that the server adds to every one."""
    status, head, body = answer
    return b"".join((STATUS_LINE[status], _default.of(default_headers), head, b"\r\n", body))
