"""What carriers' streams need to hand their calls over: the store, the carriers' commands, and this server's addresses."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket

from vox.agent.api import webhooks
from vox.agent.handover.handovers import Handovers, Taken
from vox.agent.server import AgentServer
from vox.protocols.media_stream import RESUME_PARAMETER
from vox.providers.carriers.contract import MovesStreams


@dataclass(frozen=True, slots=True)
class CarrierCalls:
    """Implements `CarrierLine` for one connection. `is_proven`: it has shown to be the carrier's."""

    server: AgentServer
    handovers: Handovers
    tasks: asyncio.TaskGroup
    websocket: WebSocket
    is_proven: bool

    def can_move_stream(self, carrier: str) -> bool:
        """Whether the carrier moves streams by command."""
        control = self.server.resources.call_control(carrier)
        return self.is_proven and isinstance(control, MovesStreams) and control.can_move_stream

    async def move_stream(self, carrier: str, call_id: str, agent: str, token: str) -> None:
        """Has it do so."""
        control = self.server.resources.call_control(carrier)
        if isinstance(control, MovesStreams):
            url = webhooks.stream_url(self.server, self.websocket, carrier, agent)
            await control.move_stream(call_id, url, {RESUME_PARAMETER: token})

    async def take(self, token: str) -> Taken | None:
        """The call that a token is for."""
        return await self.handovers.take(token)

    async def hang_up(self, carrier: str, call_id: str) -> None:
        """Ends the phone call."""
        await webhooks.hang_up(self.server, carrier, call_id)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs what belongs to the connection."""
        return self.tasks.create_task(work, name=name)


def carrier_line(
    server: AgentServer, tasks: asyncio.TaskGroup, websocket: WebSocket, *, is_proven: bool
) -> CarrierCalls | None:
    """For one connection; None where calls are not handed over."""
    if server.handovers is None:
        return None
    return CarrierCalls(server, server.handovers, tasks, websocket, is_proven)
