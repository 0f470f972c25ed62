"""The WebRTC calls of one server: an offer becomes a call, which lives until it ends or its client stays away.

No request holds a WebRTC call open, so each has a task of the server's own. A client that loses its network may come back within
a grace, by an offer that names the connection; one that closed it has a shorter one, because some close before they return.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from vox.agent.admission import CLIENT_SILENT_S, Busy, Reservation, Source
from vox.agent.api.ice_servers import peer_options
from vox.agent.api.pages import Refusal
from vox.agent.api.request_metrics import connection_gauges
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Agent
from vox.agent.handover.handovers import Handovers, Moves, Taken
from vox.agent.metrics import (
    PEER_CONNECTIONS,
    PEERS_ACTIVE,
    WEBRTC_FAILURES,
    WEBRTC_OFFERS_REFUSED,
    WEBRTC_RECEIVED,
    WEBRTC_RECONNECTIONS,
    WEBRTC_SENT,
)
from vox.agent.server import AgentServer
from vox.agent.transports.webrtc import WebRtcTransport
from vox.errors import DependencyError, PeerError
from vox.media.webrtc.contract import INPUT_RATE, MakePeer, Peer, RemoteCandidate
from vox.runtime.clock import new_id
from vox.runtime.logging import get_logger

log = get_logger(__name__)

ROUTE_LABEL: Final = "webrtc"
STAGE: Final = "webrtc"
ANSWER_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 20.0
"""From the answer to the connection; browsers give up after 15 s."""
LEFT_GRACE_S: Final = 2.0
"""At most, for a client that closed its connection; `webrtc_reconnect_secs` is for one that lost it."""
TICK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Which agent is called and from where, as far as it concerns an offer.

    `resume` is the token of a call that goes on; `is_resumable` says that the client can come with one.
    """

    agent: Agent
    variables: Mapping[str, str]
    source: Source
    session_id: str = ""
    resume: str = ""
    is_resumable: bool = False


