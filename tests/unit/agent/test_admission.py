"""Who may come in: the configured limit, the drain, and the limit that follows the load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.admission import (
    BUSY_SHARE,
    CLIENT_SILENT_S,
    SILENT_S,
    UNBOUND,
    AdaptiveLimit,
    Admission,
    Busy,
    Load,
    Reservation,
    Source,
)
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


def silent_place(
    admission: Admission, now: float, evicted: list[float], source: Source = UNBOUND, probation_s: float = SILENT_S
) -> Reservation:
    place = admission.reserve(now, source, is_silent=True, probation_s=probation_s)
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


FAR, OTHER = Source.at("8.8.8.8"), Source.at("9.9.9.9")


def test_a_public_address_holds_half_of_the_places_and_carriers_and_proxies_all_of_them():
    for source, share in ((FAR, 3), (Source.at("2001:4860:4860::8888"), 3), (Source.at("10.0.0.1"), 5), (UNBOUND, 5)):
        admission = Admission(max_calls=5)
        taken = [admission.reserve(0.0, source) for _ in range(6)]
        assert sum(isinstance(one, Reservation) for one in taken) == share, source
        assert taken[-1] == Busy("address" if share < 5 else "full", 5)


def test_the_addresses_of_one_subscriber_share_their_places():
    admission = Admission(max_calls=4)
    for number in range(2):
        assert isinstance(admission.reserve(0.0, Source.at(f"2001:4860:4860:1::{number}")), Reservation)
    assert admission.reserve(0.0, Source.at("2001:4860:4860:1::9")) == Busy("address", 5)
    assert isinstance(admission.reserve(0.0, Source.at("2001:4860:4860:2::9")), Reservation)


def test_a_configured_share_counts_for_private_addresses_and_without_a_limit_too():
    admission = Admission(max_per_network=2)
    local = Source.at("127.0.0.1")
    first = admission.reserve(0.0, local)
    admission.reserve(0.0, local)
    assert admission.why_full(0.0, local) == Busy("address", 5)
    assert admission.why_full(0.0, FAR) is None
    assert isinstance(first, Reservation)
    first.release()
    assert isinstance(admission.reserve(0.0, local), Reservation)
    assert admission.networks == {"127.0.0.1": 2}


def test_silent_clients_of_one_address_leave_room_for_others_and_make_room_for_their_neighbours():
    admission, evicted = Admission(max_calls=4), list[float]()
    for _ in range(2):
        silent_place(admission, 0.0, evicted, FAR, CLIENT_SILENT_S)
    assert admission.reserve(1.0, FAR) == Busy("address", 5)
    for _ in range(2):
        assert isinstance(admission.reserve(1.0, OTHER), Reservation)
    assert admission.reserve(CLIENT_SILENT_S - 0.1) == Busy("full", 5)
    assert isinstance(admission.reserve(CLIENT_SILENT_S, FAR), Reservation)
    assert isinstance(admission.reserve(CLIENT_SILENT_S), Reservation)
    assert len(evicted) == 2
    assert admission.reserve(100.0) == Busy("full", 5)
    assert admission.calls == 4


def test_one_address_takes_no_silent_place_of_another_beyond_its_share():
    admission, evicted = Admission(max_calls=4), list[float]()
    for _ in range(2):
        admission.reserve(0.0, FAR)
        silent_place(admission, 0.0, evicted, OTHER)
    assert admission.reserve(100.0, FAR) == Busy("address", 5)
    assert evicted == []


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.floats(0, 5)), max_size=200))
def test_no_address_ever_holds_more_than_its_share(steps: list[tuple[int, bool, bool, float]]):
    admission, held, now = Admission(max_calls=6), list[Reservation](), 0.0
    for which, is_silent, leaves, pause in steps:
        now += pause
        if leaves and held:
            held.pop(which % len(held)).release()
            continue
        place = admission.reserve(now, Source.at(f"8.8.8.{which}"), is_silent=is_silent)
        if isinstance(place, Reservation):
            held.append(place)
        assert max(admission.networks.values(), default=0) <= 3
        assert sum(admission.networks.values()) == admission.calls <= 6
    for place in held:
        place.release()
    assert (admission.networks, admission.calls) == ({}, 0)


def test_a_flood_teaches_the_limit_nothing():
    limit = AdaptiveLimit()
    for _ in range(10):
        limit.observe(Load(late_share=0, busy_share=0.5, calls=50))
    before = limit.limit
    for _ in range(20):
        limit.observe(Load(late_share=0.8, busy_share=1.0, calls=20, is_flooded=True))
    assert limit.limit == before
    limit.observe(Load(late_share=0, busy_share=0.1, calls=20))
    assert limit.limit is None


def test_what_a_call_is_known_to_cost_bounds_the_calls_during_a_flood_too():
    limit = AdaptiveLimit()
    limit.observe(Load(late_share=0, busy_share=0.2, calls=100))
    assert limit.observe(Load(late_share=0.8, busy_share=1.0, calls=110, is_flooded=True)) == int(BUSY_SHARE / 0.002)


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


def test_promised_places_are_taken_although_their_calls_have_yet_to_come():
    admission, promised = Admission(max_calls=2), [1]
    admission.set_aside = lambda: promised[0]
    assert isinstance(admission.reserve(0.0), Reservation)
    assert admission.reserve(0.0) == Busy("full", 5)
    assert admission.taken == 2
    promised[0] = 0  # its call comes, and takes the place that was promised
    assert isinstance(admission.reserve(0.0), Reservation)
    assert admission.reserve(0.0) == Busy("full", 5)


def test_a_silent_connection_makes_room_where_the_other_places_are_promised():
    admission, evicted = Admission(max_calls=2, set_aside=lambda: 1), list[float]()
    silent_place(admission, 0.0, evicted)
    assert admission.reserve(1.0) == Busy("full", 5)
    assert isinstance(admission.reserve(SILENT_S, is_silent=True), Reservation)
    assert evicted == [0.0]


def test_a_promised_call_is_taken_where_others_are_refused():
    admission = Admission(max_calls=1)
    admission.reserve(0.0)
    admission.is_closed = True
    assert admission.reserve(0.0) == Busy("draining", 5)
    place = admission.reserve(0.0, is_promised=True)
    assert isinstance(place, Reservation)
    assert admission.calls == 2, "the limit fell after the promise"
    place.release()
    assert admission.calls == 1
