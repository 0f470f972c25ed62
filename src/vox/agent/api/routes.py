"""The agent server's HTTP: the talk page, `/ws`, the carriers' webhook and stream, health, readiness and metrics.

Handlers parse, ask and answer. Whether a call may come in is decided here, before the upgrade: key, origin, agent, place.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from vox.agent.admission import Busy, Reservation
from vox.agent.api import webhooks
from vox.agent.api.http_metrics import connection_gauges, count_upgrade, route_name
from vox.agent.api.responses import error, json_response, success
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Agent
from vox.agent.config.settings import PHONE_RUNNERS
from vox.agent.server import AgentServer
from vox.agent.transports.telephony import TelephonyTransport
from vox.agent.transports.websocket import WebSocketTransport
from vox.errors import UsageError
from vox.http.websocket import refuse, serve_socket
from vox.protocols.agent_codecs import make_codec
from vox.protocols.media_stream import StreamStarted
from vox.runtime.clock import new_id
from vox.runtime.health import Checks
from vox.runtime.logging import get_logger
from vox.runtime.metrics import CONTENT_TYPE
from vox.security.digests import is_equal

log = get_logger(__name__)

PAGE = Path(__file__).parent / "page"
DEFAULT_OUTPUT_RATE = 24_000
OUTPUT_RATES = {str(rate): rate for rate in (8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)}
MAX_MESSAGE_BYTES = 1 << 20
VARIABLE_PREFIX = "var."
_HOST = re.compile(r"[\w.:\[\]-]+")
_REFUSALS = {404: ("NOT_FOUND", "Not found"), 405: ("BAD_REQUEST", "Method not allowed")}

_Link = WebSocketTransport | TelephonyTransport
_MakeLink = Callable[[asyncio.TaskGroup, Reservation], _Link]


def make_routes(server: AgentServer, checks: Checks) -> list[BaseRoute]:
    """All routes of one agent server."""
    http = _Http(server, checks)
    calls = _Calls(server)
    anywhere = [
        Route(f"{prefix}{path}", handler, methods=["GET", "HEAD"])
        for prefix in ("", "/api/v1")
        for path, handler in (("/health", http.health), ("/ready", http.ready))
    ]
    return [
        *anywhere,
        Route("/metrics", http.metrics),
        Route("/", http.root, methods=["GET", "HEAD", "POST"]),
        Route("/talk", http.page),
        Route("/page/{name}", http.asset),
        Route("/ws", calls.explain),
        Route("/telephony/ws", calls.explain_phone),
        Route("/telephony/{agent}", http.webhook, methods=["GET", "POST"]),
        WebSocketRoute("/ws", calls.client),
        WebSocketRoute("/telephony/ws", calls.phone),
        WebSocketRoute("/telephony/ws/{agent}", calls.phone),
        WebSocketRoute("/telephony/ws/{agent}/{token}", calls.phone),
        WebSocketRoute("/{path:path}", calls.nowhere),
    ]


async def http_error(request: HTTPConnection, failure: Exception) -> Response:
    """What the router refuses, in the envelope of everything else: an unknown path, a method that a path has not."""
    status = failure.status_code if isinstance(failure, HTTPException) else 500
    headers = failure.headers if isinstance(failure, HTTPException) else None
    code, message = _REFUSALS.get(status, ("BAD_REQUEST", "Bad request"))
    return error(request, status, code, message, headers=headers)


class _Http:
    def __init__(self, server: AgentServer, checks: Checks) -> None:
        self._server = server
        self._checks = checks

    async def health(self, request: Request) -> Response:
        return success(request, {"status": "ok"}, status="ok")

    async def ready(self, request: Request) -> Response:
        lifecycle = self._server.lifecycle
        if not lifecycle.is_accepting:
            headers = {"Retry-After": f"{lifecycle.retry_after_s:.0f}"}
            return error(
                request, 503, "SERVICE_UNAVAILABLE", f"Service unavailable: {lifecycle.state}", headers=headers
            )
        failed = {name: why for name, why in (await self._checks.run()).items() if why is not None}
        if failed:
            details = [{"field": name, "message": why} for name, why in failed.items()]
            return error(request, 503, "SERVICE_UNAVAILABLE", "Service unavailable", details=details)
        return success(request, {"status": "ok"}, status="ok")

    async def metrics(self, request: Request) -> Response:
        return Response(self._server.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def root(self, request: Request) -> Response:
        runner = self._server.settings.runner_transport
        if runner in PHONE_RUNNERS:
            if webhooks.is_call(runner, request):
                return await webhooks.answer(self._server, request, runner, agent="")
            return json_response({"data": {"status": f"Bot started with {runner}"}})
        if request.method == "POST":
            return error(request, 405, "BAD_REQUEST", "Method not allowed: no runner_transport answers webhooks here")
        return await self.page(request)

    async def webhook(self, request: Request) -> Response:
        name = request.path_params["agent"]
        if name == "ws":  # the stream, which the router would have found for GET
            raise HTTPException(405, headers={"Allow": "GET"})
        runner = self._server.settings.runner_transport
        if self._server.resources.agent_for(name) is None:
            return error(request, 404, "NOT_FOUND", f"No agent is named {name}")
        if runner not in PHONE_RUNNERS:
            return error(request, 404, "NOT_FOUND", "No runner_transport is configured")
        return await webhooks.answer(self._server, request, runner, agent=name)

    async def page(self, request: Request) -> Response:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _page_policy(request)}
        return FileResponse(PAGE / "index.html", headers=headers)

    async def asset(self, request: Request) -> Response:
        path = PAGE / Path(request.path_params["name"]).name
        if path.name == "index.html" or not path.is_file():
            return error(request, 404, "NOT_FOUND", "Not found")
        return FileResponse(path, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})


class _Calls:
    def __init__(self, server: AgentServer) -> None:
        self._server = server

    async def client(self, websocket: WebSocket) -> None:
        """`/ws`: a browser or an app."""
        server, query = self._server, websocket.query_params
        agent = server.resources.agent_for(query.get("agent", ""))
        refusal = self._refusal(websocket)
        if refusal is not None or agent is None:
            await self._refuse(websocket, *(refusal or (404, "NOT_FOUND", "No such agent")))
            return
        rate = OUTPUT_RATES[query.get("sample_rate", str(DEFAULT_OUTPUT_RATE))]
        codec = make_codec(
            query, allow_context=server.settings.allow_client_context, max_message_bytes=MAX_MESSAGE_BYTES
        )
        variables = {
            name.removeprefix(VARIABLE_PREFIX): value
            for name, value in query.items()
            if name.startswith(VARIABLE_PREFIX)
        }
        info = CallInfo(new_id("call"), "ws", variables=variables)

        def link(tasks: asyncio.TaskGroup, _place: Reservation) -> WebSocketTransport:
            def start(made: WebSocketTransport) -> Session:
                session = Session(server.resources, agent, made, info)
                server.keep(session, tasks)
                return session

            return WebSocketTransport(server.resources, codec, rate, start)

        await self._hold(websocket, link)

    async def phone(self, websocket: WebSocket) -> None:
        """`/telephony/ws`: a carrier's media stream."""
        server = self._server
        name = websocket.path_params.get("agent") or websocket.query_params.get("agent", "")
        if name and server.resources.agent_for(name) is None:
            await self._refuse(websocket, 404, "NOT_FOUND", f"No agent is named {name}")
            return
        if server.settings.runner_transport not in PHONE_RUNNERS and not self._has_key(websocket):
            await self._refuse(websocket, 401, "UNAUTHORIZED", "Unauthorized")
            return
        try:
            webhooks.check_stream(server, websocket, name)
        except UsageError as refused:
            log.warning("stream refused", code=refused.code, error=str(refused))
            await self._refuse(websocket, 403, "FORBIDDEN", "This stream was not announced by this server")
            return

        def choose(started: StreamStarted) -> Agent | None:
            return server.resources.agent_for(name or started.parameters.get("agent", ""), started.callee)

        def link(tasks: asyncio.TaskGroup, place: Reservation) -> TelephonyTransport:
            def start(session: Session) -> None:
                place.begin()
                server.keep(session, tasks)

            return TelephonyTransport(server.resources, choose, start)

        await self._hold(websocket, link, is_silent=True)

    async def nowhere(self, websocket: WebSocket) -> None:
        """A path that is none."""
        await self._refuse(websocket, 404, "NOT_FOUND", "Not found")

    async def _hold(self, websocket: WebSocket, make: _MakeLink, *, is_silent: bool = False) -> None:
        """Takes a place, serves the socket, gives the place back and hangs up what is left of a phone call."""
        server, route = self._server, route_name(websocket.scope["path"])
        place = server.admission.reserve(server.clock.now(), is_silent=is_silent)
        if isinstance(place, Busy):
            headers = {"Retry-After": str(self._retry_after(place))}
            await self._refuse(websocket, 503, "SERVICE_UNAVAILABLE", f"Service unavailable: {place.reason}", headers)
            return
        gauges = connection_gauges(server.metrics, route)
        for gauge in gauges:
            gauge.inc()
        count_upgrade(server.metrics, route, 101)
        with server.lifecycle.hold():
            try:
                async with asyncio.TaskGroup() as tasks:
                    link = make(tasks, place)
                    if isinstance(link, TelephonyTransport):
                        place.on_evicted = link.evict
                    await serve_socket(websocket, link, max_message_bytes=MAX_MESSAGE_BYTES)
            finally:
                for gauge in gauges:
                    gauge.dec()
                place.release()
            if isinstance(link, TelephonyTransport) and link.call_id and not link.is_stopped_by_carrier:
                await webhooks.hang_up(server, link.carrier, link.call_id)

    async def explain(self, request: Request) -> Response:
        """A plain GET of `/ws`: what the upgrade would be refused with, for pages that cannot see that themselves."""
        refusal = self._refusal(request)
        return error(request, *refusal) if refusal is not None else await self.explain_phone(request)

    async def explain_phone(self, request: Request) -> Response:
        """The same for the carriers' stream."""
        busy = self._server.admission.why_full(self._server.clock.now())
        if busy is not None:
            headers = {"Retry-After": str(self._retry_after(busy))}
            return error(request, 503, "SERVICE_UNAVAILABLE", f"Service unavailable: {busy.reason}", headers=headers)
        return error(request, 426, "BAD_REQUEST", "Upgrade to a WebSocket here", headers={"Upgrade": "websocket"})

    def _refusal(self, request: HTTPConnection) -> tuple[int, str, str] | None:
        """Why a client may not come in, whether or not there is a place."""
        server, query = self._server, request.query_params
        if not self._has_key(request):
            return 401, "UNAUTHORIZED", "Unauthorized"
        if not _is_origin_allowed(request, server.settings.cors_allowed_origins):
            return 403, "FORBIDDEN", "This origin is not in cors_allowed_origins"
        if server.resources.agent_for(query.get("agent", "")) is None:
            return 404, "NOT_FOUND", f"No agent is named {query.get('agent')}"
        if query.get("sample_rate", str(DEFAULT_OUTPUT_RATE)) not in OUTPUT_RATES:
            return 400, "BAD_REQUEST", f"sample_rate must be one of {', '.join(OUTPUT_RATES)}"
        return None

    async def _refuse(
        self, websocket: WebSocket, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        count_upgrade(self._server.metrics, route_name(websocket.scope["path"]), status)
        response = error(websocket, status, code, message, headers=headers)
        await refuse(websocket, status, bytes(response.body), dict(response.headers))

    def _retry_after(self, busy: Busy) -> int:
        if busy.reason == "draining":
            return max(1, round(self._server.lifecycle.retry_after_s))
        return busy.retry_after_s

    def _has_key(self, request: HTTPConnection) -> bool:
        key = self._server.settings.server_api_key.get_secret_value()
        return not key or is_equal(key, _given_key(request))


def _given_key(request: HTTPConnection) -> str:
    headers, query = request.headers, request.query_params
    if key := headers.get("x-api-key", "").strip():
        return key
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return query.get("api_key") or query.get("token") or ""


def _is_origin_allowed(request: HTTPConnection, allowed: list[str] | None) -> bool:
    """No Origin, localhost, the server's own host, and whoever is listed (`*` lists everybody)."""
    origin = request.headers.get("origin")
    if not origin:
        return True
    host, own = _host_of(origin), _host_of(f"//{request.headers.get('host', '')}")
    if host in {"localhost", "127.0.0.1", "::1"} or (host and host == own):
        return True
    return bool(allowed) and (origin in allowed or "*" in allowed)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _page_policy(request: Request) -> str:
    host = request.headers.get("host", "")
    host = host if _HOST.fullmatch(host) else ""
    return (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; worker-src 'self' blob:; "
        f"connect-src 'self' ws://{host} wss://{host}; media-src 'self' blob:; frame-ancestors 'self'"
    )
