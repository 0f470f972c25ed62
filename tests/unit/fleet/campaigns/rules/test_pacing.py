from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.campaigns.rules.abandon import AbandonCount
from vox.fleet.campaigns.rules.pacing import Load, PacingRules, RatioController, TokenBucket, allowance

RULES = PacingRules(max_concurrent=10, calls_per_s=5)


def test_the_smallest_limit_decides_and_is_named():
    assert allowance(RULES, Load(0, 0, 20), tokens=3) == allowance(RULES, Load(0, 0, 20), tokens=3, ratio=9)
    assert allowance(RULES, Load(0, 0, 20), tokens=3).limited_by == "rate"
    at_limit = allowance(RULES, Load(4, 5, 20), tokens=9)
    assert (at_limit.calls, at_limit.limited_by) == (1, "concurrency")
    few_agents = allowance(RULES, Load(1, 0, 2, agents_held=1), tokens=9)
    assert (few_agents.calls, few_agents.limited_by) == (2, "agents")


def test_calls_that_wait_for_their_slot_are_not_counted_twice():
    assert allowance(RULES, Load(ringing=3, answered=0, agents_free=3), tokens=9).calls == 0
    assert allowance(RULES, Load(ringing=3, answered=0, agents_free=3, agents_held=3), tokens=9).calls == 3


def test_beyond_the_free_agents_only_the_abandon_budget_allows_calls():
    rules = PacingRules(max_concurrent=100, calls_per_s=100, max_ratio=3.0)
    load = Load(ringing=0, answered=0, agents_free=4)
    assert allowance(rules, load, tokens=99, ratio=3.0, count=AbandonCount(0, 0)).calls == 4
    some = allowance(rules, load, tokens=99, ratio=3.0, count=AbandonCount(100, 0))
    assert (some.calls, some.limited_by) == (7, "abandon_budget")
    assert allowance(rules, load, tokens=99, ratio=3.0, count=AbandonCount(1000, 0)).calls == 12


def test_the_ratio_rises_slowly_and_falls_at_once():
    rules = PacingRules(max_ratio=2.0)
    controller = RatioController()
    for _ in range(10):
        controller.note_tick(rules, AbandonCount(100, 0), agents_idle=2)
    risen = controller.ratio
    assert 1.4 < risen < 1.6
    controller.note_abandoned()
    assert controller.ratio < 1.0 + (risen - 1.0) * 0.6
    before = controller.ratio
    controller.note_tick(rules, AbandonCount(100, 2), agents_idle=2)  # two thirds of the budget are gone
    assert controller.ratio == before


@given(st.floats(0.1, 50), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 60)), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_one_second_of_it(rate, steps):
    bucket, now, taken = TokenBucket(rate, 0), 0, 0
    for wait, asked in steps:
        now += wait
        calls = min(asked, bucket.available(now))
        bucket.take(calls)
        taken += calls
        assert taken <= rate * now / 1000 + 1e-6


def test_a_clock_that_is_set_back_gives_nothing_and_goes_on():
    bucket = TokenBucket(1, 100_000)
    assert bucket.available(50_000) == 0
    assert bucket.available(51_000) == 1
