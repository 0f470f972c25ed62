"""Token buckets in memory and the addresses whose tokens were refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.http.rate_limits import MemoryRateLimits, RateCategory, RefusedTokens, take_token

SLOW = RateCategory("slow", 5, 0.1)
FAST = RateCategory("fast", 50, 1.0)


def test_the_burst_passes_and_the_next_waits_for_one_refill():
    limits = MemoryRateLimits()
    assert [limits.take("a", SLOW, 0.0).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    refused = limits.take("a", SLOW, 0.0)
    assert refused.retry_after_s is not None
    assert abs(refused.retry_after_s - 10.0) < 1e-6
    assert limits.take("a", SLOW, 10.0).retry_after_s is None
    assert limits.take("a", SLOW, 10.0).retry_after_s is not None


def test_keys_and_categories_have_buckets_of_their_own():
    limits = MemoryRateLimits()
    for _ in range(5):
        limits.take("a", SLOW, 0.0)
    assert limits.take("b", SLOW, 0.0).retry_after_s is None
    assert limits.take("a", FAST, 0.0).retry_after_s is None


def test_a_scale_of_nothing_lets_everything_through():
    limits = MemoryRateLimits(0)
    assert all(limits.take("a", SLOW, 0.0).retry_after_s is None for _ in range(100))


def test_forgotten_keys_bound_the_memory():
    limits = MemoryRateLimits(max_keys=10)
    for number in range(100):
        limits.take(str(number), SLOW, 0.0)
    assert limits.take("0", SLOW, 0.0).remaining == 4


def test_refusals_under_way_together_are_paid_for_afterwards_but_not_for_ever():
    refused = RefusedTokens(10, 60.0)
    for _ in range(15):
        refused.add("a", 0.0)
    assert refused.wait_s("a", 0.0) == pytest.approx(36.0)
    assert refused.wait_s("a", 36.0) == 0.0
    for _ in range(1000):
        refused.add("a", 36.0)
    assert refused.wait_s("a", 36.0) == pytest.approx(66.0)


def test_addresses_with_refused_tokens_bound_the_memory():
    refused = RefusedTokens(1, 60.0, max_addresses=10)
    for number in range(100):
        refused.add(str(number), 0.0)
    assert [refused.wait_s(str(number), 0.0) > 0 for number in (0, 89, 90, 99)] == [False, False, True, True]
    refused.add("late", 61.0)
    assert list(refused._forgotten_at) == ["late"]


@given(st.lists(st.floats(0, 5), max_size=80), st.integers(1, 20), st.floats(1, 60))
def test_no_schedule_gets_more_tokens_looked_up(waits, burst, period_s):
    refused = RefusedTokens(burst, period_s)
    now, looked_up = 0.0, 0
    for wait in waits:
        now += wait
        wait_s = refused.wait_s("a", now)
        if wait_s:
            assert refused.wait_s("a", now + wait_s) == 0.0
        else:
            looked_up += 1
            refused.add("a", now)
    assert looked_up <= burst + burst / period_s * now + 1e-6


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 20), st.floats(0.05, 5))
def test_no_schedule_gets_more_than_the_burst_and_the_refill(waits, burst, refill):
    category = RateCategory("any", burst, refill)
    now, passed, full_at = 0.0, 0, 0.0
    for wait in waits:
        now += wait
        verdict, full_at = take_token(full_at, category, 1.0, now)
        if verdict.retry_after_s is None:
            passed += 1
        else:
            assert take_token(full_at, category, 1.0, now + verdict.retry_after_s)[0].retry_after_s is None
    assert passed <= burst + refill * now + 1e-6


def wait_s(limits: MemoryRateLimits, category: RateCategory, now: float, key: str = "a") -> float | None:
    return limits.take(key, category, now).retry_after_s


def test_a_wait_counts_down_and_a_refusal_costs_nothing():
    limits, category = MemoryRateLimits(), RateCategory("any", 3, 2.0)
    assert [wait_s(limits, category, 100.0) for _ in range(3)] == [None, None, None]
    assert wait_s(limits, category, 100.0) == pytest.approx(0.5)
    assert wait_s(limits, category, 100.2) == pytest.approx(0.3)
    assert wait_s(limits, category, 100.5) is None
    assert wait_s(limits, category, 100.5) == pytest.approx(0.5)


def test_a_bucket_holds_no_more_than_a_burst():
    limits, category = MemoryRateLimits(), RateCategory("any", 2, 1.0)
    limits.take("a", category, 0.0)
    assert [wait_s(limits, category, 1e6) is None for _ in range(3)] == [True, True, False]


def test_the_key_unused_for_longest_is_forgotten():
    limits, category = MemoryRateLimits(max_keys=2), RateCategory("any", 1, 0.001)
    limits.take("a", category, 0.0)
    limits.take("b", category, 0.0)
    assert wait_s(limits, category, 1.0) is not None  # refused, yet used
    limits.take("c", category, 2.0)
    assert len(limits._full_at) == 2
    assert wait_s(limits, category, 3.0) is not None
    assert wait_s(limits, category, 3.0, "b") is None


def test_a_scale_multiplies_burst_and_refill():
    limits = MemoryRateLimits(2.0)
    assert [wait_s(limits, SLOW, 0.0) is None for _ in range(11)] == [True] * 10 + [False]
    assert wait_s(limits, SLOW, 0.0) == pytest.approx(5.0)


def test_a_small_scale_leaves_a_burst_of_one():
    limits = MemoryRateLimits(0.01)
    assert wait_s(limits, SLOW, 0.0) is None
    assert wait_s(limits, SLOW, 0.0) == pytest.approx(1000.0)


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_buckets_in_memory_never_give_more_than_burst_and_rate_and_waiting_as_told_suffices(rate_per_s, burst, steps):
    limits, category = MemoryRateLimits(), RateCategory("any", burst, rate_per_s)
    now, taken = 1000.0, 0
    for step in steps:
        now += step
        wait = wait_s(limits, category, now)
        if wait is None:
            taken += 1
        else:
            assert wait > 0
        assert taken <= burst + (now - 1000.0) * rate_per_s + 0.01
    wait = wait_s(limits, category, now)
    if wait is not None:
        assert wait_s(limits, category, now + wait) is None


@pytest.mark.parametrize(("refill_per_s", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_categories_that_limit_nothing_are_refused(refill_per_s, burst):
    with pytest.raises(ValueError):
        RateCategory("none", burst, refill_per_s)


@pytest.mark.parametrize(("scale", "max_keys"), [(1, 0), (-1, 1)])
def test_buckets_that_remember_nothing_are_refused(scale, max_keys):
    with pytest.raises(ValueError):
        MemoryRateLimits(scale, max_keys)
