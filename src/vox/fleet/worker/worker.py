"""One call worker: what it has promised, what it carries, and what it says about itself.

Everything here runs on the event loop and in single steps, so that the numbers that one answer holds belong together. What has a
network behind it (the bridge, the other workers of the machine) is in modules of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, cast

from vox.fleet.worker import metrics as names
from vox.fleet.worker.call_ends import CallEnds
from vox.fleet.worker.call_reports import CallReports
from vox.fleet.worker.contract import AgentCalls, EndedCall, LiveCall
from vox.fleet.worker.loop_lag import EVERY_S, LoopLag
from vox.fleet.worker.reservations import LEASE_S, MAX_TTL_S, NoSlot, Reserved, Slots
from vox.fleet.worker.settings import WorkerOptions
from vox.protocols.fleet import REPORTS, CallClass
from vox.runtime.clock import Clock, new_id
from vox.runtime.lifecycle import Lifecycle, State
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic, supervised

RENEW_EVERY_S: Final = 10.0
SWEEP_EVERY_S: Final = 1.0
LATE_WINDOW: Final = 60
"""Seconds over which late frames are counted."""
RETRY_MIN_S: Final = 1
RETRY_MAX_S: Final = 120
STREAM_PATH: Final = "/v1/streams"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Granted:
    """A slot for a call: the media stream goes to `stream_url` and brings `token` as a parameter of its start."""

    reservation_id: str
    token: str = field(repr=False)
    expires_in_s: float
    stream_url: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No slot: `AT_CAPACITY`, `DRAINING` or `CALL_EXISTS`, and when to ask again."""

    code: str
    retry_after_s: int
    message: str


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker's numbers at one moment; `state` has `full` beside the states of the life cycle."""

    state: str
    active: int
    reserved: int
    max_calls: int
    limit: int
    free: int
    free_outbound: int
    load: float
    loop_lag_p95_ms: float
    late_frames_pct: float
    adaptive_limit: int | None
    next_free_s: float | None


