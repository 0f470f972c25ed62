"""The chat server as an ASGI application.

REST goes through one function here, without a framework's middleware stack; the probes are answered before the limiter, and
the gateway is handed to the hub. The documentation pages are ordinary Starlette, because nobody measures those.
"""

import asyncio
import contextlib
import os
from typing import Any

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from vox.chat.api.json_ids import encode, encode_with_string_ids
from vox.chat.api.rate_categories import CATEGORIES, Category, RateDecision, network_key
from vox.chat.api.request import BODY_TIMEOUT_S, Call, Reply, Route, Router, Upload, client_of, decode_query
from vox.chat.config.settings import ChatSettings, load_chat_settings
from vox.chat.context import Parts
from vox.chat.errors import Refusal, refuse, wire_form
from vox.chat.features.routes import all_routes
from vox.chat.replication.cluster import with_redis
from vox.chat.server import ChatServer
from vox.errors import PeerError, UsageError, VoxError
from vox.http.cors import Origins
from vox.http.edge import read_body, request_id_of, respond
from vox.http.openapi import Documentation
from vox.http.request_metrics import RequestMetrics
from vox.http.signals import drain_before_shutdown
from vox.runtime.clock import SystemClock
from vox.runtime.gc_freeze import freeze_startup_objects
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import configure, get_logger
from vox.runtime.metrics import CONTENT_TYPE, Metrics

JSON = b"application/json"
PRIVATE = (b"cache-control", b"private, no-store")
NO_SNIFF = (b"x-content-type-options", b"nosniff")
FOUND = "vox.route"
"""Where the scope keeps its route, once it is found."""

_log = get_logger(__name__)


