from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.capacity import CapacitySearch, find_capacity, measure_believably
from vox.clients.load_results import LoadResult, ServerCost, spread

NOTHING = spread([])
CLEAN = LoadResult(
    line="twilio",
    calls=10,
    seconds=20.0,
    held=10,
    refused=0,
    refused_without_retry_after=0,
    broken=0,
    problems=[],
    frames=1000,
    late_frames=0,
    lateness_s=NOTHING,
    turns=20,
    unanswered=0,
    response_s=spread([0.4]),
    send_lag_s=spread([0.001]),
    caller_core_share=0.1,
    server=ServerCost(0.5, 0.0, 100 << 20, 105 << 20),
)


@given(st.integers(0, 700), st.integers(1, 100), st.integers(100, 600))
def test_the_search_ends_near_the_truth(truth, start, limit):
    search = CapacitySearch(start=start, limit=limit, resolution=0.05)
    tried = []
    while (calls := search.next_calls()) is not None:
        tried.append(calls)
        search.record(calls, passed=calls <= truth)
    known = min(truth, limit)
    assert search.best <= known
    assert known - search.best <= max(1, 0.06 * (known + 1))
    assert len(tried) <= 20
    assert len(tried) == len(set(tried))


async def test_the_best_clean_point_is_the_answer():
    async def measure(calls):
        late = 500 if calls > 33 else 0
        return replace(CLEAN, calls=calls, held=calls, late_frames=late)

    seen = []
    best = await find_capacity(measure, CapacitySearch(start=8), seen.append)
    assert best is not None
    assert best.calls == 33
    assert [result.calls for result in seen[:4]] == [8, 16, 32, 64]


async def test_a_server_that_holds_nothing_has_no_best_point():
    async def measure(calls):
        return replace(CLEAN, calls=calls, held=0)

    assert await find_capacity(measure, CapacitySearch(start=8)) is None


DISTURBED = ServerCost(0.5, 0.3, 0, 0)


@pytest.mark.parametrize(
    ("first", "clean_will_do", "attempts"),
    [
        (CLEAN, False, 1),
        (replace(CLEAN, late_frames=500), False, 1),
        (replace(CLEAN, late_frames=500, server=DISTURBED), False, 2),
        (replace(CLEAN, late_frames=500, server=DISTURBED), True, 2),
        (replace(CLEAN, server=DISTURBED), False, 2),
        (replace(CLEAN, server=DISTURBED), True, 1),
    ],
)
async def test_a_point_in_doubt_is_taken_again(first, clean_will_do, attempts):
    results = [first, CLEAN, CLEAN]
    taken = []

    async def measure(_):
        return results.pop(0)

    await measure_believably(measure, 10, taken.append, clean_will_do=clean_will_do)
    assert len(taken) == attempts


async def test_a_point_that_stays_in_doubt_is_not_taken_for_ever():
    taken = []

    async def measure(_):
        return replace(CLEAN, server=DISTURBED)

    assert (await measure_believably(measure, 10, taken.append)).doubts()
    assert len(taken) == 3


@pytest.mark.parametrize(
    "spoilt",
    [
        {"late_frames": 10},
        {"held": 9},
        {"refused": 1},
        {"broken": 1},
        {"frames": 0},
        {"unanswered": 1},
    ],
)
def test_a_point_is_clean_only_when_every_caller_was_served(spoilt):
    assert CLEAN.is_clean
    assert not replace(CLEAN, **spoilt).is_clean


def test_a_point_is_doubted_when_the_generator_or_the_core_was_disturbed():
    assert CLEAN.doubts() == []
    assert "generator itself" in replace(CLEAN, send_lag_s=spread([0.02])).doubts()[0]
    assert "other processes" in replace(CLEAN, server=ServerCost(0.5, 0.2, 0, 0)).doubts()[0]


def test_memory_per_call_is_growth_over_the_idle_server():
    assert CLEAN.rss_per_call_bytes == (5 << 20) / 10
    assert CLEAN.as_json()["rss_per_call_bytes"] == (5 << 20) / 10
    assert CLEAN.as_json()["is_clean"]


def test_percentiles():
    values = spread([n / 100 for n in range(100)])
    assert (values.p50, values.p95, values.p99, values.highest) == (0.5, 0.95, 0.99, 0.99)
    assert spread([]).p50 is None
