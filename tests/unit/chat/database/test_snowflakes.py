"""Numbers ascend whatever the clock does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.database.snowflakes import Snowflakes, first_at, time_of, unix_ms
from vox.errors import UsageError
from vox.runtime.clock import Clock

_START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


class _Clock(Clock):
    """Wall time that stands where it is put."""

    def __init__(self) -> None:
        self.time = _START

    def now(self) -> float:
        return 0.0

    def wall(self) -> datetime:
        return self.time


def test_a_number_tells_its_millisecond() -> None:
    number = Snowflakes(_Clock(), worker=5).next()
    assert time_of(number) == unix_ms(_START) == 1795226400000
    assert number >> 12 & 1023 == 5
    assert first_at(unix_ms(_START)) <= number < first_at(unix_ms(_START) + 1)
    assert number < 1 << 63


@given(st.lists(st.tuples(st.integers(-2000, 2000), st.sampled_from([1, 2, 5000])), max_size=5))
def test_numbers_ascend_when_the_clock_jumps_and_when_a_millisecond_is_full(steps: list[tuple[int, int]]) -> None:
    clock = _Clock()
    ids = Snowflakes(clock)
    numbers: list[int] = []
    for step_ms, count in steps:
        clock.time += timedelta(milliseconds=step_ms)
        numbers += [ids.next() for _ in range(count)]
    assert all(left < right for left, right in pairwise(numbers))


def test_a_restart_with_the_clock_set_back_still_ascends() -> None:
    last = Snowflakes(_Clock()).next()
    clock = _Clock()
    clock.time -= timedelta(hours=1)
    assert Snowflakes(clock, after=last).next() > last


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3000, 3000)), max_size=30))
def test_numbers_of_processes_whose_clocks_differ_ascend_where_each_is_told_the_last(
    steps: list[tuple[int, int]],
) -> None:
    clocks = [_Clock(), _Clock(), _Clock()]
    processes = [Snowflakes(clock, worker=worker) for worker, clock in enumerate(clocks)]
    last = 0
    for process, step_ms in steps:
        clocks[process].time += timedelta(milliseconds=step_ms)
        before, last = last, processes[process].next(last)
        assert last > before
        assert last >> 12 & 1023 == process


def test_two_workers_never_give_the_same_number() -> None:
    clock = _Clock()
    left, right = Snowflakes(clock, worker=1), Snowflakes(clock, worker=2)
    assert not {left.next() for _ in range(5000)} & {right.next() for _ in range(5000)}


def test_threads_never_get_the_same_number() -> None:
    ids = Snowflakes(_Clock())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [ids.next() for _ in range(2000)], range(4)))
    numbers = [number for batch in found for number in batch]
    assert len(set(numbers)) == 8000
    assert all(batch == sorted(batch) for batch in found)


@pytest.mark.parametrize("worker", [-1, 1024])
def test_a_worker_number_out_of_range_is_refused(worker: int) -> None:
    with pytest.raises(UsageError, match="1023"):
        Snowflakes(_Clock(), worker=worker)
