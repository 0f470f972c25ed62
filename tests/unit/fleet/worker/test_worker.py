"""One worker: its slots beside the calls that run, its states, and what it tells those that are refused."""

from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.fleet.worker.played_calls import PlayedCalls, played_worker
from vox.fleet.worker.contract import EndedCall
from vox.fleet.worker.worker import Granted, Refused
from vox.runtime.metrics import Metrics


@pytest.fixture
def clock():
    return FakeClock()


def worker_of(clock: FakeClock, *, limit: int = 2, **more: Any) -> tuple[Any, PlayedCalls]:
    calls = PlayedCalls(limit)
    return played_worker(clock, calls, max_concurrent_calls=limit, **more), calls


def test_promises_and_running_calls_count_together(clock):
    worker, calls = worker_of(clock)
    calls.begin("call_1")
    assert isinstance(worker.reserve("call_2", "inbound"), Granted)
    refused = worker.reserve("call_3", "inbound")
    assert (refused.code, refused.message) == ("AT_CAPACITY", "This worker has no free slot.")
    assert worker.state == "full"
    status = worker.status()
    assert (status.active, status.reserved, status.limit, status.free, status.load) == (1, 1, 2, 0, 1.0)


def test_the_life_of_a_slot(clock):
    worker, calls = worker_of(clock, inbound_reserve=0.0)
    changes = []
    worker.on_change.append(lambda: changes.append(worker.slots.pending))
    granted = worker.reserve("call_1", "outbound", bot_id="b", metadata={"a": 1})
    assert granted.stream_url == f"ws://127.0.0.1:8001/v1/streams/{granted.reservation_id}"
    assert granted.token.isalnum(), "some carriers pass on letters and digits only"
    assert granted.token not in repr(granted)
    taken = worker.take(granted.reservation_id)
    assert (taken.bot_id, taken.metadata) == ("b", {"a": 1})
    assert worker.prove(taken, granted.token)
    calls.begin("call_1")
    assert worker.reserve("call_1", "outbound").code == "CALL_EXISTS"
    calls.end("call_1")
    worker.ended(EndedCall("call_1", "twilio", "hung_up", 3.0))
    worker.give_back(taken)
    assert changes[0] == 1
    assert changes[-1] == 0
    assert worker.slots.of_call("call_1") is None


def test_slots_kept_for_inbound_calls_are_named(clock):
    worker, _ = worker_of(clock, limit=5)
    answers = [worker.reserve(f"call_{number}", "campaign") for number in range(5)]
    assert [type(answer) for answer in answers] == [Granted] * 4 + [Refused]
    assert "kept for inbound" in answers[-1].message


def test_a_draining_worker_promises_nothing_and_says_until_when_it_drains(clock):
    worker, _ = worker_of(clock, drain_s=100.0)
    worker.lifecycle.subscribe(worker._follow)
    worker.drain(40.0)
    worker.drain(900.0)
    assert worker.reserve("call_1", "inbound").code == "DRAINING"
    assert worker.state == "draining"
    assert worker.drain_deadline - worker.draining_since == 40.0
    assert (worker.status().free, worker.status().free_outbound) == (0, 0)
    assert worker.at_capacity().code == "DRAINING"


def test_a_worker_that_is_starting_promises_nothing(clock):
    worker, _ = worker_of(clock, is_ready=False)
    assert worker.reserve("call_1", "inbound").code == "DRAINING"
    assert worker.state == "starting"


def test_refused_callers_learn_when_a_slot_is_expected_to_be_free(clock):
    worker, calls = worker_of(clock, limit=1)
    assert worker.next_free_s() == 0.0
    calls.begin("call_1", began_at=clock.now())
    assert worker.reserve("call_2", "inbound").retry_after_s == 5, "nothing is known yet"
    for _ in range(5):
        worker.ended(EndedCall("earlier", "ws", "hung_up", 200.0))
    clock.advance(110)
    assert worker.next_free_s() == 90.0
    assert worker.reserve("call_2", "inbound").retry_after_s == 90
    assert worker.spoken_wait() == "2 minutes"
    clock.advance(80)
    assert worker.reserve("call_2", "inbound").retry_after_s == 10
    assert worker.spoken_wait() == "a minute"


