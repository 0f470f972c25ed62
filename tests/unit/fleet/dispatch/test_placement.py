"""Which worker is asked, and what is said when there is none."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleet.dispatch.harness import placement
from vox.fleet.dispatch.placement import MAX_RETRY_S, MIN_RETRY_S, RETRY_S, busy, choose, distance
from vox.fleet.dispatch.registry import Place, Worker
from vox.protocols.fleet import DRAINING, FULL


def worker(
    worker_id="w",
    limit=10,
    used=0,
    *,
    state="ready",
    transports=(),
    region="",
    labels: dict[str, str] | None = None,
    **more,
) -> Worker:
    return Worker(
        worker_id,
        1,
        0.0,
        limit=limit,
        max_calls=limit,
        active=used,
        state=state,
        transports=frozenset(transports),
        place=Place.of(region, labels or {}),
        **more,
    )


def chosen(call, *workers, asked=(), seed=1):
    found = choose(call, workers, asked, Random(seed))
    return found.worker_id if found else None


def test_the_only_worker_with_room_gets_the_call():
    assert chosen(placement(), worker("a", used=10), worker("b", used=9)) == "b"


def test_no_worker_is_asked_twice_for_one_call():
    one, other = worker("a"), worker("b")
    assert chosen(placement(), one, other, asked={one.key}) == "b"
    assert chosen(placement(), one, other, asked={one.key, other.key}) is None


@pytest.mark.parametrize(
    "unfit",
    [
        worker(state=DRAINING),
        worker(state="lame"),
        worker(state="starting"),
        worker(is_connected=False),
        worker(is_stale=True),
        worker(is_superseded=True),
        worker(transports=("telnyx",)),
        worker(limit=0),
        worker(used=4, limit=5, reserved=1),
        worker(used=4, limit=5, offered=1),
        worker(used=4, limit=5, unreported=1),
    ],
)
def test_a_worker_that_may_not_or_cannot_take_it_is_not_asked(unfit):
    assert chosen(placement(provider="twilio"), unfit) is None


def test_a_worker_that_names_no_transports_takes_all_and_one_that_does_takes_those():
    assert chosen(placement(provider="twilio"), worker("a")) == "a"
    assert chosen(placement(provider="twilio"), worker("a", transports=("twilio", "plivo"))) == "a"
    assert chosen(placement(), worker("a", transports=("twilio",))) == "a", "the carrier is not known"


def test_slots_kept_for_inbound_calls_are_not_given_to_others():
    kept = worker("a", limit=5, used=3, free_outbound=0)
    assert chosen(placement(call_class="campaign"), kept) is None
    assert chosen(placement(call_class="outbound"), kept) is None
    assert chosen(placement(call_class="inbound"), kept) == "a"


def test_offers_on_their_way_count_against_what_is_left_for_outbound_calls():
    one = worker("a", limit=5, free_outbound=1)
    assert one.free("outbound") == 1
    one.count_offer("inbound", 1)
    assert one.free("outbound") == 1
    one.count_offer("outbound", 1)
    assert one.free("outbound") == 0
    assert one.free("inbound") == 3


def test_of_two_that_are_drawn_the_less_loaded_gets_the_call():
    assert {chosen(placement(), worker("a", used=5), worker("b", used=4), seed=seed) for seed in range(20)} == {"b"}


def test_the_workers_own_judgement_counts_where_it_is_worse():
    busy_processor = worker("a", used=1, load=0.9)
    assert {chosen(placement(), busy_processor, worker("b", used=5), seed=seed) for seed in range(20)} == {"b"}


def test_a_burst_spreads_over_workers_that_look_alike():
    workers = [worker(str(number), limit=25) for number in range(4)]
    random, got = Random(3), Counter[str]()
    for _ in range(80):
        found = choose(placement(), workers, (), random)
        assert found is not None
        found.count_offer("outbound", 1)
        got[found.worker_id] += 1
    assert max(got.values()) - min(got.values()) <= 3


def test_the_nearest_are_filled_before_others_are_asked():
    near, far = worker("near", region="eu-west", used=9), worker("far", region="us-east")
    assert {chosen(placement(region="eu-west"), near, far, seed=seed) for seed in range(20)} == {"near"}
    near.active = 10
    assert chosen(placement(region="eu-west"), near, far) == "far"


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({"region": "eu-west"}, {"region": "eu-central"}),
        ({"region": "eu-central"}, {"region": "us-east"}),
        ({"region": ""}, {"region": "us-east"}),
        ({"region": "eu-west"}, {"region": ""}),
    ],
)
def test_the_same_region_is_nearer_than_the_same_part_of_the_world_or_an_unknown_one(nearer, farther):
    call = placement(region="eu-west")
    assert distance(call, worker(**nearer).place) < distance(call, worker(**farther).place)


def test_the_callers_relay_counts_more_than_the_model_and_less_than_the_region():
    call = placement(region="eu-west", relay_region="us-east", model_region="ap-south")
    at_region, at_relay, at_model = (worker(region=one).place for one in ("eu-west", "us-east", "ap-south"))
    assert distance(call, at_region) < distance(call, at_relay) < distance(call, at_model)


def test_labels_say_what_a_worker_stands_near_to():
    call = placement(relay_region="eu-west", model_region="eu-north", provider="twilio")
    plain = worker(region="us-east").place
    for labels in ({"relay_region": "eu-west"}, {"model_region": "eu-north, us-east"}):
        assert distance(call, worker(region="us-east", labels=labels).place) < distance(call, plain)
    assert distance(call, worker(region="us-east", labels={"provider": "telnyx"}).place) > distance(call, plain)
    assert distance(call, worker(region="us-east", labels={"provider": "telnyx, twilio"}).place) == distance(
        call, plain
    )


def test_nothing_asked_means_everywhere_is_equally_near():
    assert distance(placement(), worker(region="eu-west").place) == distance(placement(), worker().place) == 0


@pytest.mark.parametrize(
    ("workers", "asked", "unanswered", "reason"),
    [
        ([], 0, 0, "NO_WORKERS"),
        ([worker(transports=("telnyx",))], 0, 0, "NO_WORKERS"),
        ([worker(is_connected=False)], 0, 0, "NO_WORKERS"),
        ([worker(is_connected=False)], 1, 1, "NO_ANSWER"),
        ([worker()], 2, 2, "NO_ANSWER"),
        ([worker()], 2, 1, "AT_CAPACITY"),
        ([worker(used=10)], 0, 0, "AT_CAPACITY"),
        ([worker(state=DRAINING), worker(is_superseded=True)], 0, 0, "DRAINING"),
        ([worker(state=DRAINING), worker(used=10, state=FULL)], 0, 0, "AT_CAPACITY"),
    ],
)
def test_a_refusal_gives_its_reason(workers, asked, unanswered, reason):
    assert busy(placement(provider="twilio"), workers, asked=asked, unanswered=unanswered).reason == reason


def test_the_soonest_free_slot_says_when_to_come_back():
    full = [worker(used=10, next_free_s=seconds) for seconds in (40.0, 7.5)]
    assert busy(placement(), full).retry_after_s == 7.5
    assert busy(placement(), [worker(used=10)]).retry_after_s == RETRY_S
    assert busy(placement(), [worker(used=10, next_free_s=0.0)]).retry_after_s == MIN_RETRY_S
    assert busy(placement(), [worker(used=10, next_free_s=9e9)]).retry_after_s == MAX_RETRY_S
    assert busy(placement(), [worker(state=DRAINING, next_free_s=2.0)]).retry_after_s == RETRY_S


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.sampled_from(["", "eu-a", "eu-b", "us"])), max_size=8),
    st.sampled_from(["", "eu-a", "us"]),
    st.randoms(use_true_random=False),
)
def test_the_worker_that_is_asked_has_room_and_no_nearer_one_has(given, region, random):
    workers = [worker(str(n), limit, used, region=place) for n, (limit, used, place) in enumerate(given)]
    call = placement(region=region)
    found = choose(call, workers, (), random)
    with_room = [one for one in workers if one.limit > one.active]
    assert (found is None) == (not with_room)
    if found is not None:
        assert found in with_room
        assert distance(call, found.place) == min(distance(call, one.place) for one in with_room)
