"""Joins a worker to the agent server in its process: neither knows the other, both know these shapes."""

from collections.abc import Mapping
from dataclasses import dataclass

from vox.agent.call.session import Session
from vox.agent.call.transport import TransfersCalls
from vox.agent.gate import Bot, Promise
from vox.agent.server import AgentServer
from vox.fleet.worker.bots import BotDirectory
from vox.fleet.worker.contract import EndedCall, LiveCall
from vox.fleet.worker.fleet_totals import FleetTotals
from vox.fleet.worker.reservations import Reserved
from vox.fleet.worker.worker import Granted, Worker
from vox.protocols.agent_events import ClientSpeak
from vox.protocols.carriers.dialler import CONNECTED_FIELDS
from vox.protocols.media_stream import StreamStarted
from vox.providers.carriers.contract import BusyAnswer
from vox.runtime.clock import new_id

_ANSWERED_BY = {
    "human": "human",
    "person": "human",
    "voicemail": "machine",
    "screening": "screening",
    "menu": "machine",
}


class ServerCalls:
    """Implements `vox.fleet.worker.contract.AgentCalls`.

    Args:
        server: whose calls they are.
    """

    def __init__(self, server: AgentServer) -> None:
        self._server = server

    @property
    def active(self) -> int:
        """Calls in progress."""
        return self._server.admission.calls

    @property
    def limit(self) -> int:
        """How many there may be now."""
        return self._server.admission.limit

    @property
    def adaptive_limit(self) -> int | None:
        """The limit by load."""
        adaptive = self._server.admission.adaptive
        return adaptive.limit if adaptive is not None else None

    @property
    def frames(self) -> tuple[int, int]:
        """Frames sent, and sent late."""
        pacer = self._server.resources.pacer
        return pacer.frames_sent, pacer.frames_late

    def live(self) -> list[LiveCall]:
        """The calls in progress."""
        return [LiveCall(one.info.call_id, one.started_at) for one in self._server.sessions]

    def hang_up(self, call_id: str) -> bool:
        """Ends a call."""
        session = self._session(call_id)
        if session is not None:
            session.end(1000, "hung_up_by_operator")
        return session is not None

    def inject(self, call_id: str, text: str) -> bool:
        """Has the agent say a text."""
        session = self._session(call_id)
        if session is not None:
            session.receive(ClientSpeak(text))
        return session is not None

    async def transfer(self, call_id: str, to: str) -> bool:
        """Hands a call over; raises `VoxError` where the carrier refuses."""
        session = self._session(call_id)
        transport = session.transport if session is not None else None
        if not isinstance(transport, TransfersCalls) or not transport.can_transfer:
            return False
        await transport.transfer(to)
        return True

    def _session(self, call_id: str) -> Session | None:
        return next((one for one in self._server.sessions if one.info.call_id == call_id), None)


@dataclass(slots=True, eq=False)
class _SlotClaim:
    """Implements `vox.agent.gate.Claim`."""

    worker: Worker
    reserved: Reserved

    @property
    def call_id(self) -> str:
        return self.reserved.call_id

    @property
    def bot_id(self) -> str:
        return self.reserved.bot_id

    @property
    def variables(self) -> Mapping[str, str]:
        known = self.reserved.metadata.items()
        return {key: str(value) for key, value in known if isinstance(value, str | int | float | bool)}

    def prove(self, token: str) -> bool:
        return self.worker.prove(self.reserved, token)

    def give_back(self) -> None:
        self.worker.give_back(self.reserved)


class WorkerGate:
    """Implements `vox.agent.gate.CallGate`.

    Args:
        server: the agent server that asks.
        worker: knows the slots.
        totals: knows the fleet.
        bots: asks the bridge; None where the bots are the agents of the configuration.
    """

    def __init__(self, server: AgentServer, worker: Worker, totals: FleetTotals, bots: BotDirectory | None) -> None:
        self._server = server
        self._worker = worker
        self._totals = totals
        self._bots = bots

    def set_aside(self) -> int:
        """Slots that are promised."""
        return self._worker.slots.pending

    def claim(self, reservation_id: str) -> _SlotClaim | None:
        """The promised slot of that id."""
        reserved = self._worker.take(reservation_id)
        return None if reserved is None else _SlotClaim(self._worker, reserved)

    def retry_after_s(self) -> int:
        """Seconds until a slot is expected to be free."""
        return self._worker.retry_after_s()

    def promise(self, agent: str) -> Promise | None:
        """A slot for an incoming call, where this worker has an address of its own."""
        if not self._worker.settings.url:
            return None
        granted = self._worker.reserve(new_id("call"), "inbound", metadata={"agent": agent} if agent else None)
        return Promise(granted.stream_url, granted.token) if isinstance(granted, Granted) else None

    def busy_answer(self, waited_s: int, again_url: str) -> BusyAnswer:
        """A busy tone, a message, or the message again until a slot is free."""
        settings = self._worker.settings
        if settings.busy_answer == "reject":
            return BusyAnswer()
        message = settings.busy_message.replace("{wait}", self._worker.spoken_wait())
        may_wait = settings.busy_answer == "wait" and waited_s < settings.busy_wait_secs
        return BusyAnswer(message if not waited_s or not may_wait else "", again_url if may_wait else "")

    def has_room_elsewhere(self) -> bool:
        """Whether another worker has a free slot."""
        return self._totals.now().available > 0

    def knows_bot(self, bot_id: str) -> bool:
        """Whether there may be such a bot."""
        return self._bots is not None or self._server.resources.agent_for(bot_id) is not None

    async def find_bot(self, bot_id: str, started: StreamStarted) -> Bot:
        """The bot of a call."""
        if self._bots is None:
            return Bot(agent=bot_id)
        config = await self._bots.find(
            bot_id,
            caller=started.caller,
            stream_id=started.stream_id,
            connected_event=started.parameters.get(CONNECTED_FIELDS, ""),
        )
        variables = {**config.variables, "bot_id": bot_id, "webhook_url": config.webhook_url}
        return Bot(
            agent=config.agent,
            profile=config.profile,
            variables=variables,
            session_id=config.session_id,
            api_keys=config.api_keys,
        )

    def answered(self, call_id: str, by: str) -> None:
        """Tells the bridge who answered."""
        self._worker.progress(call_id, "answered", {"answered_by": _ANSWERED_BY.get(by, "unknown")})

    def rejected(self, call_id: str, started: StreamStarted, code: str) -> None:
        """A call is over before it began."""
        del code
        self._worker.ended(
            EndedCall(
                call_id=call_id,
                transport=started.carrier,
                reason="rejected",
                seconds=0.0,
                caller=started.caller,
                callee=started.callee,
                carrier_call_id=started.call_id,
            )
        )


def ended_call(session: Session, now: float) -> EndedCall:
    """What a worker tells about a session that is over."""
    info = session.info
    return EndedCall(
        call_id=info.call_id,
        transport=info.transport,
        reason=session.end_reason,
        seconds=max(0.0, now - session.started_at),
        caller=info.caller,
        callee=info.callee,
        carrier_call_id=info.carrier_call_id,
        session_id=info.session_id,
        variables=info.variables,
        messages=session.conversation.messages(),
    )