class ChatApp:
    """The application; `server` is what it serves, and `chat` what its routes stand on.

    Args:
        server: the server.
        is_alone: whether the process is its own: its lifespan then sets up logging as the settings say, and spares the collector.
    """

    def __init__(self, server: ChatServer, *, is_alone: bool = False) -> None:
        self.server = server
        self.chat = chat = server.context
        self._is_alone = is_alone
        self.router = Router(*all_routes())
        self.origins = Origins(chat.settings.allowed_origins)
        scale = chat.settings.rate_limit_scale or 1
        self._bursts = {name: b"%d" % max(1, int(each.burst * scale)) for name, each in CATEGORIES.items()}
        self._documentation = Documentation(self.router.routes)
        self._counting = RequestMetrics(chat.metrics) if chat.settings.expose_metrics else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's scope."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        extra: list[tuple[bytes, bytes]] = [NO_SNIFF]
        if self.origins.is_on:
            extra += self.origins.headers(scope)
            if self.origins.is_preflight(scope):
                await _send(send, 204, b"", extra)
                return
        if not path.startswith("/api/") and await self._operations(path, scope, send):
            return
        if not self.server.is_open:
            await asyncio.to_thread(self.server.open)
        began_s, status = self.chat.clock.now(), 500
        try:
            status = await self._answer(scope, receive, send, extra)
        finally:
            if self._counting is not None:
                self._counting.finished(scope.get(FOUND), status, self.chat.clock.now() - began_s)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, extra: list[tuple[bytes, bytes]]) -> int:
        try:
            reply = await self._rest(scope, receive, extra)
        except VoxError as error:
            reply = self._refused(error, scope)
        except Exception:  # noqa: BLE001  the top of a request: whatever it is becomes a response
            request = request_id_of(scope["headers"])
            _log.exception("request failed", route=_named(scope), request_id=request)
            reply = (
                500,
                b'{"error":{"code":"INTERNAL_ERROR","message":"Internal server error"}}',
                [(b"content-type", JSON), (b"x-request-id", request.encode("latin-1")), PRIVATE],
            )
        is_head = scope["method"] == "HEAD"
        if isinstance(reply, Reply):
            await _send_reply(send, reply, extra, is_head=is_head)
            return reply.status
        status, body, headers = reply
        await _send(send, status, b"" if is_head else body, [*headers, *extra], len(body))
        return status

    async def _rest(
        self, scope: Scope, receive: Receive, extra: list[tuple[bytes, bytes]]
    ) -> "Reply | tuple[int, bytes, list[tuple[bytes, bytes]]]":
        chat = self.chat
        authorization, wants_string_ids = _credentials(scope)
        refusal: Refusal | None = None
        route: Route | None = None
        values: dict[str, str] = {}
        try:
            route, values = self.router.find(
                scope["method"], scope.get("raw_path", b"").decode("ascii", "replace") or scope["path"]
            )
            scope[FOUND] = route
        except Refusal as error:
            refusal = error
        login, login_error, seen = None, None, (0, 0)
        if authorization is not None:
            try:
                login = await chat.logins.authenticate_member(_token(authorization), client_of(scope))
                if route is not None and route.body is not None:
                    seen = chat.logins.revocations, chat.community.version
            except Refusal as error:
                login_error = error
        category = route.category if route is not None else CATEGORIES["server"]
        key = f"user:{login.user_id}" if login is not None else f"ip:{network_key(client_of(scope))}"
        await self._limit(key, category, extra)
        if refusal is not None or route is None:
            raise refusal or refuse("UNKNOWN", "Not Found")
        access = route.access
        if access.kind != "nobody" and login is None:
            raise login_error or refuse("VALIDATION_ERROR", "header authorization: field required")
        call: Call[Any, Any] = Call(chat, scope, receive, login, values)
        if login is not None:
            access.check(chat.community, login.user_id, values)
        if route.query is not None:
            call.query = decode_query(scope["query_string"], route.query)
        if route.body is not None:
            await self._read_body(route, call, is_loose=wants_string_ids)
            is_old = seen != (chat.logins.revocations, chat.community.version)
            if is_old and authorization is not None and login is not None:
                # A body may take half a minute: who has been logged out, banned or demoted meanwhile is heard no more.
                await chat.logins.authenticate_member(_token(authorization), client_of(scope))
                access.check(chat.community, login.user_id, values)
        result = await route.endpoint(call)
        if isinstance(result, Reply):
            return result
        extra.append(PRIVATE)
        if result is None:
            return 204, b"", []
        body = encode_with_string_ids(result) if wants_string_ids else encode(result)
        return route.status, body, [(b"content-type", JSON)]

    async def _limit(self, key: str, category: Category, extra: list[tuple[bytes, bytes]]) -> None:
        chat = self.chat
        verdict = chat.limits.take(key, category, chat.clock.now())
        if not isinstance(verdict, RateDecision):
            verdict = await verdict
        reset = int(chat.clock.wall().timestamp() + verdict.full_in_s) + 1
        extra += (
            (b"x-ratelimit-limit", self._bursts[category.name]),
            (b"x-ratelimit-remaining", b"%d" % verdict.remaining),
            (b"x-ratelimit-reset", b"%d" % reset),
        )
        if verdict.retry_after_s is not None:
            prefix = "AUTH_" if category.name == "auth" else ""
            after_ms = max(1, int(verdict.retry_after_s * 1000))
            raise refuse(f"{prefix}RATE_LIMITED", "Too many requests; wait and try again.", retry_after_ms=after_ms)

    async def _read_body(self, route: Route, call: Call[Any, Any], *, is_loose: bool) -> None:
        if route.body is Upload:
            return
        try:
            raw = await read_body(
                call.scope,
                call.receive,
                max_bytes=self.chat.config.limit("max_request_body"),
                timeout_s=BODY_TIMEOUT_S,
            )
        except UsageError:
            raise refuse("PAYLOAD_TOO_LARGE", "The request body is too large.") from None
        except PeerError as error:
            raise refuse("VALIDATION_ERROR", str(error)) from None
        decode = route.decode_loose if is_loose else route.decode_body
        if decode is None or (not raw and route.method == "DELETE"):
            return
        try:
            call.body = decode(raw)
        except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, not the type, or nested too deeply
            raise refuse("VALIDATION_ERROR", f"body: {error}") from None

    def _refused(self, error: VoxError, scope: Scope) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        status, body, headers = wire_form(error)
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        if not isinstance(error, Refusal):
            request = request_id_of(scope["headers"])
            _log.warning("request failed", route=_named(scope), code=error.code, status=status, request_id=request)
            raw.append((b"x-request-id", request.encode("latin-1")))
        raw.append(PRIVATE)
        return status, body, raw

    async def _operations(self, path: str, scope: Scope, send: Send) -> bool:
        """Answers what is not part of the API; probes never meet the limiter."""
        if path == "/health":
            await _send(send, 200, b'{"status":"ok"}', [(b"content-type", JSON)])
        elif path == "/ready":
            await self._ready(send)
        elif path == "/metrics" and self.chat.settings.expose_metrics:
            self.server.hub.measure()
            await _send(send, 200, self.chat.metrics.render(), [(b"content-type", CONTENT_TYPE.encode())])
        else:
            return await self._documentation.answer(path, send)
        return True

    async def _ready(self, send: Send) -> None:
        server = self.server
        headers: dict[str, str] = {"content-type": "application/json"}
        try:
            if not server.is_open:
                await asyncio.to_thread(server.open)
            if server.lifecycle.is_draining:
                headers["retry-after"] = f"{server.lifecycle.retry_after_s:.0f}"
                await respond(send, 503, b'{"status":"draining"}', headers)
                return
            async with asyncio.timeout(5):
                await server.check()
        except (VoxError, TimeoutError) as error:
            _log.warning("not ready", error=str(error))
            await respond(send, 503, b'{"status":"unavailable"}', headers)
            return
        await respond(send, 200, b'{"status":"ok"}', headers)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if scope["path"] != "/gateway" or not self.origins.may_connect(scope):
            await websocket.close(1008)
            return
        if not self.server.is_open:
            await asyncio.to_thread(self.server.open)
        await self.server.hub.serve(websocket)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        if self._is_alone:
            configure(self.chat.settings.log_threshold, self.chat.settings.log_format == "json")
        async with contextlib.AsyncExitStack() as stack:
            try:
                await asyncio.to_thread(self.server.open)
                await stack.enter_async_context(self.server.running())
                await stack.enter_async_context(drain_before_shutdown(self.server.drain))
            except VoxError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            if self._is_alone:
                freeze_startup_objects()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        self.server.close()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(database_url: str | None = None) -> ChatApp:
    """A chat server as an ASGI application, configured by the environment.

    Args:
        database_url: overrides VOX_DATABASE_URL.

    Raises:
        UsageError: a setting is wrong; the message names it and the remedy.
    """
    overrides = {} if database_url is None else {"database_url": database_url}
    loaded = load_chat_settings(dict(os.environ), overrides)
    for warning in loaded.warnings:
        _log.warning(warning)
    return make_app(loaded.settings, is_alone=True)


