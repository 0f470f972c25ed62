"""The agent server's HTTP: the talk page, `/ws`, the carriers' webhook and stream, health, readiness and metrics.

Handlers parse, ask and answer. Whether a call may come in is decided here, before the upgrade: key, origin, agent, place.
"""

import asyncio
import re
from dataclasses import asdict
from functools import partial
from pathlib import Path

from starlette.responses import Response
from starlette.websockets import WebSocket

from vox.agent.admission import CLIENT_SILENT_S, SILENT_S, UNBOUND, Reservation, Source
from vox.agent.api import webhooks
from vox.agent.api.bot_streams import BotStreams
from vox.agent.api.call_sockets import CallSockets
from vox.agent.api.carrier_line import carrier_line
from vox.agent.api.daily import DailyRoutes
from vox.agent.api.openapi import AGENT, ANY_DATA, WELL
from vox.agent.api.pages import Refusal
from vox.agent.api.pipecat_start import StartRoutes
from vox.agent.api.policy import KEY, PUBLIC, READS, SIGNATURE, Access, has_key, is_page_allowed
from vox.agent.api.recordings import RecordingRoutes
from vox.agent.api.responses import error, json_reply, success
from vox.agent.api.rooms import RoomRoutes
from vox.agent.api.start_sessions import stored_body
from vox.agent.api.transcripts import TranscriptRoutes
from vox.agent.api.transfers import PhoneTransfers, TransferRoutes
from vox.agent.api.webrtc_offers import OfferRoutes
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.doors import PHONE_RUNNERS
from vox.agent.config.resources import Agent
from vox.agent.handover.handovers import Moves, Taken
from vox.agent.rooms.attendance import Attendance
from vox.agent.rooms.phone_rooms import PhoneRooms
from vox.agent.rooms.relays import make_relays
from vox.agent.server import AgentServer
from vox.agent.sessions.variables import agent_name, call_variables, query_variables
from vox.agent.transports.ingress_limit import IngressBudget
from vox.agent.transports.reconnection import RESUMABLE, RESUME
from vox.agent.transports.telephony import TelephonyTransport
from vox.agent.transports.websocket import WebSocketTransport
from vox.errors import UsageError
from vox.http.call import HttpCall, client_address
from vox.http.probes import Readiness, ReadinessProbe, ready_endpoint
from vox.http.routing import Reply, RouteTable
from vox.http.static_files import StaticFolder
from vox.media.webrtc.contract import driver
from vox.protocols.agent_codecs import make_codec
from vox.protocols.media_stream import StreamStarted
from vox.runtime.clock import new_id
from vox.runtime.logging import get_logger
from vox.runtime.metrics import CONTENT_TYPE
from vox.runtime.settings import is_true

log = get_logger(__name__)

PAGE = Path(__file__).parent / "page"
DEFAULT_OUTPUT_RATE = 24_000
OUTPUT_RATES = {str(rate): rate for rate in (8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)}
MAX_MESSAGE_BYTES = 1 << 20
MAX_PHONE_MESSAGE_BYTES = 1 << 18
"""Carriers send audio of 20 to 200 ms; the largest that one of them documents is 100 kB, a third more as base64."""
_HOST = re.compile(r"[\w.:\[\]-]+")