class Worker:
    """A worker, while its `async with` block runs.

    Args:
        settings: its own.
        calls: the calls of its agent server.
        lifecycle: the agent server's.
        clock: for leases and ages.
        metrics: the agent server's.
        worker_id: its name.
        version: of this program.
    """

    def __init__(
        self,
        settings: WorkerOptions,
        calls: AgentCalls,
        lifecycle: Lifecycle,
        clock: Clock,
        metrics: Metrics,
        *,
        worker_id: str,
        version: str,
    ) -> None:
        self.settings = settings
        self.calls = calls
        self.lifecycle = lifecycle
        self.worker_id = worker_id
        self.version = version
        self.port = settings.port
        self.host = ""
        self.is_tls = False
        self.generation = clock.unix_ms()
        self.slots = Slots(settings.inbound_reserve)
        self.draining_since: float | None = None
        self.drain_deadline: float | None = None
        self.on_ended: list[Callable[[EndedCall, Reserved | None], None]] = []
        self.on_change: list[Callable[[], None]] = []
        self.on_progress: list[Callable[[str, str, Mapping[str, Any]], None]] = []
        self.on_started: list[Callable[[LiveCall], None]] = []
        self.reports = CallReports(clock, self.progress)
        self._clock = clock
        self._metrics = metrics
        self._ends = CallEnds()
        self._lag = LoopLag()
        self._late: list[tuple[int, int]] = []
        self._drain_began: float | None = None
        self._is_leaving = False
        self._started_at = clock.now()
        self._promises: ExitStack | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        names.expose_idle(self._metrics)
        self._stack.callback(self.lifecycle.subscribe(self._follow))
        await self._stack.enter_async_context(periodic(SWEEP_EVERY_S, self._sweep, "expire reservations"))
        await self._stack.enter_async_context(periodic(RENEW_EVERY_S, self._renew_live, "renew reservations"))
        await self._stack.enter_async_context(supervised(self._measure_lag, "measure the event loop"))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    # Slots

    def reserve(
        self,
        call_id: str,
        call_class: CallClass,
        *,
        ttl_s: float = LEASE_S,
        bot_id: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Granted | Refused:
        """Promises a slot to a call that has no media yet, or says why not.

        Args:
            call_id: of the call; asked for again before its media came, it keeps its slot under a new id and token.
            call_class: outbound and campaign calls leave the slots alone that are kept for inbound ones.
            ttl_s: how long the slot waits for media, at most MAX_TTL_S.
            bot_id: which bot talks.
            metadata: becomes variables of the call where it is text or a number.
        """
        reservation_id, token = (
            new_id("rsv"),
            new_id("t").replace("_", ""),
        )  # some carriers pass on letters and digits only
        ttl_s = min(max(ttl_s, 1.0), MAX_TTL_S)
        now = self._clock.now()
        wish = Reserved(reservation_id, call_id, call_class, now + ttl_s, bot_id, metadata or {})
        refused = self._draining(is_promise=True) or self._refusal(
            self.slots.reserve(wish, token, active=self.calls.active, limit=self.calls.limit)
        )
        if refused is not None:
            self._metrics.counter(names.RESERVATIONS_REFUSED, call_class, refused.code).inc()
            return refused
        self._metrics.counter(names.RESERVATIONS, call_class).inc()
        self.changed()
        return Granted(reservation_id, token, ttl_s, f"{self.stream_base}{STREAM_PATH}/{reservation_id}")

    def renew(self, reservation_id: str, lease_s: float = LEASE_S) -> float | None:
        """Keeps a reservation for another lease; how long it stands now, None where there is none."""
        now = self._clock.now()
        found = self.slots.renew(reservation_id, now, lease_s)
        return None if found is None else found.expires_at - now

    def release(self, reservation_id: str) -> bool:
        """Frees a slot that no media has taken."""
        is_free = self.slots.release(reservation_id)
        if is_free:
            self.changed()
        return is_free

    def take(self, reservation_id: str) -> Reserved | None:
        """Hands a promised slot to the media stream that names it; None where there is none to hand.

        The stream takes hold of the life cycle in the same step, so that a drain does not end in between.
        """
        return self.slots.take(reservation_id, self._clock.now())

    def prove(self, taken: Reserved, token: str) -> bool:
        """Whether the stream brought the token, which is worth nothing afterwards."""
        return self.slots.prove(taken, token, self._clock.now())

    def give_back(self, taken: Reserved) -> None:
        """Ends a stream's hold of its slot."""
        self.slots.give_back(taken)
        self.changed()

    def started(self, call: LiveCall) -> None:
        """A call has its media."""
        reserved = self.slots.of_call(call.call_id)
        reports = reserved.metadata.get(REPORTS) if reserved is not None else None
        self.reports.began(call.call_id, map(str, cast("list[object]", reports)) if isinstance(reports, list) else ())
        for listener in self.on_started:
            listener(call)
        self.changed()

    def progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Something happened in a call."""
        for listener in self.on_progress:
            listener(call_id, event, data)

    def ended(self, call: EndedCall) -> None:
        """A call is over."""
        call = replace(call, digits=self.reports.ended(call.call_id))
        if call.seconds:
            self._ends.ended(call.seconds)
        reserved = self.slots.of_call(call.call_id)
        direction = reserved.call_class if reserved is not None else "inbound"
        self._metrics.counter(names.CALLS, direction, call.transport, call.reason).inc()
        if call.reason in {"failed", "server_stopping"}:
            self._metrics.counter(names.DROPPED, "restart" if call.reason == "server_stopping" else "failed").inc()
        for listener in self.on_ended:
            listener(call, reserved)
        self.changed()

    # What it says about itself

    @property
    def stream_base(self) -> str:
        """Where media streams reach this worker, as `ws://HOST:PORT` or `wss://HOST`."""
        return self.base.replace("http", "ws", 1)

    @property
    def base(self) -> str:
        """Where HTTP reaches this worker."""
        host = self.host if self.host not in {"", "0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104  compared, not bound
        scheme = "https" if self.is_tls else "http"
        return self.settings.url or f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def state(self) -> str:
        """The life cycle's state, or `full`."""
        state = self.lifecycle.state
        if self._is_leaving and self.lifecycle.is_accepting:
            return State.DRAINING.value
        if state is State.READY and not self.slots.free(active=self.calls.active, limit=self.calls.limit):
            return "full"
        return state.value

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return self._clock.now() - self._started_at

    def retry_after_s(self) -> int:
        """Whole seconds until a slot is expected to be free, for a `Retry-After`."""
        if self.lifecycle.is_draining:
            return max(RETRY_MIN_S, round(self.lifecycle.retry_after_s))
        expected = self.next_free_s()
        return 5 if expected is None else min(max(round(expected), RETRY_MIN_S), RETRY_MAX_S)

    def spoken_wait(self) -> str:
        """How long until a slot is free, as a caller is told."""
        minutes = max(1, round(self.retry_after_s() / 60))
        return "a minute" if minutes == 1 else f"{minutes} minutes"

    def next_free_s(self) -> float | None:
        """Seconds until a slot is expected to be free; 0 while there is one, None where nothing is known."""
        if self.slots.free(active=self.calls.active, limit=self.calls.limit):
            return 0.0
        now = self._clock.now()
        return self._ends.next_free_s(now - call.began_at for call in self.calls.live())

    def status(self) -> WorkerStatus:
        """All numbers of this moment."""
        calls, slots = self.calls, self.slots
        active, limit = calls.active, calls.limit
        return WorkerStatus(
            state=self.state,
            active=active,
            reserved=slots.pending,
            max_calls=self.settings.max_concurrent_calls,
            limit=limit,
            free=0 if self._promises_none else slots.free(active=active, limit=limit),
            free_outbound=0 if self._promises_none else slots.free_outbound(active=active, limit=limit),
            load=(active + slots.pending) / max(1, limit),
            loop_lag_p95_ms=round(self._lag.p95_ms, 1),
            late_frames_pct=self._late_pct(),
            adaptive_limit=calls.adaptive_limit,
            next_free_s=self.next_free_s(),
        )

    def at_capacity(self) -> Refused:
        """The refusal of a call for which there is no slot."""
        return self._draining() or Refused("AT_CAPACITY", self.retry_after_s(), "This worker has no free slot.")

    def leave(self) -> None:
        """Promises no further slots, as this process is about to leave its port; what was promised, and calls that come by themselves, are still taken."""
        self._is_leaving = True
        self.changed()

    def drain(self, deadline_s: float | None = None) -> None:
        """Takes no further calls; those that run have `deadline_s`, or the configured time."""
        self.lifecycle.drain(deadline_s)

    def changed(self) -> None:
        """Tells what follows the numbers, and keeps a drain from ending while promised calls may still come."""
        if self.slots.pending and self._promises is None:
            self._promises = ExitStack()
            self._promises.enter_context(self.lifecycle.hold())
        elif not self.slots.pending and self._promises is not None:
            self._promises.close()
            self._promises = None
        self._metrics.gauge(names.RESERVED).set(self.slots.pending)
        for listener in self.on_change:
            listener()

    # Inside

    @property
    def _promises_none(self) -> bool:
        return self._is_leaving or self.lifecycle.is_draining

    def _draining(self, *, is_promise: bool = False) -> Refused | None:
        if self.lifecycle.is_accepting and not (is_promise and self._is_leaving):
            return None
        return Refused("DRAINING", self.retry_after_s(), "This worker takes no further calls; ask another one.")

    def _refusal(self, none: NoSlot | None) -> Refused | None:
        if none is None:
            return None
        if none.code == "CALL_EXISTS":
            return Refused(none.code, RETRY_MIN_S, "This call runs here already.")
        kept = " for outbound calls: the free ones are kept for inbound calls" if none.is_kept else ""
        return Refused(none.code, self.retry_after_s(), f"This worker has no free slot{kept}.")

    def _follow(self, state: State) -> None:
        if state is State.DRAINING and self._drain_began is None:
            self._drain_began = self._clock.now()
            self.draining_since = self._clock.wall().timestamp()
            left = self.lifecycle.drain_left_s
            self.drain_deadline = None if left is None else self.draining_since + left
        elif state is State.STOPPED and self._drain_began is not None:
            self._metrics.histogram(names.DRAIN_SECONDS).observe(self._clock.now() - self._drain_began)
        self.changed()

    async def _sweep(self) -> None:
        over = self.slots.expire(self._clock.now())
        for one in over:
            self._metrics.counter(names.RESERVATIONS_EXPIRED).inc()
            _log.warning("reservation expired", call_id=one.call_id, call_class=one.call_class)
        self._late = [*self._late[-LATE_WINDOW:], self.calls.frames]
        self._metrics.gauge(names.LIMIT).set(self.calls.limit)
        self._metrics.gauge(names.LOOP_LAG).set(self._lag.p95_ms / 1000)
        self._metrics.gauge(names.LATE_FRAMES).set(self._late_pct() / 100)
        if over:
            self.changed()

    async def _renew_live(self) -> None:
        for call in self.calls.live():
            reserved = self.slots.of_call(call.call_id)
            if reserved is not None:
                self.slots.renew(reserved.reservation_id, self._clock.now())

    async def _measure_lag(self) -> None:
        while True:
            due = self._clock.now() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._lag.woke(self._clock.now() - due)

    def _late_pct(self) -> float:
        if not self._late:
            return 0.0
        (sent, late), (sent_now, late_now) = self._late[0], self.calls.frames
        return round(100 * (late_now - late) / max(1, sent_now - sent), 2)