def make_app(settings: ChatSettings, parts: Parts | None = None, *, is_alone: bool = False) -> ChatApp:
    """The application of given settings; see ChatApp for `is_alone`."""
    if parts is None:
        clock = SystemClock()
        parts = Parts(clock, Metrics(), Lifecycle(clock, settings.drain_timeout_s))
    return ChatApp(ChatServer(settings, with_redis(settings, parts)), is_alone=is_alone)


def _named(scope: Scope) -> str:
    """The route of a request for the log; never the path, in which people's codes may stand."""
    route: Route | None = scope.get(FOUND)
    return scope["method"] if route is None else route.name


def _credentials(scope: Scope) -> tuple[str | None, bool]:
    authorization, wants_string_ids = None, False
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"x-vox-ids":
            wants_string_ids = value == b"string"
    return authorization, wants_string_ids


def _token(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme not in {"Bearer", "Bot"} or not token:
        raise refuse("AUTH_FAILED", "Send Authorization: Bearer <token>.")
    return token.strip()


async def _send(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], length: int | None = None
) -> None:
    if status not in {204, 304}:
        headers = [*headers, (b"content-length", b"%d" % (len(body) if length is None else length))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_reply(send: Send, reply: Reply, extra: list[tuple[bytes, bytes]], *, is_head: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append(PRIVATE)
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
