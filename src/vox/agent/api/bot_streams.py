"""Streams of a call worker: those that come for a promised slot, and those that name a bot in their address.

A promised slot is named by the address and proven by the token in the stream's first message. So a stream without a slot is refused
before its upgrade, and the proof stays out of addresses, which proxies log.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from starlette.websockets import WebSocket

from vox.agent.admission import SILENT_S, UNBOUND, Reservation, Source
from vox.agent.api import webhooks
from vox.agent.api.call_sockets import CallSockets
from vox.agent.api.carrier_line import carrier_line
from vox.agent.api.policy import KEY, SIGNATURE, Access, has_key
from vox.agent.api.transfers import PhoneTransfers
from vox.agent.call.session import Session
from vox.agent.gate import Bot, CallGate, Claim
from vox.agent.handover.handovers import Moves
from vox.agent.server import AgentServer
from vox.agent.transports.ingress_limit import IngressBudget
from vox.agent.transports.telephony import START_TIMEOUT_S, Chosen, TelephonyTransport
from vox.errors import UsageError, VoxError
from vox.http.call import client_address
from vox.http.routing import RouteTable
from vox.protocols.agent_events import AgentEvent, ServerMessage
from vox.protocols.carriers import dialler, exotel
from vox.protocols.media_stream import NEXT_STREAM, RESUME_PARAMETER, ServerCodec, StreamStarted
from vox.runtime.logging import get_logger

log = get_logger(__name__)

MAX_MESSAGE_BYTES: Final = 1 << 18
RING_S: Final = 130.0
"""The dialler opens its stream when it begins to dial; the other end may ring for two minutes."""
PREPARE_TIMEOUT_S: Final = 10.0
ANSWERED_BY: Final = "answered-by"


@dataclass(slots=True, eq=False)
class _Stream:
    """What one stream brings along."""

    codec: ServerCodec | None = None
    bot_id: str = ""
    claim: Claim | None = None
    transfers: PhoneTransfers | None = None
    token: str = field(default="", repr=False)  # of the address, from carriers that pass no parameters on
    start_timeout_s: float = START_TIMEOUT_S


class BotStreams:
    """The routes of one worker.

    Args:
        server: takes the calls.
        gate: knows slots and bots.
    """

    def __init__(self, server: AgentServer, gate: CallGate) -> None:
        self._server = server
        self._gate = gate
        self._sockets = CallSockets(server)

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them to a table."""
        table.websocket("/v1/streams/{reservation}", access=SIGNATURE, label="telephony_ws")(self.reserved)
        table.websocket("/ws/{bot}", access=KEY, label="ws_bot")(self.dialler)
        table.websocket("/exotel/{bot}", access=SIGNATURE, label="ws_bot")(self.exotel)

    async def reserved(self, websocket: WebSocket) -> None:
        """A carrier's stream for a promised slot."""
        claim = self._gate.claim(websocket.scope["path_params"]["reservation"])
        if claim is None:
            message = "This slot is not reserved (any more); ask the bridge for another one"
            await self._sockets.refuse(websocket, 404, "NOT_FOUND", message)
            return
        transfers = PhoneTransfers(self._server, webhooks.public_base(self._server, websocket))
        await self._serve(
            websocket,
            _Stream(
                bot_id=claim.bot_id, claim=claim, transfers=transfers, token=websocket.query_params.get("token", "")
            ),
            UNBOUND,
        )

    async def dialler(self, websocket: WebSocket) -> None:
        """A stream of VoxCore's dialler for the bot in the path."""
        reservation = websocket.query_params.get("reservation", "")
        claim = self._gate.claim(reservation) if reservation else None
        if claim is None and not has_key(websocket, self._server.settings):
            await self._sockets.refuse(websocket, 401, "UNAUTHORIZED", "Unauthorized")
            return
        bot_id = websocket.scope["path_params"]["bot"]
        stream = _Stream(dialler.Server(), bot_id, claim, start_timeout_s=RING_S)
        await self._known(websocket, stream)

    async def exotel(self, websocket: WebSocket) -> None:
        """A stream of Exotel's Voicebot applet for the bot in the path."""
        try:
            webhooks.check_carrier(self._server, websocket, "exotel")
        except UsageError as refused:
            log.warning("stream refused", code=refused.code, error=str(refused))
            await self._sockets.refuse(websocket, 403, "FORBIDDEN", "The token is missing or wrong")
            return
        await self._known(websocket, _Stream(exotel.Server(), websocket.scope["path_params"]["bot"]))

    async def _known(self, websocket: WebSocket, stream: _Stream) -> None:
        if not self._gate.knows_bot(stream.bot_id):
            if stream.claim is not None:
                stream.claim.give_back()
            await self._sockets.refuse(websocket, 404, "NOT_FOUND", f"There is no bot {stream.bot_id[:64]}")
            return
        is_proven = bool(self._server.settings.server_api_key.get_secret_value()) or stream.claim is not None
        source = UNBOUND if is_proven else Source.at(client_address(websocket.scope))
        await self._serve(websocket, stream, source)

    async def _serve(self, websocket: WebSocket, stream: _Stream, source: Source) -> None:
        server, claim = self._server, stream.claim

        def link(tasks: asyncio.TaskGroup, place: Reservation, budget: IngressBudget) -> TelephonyTransport:
            def start(session: Session) -> None:
                is_resumable = made.is_resumable
                line = webhooks.line_of(made.carrier, made.call_id) if is_resumable else ""
                server.keep(session, tasks, Moves(made.move) if is_resumable else None, line=line, fence=made.fence)

            def prepare(started: StreamStarted, answer: Callable[[Chosen | None], None]) -> asyncio.Task[None]:
                return tasks.create_task(self._prepare(stream, started, answer), name="find the bot")

            is_proven = stream.transfers is not None
            made = TelephonyTransport(
                server.resources,
                lambda _: None,
                start,
                budget=budget,
                on_begun=place.begin,
                transfers=stream.transfers,
                codec=stream.codec,
                prepare=prepare,
                on_event=partial(self._happened, claim) if claim is not None else None,
                start_timeout_s=stream.start_timeout_s,
                line=carrier_line(server, tasks, websocket, is_proven=is_proven),
            )
            return made

        try:
            await self._sockets.hold(
                websocket,
                link,
                source,
                SILENT_S,
                MAX_MESSAGE_BYTES,
                is_silent=claim is None and stream.codec is None,
                is_promised=claim is not None,
            )
        finally:
            if claim is not None:
                claim.give_back()

    def _happened(self, claim: Claim, event: AgentEvent) -> None:
        if isinstance(event, ServerMessage) and event.data.get("type") == ANSWERED_BY:
            self._gate.answered(claim.call_id, str(event.data.get("by", "")))

    async def _prepare(self, stream: _Stream, started: StreamStarted, answer: Callable[[Chosen | None], None]) -> None:
        chosen = None
        with suppress(_Rejected):
            chosen = await self._choose(stream, started)
        answer(chosen)

    async def _choose(self, stream: _Stream, started: StreamStarted) -> Chosen:
        claim = stream.claim
        if claim is not None and not claim.prove(started.parameters.get("token") or stream.token):
            log.warning("stream refused", carrier=started.carrier, error="it does not bring the token of its slot")
            raise _Rejected
        resume = await self._resumed(claim, started) if claim is not None else ""
        bot_id = stream.bot_id or started.parameters.get("bot", "")
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT_S):
                bot = await self._gate.find_bot(bot_id, started) if bot_id else Bot(_known(claim, "agent"))
                agent = await self._server.resources.changed_agent(bot.agent, bot.profile, bot.api_keys)
        except (VoxError, TimeoutError) as failed:
            code = failed.code if isinstance(failed, VoxError) else "bot_timeout"
            log.warning("call rejected", bot=bot_id, code=code, error=str(failed))
            if claim is not None:
                self._gate.rejected(claim.call_id, started, code)
            raise _Rejected from None
        known: Mapping[str, str] = claim.variables if claim is not None else {}
        variables = {**known, **bot.variables, "token": ""}
        call_id = claim.call_id if claim is not None else ""
        return Chosen(
            agent, call_id=call_id, session_id=bot.session_id, variables=variables, bot_id=bot_id, resume=resume
        )

    async def _resumed(self, claim: Claim, started: StreamStarted) -> str:
        """The token of the call that goes on with a proven stream; empty where the call begins with it."""
        if started.parameters.get(RESUME_PARAMETER) != NEXT_STREAM:
            return ""
        handovers, line = self._server.handovers, webhooks.line_of(started.carrier, started.call_id)
        invitation = await handovers.invite(line) if handovers is not None and line else None
        if invitation is None:
            log.warning("call rejected", code="call_gone", error="its state is not kept, or it has ended")
            self._gate.rejected(claim.call_id, started, "call_gone")
            raise _Rejected
        return invitation.token


def _known(claim: Claim | None, name: str) -> str:
    return claim.variables.get(name, "") if claim is not None else ""


class _Rejected(Exception):  # noqa: N818  not an error: the call is not taken
    pass
