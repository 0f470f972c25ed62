"""The agent server's HTTP: the talk page, `/ws`, the carriers' webhook and stream, health, readiness and metrics.

Handlers parse, ask and answer. Whether a call may come in is decided here, before the upgrade: key, origin, agent, place.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from vox.agent import webhooks
from vox.agent.admission import Busy
from vox.agent.http_metrics import connection_gauges
from vox.agent.resources import Agent
from vox.agent.responses import error, json_response, success
from vox.agent.server import AgentServer
from vox.agent.session import Session
from vox.agent.settings import PHONE_RUNNERS
from vox.agent.transports.contract import CallInfo
from vox.agent.transports.telephony import PhoneLink
from vox.agent.transports.websocket import ClientLink
from vox.errors import UsageError
from vox.protocols.agent_codecs import make_codec
from vox.protocols.media_stream import StreamStarted
from vox.runtime.clock import new_id
from vox.runtime.health import Checks
from vox.runtime.logging import get_logger
from vox.runtime.metrics import CONTENT_TYPE
from vox.runtime.websocket import refuse, serve_socket
from vox.security.signatures import is_equal

log = get_logger(__name__)

PAGE = Path(__file__).parent / "page"
DEFAULT_OUTPUT_RATE = 24_000
OUTPUT_RATES = frozenset({8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
MAX_MESSAGE_BYTES = 1 << 20
VARIABLE_PREFIX = "var."

_MakeLink = Callable[[asyncio.TaskGroup], ClientLink | PhoneLink]


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
        Route("/telephony/{agent}", http.webhook, methods=["POST"]),
        Route("/ws", calls.explain),
        WebSocketRoute("/ws", calls.client),
        WebSocketRoute("/telephony/ws", calls.phone),
        WebSocketRoute("/telephony/ws/{agent}", calls.phone),
        WebSocketRoute("/telephony/ws/{agent}/{token}", calls.phone),
    ]


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
            if request.method == "POST":
                return await webhooks.answer(self._server, request, runner, agent="")
            return json_response({"data": {"status": f"Bot started with {runner}"}})
        if request.method == "POST":
            return error(request, 405, "BAD_REQUEST", "Method not allowed: no runner_transport answers webhooks here")
        return await self.page(request)

    async def webhook(self, request: Request) -> Response:
        name = request.path_params["agent"]
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
            status, code, message = refusal or (404, "NOT_FOUND", "")
            await _refuse(websocket, status, code, message)
            return
        rate = query.get("sample_rate", str(DEFAULT_OUTPUT_RATE))
        codec = make_codec(
            query, allow_context=server.settings.allow_client_context, max_message_bytes=MAX_MESSAGE_BYTES
        )
        variables = {
            name.removeprefix(VARIABLE_PREFIX): value
            for name, value in query.items()
            if name.startswith(VARIABLE_PREFIX)
        }
        info = CallInfo(new_id("call"), "ws", variables=variables)

        def link(tasks: asyncio.TaskGroup) -> ClientLink:
            def start(made: ClientLink) -> Session:
                session = Session(server.resources, agent, made, info)
                server.keep(session, tasks)
                return session

            return ClientLink(server.resources, codec, int(rate), start)

        await self._hold(websocket, "ws", link)

    async def phone(self, websocket: WebSocket) -> None:
        """`/telephony/ws`: a carrier's media stream."""
        server = self._server
        name = websocket.path_params.get("agent") or websocket.query_params.get("agent", "")
        if name and server.resources.agent_for(name) is None:
            await _refuse(websocket, 404, "NOT_FOUND", f"No agent is named {name}")
            return
        if server.settings.runner_transport not in PHONE_RUNNERS and not self._has_key(websocket):
            await _refuse(websocket, 401, "UNAUTHORIZED", "Unauthorized")
            return
        try:
            webhooks.check_stream(server, websocket, name)
        except UsageError as refused:
            log.warning("stream refused", code=refused.code, error=str(refused))
            await _refuse(websocket, 403, "FORBIDDEN", "This stream was not announced by this server")
            return

        def choose(started: StreamStarted) -> Agent | None:
            return server.resources.agent_for(name or started.parameters.get("agent", ""), started.callee)

        def link(tasks: asyncio.TaskGroup) -> PhoneLink:
            return PhoneLink(server.resources, choose, lambda session: server.keep(session, tasks))

        phone = await self._hold(websocket, "telephony_ws", link)
        if isinstance(phone, PhoneLink) and phone.call_id and not phone.is_stopped_by_carrier:
            await webhooks.hang_up(server, phone.carrier, phone.call_id)

    async def _hold(self, websocket: WebSocket, route: str, make: _MakeLink) -> ClientLink | PhoneLink | None:
        """Takes a place, serves the socket and gives the place back."""
        server = self._server
        place = server.admission.reserve()
        if isinstance(place, Busy):
            message = f"Service unavailable: {place.reason}"
            headers = {"Retry-After": str(self._retry_after(place))}
            await _refuse(websocket, 503, "SERVICE_UNAVAILABLE", message, headers)
            return None
        gauges = connection_gauges(server.metrics, route)
        for gauge in gauges:
            gauge.inc()
        try:
            with server.lifecycle.hold():
                async with asyncio.TaskGroup() as tasks:
                    link = make(tasks)
                    await serve_socket(websocket, link, max_message_bytes=MAX_MESSAGE_BYTES)
                return link
        finally:
            for gauge in gauges:
                gauge.dec()
            place.release()

    async def explain(self, request: Request) -> Response:
        """A plain GET of `/ws`: what the upgrade would be refused with, for pages that cannot see that themselves."""
        refusal = self._refusal(request)
        if refusal is not None:
            return error(request, *refusal)
        busy = self._server.admission.why_full()
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
        rate = query.get("sample_rate", str(DEFAULT_OUTPUT_RATE))
        if not rate.isdigit() or int(rate) not in OUTPUT_RATES:
            return 400, "BAD_REQUEST", f"sample_rate must be one of {', '.join(map(str, sorted(OUTPUT_RATES)))}"
        return None

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
    host = urlsplit(origin).hostname or ""
    own = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"} or host == own:
        return True
    return bool(allowed) and (origin in allowed or "*" in allowed)


def _page_policy(request: Request) -> str:
    host = request.headers.get("host", "")
    return (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; worker-src 'self' blob:; "
        f"connect-src 'self' ws://{host} wss://{host}; media-src 'self' blob:; frame-ancestors 'self'"
    )


async def _refuse(
    websocket: WebSocket, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> None:
    response = error(websocket, status, code, message, headers=headers)
    await refuse(websocket, status, bytes(response.body), dict(response.headers))
