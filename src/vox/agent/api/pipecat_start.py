"""What clients ask before they connect: `POST /start` (and `POST /connect`), from pages of any allowed origin.

The answer to Pipecat's WebSocket transport names the socket, with no key but `wsUrl` and `token`, because it refuses any other. To
everyone else it is a session, for whose id an offer follows. Which of them is meant, `StartRequest` decides.
"""

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlencode

from vox.agent.api.daily import DailyRoutes
from vox.agent.api.pages import Refusal, preflight
from vox.agent.api.policy import OFFERS, PAGES, Access, given_key
from vox.agent.api.responses import json_reply
from vox.agent.api.start_limits import StartLimits
from vox.agent.api.start_request import StartRequest, parse_start
from vox.agent.api.start_sessions import SessionStarts
from vox.agent.api.webhooks import DEFAULT_MAX_BODY_BYTES, public_base
from vox.agent.server import AgentServer
from vox.errors import UsageError
from vox.http.call import HttpCall
from vox.http.routing import Reply, RouteTable

NO_WEBRTC = "this server has no WebRTC: use Pipecat's WebSocketTransport with wsUrl {url}"


class StartRoutes:
    """The routes of one agent server."""

    def __init__(self, server: AgentServer) -> None:
        limits = StartLimits(server)
        self.daily = DailyRoutes(server, limits)
        self._server = server
        self._sessions = SessionStarts(server, limits)

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them to a table."""
        errors = (400, 401, 403, 404, 409, 422, 429, 503)
        paths = {"/start": self.start, "/connect": self.connect}
        if self._server.settings.makes_sessions:
            paths["/api/v1/start"] = self.start
        for path, endpoint in paths.items():
            table.post(path, access=PAGES, returns=bytes, label="start", also=(201,), errors=errors)(endpoint)
            table.options(path, access=PAGES, label="start")(preflight)
        if self._server.settings.runner_transport == "daily":
            self.daily.add_to(table)
        offers = () if self._server.settings.has_webrtc else ("/api/offer", "/sessions/{session}/api/offer")
        for path in offers:
            table.any(path, access=OFFERS, label="fallback", is_documented=False)(self.offer)

    async def start(self, call: HttpCall) -> Reply:
        """Where to connect, or a session."""
        raw, request = await self._request(call)
        settings = self._server.settings
        if settings.makes_sessions:
            is_for_sessions = (
                settings.transport == "smallwebrtc"
                or settings.runner_transport == "daily"
                or call.route.template != "/start"
            )
            if request.wants_session(by_default=is_for_sessions):
                make = self._room if request.wants_daily_room else self._sessions.start
                return await self._sessions.answer(call, raw, partial(make, call, request))
        elif request.transport == "webrtc":
            raise Refusal(400, "BAD_REQUEST", NO_WEBRTC.format(url=self._socket(call, {})))
        return await self._web_socket(call, request)

    async def _room(self, call: HttpCall, request: StartRequest) -> Reply:
        self._sessions.check_fields(request)
        return self._sessions.created(await self.daily.start(call))

    async def connect(self, call: HttpCall) -> Reply:
        """Where a WebSocket client connects: `wsUrl`, and the key it gave as `token`."""
        _, request = await self._request(call)
        return await self._web_socket(call, request)

    async def offer(self, call: HttpCall) -> Reply:
        """Where Pipecat's WebRTC transport would send its offer."""
        if call.method == "OPTIONS":
            return await preflight(call)
        raise Refusal(404, "NOT_FOUND", NO_WEBRTC.format(url=self._socket(call, {})))

    async def _request(self, call: HttpCall) -> tuple[bytes, StartRequest]:
        """The body as it came and as it is meant.

        Raises:
            Refusal: it is no JSON object, names an agent that is not there, or the server takes no more calls.
        """
        server = self._server
        if not server.lifecycle.is_accepting:
            headers = {"retry-after": str(max(1, round(server.lifecycle.retry_after_s)))}
            raise Refusal(503, "SERVICE_UNAVAILABLE", "This server is closing; try again.", headers=headers)
        raw = await call.read_body(server.settings.max_request_body_bytes or DEFAULT_MAX_BODY_BYTES)
        try:
            request = parse_start(raw)
        except UsageError as error:
            raise Refusal(400, "BAD_REQUEST", str(error)) from None
        agent = request.agent or call.query_params.get("agent", "")
        if server.resources.agent_for(agent) is None:
            raise Refusal(404, "NOT_FOUND", f"no agent is named {agent}")
        return raw, request

    async def _web_socket(self, call: HttpCall, request: StartRequest) -> Reply:
        """The address of the socket; what `body` holds waits for it in a session, because addresses are logged."""
        query = dict(call.query_params)
        for name in ("api_key", "token"):
            query.pop(name, None)
        if request.agent:
            query["agent"] = request.agent
        data = {name: value for name, value in request.application_data.items() if name != "agent"}
        if data:
            query["session"] = await self._sessions.keep(call, data)
        answer = {"wsUrl": self._socket(call, query)}
        if self._server.settings.server_api_key.get_secret_value():
            answer["token"] = given_key(call)
        return json_reply(answer)

    def _socket(self, call: HttpCall, query: Mapping[str, str]) -> str:
        base = public_base(self._server, call).replace("http", "ws", 1)
        return f"{base}/ws?{urlencode({**query, 'format': 'protobuf'})}"
