from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import ROOT
from vox.directory.health.state_machine import (
    TRANSITIONS,
    Drain,
    DrainChanged,
    DrainEnded,
    DrainRequested,
    Health,
    HealthPolicy,
    HeartbeatArrived,
    HeldDown,
    ProbeFailed,
    ProbeSucceeded,
    Signal,
    Status,
    StatusChanged,
    Tick,
    dump,
    load,
    revived,
    step,
)

POLICY = HealthPolicy()
OK, FAIL, LOST, BEAT, TICK = ProbeSucceeded(), ProbeFailed(), ProbeFailed(is_counted=False), HeartbeatArrived(), Tick()
UP = Health(Status.HEALTHY)


def after(health, *observations, start=0.0, every=30.0, policy=POLICY, is_frozen=False):
    for number, observation in enumerate(observations):
        health, _ = step(health, observation, start + number * every, policy, is_frozen=is_frozen)
    return health


@pytest.mark.parametrize(
    ("before", "observations", "status"),
    [
        (Health(), [], Status.PENDING),
        (Health(), [BEAT, TICK, BEAT], Status.PENDING),  # only a probe admits (D10)
        (Health(), [OK], Status.HEALTHY),
        (Health(), [FAIL, FAIL, FAIL], Status.PENDING),
        (UP, [OK, BEAT, TICK], Status.HEALTHY),
        (UP, [LOST], Status.HEALTHY),  # a retry comes first
        (UP, [FAIL], Status.SUSPECT),
        (UP, [FAIL, FAIL], Status.SUSPECT),
        (UP, [FAIL, FAIL, OK], Status.HEALTHY),
        (UP, [FAIL, FAIL, OK, FAIL, FAIL], Status.SUSPECT),  # in a row, or not at all
        (UP, [FAIL, FAIL, LOST], Status.SUSPECT),
        (UP, [FAIL, FAIL, FAIL], Status.UNHEALTHY),
        (UP, [FAIL, BEAT, FAIL, BEAT, FAIL, BEAT], Status.UNHEALTHY),  # D1
        (UP, [FAIL, FAIL, FAIL, OK], Status.UNHEALTHY),
        (UP, [FAIL, FAIL, FAIL, OK, FAIL, OK], Status.UNHEALTHY),
        (UP, [FAIL, FAIL, FAIL, OK, OK], Status.HEALTHY),
        (UP, [FAIL, FAIL, FAIL, OK, LOST, OK], Status.UNHEALTHY),
        (UP, [FAIL, FAIL, FAIL, BEAT, BEAT, BEAT], Status.UNHEALTHY),
        (UP, [FAIL] * 100, Status.UNHEALTHY),  # ten failures, but not yet an hour
        (UP, [FAIL] * 121, Status.REMOVED),
        (Health(), [FAIL] * 121, Status.REMOVED),
        (UP, [FAIL] * 121 + [OK, OK, OK], Status.REMOVED),
        (replace(UP, is_bootstrap=True), [FAIL] * 500, Status.UNHEALTHY),
        (replace(UP, is_bootstrap=True), [FAIL] * 500 + [OK, OK], Status.HEALTHY),
    ],
)
def test_what_follows_from_what(before, observations, status):
    assert after(before, *observations).status is status


def test_the_documented_counters():
    health = after(UP, FAIL, FAIL, start=100.0)
    assert (health.failed_checks, health.failing_since, health.is_up) == (2, 100.0, True)
    health = after(health, FAIL, start=200.0)
    assert (health.failed_checks, health.is_up) == (3, False)
    health = after(health, OK, start=230.0)
    assert (health.failed_checks, health.failing_since, health.last_seen) == (0, None, 230.0)
    assert after(health, BEAT, start=240.0).last_seen == 240.0


def test_thresholds_come_from_the_policy():
    policy = HealthPolicy(
        failure_threshold=1, removal_threshold=2, removal_after_s=0, admit_successes=2, recover_successes=1
    )
    assert after(Health(), OK, policy=policy).status is Status.PENDING
    assert after(Health(), OK, OK, policy=policy).status is Status.HEALTHY
    assert after(UP, FAIL, policy=policy).status is Status.UNHEALTHY
    assert after(UP, FAIL, OK, policy=policy).status is Status.HEALTHY
    assert after(UP, FAIL, FAIL, policy=policy).status is Status.REMOVED


@pytest.mark.parametrize("heartbeat_s", [15, 25, 30, 45, 60])
def test_a_dead_relay_that_heartbeats_goes_down_as_fast_as_one_that_does_not(heartbeat_s):
    health, down_at = UP, None
    moments = sorted(
        [(at, FAIL) for at in range(0, 600, 30)] + [(at, BEAT) for at in range(0, 600, heartbeat_s)],
        key=lambda moment: moment[0],
    )
    for at, observation in moments:
        health, changes = step(health, observation, at, POLICY)
        if any(isinstance(change, StatusChanged) and change.after is Status.UNHEALTHY for change in changes):
            down_at = at
    assert down_at == 60
    assert not health.is_up


