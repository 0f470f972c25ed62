"""When a provider is left alone, and when it is tried again."""

from hypothesis import given
from hypothesis import strategies as st

from vox.providers.failover.circuit import BreakerPolicy, CircuitBreaker, State

POLICY = BreakerPolicy(failures=3, cooldown_s=10.0)


def failing(times: int) -> CircuitBreaker:
    breaker = CircuitBreaker(POLICY)
    for _ in range(times):
        breaker.failed(0.0)
    return breaker


def test_a_few_failures_do_not_open_it():
    breaker = failing(2)
    assert breaker.state(0.0) is State.CLOSED
    assert breaker.admits(0.0)


def test_failures_in_a_row_open_it_for_the_cool_down():
    breaker = failing(3)
    assert not breaker.admits(9.9)
    assert breaker.state(10.0) is State.HALF_OPEN
    assert breaker.opens_again_at == 10.0


def test_a_success_in_between_counts_them_anew():
    breaker = failing(2)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.state(0.0) is State.CLOSED


def test_a_half_open_circuit_lets_one_request_through():
    breaker = failing(3)
    breaker.began(10.0)
    assert not breaker.admits(10.0)
    breaker.succeeded()
    assert breaker.state(10.0) is State.CLOSED


def test_a_trial_that_never_ends_blocks_no_more_than_one_cool_down():
    breaker = failing(3)
    breaker.began(10.0)
    assert breaker.admits(20.0)


def test_an_abandoned_trial_frees_its_place():
    breaker = failing(3)
    breaker.began(10.0)
    breaker.abandoned()
    assert breaker.admits(10.0)


def test_a_failed_trial_doubles_the_cool_down_up_to_a_limit():
    breaker = failing(3)
    now = breaker.opens_again_at
    waits: list[float] = []
    for _ in range(5):
        breaker.began(now)
        breaker.failed(now)
        waits.append(breaker.opens_again_at - now)
        now = breaker.opens_again_at
    assert waits == [20.0, 40.0, 80.0, 80.0, 80.0]


def test_a_refused_key_opens_it_at_once():
    breaker = CircuitBreaker(POLICY)
    breaker.failed(0.0, is_lasting=True)
    assert not breaker.admits(9.0)


def test_the_time_that_the_provider_names_holds():
    breaker = CircuitBreaker(POLICY)
    breaker.failed(0.0, retry_after_s=3.0)
    assert not breaker.admits(2.9)
    assert breaker.admits(3.0)


def test_a_provider_that_asks_for_a_year_is_tried_before():
    breaker = CircuitBreaker(POLICY)
    breaker.failed(0.0, retry_after_s=31_536_000.0)
    assert not breaker.admits(599.0)
    assert breaker.admits(600.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["fail", "lasting", "ok", "begin", "abandon"]))))
def test_it_always_opens_again(steps):
    breaker, now = CircuitBreaker(POLICY), 0.0
    for elapsed, what in steps:
        now += elapsed
        match what:
            case "fail":
                breaker.failed(now)
            case "lasting":
                breaker.failed(now, is_lasting=True)
            case "ok":
                breaker.succeeded()
                assert breaker.admits(now)
            case "begin":
                breaker.began(now)
            case _:
                breaker.abandoned()
    assert breaker.admits(now + 8 * POLICY.cooldown_s)
