"""What a worker's process consists of, put together: the agent server, the worker, and what both ask of the bridge."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Self

import httpx2

from vox.agent.api.policy import PUBLIC, Access
from vox.agent.app import create_app
from vox.agent.call.session import Session
from vox.agent.config.settings import AgentSettings
from vox.agent.server import AgentServer
from vox.agent.tools.call_control import KEYS as KEYPAD
from vox.agent.transcripts.rows import TranscriptRow
from vox.agent.turns.events import KEYS
from vox.cli.handover import handover_store
from vox.cli.worker_calls import ServerCalls, WorkerGate, ended_call
from vox.errors import VoxError
from vox.fleet.worker.bots import BotDirectory
from vox.fleet.worker.bridge_peer import BridgePeer
from vox.fleet.worker.contract import EndedCall, LiveCall
from vox.fleet.worker.fleet_totals import FleetTotals
from vox.fleet.worker.outcomes import result_of
from vox.fleet.worker.registration import BridgeRegistration
from vox.fleet.worker.reservations import Reserved
from vox.fleet.worker.results import Results
from vox.fleet.worker.routes import WorkerRoutes
from vox.fleet.worker.settings import WorkerOptions, worker_id
from vox.fleet.worker.siblings import ROUND_EVERY_S, Siblings
from vox.fleet.worker.worker import Worker
from vox.http.routing import RouteTable
from vox.protocols.fleet import HANDED_OVER
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.tasks import periodic, supervised
from vox.security.outbound import OutboundGuard

CONNECTIONS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
TIMEOUT = httpx2.Timeout(10.0, connect=3.0)
SHARED = Access("the shared secret, as X-VoxCore-Secret; without one, this machine", ({"secret": ()},))

_log = get_logger(__name__)


class WorkerProcess:
    """A worker and its agent server, while the block runs; `app` is what its port serves.

    Args:
        settings: the worker's.
        agent_settings: those of its agents.
        environment: of the process, with `.env`.
        lifecycle: told by signals and by the bridge to drain.
        clock: the machine's.
        random: spreads the attempts to reach a bridge.
        host_name: of the machine, for the worker's name.
        version: of this program.
    """

    def __init__(
        self,
        settings: WorkerOptions,
        agent_settings: AgentSettings,
        environment: Mapping[str, str],
        lifecycle: Lifecycle,
        clock: Clock,
        *,
        random: Random,
        host_name: str,
        version: str,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._random = random
        self._name = worker_id(settings.worker_id, host_name, settings.port)
        self._version = version
        self._stack = AsyncExitStack()
        self._http = httpx2.AsyncClient(timeout=TIMEOUT, limits=CONNECTIONS)
        self._siblings = Siblings(
            self._http, [port for port in settings.sibling_ports() if port != settings.port], clock
        )
        self.app = create_app(
            agent_settings,
            environment=environment,
            lifecycle=lifecycle,
            clock=clock,
            checkpoints=handover_store(agent_settings, clock),
            extend=self._extend,
        )

    def _extend(self, server: AgentServer) -> Sequence[RouteTable[Access]]:
        settings = self.settings
        secret = settings.secrets[0] if settings.secrets else ""
        self.agents = server
        self.worker = Worker(
            settings,
            ServerCalls(server),
            server.lifecycle,
            self._clock,
            server.metrics,
            worker_id=self._name,
            version=self._version,
        )
        self.totals = FleetTotals(self.worker, self._siblings, self._http, settings.bridge_url)
        bots, base = None, settings.config_url or f"{settings.bridge_url}/v1/bots"
        if settings.config_url or settings.bridge_url:
            is_ours = not settings.config_url
            bots = BotDirectory(self._http, base, is_suffixed=is_ours, secret=secret, metrics=server.metrics)
        self.results = Results(
            Path(settings.results_folder) / self._name,
            self._http,
            settings.bridge_base,
            secret=secret,
            guard=OutboundGuard(),
            metrics=server.metrics,
            clock=self._clock,
        )
        gate = WorkerGate(server, self.worker, self.totals, bots)
        server.gate = gate
        server.admission.set_aside = gate.set_aside
        server.on_call_started.append(self._session_started)
        server.on_call_ended.append(self._session_ended)
        if settings.bridge_base:
            server.resources.on_spoken = self._spoken
        self.worker.on_ended.append(self._call_ended)
        return [WorkerRoutes(self.worker, self.totals, public=PUBLIC, secret=SHARED).table()]

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._http)
        await self._stack.enter_async_context(self.agents)
        await self._stack.enter_async_context(self.worker)
        await self._stack.enter_async_context(periodic(ROUND_EVERY_S, self.totals.refresh, "ask the fleet's numbers"))
        if self.settings.bridge_base:
            await self._stack.enter_async_context(supervised(self.results.run, "send results"))
        await self._stack.enter_async_context(self._registered())
        return self

    @asynccontextmanager
    async def _registered(self) -> AsyncGenerator[None]:
        """Keeps the worker registered, where a bridge knows it."""
        settings, token = self.settings, self.settings.token.get_secret_value()
        if not settings.bridge_urls or not token:
            yield
            return
        peer = BridgePeer(
            self.worker,
            transports=[],
            is_resumable=self.agents.handovers is not None,
            labels=settings.labels,
            clock=self._clock,
            spawn=self.agents.spawn,
        )
        registration = BridgeRegistration(settings.bridge_urls, token, peer, self._random, self.agents.metrics)
        peer.connect(registration)
        async with registration.running():
            yield

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    def listening(self, host: str, port: int, *, is_tls: bool) -> None:
        """Says where the worker is reached, once that is known."""
        self.worker.host, self.worker.port, self.worker.is_tls = host, port, is_tls

    async def flush(self, timeout_s: float) -> None:
        """Offers the last results to the bridge."""
        if self.settings.bridge_base:
            await self.results.flush(timeout_s)

    def _session_started(self, session: Session) -> None:
        self.worker.started(LiveCall(session.info.call_id, session.started_at))

    def _spoken(self, call_id: str, row: TranscriptRow) -> None:
        keys = row.text.removeprefix(KEYS)
        if row.role == "user" and keys != row.text and KEYPAD.issuperset(keys):  # not where they were redacted
            self.worker.reports.pressed(call_id, keys)
        self.worker.reports.spoken(call_id, row.role, row.text, round(row.created_at.timestamp() * 1000))

    def _session_ended(self, session: Session) -> None:
        self.worker.ended(ended_call(session, self._clock.now()))

    def _call_ended(self, call: EndedCall, reserved: Reserved | None) -> None:
        url = call.variables.get("webhook_url", "")
        if not self.settings.bridge_base or call.reason == HANDED_OVER:
            return
        ended_at = self._clock.wall().isoformat(timespec="milliseconds")
        result = result_of(call, reserved, worker_id=self.worker.worker_id, ended_at=ended_at)
        self.agents.spawn(self._keep(call.call_id, result, url), f"result {call.call_id}")

    async def _keep(self, call_id: str, result: Mapping[str, object], url: str) -> None:
        with self.agents.lifecycle.hold():
            try:
                await self.results.keep(call_id, result, url)
            except VoxError as error:
                _log.error("a result is lost", call_id=call_id, code=error.code, error=str(error))
