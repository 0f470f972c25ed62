import random

from hypothesis import given
from hypothesis import strategies as st

from vox.directory.health.state_machine import HealthPolicy, ProbeFailed, ProbeSucceeded
from vox.directory.probing.schedule import after_probe, next_round, phase_s

POLICY = HealthPolicy()
ids = st.text(min_size=1, max_size=20)
seeds = st.integers(0, 1 << 32)


def test_a_relay_keeps_its_place_in_the_interval_and_a_fleet_is_spread_over_it():
    phases = [phase_s(f"relay-{number}", 30) for number in range(3000)]
    assert phases == [phase_s(f"relay-{number}", 30) for number in range(3000)]
    per_second = [sum(second <= phase < second + 1 for phase in phases) for second in range(30)]
    assert sum(per_second) == 3000
    assert max(per_second) < 150


@given(ids, seeds, st.floats(0, 1e9))
def test_rounds_follow_each_other_an_interval_apart(relay_id, seed, start):
    chance = random.Random(seed)
    first = at = next_round(relay_id, start, POLICY, chance)
    assert 11.9 <= first - start <= 48.1
    for _ in range(20):
        at, before = next_round(relay_id, at, POLICY, chance), at
        assert 23.9 <= at - before <= 36.1
    assert abs(at - first - 20 * 30) < 6.1  # jitter does not add up


@given(ids, seeds, st.floats(0, 1e6))
def test_a_failure_counts_after_a_retry_that_costs_no_round(relay_id, seed, start):
    chance = random.Random(seed)
    probe = next_round(relay_id, start, POLICY, chance)
    failed = after_probe(relay_id, probe, "timed out", POLICY, chance, is_retry=False)
    assert failed.observation == ProbeFailed(is_counted=False, reason="timed out")
    assert (failed.is_retry, failed.at) == (True, probe + 15)
    again = after_probe(relay_id, failed.at, "timed out", POLICY, chance, is_retry=True)
    assert again.observation == ProbeFailed(is_counted=True, reason="timed out")
    assert not again.is_retry
    assert 23.9 <= again.at - probe <= 36.1
    recovered = after_probe(relay_id, failed.at, None, POLICY, chance, is_retry=True)
    assert recovered.observation == ProbeSucceeded()
    assert not recovered.is_retry


@given(ids, seeds, st.floats(0, 1e6))
def test_a_dead_relay_goes_down_within_the_documented_time(relay_id, seed, start):
    chance = random.Random(seed)
    died = at = next_round(relay_id, start, POLICY, chance)  # just after it answered
    plan = after_probe(relay_id, died, None, POLICY, chance, is_retry=False)
    counted = 0
    while counted < POLICY.failure_threshold:
        at = plan.at
        plan = after_probe(relay_id, at, "refused", POLICY, chance, is_retry=plan.is_retry)
        counted += plan.observation == ProbeFailed(reason="refused")
    assert at - died <= POLICY.longest_detection_s(probe_timeout_s=0) + 1e-3
