"""The dispatcher: offers a call to one worker after the other until one has a slot, and tells the bridge what becomes of the calls.

The one thing to know: everything about workers is decided in `registry`, `placement` and `offers`, which are pure; here are the waits.
A worker is reached through a `WorkerLink`, which takes messages of `vox.protocols.fleet`: a socket, or the poller of a static server.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Final, Protocol, assert_never

from vox.errors import DependencyError, UsageError
from vox.fleet.dispatch import placement
from vox.fleet.dispatch.contract import (
    OFFER_DEADLINE_S,
    PLACE_DEADLINE_S,
    Busy,
    CallCommand,
    CallView,
    Dispatcher,
    DispatchListener,
    FleetStatus,
    HangUp,
    Inject,
    Placed,
    Placement,
    Transfer,
    Watch,
)
from vox.fleet.dispatch.events import EventQueues
from vox.fleet.dispatch.fleet_status import fleet_status
from vox.fleet.dispatch.metrics import (
    CALLS_LOST,
    DISPATCH_SECONDS,
    LATE_ACCEPTS,
    LEASE_LOSSES,
    OFFERS,
    PLACEMENTS,
    REGISTRATIONS,
    SLOTS,
    WORKERS,
)
from vox.fleet.dispatch.offers import OfferBook, OfferResult
from vox.fleet.dispatch.registry import Registry, Worker, WorkerKey
from vox.fleet.dispatch.shared_leases import FRESH_S, RENEW_S, SharedLeases
from vox.protocols import fleet as wire
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic, supervised
from vox.stores.leases import Leases

SWEEP_S: Final = 0.5
STOOD_STILL_S: Final = 1.0
"""A sweep that comes later than this by so much says that this process, and not its workers, was away."""
TAKES_CALLS: Final = frozenset({"starting", wire.READY, wire.FULL, "lame"})
REPLACED_DRAIN_S: Final = 3600.0
"""What the calls of a process have that a newer one has replaced."""
_STATES: Final = ("starting", wire.READY, wire.FULL, wire.DRAINING, "handing_over", "lame", "stopped", "stale", "other")

_log = get_logger(__name__)


class WorkerLink(Protocol):
    """The way to one worker."""

    def send(self, message: wire.BridgeMessage) -> None:
        """Sends a message, or drops it where the connection is gone; returns at once."""
        ...

    def close(self, refused: wire.Refused) -> None:
        """Says why, and closes."""
        ...


class FleetDispatcher(Dispatcher):
    """Places calls on the workers that are connected; `running` keeps its leases.

    Args:
        listener: hears of the calls.
        clock: of the event loop.
        random: draws workers.
        metrics: counts.
        leases: in the database that several bridges share; None where this is the only one.
    """

    def __init__(
        self,
        listener: DispatchListener,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        *,
        leases: Leases | None = None,
    ) -> None:
        self.registry = Registry()
        self.offers = OfferBook(self.registry)
        self._events = EventQueues(listener, metrics)
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._shared = None if leases is None else SharedLeases(leases, clock)
        self._links: dict[WorkerKey, WorkerLink] = {}
        self._waiting: dict[str, asyncio.Future[Placed | OfferResult]] = {}
        self._placing: set[str] = set()
        self._known_from = clock.now() + self.registry.lease_s

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Ends leases and delivers events while the block runs."""
        self._known_from = self._clock.now() + self.registry.lease_s
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._events.running())
            await stack.enter_async_context(supervised(self._sweep_forever, "fleet-leases"))
            if self._shared is not None:
                await stack.enter_async_context(periodic(RENEW_S, self._renew_shared, "shared fleet leases"))
            yield

    async def place(self, call: Placement) -> Placed | Busy:
        """Reserves a slot, within `PLACE_DEADLINE_S`.

        Raises:
            UsageError: `placement_in_progress`; the same call is being placed at this moment.
        """
        if call.call_id in self._placing:
            raise UsageError(f"Call {call.call_id} is being placed already.", code="placement_in_progress")
        self._placing.add(call.call_id)
        began = self._clock.now()
        try:
            found = await self._place(call, began + PLACE_DEADLINE_S)
        finally:
            self._placing.discard(call.call_id)
        result = "accepted" if isinstance(found, Placed) else found.reason.lower()
        self._metrics.counter(PLACEMENTS, call.call_class, result).inc()
        self._metrics.histogram(DISPATCH_SECONDS, result).observe(self._clock.now() - began)
        return found

    def is_running(self, call_id: str) -> bool:
        """Whether a worker that can be reached has the call, as far as it has told, or its word on the end is not recorded yet."""
        if self._events.is_ending(call_id):
            return True
        worker = self.registry.worker_of(call_id)
        return worker is not None and worker.is_connected and not worker.is_stale and call_id in worker.calls

    async def release(self, placed: Placed) -> None:
        """Gives a slot back that no media stream has taken."""
        for worker in self.registry.named(placed.worker_id):
            if placed.reservation_id in worker.reservations:
                self._release(worker, placed.reservation_id)
                return

    async def command(self, call_id: str, command: CallCommand) -> None:
        """Passes a command on to the worker that has the call.

        Raises:
            UsageError: `call_not_found`, no connected worker has the call.
            DependencyError: `worker_unreachable`.
        """
        worker = self.registry.worker_of(call_id)
        if worker is None:
            raise UsageError(f"No worker has the call {call_id}.", code="call_not_found")
        match command:
            case HangUp():
                message = wire.HangUp(call_id)
            case Transfer(to):
                message = wire.Transfer(call_id, to)
            case Inject(text):
                message = wire.Inject(call_id, text)
            case Watch(ttl_s, after_ms):
                message = wire.Watch(call_id, ttl_s, after_ms)
            case _:
                assert_never(command)
        self._send(worker, message)

    async def drain(self, worker_id: str, deadline_s: float) -> None:
        """Has a worker take no further calls.

        Raises:
            UsageError: `worker_not_found`.
            DependencyError: `worker_unreachable`.
        """
        worker = next((one for one in self.registry.named(worker_id) if not one.is_stale), None)
        if worker is None:
            raise UsageError(f"No worker {worker_id!r} is known.", code="worker_not_found")
        self._send(worker, wire.Drain(deadline_s))

    def fleet(self) -> FleetStatus:
        """What is known of the workers at this moment."""
        now = self._clock.now()
        return fleet_status(self.registry, now, is_settled=now >= self._known_from)

    def calls(self) -> Sequence[CallView]:
        """The calls that run at workers which are heard, as far as these have told; inbound ones too."""
        heard = [worker for worker in self.registry if not worker.is_stale]
        return [
            CallView(call.call_id, call.call_class, call.since_ms, worker.worker_id)
            for worker in heard
            for call in worker.calls.values()
        ]

    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock.now()

    def connect(
        self, message: wire.Register, link: WorkerLink, owners: Collection[str] | None, *, is_static: bool = False
    ) -> Worker | wire.Refused:
        """Takes a worker in; an older connection of the same process is closed.

        Args:
            message: its first.
            link: the way to it.
            owners: the workers that its token belongs to; None for a token of the whole fleet.
            is_static: it is polled.
        """
        worker = self.registry.register(message, owners, self._clock.now(), is_static=is_static)
        if isinstance(worker, wire.Refused):
            self._metrics.counter(REGISTRATIONS, worker.code).inc()
            _log.warning("worker refused", worker_id=message.worker_id, code=worker.code)
            return worker
        self._metrics.counter(REGISTRATIONS, "taken").inc()
        before = self._links.get(worker.key)
        if before is not None:
            self._lose_offers(worker.key)
            before.close(wire.Refused(wire.REPLACED, "A newer connection of this worker has taken its place."))
        self._links[worker.key] = link
        link.send(wire.Registered(self.registry.lease_s, wire.HEARTBEAT_S))
        self._events.registered(worker.worker_id, list(worker.calls.values()))
        _log.info("worker registered", worker_id=worker.worker_id, generation=worker.generation, url=worker.url)
        return worker

    def receive(self, worker: Worker, link: WorkerLink, message: wire.WorkerMessage) -> None:
        """One message of a worker that is connected; one of a connection that was replaced is ignored."""
        if self._links.get(worker.key) is not link:
            return
        now = self._clock.now()
        self.registry.heard(worker, now)
        match message:
            case wire.Status():
                for replaced in [*self.registry.report(worker, message), *([worker] if worker.is_superseded else [])]:
                    self._retire(replaced)
            case wire.Accept():
                self._accepted(worker, message, now)
            case wire.Busy():
                if message.retry_after_s:
                    worker.next_free_s = message.retry_after_s
                if self.offers.refuse(worker, message.offer_id):
                    self._answer(message.offer_id, "busy")
            case wire.Ended():
                self._ended(worker, link, message)
            case wire.Progress():
                self._progress(worker, message)
            case wire.Register():
                pass  # once per connection; the status has what changes
            case _:
                assert_never(message)

    def disconnect(self, worker: Worker, link: WorkerLink, *, is_clean: bool) -> None:
        """A connection is gone; its worker may come back within its lease, with its calls."""
        if self._links.get(worker.key) is not link:
            return
        del self._links[worker.key]
        self._lose_offers(worker.key)
        self.registry.disconnected(worker, is_clean=is_clean)

    async def _place(self, call: Placement, deadline: float) -> Placed | Busy:
        if (reserved := self.registry.reservation_of(call.call_id)) is not None:
            key, reservation_id = reserved
            if (worker := self.registry.get(key)) is not None:
                self._release(worker, reservation_id)
        asked, unanswered = set[WorkerKey](), 0
        while (left_s := deadline - self._clock.now()) > 0:
            worker = placement.choose(call, self.registry, asked, self._random)
            if worker is None:
                break
            asked.add(worker.key)
            found = await self._offer(worker, call, min(left_s, OFFER_DEADLINE_S))
            if isinstance(found, Placed):
                return found
            unanswered += found != "busy"
        return placement.busy(call, self.registry, asked=len(asked), unanswered=unanswered)

    async def _offer(self, worker: Worker, call: Placement, timeout_s: float) -> Placed | OfferResult:
        offer_id, ttl_s = new_id("offer"), min(call.ttl_s, wire.RESERVATION_TTL_S)
        answer: asyncio.Future[Placed | OfferResult] = asyncio.get_running_loop().create_future()
        self._waiting[offer_id] = answer
        self.offers.open(offer_id, worker, call, self._clock.now())
        try:
            self._links[worker.key].send(
                wire.Offer(offer_id, call.call_id, call.call_class, call.bot_id, ttl_s, dict(call.metadata))
            )
            await asyncio.wait([answer], timeout=timeout_s)
            if not answer.done():
                self.offers.give_up(offer_id)
                answer.set_result("timed_out")
            found = answer.result()
        except BaseException:
            self.offers.give_up(offer_id)
            if answer.done() and isinstance(placed := answer.result(), Placed):
                self._release(worker, placed.reservation_id)
            raise
        finally:
            del self._waiting[offer_id]
        self._metrics.counter(OFFERS, "accepted" if isinstance(found, Placed) else found).inc()
        return found

    def _accepted(self, worker: Worker, message: wire.Accept, now: float) -> None:
        if self.offers.accept(worker, message, now) is None:
            self._metrics.counter(LATE_ACCEPTS).inc()
            self._release(worker, message.reservation_id)
            return
        placed = Placed(
            worker.worker_id, message.stream_url, message.token, message.reservation_id, message.is_resumable
        )
        self._answer(message.offer_id, placed)

    def _ended(self, worker: Worker, link: WorkerLink, message: wire.Ended) -> None:
        """The end of a call, unless it goes on elsewhere: handed over, or placed again after an attempt whose end comes late."""
        self.registry.ended(worker, message.call_id)
        received = wire.EndedReceived(message.call_id)
        if message.outcome == wire.HANDED_OVER or self.registry.worker_of(message.call_id) is not None:
            link.send(received)
            return
        self._events.ended(
            worker.worker_id, message.call_id, message.outcome, message.result, lambda: link.send(received)
        )

    def _progress(self, worker: Worker, message: wire.Progress) -> None:
        if message.event == wire.STARTED and (call := wire.started_call(message)) is not None:
            self.registry.started(worker, call)
        self._events.progress(worker.worker_id, message.call_id, message.event, message.data)

    def _answer(self, offer_id: str, answer: Placed | OfferResult) -> None:
        waiting = self._waiting.get(offer_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _lose_offers(self, key: WorkerKey) -> None:
        for offer_id in self.offers.lose(key):
            self._answer(offer_id, "lost")

    def _release(self, worker: Worker, reservation_id: str) -> None:
        reservation = worker.reservations.get(reservation_id)
        if reservation is not None:
            worker.uncount(reservation)
            self.registry.drop_reservation(worker, reservation_id)
        if (link := self._links.get(worker.key)) is not None:
            link.send(wire.Release(reservation_id))

    def _send(self, worker: Worker, message: wire.BridgeMessage) -> None:
        link = self._links.get(worker.key)
        if worker.is_static:
            raise DependencyError(
                f"The server {worker.url} is only polled, so nothing can be passed on to its calls.",
                code="worker_unreachable",
                hint="let its workers register: set VOXBRIDGE_URL and VOX_WORKER_TOKEN there",
            )
        if link is None:
            raise DependencyError(
                f"Worker {worker.worker_id!r} is not connected at the moment.",
                code="worker_unreachable",
                retryable=True,
                retry_after_s=wire.HEARTBEAT_S,
            )
        link.send(message)

    def _retire(self, worker: Worker) -> None:
        """A newer process has this worker's place; this one finishes its calls and leaves by itself."""
        link = self._links.get(worker.key)
        if link is not None and worker.state in TAKES_CALLS:
            link.send(wire.Drain(REPLACED_DRAIN_S))

    async def _sweep_forever(self) -> None:
        due = self._clock.now() + SWEEP_S
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._clock.now()
            if now - due > STOOD_STILL_S:  # what the workers sent meanwhile is read after this
                _log.warning("the bridge stood still", seconds=round(now - due, 1))
                self.registry.excuse(now - due)
            self._sweep(now)
            due = self._clock.now() + SWEEP_S

    def _sweep(self, now: float) -> None:
        self.offers.expire(now)
        for worker, reservation in self.registry.due_renewals(now):
            if (link := self._links.get(worker.key)) is not None:
                link.send(wire.Renew(reservation.reservation_id, wire.RESERVATION_TTL_S))
        for worker, call_ids in self.registry.expire(now):
            self._lose_offers(worker.key)
            if (link := self._links.pop(worker.key, None)) is not None:
                link.close(wire.Refused(wire.LEASE_EXPIRED, "Nothing was heard of this worker for a lease."))
            self._metrics.counter(LEASE_LOSSES).inc()
            self._metrics.counter(CALLS_LOST).inc(len(call_ids))
            _log.warning("worker lost", worker_id=worker.worker_id, generation=worker.generation, calls=len(call_ids))
            self._events.lost(worker.worker_id, call_ids, lambda key=worker.key: self._is_lost(key))
        self._gauge()

    async def _renew_shared(self) -> None:
        if self._shared is not None:
            now = self._clock.now()
            await self._shared.renew([one.key for one in self.registry if now - one.heard_at <= FRESH_S])

    async def _is_lost(self, key: WorkerKey) -> bool:
        """Whether a worker whose lease has ended here is lost: not if it is back, or if another bridge hears it."""
        worker = self.registry.get(key)
        if worker is not None and not worker.is_stale:
            return False
        return self._shared is None or await self._shared.claim_loss(key)

    def _gauge(self) -> None:
        states = dict.fromkeys(_STATES, 0)
        slots = {"active": 0, "reserved": 0, "limit": 0, "max": 0}
        for worker in self.registry:
            state = "stale" if worker.is_stale else worker.state if worker.state in states else "other"
            states[state] += 1
            if not worker.is_stale:
                slots["active"] += worker.active
                slots["reserved"] += worker.reserved
                slots["limit"] += worker.limit if worker.takes_calls else 0
                slots["max"] += worker.max_calls
        for state, count in states.items():
            self._metrics.gauge(WORKERS, state).set(count)
        for kind, count in slots.items():
            self._metrics.gauge(SLOTS, kind).set(count)
