import pytest

from vox.directory.health.outage_detector import OutageDetector
from vox.directory.health.state_machine import (
    DrainRequested,
    Health,
    HealthPolicy,
    ProbeFailed,
    ProbeSucceeded,
    Status,
    step,
)

POLICY = HealthPolicy()
UP, DOWN = Health(Status.HEALTHY), Health(Status.UNHEALTHY, failed_checks=3)


class Fleet:
    """Relays whose health is stepped under the watch's verdict, as the prober does it."""

    def __init__(self, count, policy=POLICY):
        self.policy = policy
        self.watch = OutageDetector(policy)
        self.relays = {f"relay-{number}": UP for number in range(count)}
        for relay_id in self.relays:
            self.watch.note(relay_id, UP, 0)

    def see(self, relay_id, observation, now):
        frozen = self.watch.verdict(now).is_frozen
        self.relays[relay_id], _ = step(self.relays[relay_id], observation, now, self.policy, is_frozen=frozen)
        return self.watch.note(relay_id, self.relays[relay_id], now)

    def rounds(self, count, observation, *, start, ids=None):
        for number in range(count):
            for relay_id in ids or self.relays:
                self.see(relay_id, observation, start + 30 * number)

    @property
    def up(self):
        return sum(health.is_up for health in self.relays.values())


def test_a_directory_that_is_cut_off_takes_nobody_down_and_recovers_by_itself():
    fleet = Fleet(100)
    fleet.rounds(300, ProbeFailed(), start=10)
    assert fleet.watch.verdict(9_010).is_frozen
    assert fleet.up == 100
    fleet.rounds(1, ProbeSucceeded(), start=9_040)
    verdict = fleet.watch.verdict(9_040)
    assert (verdict.is_frozen, verdict.failing, verdict.up) == (False, 0, 100)
    assert {health.status for health in fleet.relays.values()} == {Status.HEALTHY}


def test_who_died_during_the_freeze_goes_down_afterwards():
    fleet = Fleet(100)
    fleet.rounds(10, ProbeFailed(), start=10)
    alive = [f"relay-{number}" for number in range(95)]
    fleet.rounds(1, ProbeSucceeded(), start=400, ids=alive)
    dead = [f"relay-{number}" for number in range(95, 100)]
    fleet.rounds(1, ProbeFailed(), start=430, ids=dead)
    assert fleet.up == 95


def test_a_large_but_smaller_failure_takes_its_relays_down():
    fleet = Fleet(100)
    some = [f"relay-{number}" for number in range(40)]  # 40 % is not more than 40 %
    fleet.rounds(3, ProbeFailed(), start=10, ids=some)
    assert fleet.up == 60
    assert not fleet.watch.verdict(70).is_frozen


def test_failures_that_begin_at_different_times_do_not_freeze():
    fleet = Fleet(100)
    for number in range(90):
        fleet.rounds(3, ProbeFailed(), start=10 + number * 100, ids=[f"relay-{number}"])
    assert fleet.up == 10


@pytest.mark.parametrize(("count", "up"), [(1, 0), (2, 0), (4, 0), (5, 5)])
def test_a_share_of_a_handful_says_nothing(count, up):
    fleet = Fleet(count)
    fleet.rounds(3, ProbeFailed(), start=10)
    assert fleet.up == up


@pytest.mark.parametrize("is_maintenance", [True, False])
def test_relays_on_their_way_out_are_expected_to_fail(is_maintenance):
    fleet = Fleet(10)
    for relay_id in list(fleet.relays)[:8]:
        fleet.see(relay_id, DrainRequested(is_maintenance=is_maintenance), 5)
        fleet.see(relay_id, ProbeFailed(), 10)
    assert not fleet.watch.verdict(10).is_frozen


def test_an_operator_ends_a_freeze_by_draining_what_is_really_dead():
    fleet = Fleet(10)
    dead = list(fleet.relays)[:6]
    fleet.rounds(10, ProbeFailed(), start=10, ids=dead)
    assert fleet.watch.verdict(300).is_frozen
    for relay_id in dead:
        fleet.see(relay_id, DrainRequested(reason="its data centre is gone"), 310)
    fleet.rounds(1, ProbeFailed(), start=320, ids=dead)
    assert fleet.up == 4


def test_a_freeze_outlasts_relays_that_are_deleted_meanwhile():
    fleet = Fleet(5)
    fleet.rounds(2, ProbeFailed(), start=10)
    del fleet.relays["relay-0"]
    fleet.watch.forget("relay-0")
    fleet.rounds(10, ProbeFailed(), start=70)
    assert fleet.up == 4


def test_suspects_are_listed_when_half_of_the_relays_are_gone():
    watch = OutageDetector(POLICY)
    for number in range(10):
        watch.note(f"relay-{number}", UP, 0)
    for number in range(5):
        assert not watch.note(f"relay-{number}", DOWN, 1).lists_suspects
    assert watch.note("relay-5", DOWN, 2).lists_suspects
    for relay_id in ("relay-5", "relay-4", "relay-4", "nobody"):
        watch.forget(relay_id)
    assert not watch.verdict(3).lists_suspects


def test_an_empty_fleet_is_calm():
    verdict = OutageDetector(POLICY).verdict(0)
    assert (verdict.is_frozen, verdict.lists_suspects, verdict.up) == (False, False, 0)
