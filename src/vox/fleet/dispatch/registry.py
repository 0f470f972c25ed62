"""Which workers there are, what each holds, and which calls run where. Pure: time comes in as an argument.

The one thing to know: a worker's own status is the truth, and it is a moment old. What the bridge has done since (offers without an
answer, acceptances that no status counts yet) is added to it, so the sum may be too high for a moment and never too low.

A worker is a process: `worker_id` and `generation` together. Where a newer generation comes, the older one gets no further calls and
stays known while it has some.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from vox.protocols.fleet import (
    DRAINING,
    FULL,
    LEASE_S,
    READY,
    RENEW_S,
    STALE_GENERATION,
    TOO_MANY_WORKERS,
    WRONG_WORKER,
    CallClass,
    Refused,
    Register,
    RunningCall,
    Status,
)

WorkerKey: TypeAlias = tuple[str, int]
"""Worker id and generation."""

MAX_WORKERS: Final = 10_000
NAMED_OWNERS: Final = 4
"""A refusal names so many of the workers that a token belongs to."""
FORGET_S: Final = 300.0
"""How long a worker without a lease is shown as stale, and its calls counted in the autoscale signal: they may still run."""
PLACE_LABELS: Final = ("relay_region", "model_region", "provider")
_LIVING_STATES: Final = frozenset({READY, FULL})


@dataclass(slots=True)
class Reservation:
    """A slot that a worker keeps for a call without media.

    Args:
        expires_at: when the call has had its time to begin; until then it is renewed.
        renewed_at: when its worker last heard that it is still needed.
        call_class: of the call.
        accepted_before: the status that its worker has still to send when it accepts, by number; from that one on, it is counted there.
    """

    reservation_id: str
    call_id: str
    expires_at: float
    renewed_at: float
    call_class: CallClass
    accepted_before: int


class Place(NamedTuple):
    """What a worker stands near to; where its labels say nothing, its own region stands for all."""

    region: str = ""
    relays: tuple[str, ...] = ("",)
    models: tuple[str, ...] = ("",)
    providers: tuple[str, ...] = ()

    @classmethod
    def of(cls, region: str, labels: Mapping[str, str]) -> "Place":
        """The place that a region and the labels `relay_region`, `model_region` and `provider` describe."""
        relays, models, providers = (_listed(labels.get(name, "")) for name in PLACE_LABELS)
        return cls(region, relays or (region,), models or (region,), providers)


NOWHERE: Final = Place()


@dataclass(slots=True)
class Worker:
    """One worker process.

    Args:
        place: what it is near to, from its region and labels.
        statuses: how many it has sent.
        offered: offers without an answer, of every class; `offered_outbound` those that are not for inbound calls.
        unreported: acceptances since the last status; `unreported_outbound` likewise.
        is_connected: whether messages reach it at this moment.
        has_been_ready: whether it has ever said that it takes calls.
        is_superseded: a newer generation has taken its place.
        is_stale: its lease has ended.
    """

    worker_id: str
    generation: int
    heard_at: float
    url: str = ""
    region: str = ""
    version: str = ""
    pid: int = 0
    transports: frozenset[str] = frozenset()
    place: Place = NOWHERE
    max_calls: int = 0
    limit: int = 0
    active: int = 0
    reserved: int = 0
    state: str = "starting"
    load: float = 0.0
    loop_lag_p95_ms: float = 0.0
    free_outbound: int | None = None
    next_free_s: float | None = None
    drain_left_s: float | None = None
    statuses: int = 0
    offered: int = 0
    offered_outbound: int = 0
    unreported: int = 0
    unreported_outbound: int = 0
    is_static: bool = False
    is_connected: bool = True
    has_been_ready: bool = False
    is_superseded: bool = False
    is_stale: bool = False
    calls: dict[str, RunningCall] = field(default_factory=dict[str, RunningCall])
    reservations: dict[str, Reservation] = field(default_factory=dict[str, Reservation])

    @property
    def key(self) -> WorkerKey:
        """What the registry knows it by."""
        return self.worker_id, self.generation

    @property
    def is_draining(self) -> bool:
        """Whether it takes no further calls because it or its place is being given up."""
        return self.is_superseded or self.state == DRAINING

    @property
    def takes_calls(self) -> bool:
        """Whether it may be asked at all, free slots aside."""
        return self.is_connected and not (self.is_superseded or self.is_stale) and self.state in _LIVING_STATES

    @property
    def used(self) -> int:
        """Slots that are taken, or will be if each offer is accepted."""
        return self.active + self.reserved + self.offered + self.unreported

    @property
    def effective_load(self) -> float:
        """0 idle to 1 full: the worker's own judgement or its share of slots, whichever is worse, and the offers on their way."""
        limit = max(self.limit, 1)
        reported = max(self.load, (self.active + self.reserved) / limit)
        return reported + (self.offered + self.unreported) / limit

    def free(self, call_class: CallClass) -> int:
        """Slots that a call of this class may take; those kept for inbound calls are not for others."""
        free = self.limit - self.active - self.reserved - self.offered - self.unreported
        if call_class != "inbound" and self.free_outbound is not None:
            free = min(free, self.free_outbound - self.offered_outbound - self.unreported_outbound)
        return max(free, 0)

    def count_offer(self, call_class: CallClass, change: int) -> None:
        """An offer went out (1) or was answered (-1)."""
        self.offered += change
        if call_class != "inbound":
            self.offered_outbound += change

    def count_accepted(self, call_class: CallClass) -> None:
        """An acceptance, which the next status will count."""
        self.unreported += 1
        if call_class != "inbound":
            self.unreported_outbound += 1

    def apply(self, status: Status) -> None:
        """Takes a status over; it was sent after every acceptance that has arrived, so it counts them."""
        self.active, self.reserved = status.active, status.reserved
        self.max_calls, self.limit = status.max_calls, status.limit
        self.state, self.load = status.state, status.load
        self.loop_lag_p95_ms = status.loop_lag_p95_ms
        self.free_outbound, self.next_free_s = status.free_outbound, status.next_free_s
        self.drain_left_s = status.drain_left_s
        self.unreported = self.unreported_outbound = 0
        self.statuses += 1

    def uncount(self, reservation: Reservation) -> None:
        """A slot is given back: the worker reads that before it reads the next offer, and a status in between only counts too much."""
        is_outbound = reservation.call_class != "inbound"
        if self.statuses < reservation.accepted_before:
            self.unreported = max(self.unreported - 1, 0)
            self.unreported_outbound = max(self.unreported_outbound - is_outbound, 0)
        else:
            self.reserved = max(self.reserved - 1, 0)
            if self.free_outbound is not None and is_outbound:
                self.free_outbound += 1


