"""The one path of every request: route, admission, query and body, endpoint, answer; a failure becomes the part's error body.

Plain ASGI without a middleware stack: nothing here costs a task, and an authenticated GET must stay under 100 µs altogether.
What a part decides (who may call, what an error looks like) is its `Policy`; what a route needs is in its table.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import quote

from starlette.datastructures import URL
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from structlog.contextvars import bind_contextvars

from vox.errors import UsageError, VoxError
from vox.http.call import ROUTE, HttpCall
from vox.http.cors import Origins
from vox.http.edge import read_body, request_id
from vox.http.lifespan import serve_lifespan
from vox.http.routing import (
    Access,
    MethodNotAllowed,
    Reply,
    Route,
    RouteNotFound,
    Router,
    Upload,
    decode_query,
)
from vox.http.whole_answers import send_whole
from vox.runtime import tracing
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

A = TypeVar("A", bound=Access)
C = TypeVar("C", bound=HttpCall)

RawHeaders = list[tuple[bytes, bytes]]
Answer = tuple[int, bytes, RawHeaders]
"""Status, body and headers in lower case, without a content-length."""

BODY_TIMEOUT_S: Final = 30.0
CLIENT_LEFT: Final = 499
"""What a request without an answer is counted as: the client left first (nginx's code)."""

_RESPONSES: Final = (Reply, Response)

_log = get_logger(__name__)
_tracer = tracing.tracer(__name__)


@dataclass(slots=True)
class _Outcome:
    """What a request is counted as, also where its answer ends early."""

    status: int = CLIENT_LEFT

    @property
    def is_begun(self) -> bool:
        return self.status != CLIENT_LEFT


class Policy(Protocol[A, C]):
    """What a part decides about its requests."""

    async def admit(
        self, route: Route[A], scope: Scope, receive: Receive, values: dict[str, str], headers: RawHeaders
    ) -> C:
        """Limits, authenticates and authorises a request; `headers` are added to whatever is answered.

        Raises:
            VoxError: the request is refused.
        """
        ...

    async def miss(self, error: UsageError, scope: Scope, headers: RawHeaders) -> None:
        """A request whose path or method is not routed; may refuse it otherwise, for one that asks too often."""
        ...

    async def recheck(self, call: C) -> None:
        """Runs after a body was read, which may take half a minute: what held before may have changed."""
        ...

    def max_body_bytes(self, route: Route[A]) -> int:
        """The longest JSON body of a route."""
        ...

    def bind(self, call: C, *, query: Any = None, body: Any = None) -> None:
        """Gives the call its decoded query or body."""
        ...

    def decode(self, route: Route[A], call: C, raw: bytes) -> Any:
        """The body of a route that declares one."""
        ...

    def encode(self, call: C, route: Route[A], result: object) -> Answer:
        """A result that is not a Reply, as a response; None is the empty answer."""
        ...

    def refused(self, error: VoxError, scope: Scope) -> Answer:
        """An error in the part's wire format."""
        ...

    def failed(self, error: Exception, scope: Scope) -> Answer:
        """The answer to an error of the server itself; it is logged already."""
        ...

    async def refuse_socket(self, error: UsageError, websocket: WebSocket) -> None:
        """Refuses an upgrade on a path without a socket."""
        ...


class RequestObserver(Protocol[A]):
    """Counts requests; both calls run on the event loop and must not fail. Routes without a label are not counted."""

    def started(self, route: Route[A] | None) -> None:
        """A request came in; None where no route was found."""
        ...

    def finished(self, route: Route[A] | None, scope: Scope, status: int, duration_s: float) -> None:
        """Its response is out."""
        ...


class Dispatcher(Generic[A, C]):
    """An ASGI application made of routes.

    Args:
        router: the routes.
        policy: the part's decisions.
        clock: for durations.
        lifespan: what the ASGI lifespan opens and closes.
        observer: counts requests, where metrics are on.
        origins: browsers of other origins; None leaves CORS to the routes.
        headers: on every response.
        reply_cache_control: the cache-control of replies that have none; empty for none.
        has_request_ids: gives each request an id at once, for its logs; otherwise it is made when an error needs it.
        counts_refused_methods: whether a method that a path does not take is counted under the path's route.
        redirects_slashes: answers `/path/` with a redirect to `/path` where only that is routed.
    """

    def __init__(
        self,
        router: Router[A],
        policy: Policy[A, C],
        clock: Clock,
        *,
        lifespan: Callable[[], AbstractAsyncContextManager[object]],
        observer: RequestObserver[A] | None = None,
        origins: Origins | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
        reply_cache_control: bytes = b"",
        has_request_ids: bool = True,
        counts_refused_methods: bool = True,
        redirects_slashes: bool = False,
    ) -> None:
        self.router = router
        self._policy = policy
        self._clock = clock
        self._lifespan = lifespan
        self._observer = observer
        self._origins = origins if origins is not None and origins.is_on else None
        self._headers = tuple(headers)
        self._reply_cache_control = reply_cache_control
        self._has_request_ids = has_request_ids
        self._counts_refused_methods = counts_refused_methods
        self._redirects_slashes = redirects_slashes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's scope."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await serve_lifespan(receive, send, self._lifespan)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: RawHeaders = [*self._headers]
        origins = self._origins
        if origins is not None:
            headers += origins.headers(scope)
            if origins.is_preflight(scope):
                await _send(send, 204, b"", headers)
                return
        if self._has_request_ids:
            bind_contextvars(request_id=request_id(scope))  # a request has its own task, so nothing has to be unbound
        route: Route[A] | None = None
        values: dict[str, str] = {}
        miss: UsageError | None = None
        try:
            route, values = self.router.find(scope["method"], raw_path(scope))
            scope[ROUTE] = route
            if not route.has_common_headers:
                headers = []
        except (RouteNotFound, MethodNotAllowed) as error:
            miss = error
        answer = self._traced if tracing.is_on() else self._answer
        if self._observer is None:
            await answer(route, miss, scope, receive, send, values, headers, _Outcome())
            return
        counted = route
        if self._counts_refused_methods and isinstance(miss, MethodNotAllowed):
            counted = miss.route
        observer = self._observer if counted is None or counted.label else None
        began_s, outcome = self._clock.now(), _Outcome()
        if observer is not None:
            observer.started(counted)
        try:
            await answer(route, miss, scope, receive, send, values, headers, outcome)
        finally:
            if observer is not None:
                observer.finished(counted, scope, outcome.status, self._clock.now() - began_s)

    async def _traced(
        self,
        route: Route[A] | None,
        miss: UsageError | None,
        scope: Scope,
        receive: Receive,
        send: Send,
        values: dict[str, str],
        headers: RawHeaders,
        outcome: _Outcome,
    ) -> None:
        """`_answer` as a span, for routes that are counted: the names are those of OpenTelemetry's conventions for HTTP servers."""
        if route is None or not route.label:
            await self._answer(route, miss, scope, receive, send, values, headers, outcome)
            return
        method, came = (
            scope["method"],
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        )
        facts = {"http.request.method": method, "http.route": route.template}
        with _tracer.request(f"{method} {route.template}", came, **facts) as span:
            await self._answer(route, miss, scope, receive, send, values, headers, outcome)
            span.set(**{"http.response.status_code": outcome.status})

    async def _answer(
        self,
        route: Route[A] | None,
        miss: UsageError | None,
        scope: Scope,
        receive: Receive,
        send: Send,
        values: dict[str, str],
        headers: RawHeaders,
        outcome: _Outcome,
    ) -> None:
        policy = self._policy
        try:
            if route is None:
                result = await self._missed(miss or RouteNotFound(), scope, headers)
            else:
                call = await policy.admit(route, scope, receive, values, headers)
                if route.query is not None or route.body is not None:
                    await self._read(route, call)
                result = await route.endpoint(call)
                if not isinstance(result, _RESPONSES):
                    result = policy.encode(call, route, result)
        except VoxError as error:
            result = policy.refused(error, scope)
        except Exception as error:  # noqa: BLE001  the top of a request: whatever it is becomes a response
            result = self._failed(error, scope)
        is_head = scope["method"] == "HEAD"
        if isinstance(result, tuple):
            outcome.status, body, own = result
            await _send(send, outcome.status, b"" if is_head else body, [*own, *headers], len(body))
            return
        if isinstance(result, Reply):
            if (
                self._reply_cache_control
                and "cache-control" not in result.headers
                and (not route or route.has_common_headers)
            ):
                headers.append((b"cache-control", self._reply_cache_control))
            await _send_reply(send, result, headers, outcome, is_head=is_head)
            return
        try:
            await _send_response(result, scope, receive, send, headers, outcome)
        except Exception as error:  # the top of a request: whatever it is becomes a response
            if outcome.is_begun:
                raise  # half an answer is out: only closing the connection tells the client
            outcome.status, body, own = self._failed(error, scope)
            await _send(send, outcome.status, b"" if is_head else body, [*own, *headers], len(body))

    async def _read(self, route: Route[A], call: C) -> None:
        """Gives a call its decoded query and body."""
        policy, scope, query = self._policy, call.scope, route.query
        if isinstance(query, type):
            policy.bind(call, query=decode_query(scope["query_string"], query))
        if route.body is not None and route.body is not Upload:
            most = policy.max_body_bytes(route)
            raw = await read_body(scope, call.receive, max_bytes=most, timeout_s=BODY_TIMEOUT_S)
            policy.bind(call, body=policy.decode(route, call, raw))
            await policy.recheck(call)

    def _failed(self, error: Exception, scope: Scope) -> Answer:
        _log.exception("request failed", route=route_name(scope), request_id=request_id(scope))
        return self._policy.failed(error, scope)

    async def _missed(self, miss: UsageError, scope: Scope, headers: RawHeaders) -> Response | Answer:
        path: str = scope["path"]
        if self._redirects_slashes and isinstance(miss, RouteNotFound) and path != "/":
            other = path.rstrip("/") if path.endswith("/") else f"{path}/"
            if self.router.has_path(_below_root(scope, quote(other))):
                return RedirectResponse(str(URL(scope={**scope, "path": other})))
        await self._policy.miss(miss, scope, headers)
        return self._policy.refused(miss, scope)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._has_request_ids:
            bind_contextvars(request_id=request_id(scope))
        websocket = WebSocket(scope, receive, send)
        try:
            route, values = self.router.find("WEBSOCKET", raw_path(scope))
        except RouteNotFound as error:
            await self._policy.refuse_socket(error, websocket)
            return
        scope[ROUTE] = route
        scope["path_params"] = values
        await route.endpoint(websocket)


def raw_path(scope: Scope) -> str:
    """The path below the application's root, percent-encoded as it was sent; made from the decoded one where the server gives no other."""
    raw: bytes = scope.get("raw_path", b"")
    path = raw.decode("ascii", "replace") if raw else quote(scope["path"])
    return _below_root(scope, path) if scope.get("root_path") else path


def route_name(scope: Scope) -> str:
    """The route of a request for the log; never the path, which may hold people's codes."""
    route: Route[Any] | None = scope.get(ROUTE)
    return scope.get("method", "WEBSOCKET") if route is None else route.name


def _below_root(scope: Scope, path: str) -> str:
    root: str = scope.get("root_path", "")
    return path.removeprefix(quote(root)) if root else path


def _send(
    send: Send, status: int, body: bytes, headers: RawHeaders, length: int | None = None
) -> Coroutine[Any, Any, None]:
    """`send_whole` with the length among the headers; no coroutine around its own, which every answer would pay for."""
    if status not in {204, 304}:
        headers = [*headers, (b"content-length", b"%d" % (len(body) if length is None else length))]
    return send_whole(send, status, headers, body)


async def _send_reply(send: Send, reply: Reply, extra: RawHeaders, outcome: _Outcome, *, is_head: bool) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    outcome.status = reply.status
    try:
        if reply.stream is None:
            await _send(send, reply.status, b"" if is_head else reply.body, [*headers, *extra], len(reply.body))
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": [*headers, *extra]})
        if not is_head:
            async for piece in reply.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        if reply.on_end is not None:
            await reply.on_end()


async def _send_response(
    response: Response, scope: Scope, receive: Receive, send: Send, extra: RawHeaders, outcome: _Outcome
) -> None:
    """Sends a response of Starlette's (files with ranges, event streams), which writes its own head."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            outcome.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    await response(scope, receive, with_headers)
