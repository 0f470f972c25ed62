"""Which workers are known, what they hold, and when they are given up."""

import pytest

from vox.fleet.dispatch.registry import FORGET_S, Place, Registry, Reservation, Worker
from vox.protocols.fleet import LEASE_S, RENEW_S, CallClass, Refused, Register, RunningCall, Status


def running(*call_ids: str) -> list[RunningCall]:
    return [RunningCall(call_id, "inbound", 1) for call_id in call_ids]


def register(worker_id="w-1", generation=1, *, calls=(), **more) -> Register:
    return Register(worker_id, generation, calls=running(*calls), max_calls=5, **more)


def taken(registry: Registry, message: Register, now=0.0, owners=None) -> Worker:
    worker = registry.register(message, owners, now)
    assert isinstance(worker, Worker), worker
    return worker


def ready(registry: Registry, message: Register) -> Worker:
    worker = taken(registry, message)
    registry.report(worker, status())
    return worker


def refusal(registry: Registry, message: Register, owners=None) -> Refused:
    refused = registry.register(message, owners, 0.0)
    assert isinstance(refused, Refused)
    return refused


def reservation(call_id: str, expires_at: float, call_class: CallClass = "outbound", accepted_before=1) -> Reservation:
    return Reservation("rsv_1", call_id, expires_at, 0.0, call_class, accepted_before)


def status(active=0, reserved=0, limit=5, state="ready", **more) -> Status:
    return Status(active, reserved, 5, limit, state, **more)


def test_a_worker_with_another_workers_token_is_refused_and_told_both_names():
    registry = Registry()
    refused = refusal(registry, register("w-2"), owners=["w-1", "w-3"])
    assert refused.code == "wrong_worker"
    assert "'w-1' or 'w-3'" in refused.message
    assert "'w-2'" in refused.message
    assert len(registry) == 0
    assert taken(registry, register("w-1"), owners=["w-0", "w-1"]).worker_id == "w-1"
    assert taken(registry, register("w-2"), owners=None).worker_id == "w-2", "a token of the whole fleet"


def test_a_worker_that_has_not_sent_its_status_takes_no_calls():
    registry = Registry()
    worker = taken(registry, register())
    assert not worker.takes_calls
    worker.apply(status())
    assert worker.takes_calls
    assert worker.free("inbound") == 5


def test_an_older_process_of_the_same_name_is_refused():
    registry = Registry()
    ready(registry, register(generation=5))
    refused = refusal(registry, register(generation=4))
    assert refused.code == "stale_generation"
    assert "VOX_WORKER_ID" in refused.message


def test_an_older_process_that_still_has_calls_is_known_for_them_and_gets_no_more():
    registry = Registry()
    ready(registry, register(generation=5))
    older = taken(registry, register(generation=4, calls=("call_1",)))
    older.apply(status(active=1))
    assert older.is_draining
    assert not older.takes_calls
    assert registry.worker_of("call_1") is older
    assert taken(registry, register(generation=3, unrecorded=1)).is_superseded, "it has the end of a call to tell"


def test_a_newer_process_takes_over_and_the_older_one_keeps_its_calls():
    registry = Registry()
    older = taken(registry, register(generation=4, calls=("call_1",)))
    older.apply(status(active=1))
    newer = taken(registry, register(generation=5))
    assert older.takes_calls, "the newer one may yet fail to start"
    assert registry.report(newer, status(state="starting")) == []
    assert older.takes_calls
    assert registry.report(newer, status()) == [older]
    assert registry.report(newer, status()) == [], "once"
    assert newer.takes_calls
    assert not older.takes_calls
    assert [one.generation for one in registry.named("w-1")] == [5, 4]
    assert registry.worker_of("call_1") is older
    again = taken(registry, register(generation=4, calls=("call_1",)))
    assert again is older
    assert again.is_superseded
    assert newer.takes_calls, "an older one that comes again changes nothing"