async def test_a_leaked_slot_is_free_after_thirty_seconds_and_a_running_one_stays(clock):
    metrics = Metrics()
    worker, calls = worker_of(clock, metrics=metrics)
    leaked, kept = worker.reserve("leaked", "inbound"), worker.reserve("kept", "inbound")
    assert worker.prove(worker.take(kept.reservation_id), kept.token)
    calls.begin("kept")
    for _ in range(3):
        clock.advance(10)
        await worker._renew_live()
        await worker._sweep()
    assert worker.slots.find(leaked.reservation_id) is None
    assert worker.slots.of_call("kept") is not None
    assert "vox_worker_reservations_expired_total 1.0" in metrics.render().decode()
    assert worker.renew(leaked.reservation_id) is None
    assert worker.renew(kept.reservation_id) == 30.0


def test_a_slot_stands_for_the_time_that_was_asked_for_within_bounds(clock):
    worker, _ = worker_of(clock, limit=3)
    assert worker.reserve("a", "inbound", ttl_s=150).expires_in_s == 150
    assert worker.reserve("b", "inbound", ttl_s=9999).expires_in_s == 180
    assert worker.reserve("c", "inbound").expires_in_s == 30


def test_calls_are_counted_by_direction_carrier_and_outcome_and_cut_ones_apart(clock):
    metrics = Metrics()
    worker, _ = worker_of(clock, metrics=metrics)
    granted = worker.reserve("call_1", "outbound")
    worker.prove(worker.take(granted.reservation_id), granted.token)
    worker.ended(EndedCall("call_1", "twilio", "hung_up", 1.0))
    worker.ended(EndedCall("call_2", "ws", "server_stopping", 1.0))
    text = metrics.render().decode()
    assert 'vox_worker_calls_total{direction="outbound",outcome="hung_up",provider="twilio"} 1.0' in text
    assert 'vox_worker_calls_total{direction="inbound",outcome="server_stopping",provider="ws"} 1.0' in text
    assert 'vox_worker_calls_dropped_total{cause="restart"} 1.0' in text


async def test_late_frames_are_those_of_the_last_minute(clock):
    worker, calls = worker_of(clock)
    calls.frames = (1000, 500)
    await worker._sweep()
    calls.frames = (2000, 510)
    assert worker.status().late_frames_pct == 1.0


@pytest.mark.parametrize(("url", "base"), [("https://w1.example", "wss://w1.example"), ("", "ws://127.0.0.1:8001")])
def test_streams_come_to_the_workers_own_address(clock, url, base):
    worker, _ = worker_of(clock, url=url)
    assert worker.stream_base == base


async def test_a_drain_waits_for_calls_that_were_promised_a_slot(clock):
    worker, _ = worker_of(clock)
    granted = worker.reserve("ringing", "outbound")
    worker.drain()
    assert worker.lifecycle.holds == 1
    assert worker.take(granted.reservation_id) is not None, "the promise holds in a drain"
    worker.changed()
    assert worker.lifecycle.holds == 0
    worker.give_back(worker.slots.find(granted.reservation_id))
    assert worker.lifecycle.holds == 1
    clock.advance(30)
    await worker._sweep()
    assert worker.lifecycle.holds == 0


@pytest.mark.parametrize(
    ("host", "is_tls", "base"),
    [
        ("10.0.0.2", False, "http://10.0.0.2:8001"),
        ("::1", True, "https://[::1]:8001"),
        ("0.0.0.0", False, "http://127.0.0.1:8001"),
    ],
)
def test_without_one_it_is_reached_where_it_listens(clock, host, is_tls, base):
    worker, _ = worker_of(clock)
    worker.host, worker.is_tls = host, is_tls
    assert worker.base == base
