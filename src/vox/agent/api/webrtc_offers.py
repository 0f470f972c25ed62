"""Where WebRTC calls begin: `POST /webrtc/offer` of the original, `/api/offer` and the session offers of Pipecat's clients.

All of them answer an offer with the same call behind it; they differ in their form, and in whether a session of `/start` is
named. PATCH brings a client's candidates. The order of the checks is part of the compatible interface.
"""

import re
from typing import Any, Final

import msgspec

from vox.agent.admission import Source
from vox.agent.api.pages import Refusal, preflight
from vox.agent.api.policy import OFFERS, Access
from vox.agent.api.responses import JSON, json_reply
from vox.agent.api.start_sessions import store_failures
from vox.agent.api.webhooks import DEFAULT_MAX_BODY_BYTES
from vox.agent.api.webrtc_calls import Caller, WebRtcCalls
from vox.agent.api.webrtc_request import OfferRequest, parse_candidates, parse_offer
from vox.agent.metrics import WEBRTC_OFFERS_REFUSED
from vox.agent.server import AgentServer
from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.variables import agent_name, call_variables, query_variables
from vox.http.call import HttpCall
from vox.http.edge import request_id
from vox.http.rate_limits import MemoryRateLimits, RateCategory
from vox.http.routing import Reply, RouteTable
from vox.media.webrtc.contract import MakePeer
from vox.security.addresses import network_key

PUBLIC_OFFERS: Final = RateCategory("public", burst=30, refill_per_s=1.0)
"""Of one public address: a handshake costs as much as seconds of a call."""
PRIVATE_OFFERS: Final = RateCategory("private", burst=300, refill_per_s=50.0)
"""A private address is mostly a proxy's or a gateway's, with many clients behind it."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ERRORS: Final = (400, 401, 403, 404, 422, 429, 503)


class OfferRoutes:
    """The routes of one agent server.

    Args:
        server: takes the calls.
        make_peer: makes their connections.
    """

    def __init__(self, server: AgentServer, make_peer: MakePeer) -> None:
        self._server = server
        self._calls = WebRtcCalls(server, make_peer)
        self._limits = MemoryRateLimits()

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them to a table."""
        for path, endpoint, patch, label in (
            ("/webrtc/offer", self.offer, self.candidates, "webrtc_offer"),
            ("/api/v1/webrtc/offer", self.offer, self.candidates, "webrtc_offer"),
            ("/api/offer", self.pipecat_offer, self.candidates, "webrtc_offer"),
            ("/sessions/{session}/api/offer", self.session_offer, self.session_candidates, "session_offer"),
            ("/api/v1/sessions/{session}/offer", self.session_offer, self.session_candidates, "session_offer"),
        ):
            table.post(path, access=OFFERS, returns=bytes, label=label, errors=_ERRORS)(endpoint)
            table.patch(path, access=OFFERS, returns=bytes, label=label, also=(204,), errors=_ERRORS)(patch)
            table.options(path, access=OFFERS, label=label)(preflight)

    async def offer(self, call: HttpCall) -> Reply:
        """Answers an offer: `{"offer"}` becomes `{"data": {"answer"}}`, in the form in which the offer came."""
        request = parse_offer(await self._body(call), name="offer")
        pc_id, answer = await self._answer(call, request, None)
        data = {"answer": request.described(answer), "pc_id": pc_id}
        return json_reply({"data": data, "meta": {"requestId": request_id(call.scope)}})

    async def pipecat_offer(self, call: HttpCall) -> Reply:
        """Answers an offer of a Pipecat client without a session."""
        return await self._pipecat(call, parse_offer(await self._body(call), name="sdp"), None)

    async def session_offer(self, call: HttpCall) -> Reply:
        """Answers an offer for a session that `POST /start` made."""
        session = await self._session(call)
        return await self._pipecat(call, parse_offer(await self._body(call), name="sdp"), session)

    async def candidates(self, call: HttpCall) -> Reply:
        """Adds a client's candidates to its connection."""
        return await self._add(call, is_shared=False)

    async def session_candidates(self, call: HttpCall) -> Reply:
        """Adds a client's candidates to the connection of its session."""
        await self._session(call)
        return await self._add(call, is_shared=self._server.settings.session_store == "redis")

    async def _pipecat(self, call: HttpCall, request: OfferRequest, session: StoredSession | None) -> Reply:
        pc_id, answer = await self._answer(call, request, session)
        described = request.described(answer)
        body: dict[str, Any] = {
            "sdp": answer,
            "type": "answer",
            "pc_id": pc_id,
            "data": {"answer": described, "type": "answer"},
            "meta": {"requestId": request_id(call.scope)},
        }
        return json_reply(body)

    async def _answer(self, call: HttpCall, request: OfferRequest, session: StoredSession | None) -> tuple[str, str]:
        self._check_rate(call)
        known = self._calls.find(request.pc_id)
        if known is not None:
            return known.pc_id, await known.answer(request.sdp, is_restart=request.is_restart)
        body = request.data if request.data is not None else (session.body if session is not None else None)
        name = call.query_params.get("agent") or agent_name(body) or agent_name(session.body if session else None)
        agent = self._server.resources.agent_for(name)
        if agent is None:
            raise Refusal(404, "NOT_FOUND", f"No agent is named {name}")
        variables = {**call_variables(body), **query_variables(call.query_params)}
        session_id = call.path["session"] if session is not None else ""
        source = Source.at(call.client)
        caller = Caller(agent, variables, source, session_id, request.resume, is_resumable=request.is_resumable)
        made, answer = await self._calls.take(caller, request.sdp)
        return made.pc_id, answer

    async def _add(self, call: HttpCall, *, is_shared: bool) -> Reply:
        """Without the connection at hand nothing is lost: the answer has all our candidates, and a client's checks show its own."""
        request = parse_candidates(await self._body(call))
        if not request.pc_id:
            return Reply(204)
        known = self._calls.find(request.pc_id)
        if known is None and not is_shared:
            raise Refusal(404, "NOT_FOUND", "No connection has this pc_id: it is over, or never was")
        if known is not None:
            await known.add_candidates(request.candidates)
        return Reply(200, msgspec.json.encode({"status": "success"}) + b"\n", JSON)

    async def _session(self, call: HttpCall) -> StoredSession:
        session_id = call.path["session"]
        if not _UUID.fullmatch(session_id):
            details = [{"field": "sessionId", "message": "must be a UUID"}]
            raise Refusal(400, "VALIDATION_ERROR", "Invalid session ID format", details=details)
        with store_failures(self._server):
            session = await self._server.session_store.get(session_id)
        if session is None:
            raise Refusal(404, "NOT_FOUND", "Session not found")
        return session

    async def _body(self, call: HttpCall) -> bytes:
        return await call.read_body(self._server.settings.max_request_body_bytes or DEFAULT_MAX_BODY_BYTES)

    def _check_rate(self, call: HttpCall) -> None:
        category = PUBLIC_OFFERS if Source.at(call.client).is_public else PRIVATE_OFFERS
        decision = self._limits.take(network_key(call.client), category, self._server.clock.now())
        if decision.retry_after_s is not None:
            self._server.metrics.counter(WEBRTC_OFFERS_REFUSED, "rate").inc()
            seconds = max(1, round(decision.retry_after_s + 0.5))
            message = f"Too many offers come from your address; try again in {seconds} s"
            raise Refusal(429, "RATE_LIMIT_EXCEEDED", message, headers={"retry-after": str(seconds)})