class Registry:
    """All workers of one bridge."""

    def __init__(self, *, lease_s: float = LEASE_S, max_workers: int = MAX_WORKERS) -> None:
        self.lease_s = lease_s
        self._max_workers = max_workers
        self._workers: dict[WorkerKey, Worker] = {}
        self._where: dict[str, WorkerKey] = {}
        self._reserved: dict[str, tuple[WorkerKey, str]] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, key: WorkerKey) -> Worker | None:
        """The worker, as long as it is known."""
        return self._workers.get(key)

    def named(self, worker_id: str) -> list[Worker]:
        """Its generations, the newest first."""
        found = [worker for worker in self._workers.values() if worker.worker_id == worker_id]
        return sorted(found, key=lambda worker: -worker.generation)

    def register(
        self, message: Register, owners: Collection[str] | None, now: float, *, is_static: bool = False
    ) -> Worker | Refused:
        """Takes a worker in, for the first time or again; the calls it names are those that it has.

        Args:
            message: what it says of itself.
            owners: the workers that the token belongs to; None for a token of the whole fleet.
            now: monotonic seconds.
            is_static: it is polled.
        """
        if owners is not None and message.worker_id not in owners:
            named = " or ".join(repr(one) for one in list(owners)[:NAMED_OWNERS])
            return Refused(
                WRONG_WORKER,
                f"The token belongs to worker {named}, not to {message.worker_id!r}. "
                "Set VOX_WORKER_ID to that, or give this worker a token of its own.",
            )
        others = [one for one in self.named(message.worker_id) if one.key != (message.worker_id, message.generation)]
        is_old = any(_takes_over(one, message.generation) for one in others)
        if is_old and not (message.calls or message.unrecorded):
            return Refused(
                STALE_GENERATION,
                f"A newer process is worker {message.worker_id!r} already. "
                "Stop this one, or give it another VOX_WORKER_ID.",
            )
        worker = self._workers.get((message.worker_id, message.generation))
        if worker is None:
            if len(self._workers) >= self._max_workers:
                return Refused(TOO_MANY_WORKERS, f"This bridge knows {self._max_workers} workers, which is its limit.")
            worker = Worker(message.worker_id, message.generation, now)
            self._workers[worker.key] = worker
        worker.heard_at = now
        worker.is_connected, worker.is_stale, worker.is_static = True, False, is_static
        worker.is_superseded = is_old
        worker.url, worker.region, worker.version = message.url, message.region, message.version
        worker.transports, worker.place = frozenset(message.transports), Place.of(message.region, message.labels)
        worker.max_calls, worker.pid = message.max_calls, message.pid
        worker.offered = worker.offered_outbound = 0
        self._replace_calls(worker, message.calls)
        return worker

    def report(self, worker: Worker, status: Status) -> list[Worker]:
        """Takes a status over. Returns the older processes whose place the worker has just taken, because it is ready for the first time.

        A process that never becomes ready takes nothing over, so a failed start leaves the older one at work.
        """
        worker.apply(status)
        if worker.has_been_ready or worker.state not in _LIVING_STATES:
            return []
        worker.has_been_ready = True
        older = [one for one in self.named(worker.worker_id) if one.generation < worker.generation]
        for one in older:
            one.is_superseded = True
        return older

    def excuse(self, seconds: float) -> None:
        """The bridge itself stood still for so long, and could hear nothing of its workers meanwhile."""
        for worker in self._workers.values():
            worker.heard_at += seconds

    def heard(self, worker: Worker, now: float) -> None:
        """Anything from a worker renews its lease."""
        worker.heard_at = now

    def started(self, worker: Worker, call: RunningCall) -> None:
        """A call runs at a worker; its reservation has been taken."""
        self._drop_reservations_of(worker, call.call_id)
        worker.calls[call.call_id] = call
        self._where[call.call_id] = worker.key

    def ended(self, worker: Worker, call_id: str) -> None:
        """A call has ended, or was lost before it began."""
        worker.calls.pop(call_id, None)
        if self._where.get(call_id) == worker.key:
            del self._where[call_id]
        self._drop_reservations_of(worker, call_id)

    def reserve(self, worker: Worker, reservation: Reservation) -> None:
        """A worker keeps a slot."""
        worker.reservations[reservation.reservation_id] = reservation
        self._reserved[reservation.call_id] = (worker.key, reservation.reservation_id)

    def drop_reservation(self, worker: Worker, reservation_id: str) -> None:
        """A slot is no longer kept: given back, taken by its call, or out of time."""
        reservation = worker.reservations.pop(reservation_id, None)
        if reservation is not None and self._reserved.get(reservation.call_id) == (worker.key, reservation_id):
            del self._reserved[reservation.call_id]

    def due_renewals(self, now: float) -> list[tuple[Worker, Reservation]]:
        """Reservations whose workers should hear that they are still needed; each is due again after `RENEW_S`."""
        due = [
            (worker, reservation)
            for worker in self._workers.values()
            for reservation in worker.reservations.values()
            if worker.is_connected and now - reservation.renewed_at >= RENEW_S
        ]
        for _, reservation in due:
            reservation.renewed_at = now
        return due

    def reservation_of(self, call_id: str) -> tuple[WorkerKey, str] | None:
        """Where a slot is kept for a call, and under which id."""
        return self._reserved.get(call_id)

    def worker_of(self, call_id: str) -> Worker | None:
        """The worker that has a call, running or reserved."""
        key = self._where.get(call_id)
        if key is None and (reserved := self._reserved.get(call_id)) is not None:
            key = reserved[0]
        return None if key is None else self._workers.get(key)

    def disconnected(self, worker: Worker, *, is_clean: bool) -> None:
        """Its connection is gone; one that left on purpose and has no calls is forgotten at once, others have their lease."""
        worker.is_connected = False
        worker.offered = worker.offered_outbound = 0
        if is_clean and not (worker.calls or worker.reservations):
            self.forget(worker)

    def expire(self, now: float) -> list[tuple[Worker, list[str]]]:
        """Ends what is out of time. Returns each worker whose lease has just ended, with the calls it had."""
        lost: list[tuple[Worker, list[str]]] = []
        for worker in list(self._workers.values()):
            for reservation in list(worker.reservations.values()):
                if now >= reservation.expires_at:
                    self.drop_reservation(worker, reservation.reservation_id)
            age_s = now - worker.heard_at
            if not worker.is_stale and age_s >= self.lease_s:
                lost.append((worker, self._lose(worker)))
            elif worker.is_stale and age_s >= self.lease_s + FORGET_S:
                self.forget(worker)
        return lost

    def forget(self, worker: Worker) -> None:
        """Knows a worker no more."""
        self._replace_calls(worker, ())
        for reservation_id in list(worker.reservations):
            self.drop_reservation(worker, reservation_id)
        self._workers.pop(worker.key, None)

    def _lose(self, worker: Worker) -> list[str]:
        calls = [*worker.calls, *(one.call_id for one in worker.reservations.values())]
        worker.is_stale, worker.is_connected = True, False
        worker.offered = worker.offered_outbound = 0
        self._replace_calls(worker, ())
        for reservation_id in list(worker.reservations):
            self.drop_reservation(worker, reservation_id)
        return list(dict.fromkeys(calls))

    def _replace_calls(self, worker: Worker, calls: Iterable[RunningCall]) -> None:
        for call_id in worker.calls:
            if self._where.get(call_id) == worker.key:
                del self._where[call_id]
        worker.calls = {}
        for call in calls:
            self.started(worker, call)

    def _drop_reservations_of(self, worker: Worker, call_id: str) -> None:
        for reservation in [one for one in worker.reservations.values() if one.call_id == call_id]:
            self.drop_reservation(worker, reservation.reservation_id)


def _listed(label: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in label.split(","))))


def _takes_over(worker: Worker, generation: int) -> bool:
    """Whether a worker has the place of processes of this generation."""
    return worker.generation > generation and worker.has_been_ready and not worker.is_stale
