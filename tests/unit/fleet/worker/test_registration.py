"""When a worker comes back to its bridge."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.worker.registration import FIRST_RETRY_S, LAST_RETRY_S, retry_delay
from vox.protocols.fleet import LEASE_S


@given(st.integers(0, 100_000), st.randoms(use_true_random=False))
def test_the_pause_is_never_none_and_never_longer_than_a_lease(attempt, random):
    assert FIRST_RETRY_S / 2 <= retry_delay(attempt, random) <= LAST_RETRY_S < LEASE_S


def test_the_first_attempts_are_quick_and_a_fleet_does_not_come_at_once():
    delays = [retry_delay(0, Random(seed)) for seed in range(50)]
    assert max(delays) <= FIRST_RETRY_S
    assert len({round(one, 4) for one in delays}) > 40
    assert retry_delay(3, Random(1)) > FIRST_RETRY_S
