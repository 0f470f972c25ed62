import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.directory.relays.geography import distance_km
from vox.directory.selection.policy import (
    Candidate,
    Request,
    by_rendezvous,
    expected_rtt_ms,
    load_penalty_ms,
    select,
)

NEW_YORK, LONDON, PARIS, FRANKFURT, SYDNEY = (
    (40.71, -74.0),
    (51.5, -0.12),
    (48.86, 2.35),
    (50.11, 8.68),
    (-33.87, 151.2),
)
IN_LONDON = Request(*LONDON)
POLICIES = ["distance", "load_aware", "measured"]


def fleet():
    return [
        Candidate("us-east-1", *NEW_YORK, region="us-east"),
        Candidate("ap-1", *SYDNEY, region="ap", features=frozenset({"video"})),
        Candidate("eu-de-1", *FRANKFURT, region="eu", features=frozenset({"video", "record"})),
        Candidate("eu-fr-1", *PARIS, region="eu"),
    ]


def ids(choices):
    return [choice.id for choice in choices]


def test_the_default_is_the_documented_order():
    choices = select(fleet(), IN_LONDON)
    assert ids(choices) == ["eu-fr-1", "eu-de-1", "us-east-1", "ap-1"]
    assert choices[0].distance_km == distance_km(*LONDON, *PARIS)
    assert ids(select(fleet(), replace(IN_LONDON, limit=2))) == ["eu-fr-1", "eu-de-1"]


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-18, 18)), max_size=30), st.integers(1, 10), st.randoms())
def test_distance_orders_like_a_full_scan_whatever_the_order_of_the_candidates(places, limit, rng):
    candidates = [Candidate(f"r{number}", lat * 10, lon * 10) for number, (lat, lon) in enumerate(places)]
    expected = sorted((distance_km(*LONDON, c.latitude, c.longitude), c.id) for c in candidates)[:limit]
    rng.shuffle(candidates)
    choices = select(candidates, replace(IN_LONDON, limit=limit))
    assert [(choice.distance_km, choice.id) for choice in choices] == expected


@pytest.mark.parametrize("policy", POLICIES)
def test_who_is_down_draining_or_full_is_not_offered(policy):
    candidates = fleet()
    candidates[3].is_available = False
    candidates[2].report(connections=1000)
    assert set(ids(select(candidates, IN_LONDON, policy))) == {"us-east-1", "ap-1"}
    for candidate in candidates:
        candidate.is_available = False
    assert select(candidates, IN_LONDON, policy) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_features_are_conditions_and_a_region_is_a_wish(policy):
    video = replace(IN_LONDON, features=frozenset({"video"}))
    assert set(ids(select(fleet(), video, policy))) == {"eu-de-1", "ap-1"}
    in_america = select(fleet(), replace(IN_LONDON, region="us-east"), policy)
    assert ids(in_america) == ["us-east-1"]
    assert in_america[0].relaxed == "no"
    elsewhere = select(fleet(), replace(video, region="us-east"), policy)
    assert ids(elsewhere)[0] == "eu-de-1"
    assert {choice.relaxed for choice in elsewhere} == {"region"}


@pytest.mark.parametrize("policy", POLICIES)
def test_where_a_region_has_none_its_group_goes_before_the_rest_of_the_world(policy):
    choices = select(fleet(), Request(*NEW_YORK, region="eu-north"), policy)
    assert set(ids(choices)) == {"eu-de-1", "eu-fr-1"}
    assert {choice.relaxed for choice in choices} == {"group"}


@pytest.mark.parametrize("policy", POLICIES)
def test_scores_are_explained_by_their_terms(policy):
    candidates = fleet()
    candidates[0].report(connections=900)
    candidates[1].penalty = 1500.0
    for choice in select(candidates, replace(IN_LONDON, rtts_ms={"eu-fr-1": 12.5}), policy):
        assert choice.score_ms == pytest.approx(sum(choice.terms.values()))


def test_a_loaded_relay_loses_to_one_that_is_a_little_farther():
    candidates = fleet()
    candidates[3].report(connections=850)
    choices = select(candidates, IN_LONDON, "load_aware")
    assert ids(choices)[0] == "eu-de-1"
    paris = next(choice for choice in choices if choice.id == "eu-fr-1")
    assert paris.terms["load"] == pytest.approx(load_penalty_ms(0.85))
    assert paris.terms["load"] > 40


def test_a_relay_that_says_it_is_busy_loses_however_few_its_connections():
    candidates = fleet()
    candidates[3].stress = 0.85
    choices = select(candidates, IN_LONDON, "load_aware")
    assert ids(choices)[0] == "eu-de-1"
    assert next(one for one in choices if one.id == "eu-fr-1").terms["load"] == pytest.approx(load_penalty_ms(0.85))
    candidates[3].stress = 1.0  # as busy as can be, and still better than nobody
    assert ids(select(candidates[3:], IN_LONDON, "load_aware")) == ["eu-fr-1"]


def test_a_relay_that_bounced_loses_to_one_that_did_not():
    steady, bouncing = Candidate("b", *PARIS), Candidate("a", *PARIS, penalty=2000.0)
    choices = select([bouncing, steady], IN_LONDON, "load_aware")
    assert ids(choices) == ["b", "a"]
    assert choices[1].terms["instability"] == pytest.approx(20.0)


