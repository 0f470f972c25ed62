"""Repeats stay a share of all requests."""

from hypothesis import given
from hypothesis import strategies as st

from vox.providers.failover.retry_budget import FULL, RetryBudget


def test_an_idle_server_may_repeat_a_few_at_once():
    budget = RetryBudget(0.1)
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]


def test_requests_fill_it_again():
    budget = RetryBudget(0.25)
    while budget.take():
        pass
    for _ in range(4):
        assert not budget.take()
        budget.requested()
    assert budget.take()


def test_a_ratio_of_none_repeats_nothing():
    budget = RetryBudget(0.0)
    budget.requested()
    assert not budget.take()


@given(st.lists(st.booleans(), max_size=400), st.sampled_from([0.1, 0.25, 0.5]))
def test_repeats_never_exceed_the_share(steps, ratio):
    budget, requests, repeats = RetryBudget(ratio), 0, 0
    for is_request in steps:
        if is_request:
            budget.requested()
            requests += 1
        else:
            repeats += budget.take()
    assert repeats <= FULL + ratio * requests + 1e-6
