"""Audio leaves in the order of its numbers, and waits for a missing one no longer than the window."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.carriers.reorder_buffer import RESTART, WINDOW, ReorderBuffer


def passed(numbers, buffer=None):
    buffer = buffer or ReorderBuffer()
    return [[int.from_bytes(one) for one in buffer.put(number, number.to_bytes(4))] for number in numbers]


def test_what_comes_in_order_passes_at_once():
    assert passed([7, 8, 9]) == [[7], [8], [9]]


def test_two_that_changed_places_are_put_right():
    assert passed([1, 2, 4, 3, 5]) == [[1], [2], [], [3, 4], [5]]


def test_a_lost_one_is_waited_for_until_the_window_is_full():
    assert passed([1, 3, 4, 5, 6, 7, 8, 9]) == [[1], [], [], [], [], [], [3, 4, 5, 6, 7, 8], [9]]


def test_what_comes_too_late_or_twice_is_thrown_away_and_counted():
    buffer = ReorderBuffer()
    assert passed([1, 2, 2, 1, 3], buffer) == [[1], [2], [], [], [3]]
    assert buffer.late == 2


def test_a_count_that_begins_anew_is_followed():
    assert passed([1000, 1001, 1, 2])[-2:] == [[1], [2]]


def test_the_end_lets_everything_go_in_order():
    buffer = ReorderBuffer()
    passed([1, 5, 3], buffer)
    assert buffer.flush() == [(3).to_bytes(4), (5).to_bytes(4)]
    assert buffer.flush() == []


@given(st.lists(st.integers(0, 2 * RESTART), max_size=60))
def test_nothing_is_held_beyond_the_window_and_nothing_comes_twice_or_backwards(numbers):
    buffer = ReorderBuffer()
    groups = passed([number + 10 for number in numbers], buffer)
    rest = [int.from_bytes(one) for one in buffer.flush()]
    assert len(rest) <= WINDOW
    out = [number for group in groups for number in group] + rest
    for before, after in pairwise(out):
        assert after > before or before - after >= RESTART - WINDOW  # or the count began anew


@given(st.permutations(range(4)))
def test_any_disorder_within_the_window_is_put_right(order):
    buffer = ReorderBuffer()
    numbers = [0, *(number + 1 for number in order), 5]
    out = [number for group in passed(numbers, buffer) for number in group]
    assert out == [0, 1, 2, 3, 4, 5]
    assert buffer.late == 0