def test_a_relay_that_stops_its_heartbeats_is_suspect_but_stays_up():
    health = after(UP, HeartbeatArrived(interval_s=10), start=0)
    assert step(health, TICK, 30, POLICY)[0].status is Status.HEALTHY
    silent, changes = step(health, TICK, 31, POLICY)
    assert silent.status is Status.SUSPECT
    assert silent.is_up
    assert changes == [StatusChanged(Status.HEALTHY, Status.SUSPECT, Signal.DOUBTED)]
    assert step(silent, OK, 40, POLICY)[0].status is Status.SUSPECT
    assert step(silent, BEAT, 40, POLICY)[0].status is Status.HEALTHY
    assert step(replace(silent, failed_checks=1), BEAT, 40, POLICY)[0].status is Status.SUSPECT


def test_a_relay_that_never_heartbeats_is_not_missed():
    assert after(UP, TICK, start=1e9).status is Status.HEALTHY


def test_suspects_are_listed_as_documented_unless_the_policy_wants_them_held_back():
    suspect = after(UP, FAIL)
    strict = HealthPolicy(lists_suspects=False)
    assert suspect.is_listed(POLICY)
    assert not suspect.is_listed(strict)
    assert suspect.is_listed(strict, lists_suspects=True)
    assert not after(UP, FAIL, FAIL, FAIL).is_listed(POLICY, lists_suspects=True)
    assert not Health().is_listed(POLICY, lists_suspects=True)


def test_a_relay_that_bounces_is_held_down():
    health = after(UP, *[FAIL] * 3, OK, OK)
    assert health.status is Status.HEALTHY
    assert health.held_down_until is None
    health = after(health, FAIL, FAIL, start=200)
    health, changes = step(health, FAIL, 260, POLICY)
    held = next(change for change in changes if isinstance(change, HeldDown))
    assert held.until == health.held_down_until
    assert held.until - 260 > POLICY.shortest_hold_s()
    assert health.penalty_at(held.until, POLICY) == pytest.approx(POLICY.release_below)
    assert after(health, *[OK] * 20, start=300).status is Status.UNHEALTHY
    ready = after(health, *[OK] * 20, start=300)
    for no_success in (BEAT, TICK, LOST, FAIL):
        assert after(ready, no_success, start=held.until).status is Status.UNHEALTHY
    assert after(ready, OK, start=held.until).status is Status.HEALTHY
    assert after(health, OK, OK, start=held.until).status is Status.UNHEALTHY  # three after a flap
    assert after(health, OK, OK, OK, start=held.until).status is Status.HEALTHY


def test_penalties_fade():
    health = after(UP, *[FAIL] * 3, OK, OK)
    later = 3600.0
    assert health.penalty_at(later, POLICY) < 200
    health = after(health, *[FAIL] * 3, start=later)
    assert health.held_down_until is None
    assert after(health, OK, OK, start=later + 300).status is Status.HEALTHY


def test_removal_is_no_way_around_a_hold():
    held = replace(Health(Status.UNHEALTHY), penalty=3000.0, penalised_at=100.0, held_down_until=2000.0)
    back = revived(replace(held, status=Status.REMOVED))
    assert back.status is Status.PENDING
    assert after(back, *[OK] * 5, start=200).status is Status.PENDING
    assert after(back, *[OK] * 3, start=2000).status is Status.HEALTHY


def test_a_drain_takes_a_relay_off_the_lists_at_once_and_leaves_its_health_alone():
    drained, changes = step(UP, DrainRequested(reason="new version"), 10, POLICY)
    assert changes == [DrainChanged(Drain("operator", "new version"))]
    assert drained.is_up
    assert drained.is_draining
    assert not drained.is_listed(POLICY, lists_suspects=True)
    assert after(drained, FAIL, FAIL, FAIL).status is Status.UNHEALTHY
    back, changes = step(drained, DrainEnded(), 20, POLICY)
    assert changes == [DrainChanged(None)]
    assert back.is_listed(POLICY)


def test_a_relay_drains_itself_by_heartbeat_but_cannot_end_the_operators_drain():
    own = after(UP, HeartbeatArrived(is_draining=True))
    assert own.is_draining
    assert after(own, BEAT).is_draining  # says nothing about it
    assert not after(own, HeartbeatArrived(is_draining=False)).is_draining
    operators = after(UP, DrainRequested())
    assert after(operators, HeartbeatArrived(is_draining=False)).is_draining
    assert after(operators, HeartbeatArrived(is_draining=True)).drain == operators.drain


