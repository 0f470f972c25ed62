"""Workers, offers and losses in any order: no worker passes its limit, and every offer ends exactly once.

The bridge's side is the real registry, placement and offer book; the workers are `FakeWorker`s that count for themselves. Messages wait
in two queues for each connection and are delivered in order at any later time, or are lost with the connection.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.fakes.fleet_worker import FakeWorker
from tests.unit.fleet.dispatch.harness import placement
from vox.fleet.dispatch.offers import OfferBook
from vox.fleet.dispatch.placement import choose
from vox.fleet.dispatch.registry import Registry, Reservation, Worker
from vox.protocols import fleet as wire
from vox.protocols.fleet import Accept, Busy, Offer, Release, RunningCall, Status

WORKERS = 3
CLASSES = st.sampled_from(["inbound", "outbound", "campaign"])
WHICH = st.integers(0, WORKERS - 1)


@dataclass
class Connection:
    fake: FakeWorker
    worker: Worker | None = None
    down: deque[Offer | Release] = field(default_factory=deque)
    up: deque[Accept | Busy | Status | RunningCall | str] = field(default_factory=deque)


class Dispatching(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.random = Random(11)
        self.registry = Registry()
        self.book = OfferBook(self.registry)
        self.ends: Counter[str] = Counter()
        self.opened: set[str] = set()
        self.holder: dict[str, tuple[str, str]] = {}
        self.connections = [
            Connection(FakeWorker(f"w-{number}", limit=number + 2, inbound_reserve=number % 2))
            for number in range(WORKERS)
        ]
        self.calls = 0
        for connection in self.connections:
            self.register(connection)

    def register(self, connection: Connection) -> None:
        found = self.registry.register(connection.fake.registration(), None, self.now)
        assert isinstance(found, Worker)
        connection.worker = found
        connection.up.append(connection.fake.status())

    @rule(call_class=CLASSES)
    def offer(self, call_class: wire.CallClass) -> None:
        call = placement(f"call_{self.calls}", call_class)
        self.calls += 1
        worker = choose(call, self.registry, (), self.random)
        if worker is None:
            return
        assert worker.free(call_class) > 0
        offer_id = f"offer_{self.calls}"
        self.opened.add(offer_id)
        self.book.open(offer_id, worker, call, self.now)
        connection = next(one for one in self.connections if one.worker is worker)
        connection.down.append(Offer(offer_id, call.call_id, call_class))

    @rule(which=WHICH)
    def worker_reads(self, which: int) -> None:
        connection = self.connections[which]
        if not connection.down:
            return
        match connection.down.popleft():
            case Offer() as offer:
                connection.up.append(connection.fake.reserve(offer))
            case Release(reservation_id):
                connection.fake.release(reservation_id)

    @rule(which=WHICH)
    def worker_reports(self, which: int) -> None:
        connection = self.connections[which]
        if connection.worker is not None:
            connection.up.append(connection.fake.status())

    @rule(which=WHICH)
    def bridge_reads(self, which: int) -> None:
        connection = self.connections[which]
        worker = connection.worker
        if not connection.up or worker is None:
            return
        self.registry.heard(worker, self.now)
        match connection.up.popleft():
            case Accept() as accepted:
                self.accepted(connection, worker, accepted)
            case Busy(offer_id):
                if self.book.refuse(worker, offer_id):
                    self.ends[offer_id] += 1
            case Status() as status:
                worker.apply(status)
            case RunningCall() as call:
                self.registry.started(worker, call)
            case str() as call_id:
                self.registry.ended(worker, call_id)

    def accepted(self, connection: Connection, worker: Worker, message: Accept) -> None:
        call = self.book.accept(worker, message, self.now)
        if call is None:
            connection.down.append(Release(message.reservation_id))
            return
        self.ends[message.offer_id] += 1
        assert call.call_id not in self.holder, "one call has two slots"
        self.holder[call.call_id] = (worker.worker_id, message.reservation_id)
        assert self.registry.worker_of(call.call_id) is worker

    @rule(which=WHICH)
    def bridge_releases(self, which: int) -> None:
        connection = self.connections[which]
        worker = connection.worker
        if worker is not None and worker.reservations:
            reservation = next(iter(worker.reservations.values()))
            worker.uncount(reservation)
            self.registry.drop_reservation(worker, reservation.reservation_id)
            connection.down.append(Release(reservation.reservation_id))

    @precondition(lambda self: len(self.book) > 0)
    @rule(data=st.data())
    def gives_up(self, data: st.DataObject) -> None:
        offer_id = data.draw(st.sampled_from(sorted(self.opened)))
        if self.book.give_up(offer_id):
            self.ends[offer_id] += 1

    @rule(which=WHICH)
    def media_comes(self, which: int) -> None:
        connection = self.connections[which]
        if connection.fake.reserved:
            call = connection.fake.start(next(iter(connection.fake.reserved)))
            if connection.worker is not None:
                connection.up.append(call)

    @rule(which=WHICH)
    def call_ends(self, which: int) -> None:
        connection = self.connections[which]
        if connection.fake.running:
            call_id = next(iter(connection.fake.running))
            del connection.fake.running[call_id]
            if connection.worker is not None:
                connection.up.append(call_id)

    @rule(which=WHICH)
    def inbound_call_comes_past_the_bridge(self, which: int) -> None:
        fake = self.connections[which].fake
        if fake.used < fake.limit:
            self.calls += 1
            fake.running[f"direct_{self.calls}"] = RunningCall(f"direct_{self.calls}", "inbound", 1)

    @rule(which=WHICH)
    def reservations_expire_at_the_worker(self, which: int) -> None:
        self.connections[which].fake.reserved.clear()

    @rule(which=WHICH)
    def connection_breaks(self, which: int) -> None:
        connection = self.connections[which]
        if connection.worker is not None:
            for offer_id in self.book.lose(connection.worker.key):
                self.ends[offer_id] += 1
            self.registry.disconnected(connection.worker, is_clean=False)
            connection.worker = None
            connection.up.clear()
            connection.down.clear()

    @rule(which=WHICH)
    def comes_back(self, which: int) -> None:
        if self.connections[which].worker is None:
            self.register(self.connections[which])

    @rule(seconds=st.floats(0.1, 4))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.book.expire(self.now)
        for worker, _ in self.registry.expire(self.now):
            for offer_id in self.book.lose(worker.key):
                self.ends[offer_id] += 1
            for connection in self.connections:
                if connection.worker is worker:
                    connection.worker = None
                    connection.up.clear()
                    connection.down.clear()

    @invariant()
    def no_worker_is_over_its_limit(self) -> None:
        for connection in self.connections:
            fake = connection.fake
            assert fake.most <= fake.limit
            assert fake.most_outbound <= fake.limit - fake.inbound_reserve

    @invariant()
    def no_offer_ends_twice_and_each_that_is_waited_for_is_open(self) -> None:
        assert not [offer_id for offer_id, count in self.ends.items() if count > 1]

    @invariant()
    def the_bridges_count_of_offers_is_what_is_open(self) -> None:
        open_now = Counter(one.key for one in self.book._open.values())
        for worker in self.registry:
            assert worker.offered == open_now[worker.key]
            assert 0 <= worker.offered_outbound <= worker.offered
            assert 0 <= worker.unreported_outbound <= worker.unreported

    @invariant()
    def every_reservation_is_found_by_its_call(self) -> None:
        for worker in self.registry:
            for reservation in worker.reservations.values():
                assert isinstance(reservation, Reservation)
                assert self.registry.reservation_of(reservation.call_id) == (worker.key, reservation.reservation_id)

    def teardown(self) -> None:
        for connection in self.connections:
            if connection.worker is None:
                continue
            while connection.down:
                self.worker_reads(self.connections.index(connection))
            while connection.up:
                self.bridge_reads(self.connections.index(connection))
        for worker in list(self.registry):
            for offer_id in self.book.lose(worker.key):
                self.ends[offer_id] += 1
        assert {offer_id: self.ends[offer_id] for offer_id in self.opened} == dict.fromkeys(self.opened, 1)


TestDispatching = Dispatching.TestCase
TestDispatching.settings = settings(max_examples=60, stateful_step_count=60)
