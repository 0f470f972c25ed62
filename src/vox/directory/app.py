"""The directory as an ASGI application.

The list is what clients ask all day, so it never meets the router: it is parsed, looked up and joined right here, from bytes
that were encoded when a relay changed. Everything else goes through the common dispatch.
"""

import secrets
from typing import Final

from starlette.types import Receive, Scope, Send

from vox.directory.api.answers import API
from vox.directory.api.policy import PUBLIC, Access, DirectoryCall, DirectoryPolicy, DirectoryRoute
from vox.directory.api.routes import list_route, make_routes
from vox.directory.errors import wire_form
from vox.directory.metrics import REQUEST_SECONDS, REQUESTS
from vox.directory.relays.long_poll import INDEX_HEADER
from vox.directory.relays.place import Place
from vox.directory.schemas import list_query, plain_list_query, wait_query
from vox.directory.server import Directory
from vox.errors import VoxError
from vox.http.call import client_address
from vox.http.cors import ANY_ORIGIN
from vox.http.dispatch import Dispatcher, RawHeaders
from vox.http.edge import respond
from vox.http.header_values import etag_matches
from vox.http.lifespan import opened
from vox.http.openapi import ApiDocument, documentation_routes
from vox.http.probes import ReadinessProbe
from vox.http.routing import Router
from vox.http.whole_answers import WholeAnswer, send_whole
from vox.runtime.health import Checks
from vox.runtime.metrics import Metrics
from vox.security.addresses import network_key

LIST_PATH = "/v1/relays"
UNMATCHED: Final = "other"
"""The label of requests without a route: their paths are the client's choice."""
LIST_TARGET = LIST_PATH.encode() + b"?"
CACHE_CONTROL = b"public, max-age=5, stale-while-revalidate=30, stale-if-error=300"
LIST_HEAD = (
    b"content-type: application/json\r\n"
    b"cache-control: " + CACHE_CONTROL + b"\r\n"
    b"etag: %b\r\n"
    b"access-control-allow-origin: *\r\n"
    b"content-length: %d\r\n"
)


class DirectoryApp(Dispatcher[Access, DirectoryCall]):
    """The list at once, the rest through the common dispatch; `directory` is what it serves."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._registry = directory.registry
        self._random = directory.random
        self._boot = secrets.token_hex(4).encode()
        checks = Checks()
        checks.add("database", directory.check_database)
        tables = make_routes(directory, ReadinessProbe(directory.lifecycle, checks))
        document = ApiDocument(API, [route for table in (*tables, list_route()) for route in table])
        headers = {"cache-control": "public, max-age=300", **ANY_ORIGIN}
        documentation = documentation_routes(lambda: document, PUBLIC, headers=headers, label="other")
        super().__init__(
            Router(*tables, documentation),
            DirectoryPolicy(directory),
            directory.clock,
            lifespan=lambda: opened(directory),
            observer=_Counts(directory.metrics),
        )
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
            await super().__call__(scope, receive, send)

    def answer_at_once(self, target: bytes, headers: RawHeaders) -> WholeAnswer | None:
        """The list for most requests, before they become ASGI scopes; `_list` answers all others, and these the same."""
        if not target.startswith(LIST_TARGET):
            return None
        began = self._clock.now()
        requested = plain_list_query(target[len(LIST_TARGET) :])
        if requested is None:
            return None
        for name, _ in headers:
            if name == b"if-none-match":
                return None
        place, limit = requested
        body = self._registry.nearest_json(place, limit)
        head = LIST_HEAD % (self._tag(place, limit), len(body))
        self._listed.inc()
        self._seconds.observe(self._clock.now() - began)
        return 200, head, body

    async def _list_later(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The list once it is another one than the client has, or when its time is over."""
        long_poll = self.directory.long_poll
        try:
            wait = wait_query(scope["query_string"])
            if wait is not None and wait.index == long_poll.index:
                list_query(scope["query_string"])  # what is wrong is said at once
                await long_poll.beyond(wait.index, wait.seconds, network_key(client_address(scope)), receive)
        except VoxError as error:
            await self._refuse(error, scope, send)
            return
        await self._list(scope, send, is_late=wait is not None)

    async def _list(self, scope: Scope, send: Send, *, is_late: bool = False) -> None:
        began = self._clock.now()
        try:
            place, limit = list_query(scope["query_string"])
        except VoxError as error:
            await self._refuse(error, scope, send)
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
            await send_whole(send, 304, headers, b"")
            self._unchanged.inc()
            return
        if place is None:
            body = self._registry.spread_json(limit, self._random)
        else:
            body = self._registry.nearest_json(place, limit)
        headers.append((b"content-length", b"%d" % len(body)))
        if scope["method"] == "HEAD":
            body = b""
        await send_whole(send, 200, headers, body)
        self._listed.inc()
        self._seconds.observe(self._clock.now() - began)

    async def _refuse(self, error: VoxError, scope: Scope, send: Send) -> None:
        status, body, headers = wire_form(error)
        self.directory.metrics.counter(REQUESTS, "list", str(status)).inc()
        await respond(send, status, body, {**headers, **ANY_ORIGIN}, is_head=scope["method"] == "HEAD")

    def _tag(self, place: Place | None, limit: int) -> bytes:
        """Strong where the bytes are the same; an unordered list is only worth the same, so its tag is weak."""
        revision = self._registry.revision
        if place is None:
            return b'W/"%b-%d-%d"' % (self._boot, revision, limit)
        return b'"%b-%d-%d-%a/%a"' % (self._boot, revision, limit, place.latitude, place.longitude)


def create_app(directory: Directory) -> DirectoryApp:
    """The application of a directory; the ASGI lifespan opens and closes it, unless it is open already."""
    return DirectoryApp(directory)


class _Counts:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, route: DirectoryRoute | None) -> None:
        """A request came in."""

    def finished(self, route: DirectoryRoute | None, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        del scope
        label = UNMATCHED if route is None else route.label
        self._metrics.counter(REQUESTS, label, str(status)).inc()
        self._metrics.histogram(REQUEST_SECONDS, label).observe(duration_s)


def _is_known(scope: Scope, tag: bytes) -> bool:
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            return value == tag or etag_matches(value.decode("latin-1"), tag.decode())
    return False
