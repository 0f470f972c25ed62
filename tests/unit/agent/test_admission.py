"""Who may come in: the configured limit, the drain, and the limit that follows the load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.admission import BUSY_SHARE, SILENT_S, AdaptiveLimit, Admission, Busy, Load, Reservation
from vox.runtime.metrics import Metrics


def test_one_call_too_many_is_told_when_to_come_back():
    admission = Admission(max_calls=2, retry_after_s=7)
    first = admission.reserve(0.0)
    assert isinstance(first, Reservation)
    admission.reserve(0.0)
    assert admission.reserve(0.0) == Busy("full", 7)
    first.release()
    first.release()
    assert isinstance(admission.reserve(0.0), Reservation)
    assert admission.reserve(0.0) == Busy("full", 7)


def test_a_draining_server_takes_nobody():
    admission = Admission()
    admission.is_closed = True
    assert admission.reserve(0.0) == Busy("draining", 5)


def test_refusals_and_calls_are_counted():
    metrics = Metrics()
    admission = Admission(max_calls=1, metrics=metrics)
    admission.reserve(0.0)
    admission.reserve(0.0)
    text = metrics.render().decode()
    assert 'vox_agent_calls_refused_total{reason="full"} 1.0' in text
    assert "vox_agent_calls_active 1.0" in text


def silent_place(admission: Admission, now: float, evicted: list[float]) -> Reservation:
    place = admission.reserve(now, is_silent=True)
    assert isinstance(place, Reservation)
    place.on_evicted = lambda: evicted.append(now)
    return place


def test_a_connection_that_says_nothing_makes_room_for_a_caller_after_a_while():
    metrics, evicted = Metrics(), list[float]()
    admission = Admission(max_calls=2, metrics=metrics)
    places = [silent_place(admission, float(second), evicted) for second in range(2)]
    assert admission.reserve(SILENT_S - 0.01) == Busy("full", 5)
    assert admission.why_full(SILENT_S) is None
    assert evicted == []
    assert isinstance(admission.reserve(SILENT_S), Reservation)
    assert (evicted, admission.calls) == ([0.0], 2)
    for place in places:
        place.release()
    assert admission.calls == 1
    assert "vox_agent_calls_evicted_total 1.0" in metrics.render().decode()


def test_a_call_that_has_begun_is_never_evicted():
    admission, evicted = Admission(max_calls=1), list[float]()
    silent_place(admission, 0.0, evicted).begin()
    assert admission.reserve(100.0) == Busy("full", 5)
    assert evicted == []


def test_a_place_that_was_given_back_is_not_evicted():
    admission, evicted = Admission(max_calls=1), list[float]()
    silent_place(admission, 0.0, evicted).release()
    admission.reserve(50.0)
    assert admission.reserve(100.0) == Busy("full", 5)
    assert evicted == []


def test_nobody_is_evicted_for_a_caller_who_is_refused_all_the_same():
    admission, evicted = Admission(max_calls=0, adaptive=AdaptiveLimit(limit=4)), list[float]()
    for _ in range(3):
        silent_place(admission, 0.0, evicted)
    admission.calls = 5  # the limit has fallen below what there is
    assert admission.reserve(100.0) == Busy("strained", 5)
    admission.is_closed = True
    assert admission.reserve(100.0) == Busy("draining", 5)
    assert evicted == []


def test_the_limit_is_known_before_the_machine_is_full():
    limit = AdaptiveLimit()
    assert limit.observe(Load(late_share=0, busy_share=0.01, calls=5)) is None
    assert limit.observe(Load(late_share=0, busy_share=0.10, calls=50)) is None
    assert limit.observe(Load(late_share=0, busy_share=0.50, calls=250)) == pytest.approx(BUSY_SHARE / 0.002, abs=1)


def test_late_frames_cut_the_limit_at_once_and_it_grows_back_slowly():
    limit = AdaptiveLimit()
    limit.observe(Load(late_share=0, busy_share=0.25, calls=100))
    cut = limit.observe(Load(late_share=0.02, busy_share=0.5, calls=200))
    assert cut == 180
    grown = limit.observe(Load(late_share=0, busy_share=0.45, calls=180))
    assert grown == 198
    assert limit.observe(Load(late_share=0, busy_share=0.1, calls=40)) is None


def test_the_lower_limit_counts_and_a_strained_server_says_so():
    admission = Admission(max_calls=500, adaptive=AdaptiveLimit())
    for _ in range(20):
        admission.reserve(0.0)
    admission.observe(Load(late_share=0.0, busy_share=0.85, calls=20))
    assert admission.limit == 20
    assert admission.reserve(0.0) == Busy("strained", 5)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 2), st.integers(0, 2000)), min_size=1, max_size=100))
def test_the_limit_never_falls_to_nothing(observations: list[tuple[float, float, int]]):
    limit = AdaptiveLimit()
    for late, busy, calls in observations:
        found = limit.observe(Load(late, busy, calls))
        assert found is None or found >= 4


@pytest.mark.parametrize("capacity", [40, 300, 900])
def test_a_flood_settles_near_what_the_machine_holds(capacity: int):
    """A machine that is late beyond its capacity, offered twice of it: the steady state stays below, but not far."""
    limit, calls = AdaptiveLimit(), 0
    for _ in range(60):
        allowed = limit.limit if limit.limit is not None else capacity * 2
        calls = min(capacity * 2, allowed, calls + max(10, capacity // 10))
        busy = calls / capacity
        limit.observe(Load(late_share=0.05 if busy > 1 else 0.0, busy_share=busy, calls=calls))
    assert capacity * 0.7 <= calls <= capacity