def make_routes(server: AgentServer, probe: ReadinessProbe) -> list[RouteTable[Access]]:
    """All routes of one agent server: the tables of pages, probes and webhooks, and of calls."""
    ready = ready_endpoint(probe, _probe_reply)
    starts = StartRoutes(server)
    relays = make_relays(server)
    http, calls, table = _Http(server, starts.daily), _Calls(server, PhoneRooms(server, relays)), RouteTable[Access]()
    for prefix in ("", "/api/v1"):
        table.get(f"{prefix}/health", access=PUBLIC, returns=WELL, label="health")(http.health)
        table.get(f"{prefix}/ready", access=PUBLIC, returns=WELL, label="ready", errors=(503,))(ready)
    table.get("/metrics", access=PUBLIC, returns=bytes, label="metrics")(http.metrics)
    table.get("/", access=SIGNATURE, returns=bytes, label="root")(http.root)
    table.post("/", access=SIGNATURE, returns=bytes, label="root", errors=(400, 403, 405))(http.root)
    table.get("/talk", access=PUBLIC, returns=bytes, label="fallback")(http.page)
    table.get("/page/suggestions", access=READS, query=AGENT, returns=ANY_DATA, label="page", errors=(401, 404))(
        http.suggestions
    )
    table.get("/page/{name}", access=PUBLIC, returns=bytes, label="page", is_documented=False)(http.asset)
    table.get("/speech", access=PUBLIC, returns=bytes, label="speech", is_documented=False)(http.speech)
    table.get("/ws", access=READS, returns=bytes, label="ws", errors=(400, 401, 403, 404, 426, 503))(calls.explain)
    table.get("/telephony/ws", access=PUBLIC, returns=bytes, label="telephony_ws", errors=(426, 503))(
        calls.explain_phone
    )
    for add in (table.get, table.post):
        add(
            "/telephony/{agent}",
            access=SIGNATURE,
            returns=bytes,
            label="telephony",
            errors=(400, 403, 404),
        )(http.webhook)
    if server.handovers is not None:
        for add in (table.get, table.post):
            add(
                f"{webhooks.RESUME_PATH}{{carrier}}",
                access=SIGNATURE,
                returns=bytes,
                label="telephony",
                errors=(400, 401, 403, 404),
            )(http.resume)
    TransferRoutes(server).add_to(table)
    starts.add_to(table)
    TranscriptRoutes(server).add_to(table)
    RecordingRoutes(server).add_to(table)
    RoomRoutes(server, Attendance(server, relays)).add_to(table)
    if server.settings.has_webrtc:
        OfferRoutes(server, driver(server.settings.webrtc_driver)).add_to(table)
    table.websocket("/ws", access=KEY, label="ws")(calls.client)
    if server.gate is not None:
        BotStreams(server, server.gate).add_to(table)
    for path in ("", "/{agent}", "/{agent}/{token}"):
        table.websocket(f"/telephony/ws{path}", access=SIGNATURE, label="telephony_ws")(calls.phone)
    return [table.grouped("agent")]


class _Http:
    def __init__(self, server: AgentServer, daily: DailyRoutes) -> None:
        self._server = server
        self._daily = daily
        self._files = StaticFolder(PAGE)

    async def health(self, call: HttpCall) -> Reply:
        """Whether the process answers; touches no dependency."""
        return success(call.scope, {"status": "ok"}, status="ok")

    async def metrics(self, call: HttpCall) -> Reply:
        """The counters in Prometheus' text format."""
        return Reply(200, self._server.metrics.render(), {"content-type": CONTENT_TYPE})

    async def root(self, call: HttpCall) -> Reply | Response:
        """The talk page; with a telephony runner the carrier's webhook."""
        runner = self._server.settings.runner_transport
        if runner in PHONE_RUNNERS:
            if webhooks.is_call(runner, call):
                return await webhooks.answer(self._server, call, runner, agent="")
            return json_reply({"data": {"status": f"Bot started with {runner}"}})
        if runner == "daily":
            return await self._daily.root(call)
        if call.method == "POST":
            message = "Method not allowed: no runner_transport answers webhooks here"
            return error(call.scope, 405, "BAD_REQUEST", message)
        return await self.page(call)

    async def webhook(self, call: HttpCall) -> Reply:
        """A carrier's webhook for a named agent: answers where to stream the call."""
        name, scope = call.path["agent"], call.scope
        runner = self._server.settings.runner_transport
        if self._server.resources.agent_for(name) is None:
            return error(scope, 404, "NOT_FOUND", f"No agent is named {name}")
        if runner not in PHONE_RUNNERS:
            return error(scope, 404, "NOT_FOUND", "No runner_transport is configured")
        return await webhooks.answer(self._server, call, runner, agent=name)

    async def resume(self, call: HttpCall) -> Reply:
        """A carrier's webhook for a call whose stream is over: answers where it goes on."""
        carrier = call.path["carrier"]
        if carrier != self._server.settings.runner_transport or carrier not in PHONE_RUNNERS:
            return error(call.scope, 404, "NOT_FOUND", "This carrier's calls are not answered here")
        return await webhooks.resume(self._server, call, carrier)

    async def page(self, call: HttpCall) -> Response:
        """The page to talk on."""
        return self._files.page(_page_policy(call))

    async def suggestions(self, call: HttpCall) -> Reply:
        """What may be asked of the agent named by `agent`, and which agents there are, for a page that offers both."""
        if not has_key(call, self._server.settings):
            return error(call.scope, 401, "UNAUTHORIZED", "Unauthorized")
        resources = self._server.resources
        agent = resources.agent_for(call.query_params.get("agent", ""))
        if agent is None:
            return error(call.scope, 404, "NOT_FOUND", f"No agent is named {call.query_params.get('agent')}")
        agents = [{"name": each.name, "title": each.title} for each in resources.agents.values()]
        data = {
            "agent": agent.name,
            "title": agent.title,
            "suggestions": agent.suggestions,
            "agents": agents,
            "llm": agent.profile.stage("llm"),
            "webrtc": self._server.settings.has_webrtc,
        }
        return success(call.scope, data)

    async def asset(self, call: HttpCall) -> Reply | Response:
        """A file of the page."""
        return self._files.asset(call.path["name"], _page_policy(call)) or error(
            call.scope, 404, "NOT_FOUND", "Not found"
        )

    async def speech(self, call: HttpCall) -> Reply:
        """For the page: the drivers that a new call would hear and speak with, and how far the installation of models is."""
        server = self._server
        agent = server.resources.agent_for(call.query_params.get("agent", ""))
        if agent is None:
            return error(call.scope, 404, "NOT_FOUND", "No such agent")
        models = [asdict(status) for status in server.installation.status] if server.installation else []
        return success(call.scope, {**server.resources.speech_drivers(agent), "models": models})


