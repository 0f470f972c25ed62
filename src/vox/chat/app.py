"""The chat server as an ASGI application: its routes and its gateway, behind the common dispatch."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.websockets import WebSocket

from vox.chat.api.access import PUBLIC, Access
from vox.chat.api.json_ids import encode
from vox.chat.api.landing_page import HEADERS, landing_page, wants_page
from vox.chat.api.openapi import API
from vox.chat.api.policy import NO_SNIFF, PRIVATE, ChatPolicy
from vox.chat.api.request import AnyCall, Reply, Router, RouteTable
from vox.chat.api.request_metrics import RequestMetrics
from vox.chat.config.settings import ChatSettings, load_chat_settings
from vox.chat.context import Parts
from vox.chat.errors import refuse
from vox.chat.features.client.routes import DEFAULT_GATEWAY
from vox.chat.features.routes import all_routes
from vox.chat.replication.cluster import with_redis
from vox.chat.server import ChatServer
from vox.http.cors import Origins
from vox.http.dispatch import Dispatcher
from vox.http.openapi import ApiDocument, documentation_routes
from vox.http.probes import Readiness, ReadinessProbe, ready_endpoint
from vox.http.signals import drain_before_shutdown
from vox.runtime.clock import SystemClock
from vox.runtime.gc_freeze import freeze_startup_objects
from vox.runtime.health import Checks
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import configure, get_logger, take_over_uvicorn
from vox.runtime.metrics import CONTENT_TYPE, Metrics
from vox.runtime.pages import PATHS, ClientPages

JSON = {"content-type": "application/json"}
READY_TIMEOUT_S = 5.0
POLICY_VIOLATION = 1008
"""Close code of an upgrade that is refused (RFC 6455 section 7.4.1)."""

_log = get_logger(__name__)


class ChatApp(Dispatcher[Access, AnyCall]):
    """The application; `server` is what it serves, `chat` its parts.

    Args:
        server: the chat server.
        is_alone: whether the process is its own: its lifespan then spares the collector.
    """

    def __init__(self, server: ChatServer, *, is_alone: bool = False) -> None:
        self.server = server
        self.chat = chat = server.context
        self._is_alone = is_alone
        self._socket_origins = Origins(chat.settings.allowed_origins)
        api = all_routes()
        document = ApiDocument(API, [route for table in api for route in table])
        documentation = documentation_routes(
            lambda: document,
            PUBLIC,
            page_paths=("/docs", "/redoc"),
            answers_any_method=True,
            category=None,
            label="",
            has_common_headers=False,
        )
        super().__init__(
            Router(*api, self._operations(), documentation, falls_back=False),
            ChatPolicy(chat, self._opening),
            chat.clock,
            lifespan=self._running,
            observer=RequestMetrics(chat.metrics) if chat.settings.expose_metrics else None,
            origins=self._socket_origins,
            headers=(NO_SNIFF,),
            reply_cache_control=PRIVATE[1],
            has_request_ids=False,
            counts_refused_methods=False,
        )

    def _operations(self) -> RouteTable:
        """What is not part of the API: the probes, which never meet the limiter, metrics, and the gateway's socket."""
        chat, table = self.chat, RouteTable("")
        bare: dict[str, Any] = {
            "access": PUBLIC,
            "category": None,
            "label": "",
            "is_documented": False,
            "has_common_headers": False,
        }
        checks = Checks()
        checks.add("database", self._check_database, READY_TIMEOUT_S)
        probe = ReadinessProbe(self.server.lifecycle, checks, opens_on_demand=True)

        async def health(_call: AnyCall) -> Reply:
            """Whether the process answers."""
            return Reply(200, b'{"status":"ok"}', JSON)

        async def metrics(_call: AnyCall) -> Reply:
            """The counters in Prometheus' text format."""
            self.server.hub.measure()
            return Reply(200, chat.metrics.render(), {"content-type": CONTENT_TYPE})

        settings = chat.settings
        pages = ClientPages(
            [
                *([] if settings.gateway_url == DEFAULT_GATEWAY else [settings.gateway_url]),
                settings.agent_url,
                settings.media_url,
            ],
            to_any_secure=bool(settings.media_directory_url),
        )

        async def client_file(call: AnyCall) -> Response:
            """A file of the web client."""
            path: str = call.scope["path"]
            file = pages.file(path.removeprefix("/"), call.header(b"accept-encoding"))
            if file is None or call.scope["method"] not in {"GET", "HEAD"}:
                raise refuse("UNKNOWN", "Not Found")
            return file

        async def root(call: AnyCall) -> Reply | Response:
            """The web client for browsers, or what to do where it is not built; nothing for all others."""
            if call.scope["method"] not in {"GET", "HEAD"} or not wants_page(call.header(b"accept").encode()):
                raise refuse("UNKNOWN", "Not Found")
            if (client := pages.index(call.header(b"accept-encoding"))) is not None:
                return client
            host = call.header(b"host") or f"127.0.0.1:{chat.settings.http_port}"
            address = f"{call.scope['scheme']}://{host}"
            page = landing_page(chat.config.get("server_name"), chat.settings.registration, address)
            return Reply(200, page, HEADERS)

        for path, endpoint in (("/", root), *((path, client_file) for path in PATHS)):
            table.any(path, access=PUBLIC, category=None, label="", is_documented=False)(endpoint)
        table.any("/health", **bare)(health)
        table.any("/ready", **bare)(ready_endpoint(probe, self._probe_reply))
        if chat.settings.expose_metrics:
            table.any("/metrics", **bare)(metrics)
        table.websocket("/gateway", **bare)(self._gateway)
        return table

    async def _gateway(self, websocket: WebSocket) -> None:
        public = urlsplit(self.chat.config.get("gateway_url")).netloc
        if not self._socket_origins.may_connect(websocket.scope, (public,)):
            await websocket.close(POLICY_VIOLATION)
            return
        await self._open()
        await self.server.hub.serve(websocket)

    def _probe_reply(self, _call: AnyCall, found: Readiness) -> Reply:
        """Redis away does not make the process unready: all processes share it, and each goes on serving what it can."""
        if found.is_ready:
            if self.server.is_interrupted:
                return Reply(200, encode({"status": "degraded", "checks": {"redis": "redis_failed"}}), JSON)
            return Reply(200, b'{"status":"ok"}', JSON)
        if found.retry_after_s is not None:
            return Reply(503, b'{"status":"draining"}', {**JSON, "retry-after": f"{found.retry_after_s:.0f}"})
        return Reply(503, encode({"status": "unavailable", "checks": found.failed}), JSON)

    async def _check_database(self) -> None:
        await self._open()
        await self.server.check()

    async def _open(self) -> None:
        if not self.server.is_open:
            await asyncio.to_thread(self.server.open)

    def _opening(self) -> Awaitable[None] | None:
        return None if self.server.is_open else self._open()

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None, None]:
        await asyncio.to_thread(self.server.open)
        async with self.server.running(), drain_before_shutdown(self.server.drain):
            if self._is_alone:
                freeze_startup_objects()
            yield
        self.server.close()


def create_app(database_url: str | None = None) -> ChatApp:
    """A chat server as an ASGI application, configured by the environment.

    Args:
        database_url: overrides VOX_DATABASE_URL.

    Raises:
        UsageError: a setting is wrong; the message names it and the remedy.
    """
    overrides = {} if database_url is None else {"database_url": database_url}
    loaded = load_chat_settings(dict(os.environ), overrides)
    configure(loaded.settings.log_threshold, loaded.settings.log_format == "json")
    take_over_uvicorn()
    for warning in loaded.warnings:
        _log.warning(warning)
    return make_app(loaded.settings, is_alone=True)


def make_app(settings: ChatSettings, parts: Parts | None = None, *, is_alone: bool = False) -> ChatApp:
    """The application of given settings; see ChatApp for `is_alone`."""
    if parts is None:
        clock = SystemClock()
        parts = Parts(clock, Metrics(), Lifecycle(clock, settings.drain_timeout_s))
    return ChatApp(ChatServer(settings, with_redis(settings, parts)), is_alone=is_alone)
