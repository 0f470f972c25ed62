"""When a slot is expected to be free."""

from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.worker.call_ends import LEAST_KNOWN, REMEMBERED, CallEnds

SECONDS = st.floats(min_value=0, max_value=1e6)


def known(*lengths):
    ends = CallEnds()
    for length in lengths:
        ends.ended(length)
    return ends


def test_nothing_is_said_before_enough_is_known():
    assert known(*[60.0] * (LEAST_KNOWN - 1)).next_free_s([10.0]) is None
    assert known(*[60.0] * LEAST_KNOWN).next_free_s([]) is None


def test_the_call_that_is_nearest_to_its_end_counts():
    assert known(*[60.0] * 10).next_free_s([10.0, 45.0]) == 15.0


def test_a_call_that_outlasted_the_short_ones_is_compared_with_the_long_ones():
    ends = known(*[10.0] * 50, *[600.0] * 50)
    assert ends.next_free_s([5.0]) == 300.0  # the median of what is left: half of them 5 s, half 595 s
    assert ends.next_free_s([100.0]) == 500.0


def test_a_call_older_than_all_is_expected_to_go_on():
    assert known(*[60.0] * 10).next_free_s([300.0]) == 300.0


def test_old_calls_are_forgotten():
    ends = known(*[1000.0] * 50, *[60.0] * REMEMBERED)
    assert ends.next_free_s([0.0]) == 60.0


@given(st.lists(SECONDS, min_size=LEAST_KNOWN), st.lists(SECONDS, min_size=1))
def test_an_expectation_is_never_negative(lengths, ages):
    found = known(*lengths).next_free_s(ages)
    assert found is not None
    assert found >= 0