def test_a_process_may_come_back_once_the_newer_one_is_lost():
    registry = Registry()
    ready(registry, register(generation=5))
    registry.expire(LEASE_S)
    assert not taken(registry, register(generation=4), now=LEASE_S).is_superseded


def test_a_worker_that_registers_again_within_its_lease_is_the_same_and_counts_its_calls_once():
    registry = Registry()
    worker = taken(registry, register(calls=("call_1", "call_2")))
    registry.disconnected(worker, is_clean=False)
    assert not worker.takes_calls
    assert registry.worker_of("call_1") is worker
    again = taken(registry, register(calls=("call_2", "call_3")), now=3.0)
    assert again is worker
    assert sorted(worker.calls) == ["call_2", "call_3"]
    assert registry.worker_of("call_1") is None
    assert registry.expire(LEASE_S) == [], "its lease began anew"


def test_a_lease_that_ends_gives_the_calls_that_were_there_once():
    registry = Registry()
    worker = taken(registry, register(calls=("call_1",)))
    registry.reserve(worker, reservation("call_2", 100.0))
    registry.heard(worker, 1.0)
    assert registry.expire(LEASE_S + 0.9) == []
    assert registry.expire(LEASE_S + 1.0) == [(worker, ["call_1", "call_2"])]
    assert registry.expire(LEASE_S + 2.0) == []
    assert worker.is_stale
    assert registry.worker_of("call_1") is None
    assert registry.reservation_of("call_2") is None


def test_a_lost_worker_is_shown_as_stale_for_a_while_and_then_forgotten():
    registry = Registry()
    worker = taken(registry, register())
    registry.expire(LEASE_S)
    registry.expire(LEASE_S + FORGET_S - 1)
    assert registry.get(worker.key) is worker
    registry.expire(LEASE_S + FORGET_S)
    assert registry.get(worker.key) is None


def test_a_lost_worker_that_comes_back_is_a_worker_again():
    registry = Registry()
    worker = taken(registry, register(calls=("call_1",)))
    registry.expire(LEASE_S)
    again = taken(registry, register(calls=("call_1",)), now=20.0)
    again.apply(status(active=1))
    assert again is worker
    assert again.takes_calls
    assert registry.worker_of("call_1") is worker


@pytest.mark.parametrize(
    ("calls", "is_clean", "is_known"), [((), True, False), (("c",), True, True), ((), False, True)]
)
def test_only_a_worker_that_leaves_on_purpose_without_calls_is_forgotten_at_once(calls, is_clean, is_known):
    registry = Registry()
    worker = taken(registry, register(calls=calls))
    registry.disconnected(worker, is_clean=is_clean)
    assert (registry.get(worker.key) is worker) is is_known


def test_a_call_takes_the_slot_that_was_reserved_for_it():
    registry = Registry()
    worker = taken(registry, register())
    registry.reserve(worker, reservation("call_1", 100.0))
    assert registry.reservation_of("call_1") == (worker.key, "rsv_1")
    assert registry.worker_of("call_1") is worker, "a call that rings can be hung up"
    registry.started(worker, running("call_1")[0])
    assert registry.reservation_of("call_1") is None
    assert worker.reservations == {}
    assert registry.worker_of("call_1") is worker
    registry.ended(worker, "call_1")
    assert registry.worker_of("call_1") is None


def test_a_call_that_ends_before_its_media_gives_its_reservation_up():
    registry = Registry()
    worker = taken(registry, register())
    registry.reserve(worker, reservation("call_1", 100.0))
    registry.ended(worker, "call_1")
    assert worker.reservations == {}


def test_a_reservation_is_renewed_until_its_call_has_had_its_time():
    registry = Registry()
    worker = taken(registry, register())
    kept = reservation("call_1", 25.0)
    registry.reserve(worker, kept)
    assert registry.due_renewals(RENEW_S - 1) == []
    assert registry.due_renewals(RENEW_S) == [(worker, kept)]
    assert registry.due_renewals(RENEW_S + 1) == []
    registry.heard(worker, 24.0)
    registry.expire(24.9)
    assert "rsv_1" in worker.reservations
    registry.expire(25.0)
    assert worker.reservations == {}
    assert registry.reservation_of("call_1") is None


