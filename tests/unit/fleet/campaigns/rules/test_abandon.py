from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.campaigns.rules.abandon import PERIOD_MS, AbandonCount, overdial_budget, period_start_ms


def test_nothing_is_risked_before_there_are_answered_calls_to_pay_for_it():
    assert overdial_budget(AbandonCount(0, 0)) == 0
    assert overdial_budget(AbandonCount(33, 0)) == 0
    assert overdial_budget(AbandonCount(34, 0)) == 1
    assert overdial_budget(AbandonCount(100, 3)) == 0


def test_a_limit_above_the_lawful_one_is_cut_to_it():
    assert overdial_budget(AbandonCount(1000, 0), 500) == 30
    assert overdial_budget(AbandonCount(1000, 0), 10) == 10


def test_each_period_begins_anew():
    assert period_start_ms(1000, 1000 + PERIOD_MS - 1) == 1000
    assert period_start_ms(1000, 1000 + PERIOD_MS) == 1000 + PERIOD_MS
    assert period_start_ms(1000, 0) == 1000


@given(st.lists(st.tuples(st.sampled_from(["dial", "answer", "ring_out", "end"]), st.integers(0, 40)), max_size=200))
def test_the_share_holds_at_every_moment_whatever_happens(steps):
    agents, ringing, answered_now = 5, 0, 0
    answered = abandoned = 0
    for kind, number in steps:
        if kind == "dial":
            free = agents - answered_now
            ringing += max(0, min(number, free + overdial_budget(AbandonCount(answered, abandoned)) - ringing))
        elif kind == "answer" and ringing:
            ringing -= 1
            answered += 1
            if answered_now < agents:
                answered_now += 1
            else:
                abandoned += 1
        elif kind == "ring_out" and ringing:
            ringing -= 1
        elif kind == "end" and answered_now:
            answered_now -= 1
        assert abandoned * 1000 <= answered * 30
