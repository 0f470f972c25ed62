"""What happens at the workers reaches the bridge in order, and what must not be lost is tried until it is recorded."""

import asyncio

import pytest

from tests.unit.fleet.dispatch.harness import Listener
from vox.fleet.dispatch.events import MAX_WAITING, RETRY_S, EventQueues
from vox.runtime.metrics import Metrics

pytestmark = pytest.mark.usefixtures("virtual_loop")


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def queues(virtual_loop, listener, metrics):
    events = EventQueues(listener, metrics)
    async with events.running():
        yield events


async def surely() -> bool:
    return True


async def test_events_of_one_worker_keep_their_order(queues, listener):
    queues.registered("w-1", [])
    queues.progress("w-1", "call_1", "started", {})
    queues.ended("w-1", "call_1", "completed", {}, lambda: None)
    queues.lost("w-1", ["call_2"], surely)
    await asyncio.sleep(0.1)
    assert [event[0] for event in listener.heard] == ["registered", "progress", "ended", "lost"]


async def test_a_lost_worker_is_recorded_when_the_database_is_back(queues, listener):
    listener.failing = ["lost", "lost", "lost"]
    queues.lost("w-1", ["call_1"], surely)
    queues.registered("w-1", [])
    await asyncio.sleep(2.5 * RETRY_S)
    assert listener.heard == []
    await asyncio.sleep(RETRY_S)
    assert listener.heard == [("lost", "w-1", ["call_1"]), ("registered", "w-1", [])]


async def test_the_end_of_a_call_that_is_not_recorded_is_not_acknowledged_and_holds_nothing_up(queues, listener):
    acknowledged: list[str] = []
    listener.failing = ["ended", "progress"]
    queues.progress("w-1", "call_1", "started", {})
    queues.ended("w-1", "call_1", "completed", {}, lambda: acknowledged.append("call_1"))
    queues.ended("w-1", "call_2", "completed", {}, lambda: acknowledged.append("call_2"))
    await asyncio.sleep(0.1)
    assert acknowledged == ["call_2"]


async def test_what_does_not_fit_is_dropped_and_counted_but_never_a_lost_worker(listener, metrics):
    queues = EventQueues(listener, metrics)
    for _ in range(MAX_WAITING):
        queues.progress("w-1", "call_1", "tick", {})
    queues.progress("w-1", "call_1", "tick", {})
    queues.ended("w-1", "call_1", "completed", {}, lambda: None)
    queues.lost("w-1", ["call_1"], surely)
    text = metrics.render().decode()
    assert 'vox_fleet_events_dropped_total{kind="progress"} 1.0' in text
    assert 'vox_fleet_events_dropped_total{kind="ended"} 1.0' in text
    async with queues.running():
        await asyncio.sleep(0.1)
    assert len(listener.heard) == MAX_WAITING + 1
    assert listener.heard[-1] == ("lost", "w-1", ["call_1"])


async def test_a_worker_that_another_bridge_hears_is_not_lost(queues, listener):
    async def is_lost() -> bool:
        return False

    queues.lost("w-1", ["call_1"], is_lost)
    await asyncio.sleep(0.1)
    assert listener.heard == []


async def test_a_loss_is_claimed_once_however_often_it_has_to_be_recorded(queues, listener):
    asked: list[bool] = []

    async def is_lost() -> bool:
        asked.append(True)
        return len(asked) == 1

    listener.failing = ["lost"]
    queues.lost("w-1", ["call_1"], is_lost)
    await asyncio.sleep(2 * RETRY_S)
    assert listener.heard == [("lost", "w-1", ["call_1"])]
    assert len(asked) == 1
