import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.security.rate_limits import RateLimiter


def test_a_burst_passes_and_the_next_is_told_when_to_come():
    limiter = RateLimiter(2.0, 3)
    assert [limiter.take("a", 100.0) for _ in range(3)] == [None, None, None]
    assert limiter.take("a", 100.0) == pytest.approx(0.5)
    assert limiter.take("a", 100.2) == pytest.approx(0.3)
    assert limiter.take("a", 100.5) is None
    assert limiter.take("a", 100.5) == pytest.approx(0.5)


def test_keys_do_not_share():
    limiter = RateLimiter(1.0, 1)
    assert limiter.take("a", 0.0) is None
    assert limiter.take("b", 0.0) is None
    assert limiter.take("a", 0.0) == pytest.approx(1.0)


def test_a_bucket_holds_no_more_than_a_burst():
    limiter = RateLimiter(1.0, 2)
    limiter.take("a", 0.0)
    assert [limiter.take("a", 1e6) is None for _ in range(3)] == [True, True, False]


def test_memory_is_bounded_and_the_key_unused_for_longest_is_forgotten():
    limiter = RateLimiter(0.001, 1, max_keys=2)
    limiter.take("a", 0.0)
    limiter.take("b", 0.0)
    assert limiter.take("a", 1.0) is not None  # refused, yet used
    limiter.take("c", 2.0)
    assert len(limiter) == 2
    assert limiter.take("a", 3.0) is not None
    assert limiter.take("b", 3.0) is None


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_never_more_than_burst_and_rate_allow_and_whoever_waits_passes(rate_per_s, burst, steps):
    limiter = RateLimiter(rate_per_s, burst)
    now, taken = 1000.0, 0
    for step in steps:
        now += step
        wait_s = limiter.take("a", now)
        if wait_s is None:
            taken += 1
        else:
            assert wait_s > 0
        assert taken <= burst + (now - 1000.0) * rate_per_s + 0.01
    wait_s = limiter.take("a", now)
    if wait_s is not None:
        assert limiter.take("a", now + wait_s) is None


@pytest.mark.parametrize(("rate_per_s", "burst", "max_keys"), [(0, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_limits_that_are_none_are_refused(rate_per_s, burst, max_keys):
    with pytest.raises(ValueError):
        RateLimiter(rate_per_s, burst, max_keys)
