from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.campaigns.rules.breaker import BreakerRules, CallBreaker

RULES = BreakerRules()


def opened(at_ms=0):
    breaker = CallBreaker(RULES)
    for number in range(5):
        breaker.note_outcome(f"call{number}", at_ms, is_failure=True)
    return breaker


def test_half_of_five_outcomes_open_it():
    breaker = CallBreaker(RULES)
    for number in range(4):
        breaker.note_outcome(str(number), 0, is_failure=number < 2)
        assert breaker.state(0) == "closed"
    breaker.note_outcome("4", 0, is_failure=True)
    assert breaker.state(0) == "open"
    assert not breaker.admits(59_999)


def test_outcomes_older_than_two_minutes_do_not_count():
    breaker = CallBreaker(RULES)
    for number in range(4):
        breaker.note_outcome(str(number), 0, is_failure=True)
    breaker.note_outcome("4", 120_000, is_failure=True)
    assert breaker.state(120_000) == "closed"


def test_half_open_lets_one_call_through_and_closes_with_its_success():
    breaker = opened()
    assert breaker.admits(60_000)
    breaker.note_dial("trial", 60_000)
    assert not breaker.admits(60_001)
    breaker.note_outcome("an old one", 61_000, is_failure=False)
    assert not breaker.admits(61_000)
    breaker.note_outcome("trial", 62_000, is_failure=False)
    assert breaker.state(62_000) == "closed"


def test_a_failed_trial_opens_it_for_twice_as_long():
    breaker = opened()
    breaker.note_dial("trial", 60_000)
    breaker.note_outcome("trial", 70_000, is_failure=True)
    assert breaker.opens_again_ms == 70_000 + 120_000


def test_a_trial_without_an_outcome_does_not_block_for_ever():
    breaker = opened()
    breaker.note_dial("trial", 60_000)
    assert breaker.retry_at_ms(60_001) == 70_001
    assert breaker.retry_at_ms(355_000) == 360_000
    assert breaker.admits(360_000)


@given(st.lists(st.tuples(st.integers(0, 30_000), st.booleans()), max_size=80))
def test_it_opens_exactly_when_half_of_the_recent_outcomes_failed(steps):
    breaker, now, seen = CallBreaker(RULES), 0, []
    for number, (wait, is_failure) in enumerate(steps):
        now += wait
        seen = [(at, failed) for at, failed in seen if at > now - 120_000] + [(now, is_failure)]
        breaker.note_outcome(str(number), now, is_failure=is_failure)
        failures = sum(failed for _, failed in seen)
        should_open = is_failure and len(seen) >= 5 and failures * 2 >= len(seen)
        assert (breaker.state(now) == "open") == should_open
        if should_open:
            return
