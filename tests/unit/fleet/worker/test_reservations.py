"""Promised slots: never more than there are, each for one stream with its token, and none is lost or kept for ever."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from vox.fleet.worker.reservations import LEASE_S, NoSlot, Reserved, Slots

CLASSES = ("inbound", "outbound", "campaign")


def slots_of(inbound_share: float) -> Any:
    """Slots whose answers a test takes apart."""
    return Slots(inbound_share)


def reserved(number: int = 1, call_class: Any = "inbound", *, expires_at: float = 30.0, call_id: str = "") -> Reserved:
    return Reserved(f"rsv_{number}", call_id or f"call_{number}", call_class, expires_at)


def test_of_a_thousand_offers_to_eight_slots_exactly_eight_are_taken():
    slots = slots_of(0.0)
    answers = [slots.reserve(reserved(number, "outbound"), "t", active=0, limit=8) for number in range(1000)]
    assert answers.count(None) == 8
    assert answers.count(NoSlot("AT_CAPACITY")) == 992
    assert slots.pending == 8


def test_slots_kept_for_inbound_calls_are_refused_to_others():
    slots = slots_of(0.2)
    outbound = [slots.reserve(reserved(number, "campaign"), "t", active=0, limit=10) for number in range(10)]
    assert outbound.count(None) == 8
    assert outbound[-1] == NoSlot("AT_CAPACITY", is_kept=True)
    assert slots.free(active=0, limit=10) == 2
    assert slots.free_outbound(active=0, limit=10) == 0
    inbound = [slots.reserve(reserved(100 + number), "t", active=0, limit=10) for number in range(3)]
    assert inbound == [None, None, NoSlot("AT_CAPACITY")]


def test_a_single_slot_is_not_kept_from_outbound_calls():
    assert slots_of(0.2).reserve(reserved(1, "outbound"), "t", active=0, limit=1) is None


def test_inbound_calls_may_fill_every_slot_and_leave_none_to_others():
    slots = slots_of(0.2)
    assert slots.free_outbound(active=9, limit=10) == 1
    assert slots.free_outbound(active=10, limit=10) == 0
    assert slots.free_outbound(active=12, limit=10) == 0, "the limit fell below the calls that run"


def test_only_the_token_proves_a_stream_and_only_once():
    slots = slots_of(0.0)
    slots.reserve(reserved(), "right", active=0, limit=1)
    taken = slots.take("rsv_1", 1.0)
    assert slots.take("rsv_1", 1.0) is None, "another stream has it"
    assert not slots.prove(taken, "wrong", 1.0)
    assert not slots.prove(taken, "", 1.0)
    assert slots.prove(taken, "right", 1.0)
    assert not slots.prove(taken, "right", 1.0)
    assert slots.pending == 0


def test_a_stream_without_the_token_leaves_the_slot_to_the_right_one():
    slots = slots_of(0.0)
    slots.reserve(reserved(), "right", active=0, limit=1)
    slots.give_back(slots.take("rsv_1", 1.0))
    assert slots.pending == 1
    assert slots.prove(slots.take("rsv_1", 2.0), "right", 2.0)


def test_the_end_of_a_call_frees_its_slot():
    slots = slots_of(0.5)
    slots.reserve(reserved(1, "outbound"), "t", active=0, limit=2)
    taken = slots.take("rsv_1", 1.0)
    slots.prove(taken, "t", 1.0)
    assert slots.reserve(reserved(2, "outbound"), "t", active=1, limit=2) == NoSlot("AT_CAPACITY", is_kept=True)
    slots.give_back(taken)
    slots.give_back(taken)
    assert slots.reserve(reserved(2, "outbound"), "t", active=0, limit=2) is None


def test_a_call_that_is_asked_for_again_keeps_its_slot_under_a_new_token():
    slots = slots_of(0.0)
    slots.reserve(reserved(1, call_id="call"), "lost", active=0, limit=1)
    assert slots.reserve(reserved(2, call_id="call"), "new", active=0, limit=1) is None
    assert slots.pending == 1
    assert slots.take("rsv_1", 1.0) is None
    taken = slots.take("rsv_2", 1.0)
    assert not slots.prove(taken, "lost", 1.0)
    assert slots.prove(taken, "new", 1.0)
    assert slots.reserve(reserved(3, call_id="call"), "t", active=1, limit=5) == NoSlot("CALL_EXISTS")


def test_what_is_not_renewed_is_free_after_its_lease():
    slots = slots_of(0.0)
    slots.reserve(reserved(1, expires_at=30.0), "t", active=0, limit=1)
    assert slots.expire(29.9) == []
    assert slots.renew("rsv_1", 20.0).expires_at == 20.0 + LEASE_S
    assert slots.expire(49.9) == []
    assert [one.call_id for one in slots.expire(50.0)] == ["call_1"]
    assert slots.renew("rsv_1", 50.0) is None
    assert slots.take("rsv_1", 50.0) is None
    assert slots.pending == 0


def test_a_call_of_two_hours_keeps_its_slot_and_a_leaked_one_goes_in_thirty_seconds():
    slots = slots_of(0.0)
    slots.reserve(reserved(1), "t", active=0, limit=2)
    slots.prove(slots.take("rsv_1", 0.0), "t", 0.0)
    now = 0.0
    while now < 7200:
        now += 10.0
        slots.renew("rsv_1", now)
        assert slots.expire(now) == []
    assert slots.of_call("call_1") is not None
    assert slots.expire(now + 29.9) == []
    assert len(slots.expire(now + 30.0)) == 1


def test_a_shorter_renewal_takes_nothing_away():
    slots = slots_of(0.0)
    slots.reserve(reserved(1, expires_at=120.0), "t", active=0, limit=1)
    assert slots.renew("rsv_1", 1.0).expires_at == 120.0


@pytest.mark.parametrize("reservation_id", ["", "rsv_2"])
def test_what_is_unknown_changes_nothing(reservation_id):
    slots = slots_of(0.0)
    slots.reserve(reserved(1), "t", active=0, limit=1)
    assert not slots.release(reservation_id)
    assert slots.take(reservation_id, 0.0) is None
    assert slots.pending == 1


class WorkerOfSlots(RuleBasedStateMachine):
    """A worker whose calls and promises must never pass the limit that held when the last one was made."""

    promised = Bundle("promised")
    running = Bundle("running")

    def __init__(self):
        super().__init__()
        self.slots = slots_of(0.25)
        self.limit = 8
        self.active = 0
        self.now = 0.0
        self.number = 0
        self.outbound = 0

    @rule(target=promised, call_class=st.sampled_from(CLASSES), ttl=st.sampled_from([1.0, 30.0, 100.0]))
    def reserve(self, call_class, ttl):
        self.number += 1
        wish = reserved(self.number, call_class, expires_at=self.now + ttl)
        free = self.limit - self.active - self.slots.pending
        answer = self.slots.reserve(wish, f"token {self.number}", active=self.active, limit=self.limit)
        if answer is None:
            assert free > 0
            if call_class != "inbound":
                assert self.slots.outbound <= self.limit - int(self.limit * 0.25)
        elif call_class == "inbound":
            assert free <= 0
        return self.number

    @rule(target=running, number=consumes(promised), has_token=st.booleans())
    def stream(self, number, has_token):
        taken = self.slots.take(f"rsv_{number}", self.now)
        if taken is None:
            return None
        self.active += 1
        if self.slots.prove(taken, f"token {number}" if has_token else "guess", self.now):
            return taken
        self.active -= 1
        self.slots.give_back(taken)
        return None

    @rule(taken=consumes(running))
    def end(self, taken):
        if taken is not None:
            self.active -= 1
            self.slots.give_back(taken)

    @rule(number=consumes(promised))
    def release(self, number):
        self.slots.release(f"rsv_{number}")

    @rule(seconds=st.sampled_from([0.5, 10.0, 40.0]))
    def time_passes(self, seconds):
        self.now += seconds
        for number in range(self.number + 1):
            found = self.slots.find(f"rsv_{number}")
            if found is not None and found.is_taken:
                self.slots.renew(found.reservation_id, self.now)
        self.slots.expire(self.now)

    @rule()
    def an_unannounced_call_comes(self):
        if self.slots.free(active=self.active, limit=self.limit):
            self.active += 1

    @invariant()
    def never_more_than_there_are(self):
        assert self.active + self.slots.pending <= self.limit


WorkerOfSlots.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWorkerOfSlots = WorkerOfSlots.TestCase
