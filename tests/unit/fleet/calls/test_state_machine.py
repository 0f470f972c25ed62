"""An outbound call's state machine: every path, and what late, doubled and reordered events do to it."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.calls.contract import FINAL, LIVE, WAITING, CallStatus
from vox.fleet.calls.state_machine import (
    RETRY_AFTER_S,
    AttemptEnded,
    BotEnded,
    CallEvent,
    CallState,
    CancelRequested,
    Detected,
    DialAccepted,
    DialBegan,
    DialLost,
    DialPostponed,
    Expired,
    Progressed,
    Rules,
    apply,
)

ONCE = Rules()
S = CallStatus
ENDS = [S.COMPLETED, S.NO_ANSWER, S.BUSY, S.REJECTED, S.FAILED, S.CANCELED]

events = st.one_of(
    st.just(DialBegan()),
    st.just(DialPostponed()),
    st.just(DialAccepted()),
    st.just(DialLost("timeout")),
    st.sampled_from([Progressed(S.RINGING), Progressed(S.ANSWERED), Progressed(S.IN_PROGRESS)]),
    st.builds(Detected, st.sampled_from(["human", "machine", "fax", "screening", "unknown"])),
    st.builds(BotEnded, st.sampled_from(["customer", "bot", "voicemail", "screened"])),
    st.builds(AttemptEnded, st.sampled_from(ENDS), st.just("why"), st.booleans()),
    st.just(CancelRequested()),
    st.just(Expired()),
)
rules = st.builds(Rules, st.integers(1, 4), st.sampled_from(["continue", "hang_up", "leave_message"]))


def after(*given_events: CallEvent, rules: Rules = ONCE) -> CallState:
    state = CallState()
    for event in given_events:
        state = apply(state, event, rules).state
    return state


def test_a_call_goes_from_queued_to_completed():
    steps = [DialBegan(), DialAccepted(), Progressed(S.RINGING), Progressed(S.ANSWERED), Progressed(S.IN_PROGRESS)]
    seen = [after(*steps[:count]).status for count in range(len(steps) + 1)]
    assert seen == [S.QUEUED, S.DIALING, S.DIALING, S.RINGING, S.ANSWERED, S.IN_PROGRESS]
    assert after(*steps, AttemptEnded(S.COMPLETED)).status is S.COMPLETED


@pytest.mark.parametrize("end", [S.COMPLETED, S.BUSY, S.NO_ANSWER, S.REJECTED, S.FAILED])
def test_callbacks_in_any_order_give_the_carriers_end(end: CallStatus):
    told = [DialAccepted(), Progressed(S.RINGING), AttemptEnded(end)]
    if end is S.COMPLETED:
        told.append(Progressed(S.ANSWERED))
    for order in permutations(told):
        assert after(DialBegan(), *order, *order).status is end


@pytest.mark.parametrize(
    ("on_machine", "status"), [("hang_up", S.VOICEMAIL), ("leave_message", S.VOICEMAIL), ("continue", S.COMPLETED)]
)
def test_what_a_machine_answered_is_a_voicemail_unless_the_caller_did_not_mind(on_machine, status):
    mind = Rules(on_machine=on_machine)
    live = (DialBegan(), Progressed(S.ANSWERED))
    assert after(*live, Detected("machine"), AttemptEnded(S.COMPLETED), rules=mind).status is status
    assert after(*live, AttemptEnded(S.COMPLETED, answered_by="machine"), rules=mind).status is status


@pytest.mark.parametrize("outcome", ["voicemail", "screened"])
def test_what_the_worker_heard_decides_the_outcome(outcome: str):
    state = after(DialBegan(), Progressed(S.IN_PROGRESS), BotEnded(outcome), AttemptEnded(S.COMPLETED))
    assert state.status == outcome


def test_a_call_that_only_a_screening_service_answered_is_screened():
    assert after(DialBegan(), Detected("screening"), AttemptEnded(S.COMPLETED)).status is S.SCREENED
    passed = after(DialBegan(), Detected("screening"), Progressed(S.IN_PROGRESS), AttemptEnded(S.COMPLETED))
    assert passed.status is S.COMPLETED


def test_a_waiting_call_is_cancelled_at_once_and_a_live_one_when_it_has_ended():
    assert after(CancelRequested()).status is S.CANCELED
    live = after(DialBegan(), Progressed(S.RINGING), CancelRequested())
    assert (live.status, live.is_cancel_requested) == (S.RINGING, True)
    assert apply(live, AttemptEnded(S.NO_ANSWER), Rules(3)).state.status is S.CANCELED
    talked = after(DialBegan(), Progressed(S.ANSWERED), CancelRequested(), AttemptEnded(S.COMPLETED))
    assert talked.status is S.COMPLETED


def test_a_call_waits_for_its_next_attempt_and_ends_with_the_last():
    twice = Rules(max_attempts=2)
    step = apply(after(DialBegan(), rules=twice), AttemptEnded(S.BUSY), twice)
    assert (step.state.status, step.attempt_status, step.retry_in_s) == (S.SCHEDULED, S.BUSY, RETRY_AFTER_S[S.BUSY])
    last = apply(after(DialBegan(), AttemptEnded(S.BUSY), DialBegan(), rules=twice), AttemptEnded(S.BUSY), twice)
    assert (last.state.status, last.state.attempt, last.retry_in_s) == (S.BUSY, 2, None)


@pytest.mark.parametrize(
    "ended", [AttemptEnded(S.REJECTED), AttemptEnded(S.FAILED, "invalid_number", is_retryable=False)]
)
def test_what_no_repetition_helps_against_is_not_dialled_again(ended: AttemptEnded):
    assert after(DialBegan(), ended, rules=Rules(5)).status is ended.status


def test_an_attempt_that_was_refused_only_for_now_does_not_count():
    state = after(DialBegan(), DialPostponed())
    assert (state.status, state.attempt) == (S.QUEUED, 0)


def test_an_uncertain_attempt_goes_on_with_the_first_callback():
    assert after(DialBegan(), DialLost("timeout")).status is S.UNCERTAIN
    assert after(DialBegan(), DialLost("timeout"), Progressed(S.RINGING)).status is S.RINGING
    assert after(DialBegan(), Progressed(S.RINGING), DialLost("timeout")).status is S.RINGING


def test_a_call_expires_only_while_it_waits():
    assert after(Expired()).status is S.EXPIRED
    assert after(DialBegan(), Expired()).status is S.DIALING


@given(st.lists(events, max_size=30), rules)
def test_a_call_ends_once_and_never_comes_back(told: list[CallEvent], mind: Rules):
    state, ended = CallState(), 0
    for event in told:
        step = apply(state, event, mind)
        if state.status in FINAL:
            assert step.state == state
            assert step.attempt_status is None
        ended += step.state.status in FINAL and state.status not in FINAL
        state = step.state
        assert 0 <= state.attempt <= mind.max_attempts
    assert ended == (state.status in FINAL)


@given(st.lists(events, max_size=30), rules)
def test_dialling_begins_only_from_waiting_and_counts_each_attempt_once(told: list[CallEvent], mind: Rules):
    state = CallState()
    for event in told:
        before, state = state, apply(state, event, mind).state
        if state.status in LIVE and before.status not in LIVE:
            assert before.status in WAITING
            assert isinstance(event, DialBegan)
            assert state.attempt == before.attempt + 1
        if state.attempt != before.attempt:
            assert isinstance(event, DialBegan | DialPostponed)


@given(st.lists(events, max_size=12), rules)
def test_every_event_may_come_twice(told: list[CallEvent], mind: Rules):
    once, twice = CallState(), CallState()
    for event in told:
        once = apply(once, event, mind).state
        twice = apply(apply(twice, event, mind).state, event, mind).state
        if isinstance(event, AttemptEnded | Detected | Progressed | DialAccepted | BotEnded):
            assert once == twice
        twice = once
