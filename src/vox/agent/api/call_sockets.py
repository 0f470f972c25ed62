"""Holding the socket of one call: a place before the upgrade, the connection's life, and what is left to do after it."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket

from vox.agent.admission import Busy, Reservation, Source
from vox.agent.api import webhooks
from vox.agent.api.policy import refuse_upgrade
from vox.agent.api.request_metrics import connection_gauges, count_upgrade
from vox.agent.api.responses import error
from vox.agent.server import AgentServer
from vox.agent.transports.frame_log import frames_logged
from vox.agent.transports.ingress_limit import IngressBudget
from vox.agent.transports.telephony import TelephonyTransport
from vox.agent.transports.websocket import WebSocketTransport
from vox.http.call import ROUTE
from vox.http.websocket import serve_socket

Link = WebSocketTransport | TelephonyTransport
MakeLink = Callable[[asyncio.TaskGroup, Reservation, IngressBudget], Link]
UNAVAILABLE = "SERVICE_UNAVAILABLE"
_GATE_CODES = {"draining": "DRAINING"}


class CallSockets:
    """The sockets of one agent server's calls."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server

    async def hold(
        self,
        websocket: WebSocket,
        make: MakeLink,
        source: Source,
        probation_s: float,
        max_message_bytes: int,
        *,
        is_silent: bool = True,
        is_promised: bool = False,
        take: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Takes a place, serves the socket, gives the place back and hangs up what is left of a phone call.

        `take` is asked once there is a place: it takes over the call that the client comes with, where that is still possible.
        """
        server, route = self._server, websocket.scope[ROUTE].label
        place = server.admission.reserve(
            server.clock.now(), source, is_silent=is_silent, probation_s=probation_s, is_promised=is_promised
        )
        if isinstance(place, Busy):
            headers = {"retry-after": str(self.retry_after(place))}
            message = f"Service unavailable: {place.reason}"
            await self.refuse(websocket, 503, self.code(place), message, headers)
            return
        if take is not None and not await take():
            place.release()
            message = "This call cannot be gone on with: it ended, or went on elsewhere"
            await self.refuse(websocket, 404, "NOT_FOUND", message)
            return
        gauges = connection_gauges(server.metrics, route)
        for gauge in gauges:
            gauge.inc()
        count_upgrade(server.metrics, route, 101)
        with server.lifecycle.hold(), server.reserves.connection(source.network) as budget:
            try:
                async with asyncio.TaskGroup() as tasks:
                    link = make(tasks, place, budget)
                    place.on_evicted = link.evict
                    listener = frames_logged(link, route)
                    await serve_socket(websocket, listener, max_message_bytes=max_message_bytes)
            finally:
                for gauge in gauges:
                    gauge.dec()
                place.release()
            if isinstance(link, TelephonyTransport) and link.wants_hang_up:
                await webhooks.hang_up(server, link.carrier, link.call_id)

    async def refuse(
        self, websocket: WebSocket, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        """Answers an upgrade with an error."""
        count_upgrade(self._server.metrics, websocket.scope[ROUTE].label, status)
        await refuse_upgrade(websocket, error(websocket.scope, status, code, message, headers=headers))

    def retry_after(self, busy: Busy) -> int:
        """Seconds after which a refused caller may come again."""
        if busy.reason == "draining":
            return max(1, round(self._server.lifecycle.retry_after_s))
        return busy.retry_after_s if self._server.gate is None else self._server.gate.retry_after_s()

    def code(self, busy: Busy) -> str:
        """The error code of a refusal; a worker says which kind it is."""
        return UNAVAILABLE if self._server.gate is None else _GATE_CODES.get(busy.reason, "AT_CAPACITY")
