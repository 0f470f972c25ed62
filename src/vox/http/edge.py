"""What every HTTP request passes: an id, the counters, and one place where a failure becomes a response.

Plain ASGI and nothing per chunk: a bare application answers 55,000 requests a second here, and this costs a few percent.
Route templates are only known after routing, so an observer is given the scope again at the end.
"""

import asyncio
import secrets
from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from vox.errors import PeerError, UsageError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

_MAX_REQUEST_ID = 128

_log = get_logger(__name__)


class RequestObserver(Protocol):
    """Counts requests; both calls run on the event loop and must not fail."""

    def started(self, scope: Scope) -> None:
        """A request came in."""
        ...

    def finished(self, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out; status 500 where the application failed, 499 where the client left before an answer."""
        ...


ErrorResponse = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers."""


class HttpEdge:
    """ASGI middleware around a whole application.

    Args:
        app: the application.
        clock: for the durations.
        observer: counts requests, where metrics are on.
        on_error: turns an exception that nothing caught, and the request id, into a response.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        *,
        observer: RequestObserver | None = None,
        on_error: Callable[[Exception, str], ErrorResponse] | None = None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._observer = observer
        self._on_error = on_error or _internal_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        identity = request_id_of(scope["headers"])
        scope.setdefault("state", {})["request_id"] = identity
        bind_contextvars(request_id=identity)  # a request has its own task, so nothing has to be unbound
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._http(scope, receive, send, identity)

    async def _http(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        observer, status, started_at = self._observer, 0, self._clock.now()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if observer is not None:
            observer.started(scope)
        try:
            await self._app(scope, receive, watch)
        except Exception as error:  # the top of a request: whatever it is becomes a response
            _log.exception("request failed", path=scope["path"])
            if status:
                raise  # half an answer is out: only closing the connection tells the client
            status, body, headers = self._on_error(error, identity)
            await respond(send, status, body, headers)
        finally:
            if observer is not None:
                observer.finished(scope, status or 499, self._clock.now() - started_at)


def request_id(scope: MutableMapping[str, Any]) -> str:
    """The id HttpEdge gave to this request; empty without it."""
    return scope.get("state", {}).get("request_id", "")


def request_id_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The request id: the client's `X-Request-Id` where that is one to write into a log, else a new one each time."""
    return _incoming_id(headers) or next(_uuids)


def error_envelope(code: str, message: str, request: str, details: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The JSON body of an error: `{"error": {"code", "message", "requestId", "details"?}}` and a newline.

    Args:
        code: stable code such as BAD_REQUEST.
        message: for people.
        request: the request id.
        details: objects with `field` and `message`; left out where empty.
    """
    error: dict[str, object] = {"code": code, "message": message, "requestId": request}
    if details:
        error["details"] = details
    return msgspec.json.encode({"error": error}) + b"\n"


async def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Sends a whole response over ASGI."""
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int, timeout_s: float = 30.0) -> bytes:
    """The whole request body.

    Raises:
        UsageError: it is longer than max_bytes (body_too_large).
        PeerError: it did not arrive within timeout_s (body_timeout), or the client left (body_incomplete).
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > max_bytes:
            raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise PeerError("the client left before its request was complete", code="body_incomplete")
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                parts.append(part)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise PeerError(f"the request body did not arrive within {timeout_s:g} s", code="body_timeout") from None


def _version_4() -> Generator[str]:
    """UUIDs of version 4, 256 from one call for random bytes: `uuid.uuid4` costs more than the rest of HttpEdge."""
    while True:
        block = secrets.token_hex(16 * 256)
        for at in range(0, len(block), 32):
            bits = block[at : at + 32]
            yield f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{'89ab'[int(bits[16], 16) & 3]}{bits[17:20]}-{bits[20:]}"


_uuids = _version_4()


def _too_large(max_bytes: int) -> UsageError:
    return UsageError(
        f"the request body is longer than {max_bytes} bytes",
        code="body_too_large",
        hint="send less, or raise the limit",
    )


def _incoming_id(headers: Sequence[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            text = value.strip().decode("latin-1")
            return text if len(text) <= _MAX_REQUEST_ID and text.isprintable() and text.isascii() else ""
    return ""


def _internal_error(_error: Exception, identity: str) -> ErrorResponse:
    body = error_envelope("INTERNAL_ERROR", "Internal server error", identity)
    return 500, body, {"content-type": "application/json"}
