"""Waits double from a second to a minute, and jitter keeps clients apart."""

from hypothesis import given
from hypothesis import strategies as st

from vox.clients.chat.back_off import BackOff


def test_waits_double_up_to_a_minute():
    still = BackOff(jitter=0)
    assert [still.wait_s(tries, 0.5) for tries in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_takes_off_at_most_a_half(tries: int, chance: float):
    whole = BackOff(jitter=0).wait_s(tries, chance)
    assert whole / 2 <= BackOff().wait_s(tries, chance) <= whole