class WebRtcCalls:
    """All of them by the id of their connection.

    Args:
        server: takes and keeps the calls.
        make_peer: makes the connections.
    """

    def __init__(self, server: AgentServer, make_peer: MakePeer) -> None:
        self._server = server
        self._make_peer = make_peer
        self._calls: dict[str, WebRtcCall] = {}
        server.on_end.append(self.end)

    def find(self, pc_id: str) -> "WebRtcCall | None":
        """The call of a connection, unless it is over."""
        call = self._calls.get(pc_id)
        return call if call is not None and not call.transport.is_closed else None

    async def take(self, caller: Caller, offer: str) -> tuple["WebRtcCall", str]:
        """A new call and the answer to its offer.

        Raises:
            Refusal: the offer cannot be answered, or there is no place.
        """
        server = self._server
        place = server.admission.reserve(server.clock.now(), caller.source, is_silent=True, probation_s=CLIENT_SILENT_S)
        if isinstance(place, Busy):
            self._refused(place.reason)
            seconds = round(server.lifecycle.retry_after_s) if place.reason == "draining" else place.retry_after_s
            headers = {"retry-after": str(max(1, seconds))}
            if place.reason == "draining":
                headers["connection"] = "close"  # behind the same address there may be another server by now
            raise Refusal(503, "SERVICE_UNAVAILABLE", f"Service unavailable: {place.reason}", headers=headers)
        with ExitStack() as holds:
            holds.callback(place.release)
            holds.enter_context(server.lifecycle.hold())
            call = WebRtcCall(self, caller, place, holds)
            answer = await call.answer(offer, is_restart=True)
            call.holds = holds.pop_all()
        self._calls[call.pc_id] = call
        server.spawn(call.run(), f"WebRTC {call.info.call_id}")
        return call, answer

    async def connect(self, transport: WebRtcTransport, offer: str) -> tuple[Peer | None, str]:
        """Puts a new connection below a call; the one before, and the answer to the offer.

        Raises:
            Refusal: the offer cannot be answered.
        """
        listener = transport.listener()
        peer = self._make_peer(peer_options(self._server), listener, self._server.clock)
        try:
            answer = await self.accept(peer, offer)
            self.check_open(transport)
        except BaseException:
            self._server.spawn(peer.close(), "close a refused connection")
            raise
        return transport.attach(peer, listener), answer

    async def accept(self, peer: Peer, offer: str) -> str:
        """A connection's answer to an offer.

        Raises:
            Refusal: the offer cannot be answered.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await peer.accept(offer)
        except PeerError as error:
            self._refused("invalid")
            details = [{"field": "sdp", "message": "invalid"}]
            raise Refusal(422, "VALIDATION_ERROR", str(error), details=details) from error
        except (DependencyError, TimeoutError) as error:
            self._refused("unavailable")
            log.warning("an offer could not be answered", error=str(error) or "it took too long")
            message = "Service unavailable: this server cannot open another connection now"
            headers = {"retry-after": str(self._server.settings.retry_after_secs)}
            raise Refusal(503, "SERVICE_UNAVAILABLE", message, headers=headers) from error

    def check_open(self, transport: WebRtcTransport) -> None:
        """Lets an offer pass whose call has not ended while it was answered.

        Raises:
            Refusal: it has.
        """
        if transport.is_closed:
            self._refused("over")
            message = "Service unavailable: the call has just ended; offer again for a new one"
            raise Refusal(503, "SERVICE_UNAVAILABLE", message, headers={"retry-after": "1"})

    def end(self) -> None:
        """Ends the calls that are left, also those whose client has not connected yet."""
        for call in tuple(self._calls.values()):
            call.transport.close(1001, "server_stopping")

    def forget(self, call: "WebRtcCall") -> None:
        """A call is over."""
        self._calls.pop(call.pc_id, None)

    @property
    def server(self) -> AgentServer:
        """The server that keeps them."""
        return self._server

    def _refused(self, reason: str) -> None:
        self._server.metrics.counter(WEBRTC_OFFERS_REFUSED, reason).inc()


class WebRtcCall:
    """One call; `run` is its life.

    Args:
        calls: where it is known.
        caller: whose call it is, and with which agent.
        place: its place among the calls of the server.
        holds: what it gives back at its end.
    """

    def __init__(self, calls: WebRtcCalls, caller: Caller, place: Reservation, holds: ExitStack) -> None:
        self.pc_id = new_id("pc")
        self.holds = holds
        self._calls = calls
        self._server = calls.server
        budget = holds.enter_context(self._server.reserves.connection(caller.source.network))
        self._changed = asyncio.Event()
        self._offers = asyncio.Lock()
        self.transport = WebRtcTransport(
            self._server.resources, budget, on_begun=place.begin, on_change=self._changed.set
        )
        place.on_evicted = self.transport.evict
        self.info = CallInfo(new_id("call"), ROUTE_LABEL, variables=caller.variables, session_id=caller.session_id)
        self._caller = caller
        self._taking: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._began_at = self._server.clock.now()
        self._away_since: float | None = None
        self._counted_state = ""
        self._counted = (0, 0)

    async def answer(self, offer: str, *, is_restart: bool) -> str:
        """Answers an offer: of a new connection below this call, or of the one that there is.

        Raises:
            Refusal: the offer cannot be answered; the call goes on as it was.
        """
        async with self._offers:
            self._calls.check_open(self.transport)
            peer = self.transport.peer
            if peer is not None and not is_restart and self.transport.state in {"connecting", "connected"}:
                return await self._calls.accept(peer, offer)
            if peer is not None:
                self._server.metrics.counter(WEBRTC_RECONNECTIONS, "", STAGE, "").inc()
            before, answer = await self._calls.connect(self.transport, offer)
            self._count_bytes(before)
            self._counted = (0, 0)
            self._began_at = self._server.clock.now()
            if before is not None:
                self._server.spawn(before.close(), "close a replaced connection")
            return answer

    async def add_candidates(self, candidates: Sequence[RemoteCandidate]) -> None:
        """Adds addresses of the client."""
        if self.transport.peer is not None:
            await self.transport.peer.add_candidates(candidates)

    async def run(self) -> None:
        """Begins the session once the client is connected, and ends with it."""
        metrics = self._server.metrics
        gauges = connection_gauges(metrics, ROUTE_LABEL)
        for gauge in gauges:
            gauge.inc()
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self.transport.is_closed:
                    self._step(tasks)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(TICK_S):
                            await self._changed.wait()
                    self._changed.clear()
                self._count_bytes(self.transport.peer)
                if self._session is not None:
                    self._session.hang_up("hung_up")
                await self.transport.shut()
        finally:
            self._calls.forget(self)
            self._count_state("closed")
            for gauge in gauges:
                gauge.dec()
            await self.transport.shut()
            self.holds.close()

    def _step(self, tasks: asyncio.TaskGroup) -> None:
        """What is due, once a second and at each change."""
        now, transport = self._server.clock.now(), self.transport
        self._count_state(transport.state if transport.state in {"connecting", "connected"} else "failed")
        if transport.state == "connected" and self._session is None:
            self._begin(tasks)
        if transport.state == "connecting":
            if now - self._began_at > CONNECT_TIMEOUT_S:
                self._fail("timeout")
            return
        grace_s = self._server.settings.webrtc_reconnect_secs
        if transport.state == "left":
            grace_s = min(LEFT_GRACE_S, grace_s)
        if transport.state == "connected" and not transport.is_stale:
            self._away_since = None
            transport.end_pause()
            self._count_bytes(transport.peer)
        elif self._away_since is None:
            self._away_since = now
            log.info("WebRTC client away", call_id=self.info.call_id, state=transport.state, waits_s=grace_s)
        is_coming_back = self._offers.locked()
        if self._away_since is not None and now - self._away_since >= grace_s and not is_coming_back:
            self._fail("left" if transport.state == "left" else "lost")

    def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """The client is connected: its call begins, or goes on here from now on."""
        caller, handovers = self._caller, self._server.handovers
        if not caller.resume:
            self._begin_session(tasks, caller.agent, None)
        elif handovers is None:
            self.transport.close(1008, "this call cannot be gone on with")
        elif self._taking is None:
            self._taking = tasks.create_task(self._take(handovers, tasks), name="take a call over")

    async def _take(self, handovers: Handovers, tasks: asyncio.TaskGroup) -> None:
        taken = await handovers.take(self._caller.resume)
        agent = self._server.resources.agent_for(taken.checkpoint.agent) if taken is not None else None
        if taken is None or agent is None:
            self.transport.close(1008, "this call cannot be gone on with")
        elif not self.transport.is_closed:
            self.info = taken.checkpoint.info
            self._begin_session(tasks, agent, taken)

    def _begin_session(self, tasks: asyncio.TaskGroup, agent: Agent, taken: Taken | None) -> None:
        resources, transport = self._server.resources, self.transport
        resume, fence = (None, 1) if taken is None else (taken.checkpoint, taken.fence)
        try:
            session = Session(resources, agent, transport, self.info, input_rate=INPUT_RATE, resume=resume)
        except Exception:  # the top of what a connection brings: its client is told, and the others go on
            log.exception("call cannot begin", call_id=self.info.call_id)
            transport.close(1011, "internal error")
            return
        self._session = session
        transport.open(session)
        is_kept = self._caller.is_resumable and self._server.handovers is not None
        self._server.keep(session, tasks, Moves(transport.move, transport.welcome) if is_kept else None, fence=fence)

    def _fail(self, reason: str) -> None:
        """The client is not there, or no longer; to have left is no failure."""
        if reason != "left":
            self._server.metrics.counter(WEBRTC_FAILURES, reason, STAGE).inc()
        if self._session is not None:
            if reason == "lost" and self._session.keeper is not None:
                self._session.keeper.lose_line()
            self._session.hang_up("hung_up")
        self.transport.close(1001, reason)

    def _count_state(self, state: str) -> None:
        before, self._counted_state = self._counted_state, state
        if state != before:
            metrics = self._server.metrics
            metrics.counter(PEER_CONNECTIONS, state, "", STAGE).inc()
            metrics.gauge(PEERS_ACTIVE, STAGE, "").inc((state == "connected") - (before == "connected"))

    def _count_bytes(self, peer: Peer | None) -> None:
        if peer is None:
            return
        sent, received = self._counted
        self._counted = (peer.bytes_sent, peer.bytes_received)
        metrics = self._server.metrics
        metrics.counter(WEBRTC_SENT, "egress", "", "").inc(peer.bytes_sent - sent)
        metrics.counter(WEBRTC_RECEIVED, "ingress", "", "").inc(peer.bytes_received - received)
