"""The agent server as an object: settings, what calls share, who may come in, and the calls in progress."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

from vox.agent.admission import AdaptiveLimit, Admission, Load
from vox.agent.call.fixed_sentences import fixed_sentences
from vox.agent.call.session import Session
from vox.agent.config.resources import Resources
from vox.agent.config.settings import AgentSettings
from vox.agent.gate import CallGate
from vox.agent.handover.contract import CheckpointStore
from vox.agent.handover.handovers import Handovers, Moves
from vox.agent.metrics import UP, expose_idle
from vox.agent.sessions.contract import SessionStore
from vox.agent.sessions.stores import SessionStores, make_stores
from vox.agent.transports.ingress_limit import NetworkReserves
from vox.media.pacer import Pacer
from vox.media.rooms.contract import FindRelay
from vox.providers.models.background import BackgroundInstallation
from vox.providers.tts.contract import Preparable
from vox.runtime import tracing
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle, State
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import cancel_and_wait, periodic, supervised

log = get_logger(__name__)

OBSERVE_EVERY_S = 0.5
CLOSE_TIMEOUT_S = 5.0


class LoadMeter:
    """How busy the process was since the last measurement.

    Args:
        pacer: counts the frames of all calls.
        reserves: counts the floods.
        clock: for the time between measurements.
    """

    def __init__(self, pacer: Pacer, reserves: NetworkReserves, clock: Clock) -> None:
        self._pacer = pacer
        self._reserves = reserves
        self._clock = clock
        self._refusals = self._refusals_before = reserves.refusals
        self._last = self._counts()

    def measure(self, calls: int) -> Load:
        """The load since the last call; shares are 0 to 1, CPU time of one core."""
        sent, late, cpu, at = self._last
        self._last = now_sent, now_late, now_cpu, now = self._counts()
        # The frames that a flood has made late may leave in the time after it.
        is_flooded = self._reserves.refusals != self._refusals_before
        self._refusals_before, self._refusals = self._refusals, self._reserves.refusals
        return Load(
            late_share=(now_late - late) / max(1, now_sent - sent),
            busy_share=(now_cpu - cpu) / max(0.001, now - at),
            calls=calls,
            is_flooded=is_flooded,
        )

    def _counts(self) -> tuple[int, int, float, float]:
        return self._pacer.frames_sent, self._pacer.frames_late, time.process_time(), self._clock.now()


@dataclass(slots=True, eq=False)
class AgentServer:
    """Everything behind the routes. Enter it before the first request; leaving ends the calls that are left with 1001.

    `installation` brings models while the server runs, `checkpoints` keeps calls for other processes. Each of `on_end` is called when
    the calls that are left have to end, each of `on_call_started` and `on_call_ended` for every call. A `gate`, where the server is a call worker, is set before the routes are made. `local_relay` gives the relay of this process; `chance` spreads
    attempts.
    """

    settings: AgentSettings
    clock: Clock
    metrics: Metrics
    environment: Mapping[str, str]
    lifecycle: Lifecycle
    installation: BackgroundInstallation | None = None
    checkpoints: CheckpointStore | None = None
    gate: CallGate | None = None
    local_relay: FindRelay | None = None
    chance: Random = field(default_factory=Random)
    handovers: Handovers | None = field(init=False, default=None)
    resources: Resources = field(init=False)
    stores: SessionStores = field(init=False)
    admission: Admission = field(init=False)
    reserves: NetworkReserves = field(init=False)
    _meter: LoadMeter = field(init=False)
    is_open: bool = False
    sessions: set[Session] = field(default_factory=set[Session])
    on_end: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    on_call_started: list[Callable[[Session], None]] = field(default_factory=list[Callable[[Session], None]])
    on_call_ended: list[Callable[[Session], None]] = field(default_factory=list[Callable[[Session], None]])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _spawned: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.resources = Resources(self.settings, self.clock, self.metrics, self.environment)
        self.stores = make_stores(self.settings, self.clock, self.metrics)
        self.admission = Admission(
            max_calls=self.settings.max_concurrent_calls,
            max_per_network=self.settings.max_calls_per_address,
            retry_after_s=self.settings.retry_after_secs,
            adaptive=AdaptiveLimit() if self.settings.adaptive_limit else None,
            metrics=self.metrics,
            has_room=self.resources.has_room,
        )
        self.reserves = NetworkReserves(self.clock)
        if self.checkpoints is not None:
            lead_s = self.settings.handover_lead_secs
            self.handovers = Handovers(self.checkpoints, self.lifecycle, self.clock, self.metrics, lead_s=lead_s)

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        await self._stack.enter_async_context(
            tracing.sending(tracing.traces_at(self.settings.otlp_endpoint), "vox-agent")
        )
        if self.resources.recordings is not None:
            await self._stack.enter_async_context(self.resources.recordings)
        await self._stack.enter_async_context(self.resources)
        if self.handovers is not None:
            await self._stack.enter_async_context(self.handovers)
        await self.session_store.open()
        self._stack.push_async_callback(self.session_store.close)
        self._prepare_voices()
        self._meter = LoadMeter(self.resources.pacer, self.reserves, self.clock)
        await self._stack.enter_async_context(periodic(OBSERVE_EVERY_S, self._observe, "observe load"))
        if self.installation is not None:
            await self._stack.enter_async_context(supervised(self.installation.run, "install models"))
        self.lifecycle.subscribe(self._follow)
        self.metrics.gauge(UP).set(1)
        expose_idle(self.metrics)
        self.is_open = True
        self.lifecycle.ready()
        self._log_configuration()

    async def __aexit__(self, *_error: object) -> None:
        self.admission.is_closed = True
        self.is_open = False
        await self.end_calls()
        await cancel_and_wait(*self._spawned)
        await self._stack.aclose()

    @property
    def session_store(self) -> SessionStore:
        """Where `POST /start` leaves what the client's offer needs."""
        return self.stores.sessions

    def status(self) -> str:
        """One line for the service manager: the state, and how many calls are held."""
        limit = self.admission.limit
        return f"{self.lifecycle.state}: {self.admission.calls} calls" + (f" of {limit}" if limit else "")

    async def end_calls(self) -> None:
        """Ends the calls that are left when the drain is over: tells each client, and hangs up."""
        for session in tuple(self.sessions):
            session.end(1001, "server_stopping")
        for end in self.on_end:
            end()
        if tasks := self._tasks | self._spawned:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs what belongs to no connection of this server; at the latest when the server closes, it is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    def keep(
        self, session: Session, tasks: asyncio.TaskGroup, moves: Moves | None = None, *, line: str = "", fence: int = 1
    ) -> None:
        """Starts a session in the task group of its connection, and counts it until it ends.

        Args:
            session: of the call.
            tasks: of its connection.
            moves: hands the call over to another process; None where that is not possible.
            line: the carrier's name of the call, by which it asks for it again.
            fence: by which this process has the call.
        """
        self.sessions.add(session)
        work = session.run() if moves is None else self._run_kept(session, moves, line, fence)
        task = tasks.create_task(work, name=session.info.call_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._forget(session))
        for listener in self.on_call_started:
            listener(session)

    async def _run_kept(self, session: Session, moves: Moves, line: str, fence: int) -> None:
        if self.handovers is None:
            await session.run()
            return
        async with self.handovers.kept(session, moves, line=line, fence=fence):
            await session.run()

    def _prepare_voices(self) -> None:
        """Tells the synthesisers that can use it what their agents are known to say."""
        recordings = self.resources.recordings
        notice = recordings.settings.notice if recordings is not None else ""
        for agent in self.resources.agents.values():
            if isinstance(agent.tts, Preparable):
                voice, language = agent.profile.tts_voice or None, agent.profile.stt_language or None
                agent.tts.prepare(fixed_sentences(agent, notice), voice=voice, language=language)

    def _log_configuration(self) -> None:
        """Logs what this server is and how it is configured; no secrets."""
        settings = self.settings
        log.info(
            "configuration",
            agents={
                name: "/".join(agent.profile.stage(kind) for kind in ("stt", "llm", "tts"))
                for name, agent in self.resources.agents.items()
            },
            runner_transport=settings.runner_transport,
            max_concurrent_calls=settings.max_concurrent_calls,
            adaptive_limit=settings.adaptive_limit,
            drain_timeout_secs=settings.drain_timeout_secs,
            asks_for_key=bool(settings.server_api_key.get_secret_value()),
            tls=settings.tls_enable,
            transport=settings.transport,
            session_store=settings.session_store,
            metrics=settings.metrics_enabled is not False,
            log_level=settings.log_level,
        )

    def _forget(self, session: Session) -> None:
        self.sessions.discard(session)
        session.release()  # a session whose task was cancelled before it began has not done that itself
        for listener in self.on_call_ended:
            listener(session)

    def _follow(self, state: State) -> None:
        if state in {State.DRAINING, State.STOPPED}:
            self.admission.is_closed = True
            if self.handovers is not None and state is State.DRAINING:
                self.handovers.drain()

    async def _observe(self) -> None:
        self.admission.observe(self._meter.measure(self.admission.calls))