def test_the_clients_own_measurements_win_over_the_map():
    rtts_ms = {"us-east-1": 70.0, "eu-fr-1": 95.0, "eu-de-1": 15.0}
    choices = select(fleet(), replace(IN_LONDON, rtts_ms=rtts_ms), "measured")
    assert ids(choices) == ["eu-de-1", "us-east-1", "eu-fr-1", "ap-1"]
    assert choices[0].terms["measured"] == 15.0
    assert "distance" in choices[3].terms  # not measured: what the distance lets one expect


@pytest.mark.parametrize(
    ("load", "ms"), [(0.0, 0), (0.6, 0), (0.7, 13.3), (0.8, 40), (0.9, 120), (1.0, float("inf")), (2.0, float("inf"))]
)
def test_what_load_costs(load, ms):
    assert load_penalty_ms(load) == pytest.approx(ms, abs=0.1)


def test_what_distance_costs():
    assert expected_rtt_ms(0) == 8
    assert expected_rtt_ms(1000) == pytest.approx(25)


def test_among_equals_the_emptiest_comes_first():
    candidates = [Candidate("a", *PARIS, connections=300), Candidate("b", *PARIS, connections=200)]
    assert ids(select(candidates, IN_LONDON, "load_aware")) == ["b", "a"]


def test_a_key_sticks_to_its_relay_and_only_the_keys_of_a_lost_relay_move():
    candidates = [Candidate(f"relay-{number}", *PARIS) for number in range(10)]
    request = replace(IN_LONDON, limit=1)

    def where(among):
        return {room: ids(select(among, replace(request, key=f"room-{room}"), "load_aware"))[0] for room in range(500)}

    before, after = where(candidates), where(candidates[1:])
    assert before == where(candidates)
    assert {room for room in before if before[room] != after[room]} == {
        room for room in before if before[room] == "relay-0"
    }
    assert max(Counter(before.values()).values()) < 90
    assert by_rendezvous(["a", "b", "c"], "k") == by_rendezvous(["c", "a", "b"], "k")


def test_without_coordinates_clients_are_spread_by_room():
    big, small = Candidate("big", *PARIS, capacity=3000), Candidate("small", *SYDNEY, capacity=1000)
    rng = random.Random(5)
    firsts = Counter(select([small, big], Request(draw=rng.getrandbits(64)))[0].id for _ in range(2000))
    assert 0.70 < firsts["big"] / 2000 < 0.80
    choice = select([big], Request())[0]
    assert choice.distance_km is None


@pytest.mark.parametrize("policy", POLICIES)
def test_a_burst_never_fills_a_relay_beyond_its_capacity(policy):
    rng = random.Random(policy)
    candidates = [
        Candidate(f"relay-{number:02}", rng.uniform(-60, 60), rng.uniform(-180, 180), capacity=60, connections=5)
        for number in range(20)
    ]
    by_id = {candidate.id: candidate for candidate in candidates}
    sent = Counter[str]()
    for candidate in candidates:
        candidate.assign(0.0)
        sent[candidate.id] += 1
    for client in range(1000):
        now = 19.5 + client / 1000  # from one stretch of counting into the next
        request = Request(rng.gauss(48, 5), rng.gauss(8, 5), limit=3, rtts_ms={"relay-00": rng.uniform(5, 50)})
        chosen = select(candidates, request, policy, now)[0].id
        by_id[chosen].assign(now)
        sent[chosen] += 1
    assert sum(sent.values()) == 1020
    assert all(count <= 55 for count in sent.values())


def test_a_burst_in_one_city_is_spread_evenly_when_load_counts():
    candidates = [Candidate(f"relay-{number}", *PARIS, capacity=200) for number in range(10)]
    sent = Counter[str]()
    for client in range(1000):
        chosen = select(candidates, IN_LONDON, "load_aware", client / 1000)[0].id
        next(candidate for candidate in candidates if candidate.id == chosen).assign(client / 1000)
        sent[chosen] += 1
    assert max(sent.values()) / 100 <= 1.2


def test_assignments_count_until_the_report_or_for_a_while():
    relay = Candidate("a", 0, 0, capacity=100, connections=10)
    for _ in range(5):
        relay.assign(100.0)
    assert relay.expected_connections(119.9) == 15
    assert relay.expected_connections(139.9) == 15
    assert relay.expected_connections(140.0) == 10
    relay.report(12, capacity=50)
    assert (relay.expected_connections(101.0), relay.capacity) == (12, 50)


def test_where_relays_say_their_load_assignments_wait_for_it():
    relay = Candidate("a", 0, 0, capacity=100)
    relay.report(10)
    for _ in range(5):
        relay.assign(100.0)
    assert relay.expected_connections(219.9) == 15  # until the report is long overdue
    assert relay.expected_connections(340.0) == 10


@given(st.lists(st.floats(0, 15), min_size=1, max_size=60))
def test_an_assignment_is_never_forgotten_early_nor_remembered_for_long(gaps):
    relay, now, moments = Candidate("a", 0, 0), 1000.0, []
    for gap in gaps:
        now += gap
        relay.assign(now)
        moments.append(now)
        expected = relay.expected_connections(now)
        assert sum(now - moment < 20 for moment in moments) <= expected
        assert expected <= sum(now - moment <= 40 for moment in moments)
    assert relay.expected_connections(now + 40.001) == 0


def test_a_relay_without_capacity_is_never_offered():
    assert select([Candidate("a", *PARIS, capacity=0)], IN_LONDON) == []
    assert Candidate("a", *PARIS, capacity=0).load(0) == float("inf")


def test_the_equator_and_the_meridian_are_places():
    choices = select(fleet(), Request(0.0, 0.0))
    assert choices[0].distance_km == distance_km(0, 0, *PARIS)