def test_a_drain_with_a_deadline_ends_by_itself():
    drained = after(UP, DrainRequested(until=100.0))
    assert step(drained, OK, 99, POLICY)[0].is_draining
    assert step(drained, TICK, 100, POLICY)[1] == [DrainChanged(None)]


def test_failures_during_maintenance_are_expected():
    away = after(UP, DrainRequested(is_maintenance=True, until=10_000.0), *[FAIL] * 200)
    assert away.is_in_maintenance
    assert away.status is Status.SUSPECT
    over, _ = step(away, TICK, 10_000, POLICY)
    assert after(over, FAIL, start=10_001).status is Status.UNHEALTHY
    assert after(over, OK, start=10_001).status is Status.HEALTHY


def test_while_frozen_nobody_goes_down_and_nobody_is_removed():
    assert after(UP, *[FAIL] * 500, is_frozen=True).status is Status.SUSPECT
    down = after(UP, *[FAIL] * 5)
    assert after(down, *[FAIL] * 500, start=200, is_frozen=True).failed_checks == 5
    frozen = after(down, *[FAIL] * 500, start=200, is_frozen=True)
    assert frozen.status is Status.UNHEALTHY
    assert after(frozen, FAIL, start=20_000).status is Status.UNHEALTHY  # thawed: five more failures first
    assert after(frozen, *[FAIL] * 5, start=20_000).status is Status.REMOVED
    strict = HealthPolicy(failure_threshold=1)
    assert after(UP, *[FAIL] * 5, policy=strict, is_frozen=True).status is Status.SUSPECT


observations = st.one_of(
    st.just(OK),
    st.builds(ProbeFailed, is_counted=st.booleans()),
    st.builds(HeartbeatArrived, interval_s=st.none() | st.floats(1, 100), is_draining=st.none() | st.booleans()),
    st.builds(DrainRequested, by=st.sampled_from(["relay", "operator"]), is_maintenance=st.booleans()),
    st.just(DrainEnded()),
    st.just(TICK),
)
histories = st.lists(st.tuples(observations, st.floats(0, 4000), st.booleans()), max_size=120)


@given(histories, st.booleans())
def test_whatever_happens(history, is_bootstrap):
    health, now = Health(is_bootstrap=is_bootstrap), 0.0
    for observation, passed_s, is_frozen in history:
        before, now = health, now + passed_s
        health, changes = step(health, observation, now, POLICY, is_frozen=is_frozen)
        moves = [change for change in changes if isinstance(change, StatusChanged)]
        assert [(move.before, move.after) for move in moves] == (
            [(before.status, health.status)] if before.status is not health.status else []
        )
        for move in moves:
            assert TRANSITIONS[move.before, move.signal] is move.after
        assert any(isinstance(change, DrainChanged) for change in changes) == (before.drain != health.drain)
        if health.is_up and not before.is_up:
            assert isinstance(observation, ProbeSucceeded)
            assert health.failed_checks == 0
            assert before.held_down_until is None or now >= before.held_down_until
        if before.is_up and not health.is_up:
            assert observation == FAIL
            assert not is_frozen
            assert health.failed_checks >= POLICY.failure_threshold
        if isinstance(observation, HeartbeatArrived):
            assert health.failed_checks == before.failed_checks
        assert not (is_bootstrap and health.status is Status.REMOVED)
        assert load(dump(health)) == health


@given(st.integers(1, 50))
def test_success_and_heartbeat_of_a_healthy_relay_change_nothing_but_counters_and_times(rounds):
    # What lets the simulation of a week skip the hours in which nothing happens.
    once, many = after(UP, OK, BEAT, TICK), after(UP, *[OK, BEAT, TICK] * rounds)
    assert replace(many, successes=0, last_seen=0, last_heartbeat=0) == replace(
        once, successes=0, last_seen=0, last_heartbeat=0
    )


def test_kept_health_that_cannot_be_read_is_that_of_a_new_relay():
    assert load("") == Health()
    assert load("{") == Health()
    assert load('{"status": "wonderful"}') == Health()
    assert load('{"status": "healthy", "of_a_later_version": 1}').status is Status.HEALTHY


def test_the_operators_page_shows_the_table():
    text = (ROOT / "docs/operations/relay-health.md").read_text(encoding="utf-8")
    rows = {tuple(cell.strip() for cell in line.split("|")[1:4]) for line in text.splitlines() if line.startswith("|")}
    expected = {(str(before), str(signal), str(status)) for (before, signal), status in TRANSITIONS.items()}
    assert {row for row in rows if row[0] in set(Status)} == expected
