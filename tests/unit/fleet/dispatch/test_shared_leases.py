"""Several bridges: a worker is lost when none of them hears it, and one of them says so."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from tests.fakes.fleet_worker import FakeWorker
from tests.fakes.loop import VirtualClock
from tests.unit.fleet.dispatch.harness import Fleet, Link, placement
from vox.errors import DependencyError
from vox.fleet.dispatch.contract import Placed
from vox.fleet.dispatch.shared_leases import PRUNE_S
from vox.protocols.fleet import LEASE_S
from vox.stores.leases import MemoryLeases


class Leases(MemoryLeases):
    """The shared database, which can be away."""

    is_away = False
    pruned = 0

    async def acquire(self, names: Sequence[str], holder: str, ttl_s: float) -> Mapping[str, int]:
        if self.is_away:
            raise DependencyError("the database does not answer", code="database_failed", retryable=True)
        return await super().acquire(names, holder, ttl_s)

    async def prune(self, names, *, prefix: str = "") -> int:
        self.pruned += await super().prune(names, prefix=prefix)
        return self.pruned


@pytest.fixture
def leases(virtual_loop):
    return Leases(VirtualClock(virtual_loop))


@pytest.fixture
async def bridges(virtual_loop, leases):
    async with Fleet(virtual_loop, leases).running() as one, Fleet(virtual_loop, leases).running() as other:
        yield one, other


async def with_a_call(one: Fleet, other: Fleet) -> tuple[Link, Link]:
    worker = FakeWorker("w-1")
    first, second = one.connect(worker), other.connect(worker)
    found = await one.dispatcher.place(placement("call_1"))
    assert isinstance(found, Placed)
    first.start(found.reservation_id)
    await one.heartbeats(3, first, second)
    return first, second


def losses(*fleets: Fleet) -> list[tuple[str, ...]]:
    return [event for fleet in fleets for event in fleet.listener.heard if event[0] == "lost"]


async def test_a_connection_that_one_bridge_loses_is_no_loss(bridges):
    one, other = bridges
    first, second = await with_a_call(one, other)
    first.disconnect()
    await other.heartbeats(5 * LEASE_S, second)
    assert losses(one, other) == []
    assert [view.is_stale for view in one.dispatcher.fleet().workers] == [True]


async def test_a_worker_that_no_bridge_hears_is_lost_once(bridges):
    one, other = bridges
    first, second = await with_a_call(one, other)
    first.disconnect()
    second.disconnect()
    await asyncio.sleep(5 * LEASE_S)
    assert len(losses(one, other)) == 1
    assert losses(one, other)[0][:2] == ("lost", "w-1")


async def test_while_the_database_is_away_nothing_is_lost_and_afterwards_only_what_is(bridges, leases):
    one, other = bridges
    first, second = await with_a_call(one, other)
    gone = [fleet.connect(FakeWorker("w-2")) for fleet in bridges]
    leases.is_away = True
    first.disconnect()
    for link in gone:
        link.disconnect()
    await other.heartbeats(300, second)
    assert losses(one, other) == []
    leases.is_away = False
    await other.heartbeats(5 * LEASE_S, second)
    assert losses(one, other) == [("lost", "w-2", [])]


async def test_leases_of_workers_that_are_no_more_are_forgotten_and_others_are_not(bridges, leases):
    one, _ = bridges
    await leases.acquire(["somebody-elses"], "other", 1.0)
    await leases.acquire(["fleet-worker:gone:1"], "heard", 1.0)
    link = one.connect(FakeWorker("w-1"))
    await one.heartbeats(2 * PRUNE_S, link)
    assert leases.pruned == 1
    assert await leases.acquire(["somebody-elses"], "another", 1.0) == {"somebody-elses": 2}, "its token goes on"