def test_a_reservation_at_a_worker_that_cannot_be_reached_waits_for_its_return():
    registry = Registry()
    worker = taken(registry, register())
    registry.reserve(worker, reservation("call_1", 25.0))
    registry.disconnected(worker, is_clean=True)
    assert registry.due_renewals(RENEW_S) == []


def test_a_call_that_moves_belongs_to_its_new_worker_whatever_the_old_one_says_later():
    registry = Registry()
    old, new = taken(registry, register("w-1", calls=("call_1",))), taken(registry, register("w-2"))
    registry.started(new, running("call_1")[0])
    registry.ended(old, "call_1")
    assert registry.worker_of("call_1") is new
    registry.reserve(old, reservation("call_2", 50.0))
    registry.reserve(new, reservation("call_2", 50.0))
    registry.drop_reservation(old, "rsv_1")
    assert registry.reservation_of("call_2") == (new.key, "rsv_1")
    registry.drop_reservation(old, "rsv_1")


def test_a_registry_has_room_for_so_many_workers():
    registry = Registry(max_workers=2)
    taken(registry, register("w-1"))
    taken(registry, register("w-2"))
    assert refusal(registry, register("w-3")).code == "too_many_workers"
    assert taken(registry, register("w-2")), "one that is known comes back"
    assert [one.worker_id for one in registry] == ["w-1", "w-2"]


def test_an_acceptance_counts_until_the_next_status_and_an_offer_until_its_answer():
    registry = Registry()
    worker = taken(registry, register())
    worker.apply(status(active=1, reserved=1, load=0.1, loop_lag_p95_ms=3.0, free_outbound=2, next_free_s=4.0))
    assert worker.used == 2
    worker.count_offer("outbound", 1)
    worker.count_accepted("outbound")
    assert (worker.used, worker.free("outbound"), worker.free("inbound")) == (4, 0, 1)
    assert worker.effective_load == pytest.approx(0.8)
    worker.count_accepted("inbound")
    assert worker.free("inbound") == 0
    worker.apply(status(active=1, reserved=3))
    assert worker.used == 5
    assert worker.free("inbound") == 0


@pytest.mark.parametrize(("call_class", "free_outbound"), [("outbound", 1), ("inbound", 0)])
def test_a_slot_that_is_given_back_is_free_at_once_reported_or_not(call_class, free_outbound):
    worker = taken(Registry(), register())
    worker.apply(status(active=4, free_outbound=1))
    worker.count_accepted(call_class)
    assert worker.free("inbound") == 0
    unreported = reservation("call_1", 50.0, call_class, accepted_before=worker.statuses + 1)
    worker.uncount(unreported)
    assert (worker.free("inbound"), worker.free("outbound")) == (1, 1)
    worker.count_accepted(call_class)
    reported = reservation("call_2", 50.0, call_class, accepted_before=worker.statuses + 1)
    worker.apply(status(active=4, reserved=1, free_outbound=0))
    assert worker.free("inbound") == 0
    worker.uncount(reported)
    assert (worker.free("inbound"), worker.free("outbound")) == (1, free_outbound)


def test_a_place_is_what_the_labels_name_and_else_the_region():
    worker = taken(
        Registry(), register(region="eu-west", labels={"relay_region": "eu-north, us-east", "provider": "twilio"})
    )
    assert worker.place == Place("eu-west", ("eu-north", "us-east"), ("eu-west",), ("twilio",))
    assert Place.of("", {}) == Place()


def test_a_bridge_that_stood_still_ends_no_lease_for_it():
    registry = Registry()
    taken(registry, register())
    registry.excuse(20.0)
    assert registry.expire(25.9) == []
    assert len(registry.expire(26.0)) == 1