class _Calls:
    def __init__(self, server: AgentServer, rooms: PhoneRooms) -> None:
        self._server = server
        self._rooms = rooms
        self._sockets = CallSockets(server)

    async def client(self, websocket: WebSocket) -> None:
        """`/ws`: a browser or an app."""
        server, query = self._server, websocket.query_params
        try:
            agent, variables = await self._client(websocket)
        except Refusal as refused:
            await self._sockets.refuse(websocket, refused.status, refused.api_code, str(refused))
            return
        rate = OUTPUT_RATES[query.get("sample_rate", str(DEFAULT_OUTPUT_RATE))]
        codec = make_codec(
            query, allow_context=server.settings.allow_client_context, max_message_bytes=MAX_MESSAGE_BYTES
        )
        info = CallInfo(new_id("call"), "ws", variables=variables, session_id=query.get("session", ""))
        is_resumable = server.handovers is not None and is_true(query.get(RESUMABLE, ""))
        taken: Taken | None = None

        async def take() -> bool:
            """Takes over the call that the client comes with, once there is a place for it."""
            nonlocal agent, info, taken
            if server.handovers is None or RESUME not in query:
                return True
            taken = await server.handovers.take(query[RESUME])
            found = server.resources.agent_for(taken.checkpoint.agent) if taken is not None else None
            if taken is None or found is None:
                return False
            agent, info = found, taken.checkpoint.info
            return True

        def link(tasks: asyncio.TaskGroup, place: Reservation, budget: IngressBudget) -> WebSocketTransport:
            def start(made: WebSocketTransport) -> Session:
                resume, fence = (None, 1) if taken is None else (taken.checkpoint, taken.fence)
                session = Session(server.resources, agent, made, info, resume=resume)
                moves = Moves(made.move, made.welcome) if is_resumable else None
                server.keep(session, tasks, moves, fence=fence)
                return session

            return WebSocketTransport(
                server.resources, codec, rate, start, budget=budget, on_begun=place.begin, is_resumable=is_resumable
            )

        source = Source.at(client_address(websocket.scope))
        await self._sockets.hold(websocket, link, source, CLIENT_SILENT_S, MAX_MESSAGE_BYTES, take=take)

    async def phone(self, websocket: WebSocket) -> None:
        """`/telephony/ws`: a carrier's media stream."""
        server = self._server
        name = websocket.scope["path_params"].get("agent") or websocket.query_params.get("agent", "")
        if name and server.resources.agent_for(name) is None:
            await self._sockets.refuse(websocket, 404, "NOT_FOUND", f"No agent is named {name}")
            return
        if server.settings.runner_transport not in PHONE_RUNNERS and not has_key(websocket, server.settings):
            await self._sockets.refuse(websocket, 401, "UNAUTHORIZED", "Unauthorized")
            return
        try:
            webhooks.check_stream(server, websocket, name)
        except UsageError as refused:
            log.warning("stream refused", code=refused.code, error=str(refused))
            await self._sockets.refuse(websocket, 403, "FORBIDDEN", "This stream was not announced by this server")
            return

        def choose(started: StreamStarted) -> Agent | None:
            return server.resources.agent_for(name or started.parameters.get("agent", ""), started.callee)

        def link(tasks: asyncio.TaskGroup, place: Reservation, budget: IngressBudget) -> TelephonyTransport:
            def start(session: Session) -> None:
                is_resumable = link.is_resumable
                line = webhooks.line_of(link.carrier, link.call_id) if is_resumable else ""
                server.keep(session, tasks, Moves(link.move) if is_resumable else None, line=line, fence=link.fence)

            link = TelephonyTransport(
                server.resources,
                choose,
                start,
                budget=budget,
                on_begun=place.begin,
                transfers=transfers,
                line=carrier_line(server, tasks, websocket, is_proven=is_proven),
                divert=partial(self._rooms.take, tasks),
            )
            return link

        is_proven = webhooks.are_streams_proven(server)
        transfers = PhoneTransfers(server, webhooks.public_base(server, websocket)) if is_proven else None
        source = UNBOUND if is_proven else Source.at(client_address(websocket.scope))
        await self._sockets.hold(websocket, link, source, SILENT_S, MAX_PHONE_MESSAGE_BYTES)

    async def explain(self, call: HttpCall) -> Reply:
        """Answers a plain GET with the error that an upgrade would get, because a page cannot read that of an upgrade."""
        try:
            await self._client(call)
        except Refusal as refused:
            return error(call.scope, refused.status, refused.api_code, str(refused))
        return await self.explain_phone(call)

    async def explain_phone(self, call: HttpCall) -> Reply:
        """Answers a plain GET with the error that a carrier's stream would get."""
        busy = self._server.admission.why_full(self._server.clock.now(), Source.at(call.client))
        if busy is not None:
            message = f"Service unavailable: {busy.reason}"
            headers = {"retry-after": str(self._sockets.retry_after(busy))}
            return error(call.scope, 503, self._sockets.code(busy), message, headers=headers)
        return error(call.scope, 426, "BAD_REQUEST", "Upgrade to a WebSocket here", headers={"upgrade": "websocket"})

    async def _client(self, call: HttpCall | WebSocket) -> tuple[Agent, dict[str, str]]:
        """The agent that a client talks to and the variables of its call, whether or not there is a place.

        Raises:
            Refusal: it may not come in, or asks for something that is not there.
        """
        server, query = self._server, call.query_params
        if not has_key(call, server.settings):
            raise Refusal(401, "UNAUTHORIZED", "Unauthorized")
        if not is_page_allowed(call, server.settings):
            raise Refusal(403, "FORBIDDEN", "This origin is not in cors_allowed_origins")
        body = await stored_body(server, query["session"]) if "session" in query else {}
        name = query.get("agent") or agent_name(body)
        agent = server.resources.agent_for(name)
        if agent is None:
            raise Refusal(404, "NOT_FOUND", f"No agent is named {name}")
        if query.get("sample_rate", str(DEFAULT_OUTPUT_RATE)) not in OUTPUT_RATES:
            raise Refusal(400, "BAD_REQUEST", f"sample_rate must be one of {', '.join(OUTPUT_RATES)}")
        return agent, {**call_variables(body), **query_variables(query)}


def _probe_reply(call: HttpCall, found: Readiness) -> Reply:
    if found.is_ready:
        return success(call.scope, {"status": "ok"}, status="ok")
    if found.retry_after_s is not None:
        message, headers = f"Service unavailable: {found.state}", {"retry-after": f"{found.retry_after_s:.0f}"}
        return error(call.scope, 503, "SERVICE_UNAVAILABLE", message, headers=headers)
    details = [{"field": name, "message": why} for name, why in found.failed.items()]
    return error(call.scope, 503, "SERVICE_UNAVAILABLE", "Service unavailable", details=details)


def _page_policy(call: HttpCall) -> str:
    host = call.headers.get("host", "")
    host = host if _HOST.fullmatch(host) else ""
    return (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; worker-src 'self' blob:; "
        f"connect-src 'self' ws://{host} wss://{host}; media-src 'self' blob:; frame-ancestors 'self'"
    )
