"""A worker as its bridge sees it."""

import asyncio
from random import Random

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.fleet.worker.played_calls import PlayedCalls, played_worker
from vox.fleet.worker.bridge_peer import BridgePeer
from vox.fleet.worker.contract import EndedCall, LiveCall
from vox.fleet.worker.registration import BridgeRegistration
from vox.protocols import fleet as wire
from vox.runtime.metrics import Metrics


class Heard(BridgeRegistration):
    """A registration that keeps what would be sent."""

    def __init__(self, peer):
        super().__init__([], "token", peer, Random(0), Metrics())
        self.messages = []

    def _send(self, message):
        self.messages.append(message)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def worker(clock):
    return played_worker(clock, PlayedCalls(2), max_concurrent_calls=2, region="eu", inbound_reserve=0.0)


@pytest.fixture
def tasks():
    return []


@pytest.fixture
def peer(worker, clock, tasks):
    def spawn(work, name):
        tasks.append(asyncio.create_task(work, name=name))

    return BridgePeer(
        worker, transports=[], is_resumable=False, labels={"model_region": "eu"}, clock=clock, spawn=spawn
    )


def test_a_worker_says_who_it_is_and_which_calls_run(peer, worker, clock):
    worker.calls.begin("call_1", began_at=clock.now() - 5)
    register = peer.registration()
    assert (register.worker_id, register.generation, register.version) == ("w-1", worker.generation, "1.0")
    assert (register.url, register.region, register.max_calls) == ("http://127.0.0.1:8001", "eu", 2)
    assert register.labels == {"model_region": "eu"}
    assert register.calls == [wire.RunningCall("call_1", "inbound", clock.unix_ms() - 5000)]
    assert wire.read_worker(wire.write(register)) == register


def test_offers_are_accepted_until_the_slots_are_promised(peer):
    answers = [peer.reserve(wire.Offer(f"o{number}", f"call_{number}", "campaign")) for number in range(3)]
    assert [type(answer) for answer in answers] == [wire.Accept, wire.Accept, wire.Busy]
    assert answers[0].offer_id == "o0"
    assert answers[2] == wire.Busy("o2", 5.0, "AT_CAPACITY")
    status = peer.status()
    assert (status.active, status.reserved, status.limit, status.state, status.free_outbound) == (0, 2, 2, "full", 0)
    peer.release(answers[0].reservation_id)
    assert peer.status().reserved == 1
    assert wire.read_worker(wire.write(status)) == status


def test_a_reservation_is_renewed_for_the_time_that_the_bridge_names(peer, worker, clock):
    accepted = peer.reserve(wire.Offer("o", "call", "outbound"))
    peer.renew(accepted.reservation_id, 60.0)
    clock.advance(59)
    assert worker.slots.expire(clock.now()) == []
    clock.advance(1)
    assert len(worker.slots.expire(clock.now())) == 1


async def test_commands_reach_the_calls_and_a_failed_transfer_is_told(peer, worker, tasks):
    heard = Heard(peer)
    peer.connect(heard)
    peer.hang_up("call_1")
    peer.inject("call_1", "hello")
    for to in ("+1", "impossible", "broken"):
        peer.transfer("call_1", to)
    await asyncio.gather(*tasks)
    assert worker.calls.done == [
        ("hang_up", "call_1"),
        ("inject", "call_1", "hello"),
        *(("transfer", "call_1", to) for to in ("+1", "impossible", "broken")),
    ]
    assert heard.messages == [
        wire.Progress("call_1", "transfer_failed", {"code": "transfer_unavailable"}),
        wire.Progress("call_1", "transfer_failed", {"code": "transfer_failed"}),
    ]


def test_the_bridge_hears_of_begin_progress_and_end(peer, worker, clock):
    heard = Heard(peer)
    peer.connect(heard)
    worker.started(LiveCall("call_1", clock.now()))
    worker.progress("call_1", "answered", {"answered_by": "machine"})
    worker.ended(EndedCall("call_1", "twilio", "voicemail", 9.0, session_id="s"))
    started, answered, ended = heard.messages
    assert (started.event, started.data["class"]) == ("started", "inbound")
    assert answered == wire.Progress("call_1", "answered", {"answered_by": "machine"})
    assert (ended.call_id, ended.outcome, ended.result["session_id"]) == ("call_1", "voicemail", "s")


def test_a_drain_has_the_bridges_deadline(peer, worker):
    peer.drain(30.0)
    assert worker.lifecycle.drain_left_s == 30.0
    assert isinstance(peer.reserve(wire.Offer("o", "c", "inbound")), wire.Busy)


def test_a_call_that_goes_on_in_another_process_has_no_result_here(peer, worker):
    heard = Heard(peer)
    peer.connect(heard)
    worker.ended(EndedCall("call_1", "twilio", wire.HANDED_OVER, 9.0, session_id="s"))
    (ended,) = heard.messages
    assert (ended.call_id, ended.outcome, ended.result) == ("call_1", wire.HANDED_OVER, {})


def test_what_is_said_in_a_call_is_told_while_a_bridge_asks_for_it_and_its_keys_are_in_the_result(peer, worker, clock):
    heard = Heard(peer)
    peer.connect(heard)
    worker.started(LiveCall("call_1", clock.now()))
    worker.reports.spoken("call_1", "assistant", "Good morning.", 1_000)
    peer.watch("call_1", 10.0, 0)
    worker.reports.pressed("call_1", "9")
    worker.ended(EndedCall("call_1", "twilio", "hung_up", 9.0))
    _, said, pressed, ended = heard.messages
    assert said == wire.Progress("call_1", "transcript", {"at_ms": 1_000, "role": "assistant", "text": "Good morning."})
    assert pressed == wire.Progress("call_1", "digits", {"digits": "9"})
    assert ended.result["digits"] == ["9"]


def test_a_draining_worker_says_how_long_it_has(peer, clock):
    assert peer.status().drain_left_s is None
    peer.drain(30.0)
    clock.advance(10.0)
    assert peer.status().drain_left_s == 20.0
