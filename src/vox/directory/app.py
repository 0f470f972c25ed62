"""The directory as an ASGI application.

The list is what clients ask all day, so it never meets the router: it is parsed, looked up and joined right here, from bytes
that were encoded when a relay changed. Everything else goes through Starlette behind `HttpEdge`.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vox.directory.api.responses import nothing_here, wrong_method
from vox.directory.api.routes import make_routes, refusal
from vox.directory.errors import wire_form
from vox.directory.metrics import REQUEST_SECONDS, REQUESTS
from vox.directory.relays.long_poll import INDEX_HEADER
from vox.directory.relays.place import Place
from vox.directory.schemas import list_query, wait_query
from vox.directory.server import Directory
from vox.errors import VoxError
from vox.http.edge import HttpEdge, respond
from vox.runtime.clock import Clock
from vox.runtime.health import Checks
from vox.runtime.metrics import Metrics

LIST_PATH = "/v1/relays"
CACHE_CONTROL = b"public, max-age=5, stale-while-revalidate=30, stale-if-error=300"
ROUTES = {
    "/": "page",
    "/_health": "health",
    "/ready": "ready",
    "/metrics": "metrics",
    "/v1/relays/register": "register",
    "/v1/rtt-reports": "rtt-reports",
    "/v1/session-reports": "session-reports",
    "/v1/join-tokens": "join-tokens",
}


_RELAY_ROUTES = frozenset(
    ("status", "heartbeat", "drain", "key", "select", "probe-plan", "waiting", "approve", "refuse")
)


class DirectoryApp:
    """The list at once, the rest through the router; `directory` is what it serves."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._registry = directory.registry
        self._clock = directory.clock
        self._random = directory.random
        self._boot = secrets.token_hex(4).encode()
        self._rest = _routed(directory)
        metrics = directory.metrics
        self._listed = metrics.counter(REQUESTS, "list", "200")
        self._unchanged = metrics.counter(REQUESTS, "list", "304")
        self._seconds = metrics.histogram(REQUEST_SECONDS, "list")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's scope."""
        if scope["type"] == "http" and scope["path"] == LIST_PATH and scope["method"] in {"GET", "HEAD"}:
            if b"wait=" in scope["query_string"]:
                await self._list_later(scope, receive, send)
            else:
                await self._list(scope, send)
        else:
            await self._rest(scope, receive, send)

    async def _list_later(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The list once it is another one than the client has, or when its time is over."""
        long_poll = self.directory.long_poll
        try:
            wait = wait_query(scope["query_string"])
            if wait is not None and wait.index == long_poll.index:
                list_query(scope["query_string"])  # what is wrong is said at once
                address = scope["client"][0] if scope.get("client") else ""
                await long_poll.beyond(wait.index, wait.seconds, address, receive)
        except VoxError as error:
            await self._refuse(error, send)
            return
        await self._list(scope, send, is_late=wait is not None)

    async def _list(self, scope: Scope, send: Send, *, is_late: bool = False) -> None:
        began = self._clock.now()
        try:
            place, limit = list_query(scope["query_string"])
        except VoxError as error:
            await self._refuse(error, send)
            return
        tag = self._tag(place, limit)
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", CACHE_CONTROL),
            (b"etag", tag),
            (b"access-control-allow-origin", b"*"),
        ]
        if is_late:
            headers[1] = (b"cache-control", b"no-store")
            headers.append((INDEX_HEADER, b"%d" % self.directory.long_poll.index))
            headers.append((b"access-control-expose-headers", INDEX_HEADER))
        if _is_known(scope, tag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            self._unchanged.inc()
            return
        if place is None:
            found = self._registry.spread_json(limit, self._random)
        else:
            found = self._registry.nearest_json(place, limit)
        body = b'{"relays":[%b],"count":%d}' % (b",".join(found), len(found))
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})
        self._listed.inc()
        self._seconds.observe(self._clock.now() - began)

    async def _refuse(self, error: VoxError, send: Send) -> None:
        status, body, headers = wire_form(error)
        self.directory.metrics.counter(REQUESTS, "list", str(status)).inc()
        await respond(send, status, body, {**headers, "access-control-allow-origin": "*"})

    def _tag(self, place: Place | None, limit: int) -> bytes:
        """Strong where the bytes are the same; an unordered list is only worth the same, so its tag is weak."""
        revision = self._registry.revision
        if place is None:
            return b'W/"%b-%d-%d"' % (self._boot, revision, limit)
        where = f"{place.latitude!r}/{place.longitude!r}".encode()
        return b'"%b-%d-%d-%b"' % (self._boot, revision, limit, where)


def create_app(directory: Directory) -> DirectoryApp:
    """The application of a directory; the ASGI lifespan opens and closes it, unless it is open already."""
    return DirectoryApp(directory)


class _Counts:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, scope: Scope) -> None:
        """A request came in."""

    def finished(self, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        route = route_name(scope["path"])
        self._metrics.counter(REQUESTS, route, str(status)).inc()
        self._metrics.histogram(REQUEST_SECONDS, route).observe(duration_s)


def route_name(path: str) -> str:
    """The metric's name of a path; few, so that a stranger cannot grow the registry."""
    if path in ROUTES:
        return ROUTES[path]
    parts = path.split("/")
    if path.startswith("/v1/relays/"):
        return parts[-1] if parts[-1] in _RELAY_ROUTES else "relay"
    if path.startswith("/v1/join-tokens/"):
        return "join-tokens"
    return "other"


def _routed(directory: Directory) -> ASGIApp:
    checks = Checks()
    checks.add("database", directory.check_database)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        if directory.is_open:  # whoever made it also closes it
            yield
            return
        async with directory:
            yield

    async def refused(_request: Request, error: Exception) -> Response:
        return refusal(directory, cast("VoxError", error))

    app = Starlette(
        routes=make_routes(directory, checks),
        lifespan=lifespan,
        exception_handlers={VoxError: refused, 404: nothing_here, 405: wrong_method},
    )
    app.router.redirect_slashes = False
    clock: Clock = directory.clock

    def broken(_error: Exception, _request_id: str) -> tuple[int, bytes, dict[str, str]]:
        return 500, b'{"error":"Internal server error","code":"INTERNAL_ERROR"}', {"content-type": "application/json"}

    return HttpEdge(app, clock, observer=_Counts(directory.metrics), on_error=broken)


def _is_known(scope: Scope, tag: bytes) -> bool:
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            plain = tag.removeprefix(b"W/")
            return any(one.strip().removeprefix(b"W/") in {plain, b"*"} for one in value.split(b","))
    return False
