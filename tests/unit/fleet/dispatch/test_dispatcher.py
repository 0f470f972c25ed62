"""Placing calls on workers that answer, are busy, are slow or go away; on virtual time."""

import asyncio
from collections import Counter

import pytest

from tests.fakes.fleet_worker import FakeWorker
from tests.unit.fleet.dispatch.harness import Fleet, placement
from vox.errors import DependencyError, UsageError
from vox.fleet.dispatch.contract import (
    OFFER_DEADLINE_S,
    PLACE_DEADLINE_S,
    Busy,
    HangUp,
    Inject,
    Placed,
    Transfer,
)
from vox.protocols import fleet as wire
from vox.protocols.fleet import LEASE_S, RENEW_S, RESERVATION_TTL_S


@pytest.fixture
async def fleet(virtual_loop):
    async with Fleet(virtual_loop).running() as running:
        yield running


async def placed(fleet: Fleet, *args, **more) -> Placed:
    found = await fleet.dispatcher.place(placement(*args, **more))
    assert isinstance(found, Placed), found
    return found


async def refused(fleet: Fleet, *args, **more) -> Busy:
    found = await fleet.dispatcher.place(placement(*args, **more))
    assert isinstance(found, Busy), found
    return found


async def test_a_call_gets_a_slot_its_stream_address_and_its_token(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    found = await placed(fleet, "call_1", metadata={"name": "Ada"}, ttl_s=20.0)
    assert found == Placed("w-1", "ws://w-1/stream", f"token-{found.reservation_id}", found.reservation_id)
    [offer] = link.fake.offers
    assert (offer.call_id, offer.call_class, offer.bot_id, offer.ttl_s) == ("call_1", "outbound", "bot", 20.0)
    assert offer.metadata == {"name": "Ada"}


async def test_no_worker_means_a_refusal_at_once(fleet):
    assert await refused(fleet) == Busy(5.0, "NO_WORKERS")
    assert fleet.clock.now() == 1000.0


async def test_a_busy_worker_sends_the_call_to_the_next_one(fleet):
    one = fleet.connect(FakeWorker("w-1", limit=1))
    one.fake.running["call_0"] = wire.RunningCall("call_0", "inbound", 1)  # an inbound call that no status names yet
    two = fleet.connect(FakeWorker("w-2", limit=1))
    assert (await placed(fleet)).worker_id == "w-2"
    assert await refused(fleet, "call_2") == Busy(3.0, "AT_CAPACITY"), "the busy worker said when"
    assert len(two.fake.offers) == 1, "it was known to be full"


async def test_a_worker_that_does_not_answer_is_passed_over_and_its_late_slot_released(fleet):
    slow = fleet.connect(FakeWorker("w-1"), delay_s=1.2)
    asked = asyncio.create_task(placed(fleet, "call_1"))
    await asyncio.sleep(0)
    quick = fleet.connect(FakeWorker("w-2"))
    found = await asked
    assert found.worker_id == "w-2"
    assert fleet.clock.now() == pytest.approx(1000 + OFFER_DEADLINE_S + 0.01)
    await asyncio.sleep(0.5)
    assert len(slow.fake.released) == 1
    assert slow.fake.reserved == {}
    assert list(quick.fake.reserved) == [found.reservation_id], "one call, one slot"


async def test_the_answer_comes_within_the_deadline_whatever_the_workers_do(fleet):
    for number in range(5):
        fleet.connect(FakeWorker(f"w-{number}"), delay_s=None)
    assert (await refused(fleet)).reason == "NO_ANSWER"
    assert fleet.clock.now() == pytest.approx(1000 + PLACE_DEADLINE_S)


async def test_a_worker_that_goes_away_sends_its_offers_to_the_next_one_at_once(fleet):
    leaving = fleet.connect(FakeWorker("w-1"), delay_s=None)
    asked = asyncio.create_task(placed(fleet))
    await asyncio.sleep(0)
    fleet.connect(FakeWorker("w-2"))
    leaving.disconnect()
    assert (await asked).worker_id == "w-2"
    assert fleet.clock.now() < 1000 + OFFER_DEADLINE_S


async def test_two_hundred_calls_over_four_workers_fill_every_slot_and_pass_no_limit(fleet):
    links = [fleet.connect(FakeWorker(f"w-{number}", limit=40, inbound_reserve=4), delay_s=0.05) for number in range(4)]
    found = await asyncio.gather(*(fleet.dispatcher.place(placement(f"call_{n}", "campaign")) for n in range(200)))
    assert fleet.clock.now() <= 1000 + PLACE_DEADLINE_S
    assert Counter(type(one) for one in found) == {Placed: 144, Busy: 56}
    assert {one.reason for one in found if isinstance(one, Busy)} == {"AT_CAPACITY"}
    assert [link.fake.most_outbound for link in links] == [36] * 4
    assert sum(len(link.fake.offers) for link in links) == 144, "no worker was asked for more than it has"
    inbound = await asyncio.gather(*(fleet.dispatcher.place(placement(f"in_{n}", "inbound")) for n in range(20)))
    assert Counter(type(one) for one in inbound) == {Placed: 16, Busy: 4}
    assert [link.fake.most for link in links] == [40] * 4


async def test_a_call_that_is_placed_again_gives_its_first_slot_back(fleet):
    link = fleet.connect(FakeWorker("w-1", limit=2))
    first = await placed(fleet, "call_1")
    second = await placed(fleet, "call_1")
    assert link.fake.released == [first.reservation_id]
    assert list(link.fake.reserved) == [second.reservation_id]


async def test_one_call_is_not_placed_twice_at_the_same_time(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    running = asyncio.create_task(placed(fleet, "call_1"))
    await asyncio.sleep(0)
    with pytest.raises(UsageError) as raised:
        await fleet.dispatcher.place(placement("call_1"))
    assert raised.value.code == "placement_in_progress"
    await running
    assert len(link.fake.offers) == 1


@pytest.mark.parametrize("delay_s", [0.0, 0.5])
async def test_a_caller_that_gives_up_leaves_no_slot_behind(fleet, delay_s):
    link = fleet.connect(FakeWorker("w-1"), delay_s=0.5)
    running = asyncio.create_task(fleet.dispatcher.place(placement("call_1")))
    await asyncio.sleep(delay_s)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(1)
    assert link.fake.reserved == {}
    assert isinstance(await fleet.dispatcher.place(placement("call_1")), Placed)


async def test_a_slot_that_is_not_needed_is_given_back(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    found = await placed(fleet)
    await fleet.dispatcher.release(found)
    assert link.fake.released == [found.reservation_id]
    await fleet.dispatcher.release(found)
    assert link.fake.released == [found.reservation_id], "once"


async def test_a_slot_that_is_given_back_goes_to_the_next_call_without_a_status_in_between(fleet):
    link = fleet.connect(FakeWorker("w-1", limit=1))
    for number in range(50):
        await fleet.dispatcher.release(await placed(fleet, f"call_{number}"))
    assert len(link.fake.offers) == 50


async def test_a_slot_is_renewed_while_the_phone_rings_and_not_longer(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    found = await placed(fleet, ttl_s=75.0)
    assert link.fake.offers[0].ttl_s == RESERVATION_TTL_S, "a bridge that dies holds it no longer"
    await fleet.heartbeats(120, link)
    assert link.fake.renewed == [found.reservation_id] * int(75 // RENEW_S)


async def test_a_call_that_has_its_media_is_not_renewed_and_can_be_commanded(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    found = await placed(fleet, "call_1")
    await fleet.dispatcher.command("call_1", HangUp())
    assert link.sent[-1] == wire.HangUp("call_1"), "while it rings"
    link.start(found.reservation_id)
    await fleet.heartbeats(30, link)
    assert link.fake.renewed == []
    await fleet.dispatcher.command("call_1", Transfer("+15551234567"))
    await fleet.dispatcher.command("call_1", Inject("Hello"))
    assert link.sent[-2:] == [wire.Transfer("call_1", "+15551234567"), wire.Inject("call_1", "Hello")]


async def test_a_command_for_an_unknown_call_or_a_worker_that_is_away_says_so(fleet):
    with pytest.raises(UsageError) as unknown:
        await fleet.dispatcher.command("call_1", HangUp())
    assert unknown.value.code == "call_not_found"
    with pytest.raises(UsageError) as nowhere:
        await fleet.dispatcher.drain("w-1", 60.0)
    assert nowhere.value.code == "worker_not_found"
    link = fleet.connect(FakeWorker("w-1"))
    link.start((await placed(fleet, "call_1")).reservation_id)
    link.disconnect()
    with pytest.raises(DependencyError) as away:
        await fleet.dispatcher.command("call_1", HangUp())
    assert (away.value.code, away.value.retryable) == ("worker_unreachable", True)


async def test_a_worker_that_is_told_to_drain_gets_no_more_calls(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    await fleet.dispatcher.drain("w-1", 60.0)
    link.status()
    assert link.fake.drains == [60.0]
    assert (await refused(fleet)).reason == "DRAINING"


async def test_the_end_of_a_call_is_acknowledged_once_it_is_recorded(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    link.start((await placed(fleet, "call_1")).reservation_id)
    fleet.listener.failing = ["ended"]
    link.say(wire.Ended("call_1", "completed", {"seconds": 3}))
    await asyncio.sleep(0.1)
    assert wire.EndedReceived("call_1") not in link.sent, "so the worker sends it again"
    link.say(wire.Ended("call_1", "completed", {"seconds": 3}))
    await asyncio.sleep(0.1)
    assert link.sent[-1] == wire.EndedReceived("call_1")
    assert fleet.listener.heard[-1] == ("ended", "call_1", "completed")
    with pytest.raises(UsageError):
        await fleet.dispatcher.command("call_1", HangUp())


async def test_a_call_that_is_handed_over_has_not_ended(fleet):
    old, new = fleet.connect(FakeWorker("w-1")), fleet.connect(FakeWorker("w-2", limit=0))
    old.start((await placed(fleet, "call_1")).reservation_id)
    old.say(wire.Ended("call_1", wire.HANDED_OVER))
    assert old.sent[-1] == wire.EndedReceived("call_1")
    new.say(wire.Progress("call_1", wire.STARTED, {"class": "outbound", "since_ms": 1}))
    await fleet.dispatcher.command("call_1", HangUp())
    assert new.sent[-1] == wire.HangUp("call_1")
    new.say(wire.Ended("call_1", "customer"))
    await asyncio.sleep(0.1)
    assert [event for event in fleet.listener.heard if event[0] == "ended"] == [("ended", "call_1", "customer")]


async def test_the_late_end_of_an_attempt_does_not_end_the_call_that_was_placed_again(fleet):
    first = fleet.connect(FakeWorker("w-1", limit=1))
    first.start((await placed(fleet, "call_1")).reservation_id)
    second = fleet.connect(FakeWorker("w-2"))
    assert (await placed(fleet, "call_1")).worker_id == "w-2"
    first.say(wire.Ended("call_1", "no_answer"))
    await asyncio.sleep(0.1)
    assert first.sent[-1] == wire.EndedReceived("call_1")
    assert [event for event in fleet.listener.heard if event[0] == "ended"] == []
    await fleet.dispatcher.command("call_1", HangUp())
    assert second.sent[-1] == wire.HangUp("call_1")


async def test_a_worker_that_comes_back_within_its_lease_keeps_its_calls(fleet):
    worker = FakeWorker("w-1")
    link = fleet.connect(worker)
    link.start((await placed(fleet, "call_1")).reservation_id)
    link.disconnect()
    await asyncio.sleep(LEASE_S - 1)
    assert (await refused(fleet, "call_2")).reason == "NO_WORKERS"
    again = fleet.connect(worker)
    await fleet.heartbeats(30, again)
    assert [event for event in fleet.listener.heard if event[0] == "lost"] == []
    assert fleet.listener.heard[-1] == ("registered", "w-1", ["call_1"])
    assert fleet.dispatcher.fleet().active == 1


async def test_a_worker_that_stays_away_is_lost_with_its_calls_and_told_so_once(fleet):
    worker = FakeWorker("w-1")
    link = fleet.connect(worker)
    link.start((await placed(fleet, "call_1")).reservation_id)
    await placed(fleet, "call_2")
    link.disconnect()
    await asyncio.sleep(3 * LEASE_S)
    assert fleet.listener.heard[-1] == ("lost", "w-1", ["call_1", "call_2"])
    assert sum(event[0] == "lost" for event in fleet.listener.heard) == 1
    status = fleet.dispatcher.fleet()
    assert (status.active, status.is_known, status.workers[0].is_stale) == (0, False, True)
    fleet.connect(worker)
    await asyncio.sleep(0)
    assert fleet.listener.heard[-1] == ("registered", "w-1", ["call_1"])


async def test_a_silent_connection_is_closed_when_its_lease_ends(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    await asyncio.sleep(LEASE_S + 1)
    assert link.closed_for == "lease_expired"
    link.disconnect()
    link.status()
    assert fleet.dispatcher.fleet().workers[0].is_stale, "what comes over the old connection counts for nothing"


async def test_a_bridge_that_starts_anew_counts_the_calls_that_run_once(virtual_loop):
    worker = FakeWorker("w-1", limit=3)
    async with Fleet(virtual_loop).running() as before:
        link = before.connect(worker)
        for number in range(2):
            link.start((await placed(before, f"call_{number}")).reservation_id)
    async with Fleet(virtual_loop).running() as after:
        assert not after.dispatcher.fleet().is_known
        again = after.connect(worker)
        await asyncio.sleep(0)
        assert after.listener.heard == [("registered", "w-1", ["call_0", "call_1"])]
        await after.dispatcher.command("call_1", HangUp())
        assert isinstance(await after.dispatcher.place(placement("call_2")), Placed)
        assert isinstance(await after.dispatcher.place(placement("call_3")), Busy)
        await after.heartbeats(LEASE_S + 1, again)
        status = after.dispatcher.fleet()
        assert (status.active, status.reserved, status.is_known) == (2, 1, True)


async def test_a_newer_process_takes_over_and_the_older_one_finishes_its_calls(fleet):
    older = fleet.connect(FakeWorker("w-1", generation=1))
    older.start((await placed(fleet, "call_1")).reservation_id)
    newer = fleet.connect(FakeWorker("w-1", generation=2))
    assert older.fake.drains == [3600.0]
    assert older.closed_for is None
    assert (await placed(fleet, "call_2")).worker_id == "w-1"
    assert len(newer.fake.offers) == 1
    await fleet.dispatcher.command("call_1", HangUp())
    assert older.sent[-1] == wire.HangUp("call_1")
    older.fake.running.clear()
    older.say(wire.Ended("call_1", "completed"))
    older.disconnect(is_clean=True)
    await fleet.heartbeats(2 * LEASE_S, newer)
    assert [event[0] for event in fleet.listener.heard if event[0] == "lost"] == []


async def test_a_newer_process_that_never_gets_ready_takes_nothing_over(fleet):
    older = fleet.connect(FakeWorker("w-1", generation=1))
    failing = FakeWorker("w-1", generation=2)
    failing.state = "starting"
    link = fleet.connect(failing)
    assert (await placed(fleet, "call_1")).worker_id == "w-1"
    assert len(older.fake.offers) == 1
    link.disconnect()
    await fleet.heartbeats(2 * LEASE_S, older)
    assert older.fake.drains == []
    await placed(fleet, "call_2")


async def test_a_bridge_that_stood_still_does_not_take_its_workers_for_lost(fleet):
    link = fleet.connect(FakeWorker("w-1"))
    await asyncio.sleep(1)
    fleet.clock.skip(10 * LEASE_S)
    await asyncio.sleep(1)
    assert not link.closed_for
    await asyncio.sleep(LEASE_S)
    assert link.closed_for == "lease_expired", "now nothing was heard while the bridge listened"


async def test_an_older_process_is_refused(fleet):
    fleet.connect(FakeWorker("w-1", generation=2))
    assert fleet.connect(FakeWorker("w-1", generation=1)).closed_for == "stale_generation"
    assert fleet.connect(FakeWorker("w-1", generation=3), owners=["w-2"]).closed_for == "wrong_worker"
    assert len(fleet.dispatcher.fleet().workers) == 1


async def test_a_second_connection_of_a_process_replaces_the_first(fleet):
    worker = FakeWorker("w-1")
    first = fleet.connect(worker, delay_s=None)
    asked = asyncio.create_task(placed(fleet, "call_1"))
    await asyncio.sleep(0)
    second = fleet.connect(worker)
    assert first.closed_for == "replaced"
    first.disconnect()
    first.say(wire.Accept(first.answers[0].offer_id, "rsv_x", "t", "ws://x"))
    await asyncio.sleep(0)
    assert fleet.dispatcher.fleet().workers[0].is_stale is False
    with pytest.raises(AssertionError):
        await asked  # the one worker there is was asked already, and cannot answer any more
    assert isinstance(await fleet.dispatcher.place(placement("call_1")), Placed)
    assert second.worker is not None


async def test_the_metrics_say_what_happened(fleet):
    link = fleet.connect(FakeWorker("w-1", limit=1), delay_s=0.02)
    fleet.connect(FakeWorker("w-1", generation=0))
    await placed(fleet, "call_1")
    await refused(fleet, "call_2")
    link.status()
    await fleet.heartbeats(1, link)
    text = fleet.metrics.render().decode()
    for line in (
        'vox_fleet_placements_total{class="outbound",result="accepted"} 1.0',
        'vox_fleet_placements_total{class="outbound",result="at_capacity"} 1.0',
        'vox_fleet_offers_total{result="accepted"} 1.0',
        'vox_fleet_registrations_total{result="stale_generation"} 1.0',
        'vox_fleet_workers{state="full"} 1.0',
        'vox_fleet_slots{kind="reserved"} 1.0',
        'vox_fleet_dispatch_seconds_count{result="accepted"} 1.0',
    ):
        assert line in text
