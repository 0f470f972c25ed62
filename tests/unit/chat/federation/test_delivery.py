"""What an answer means for a delivery, and when it is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.federation.delivery import (
    FEWEST_ATTEMPTS,
    Answer,
    RetryTimes,
    Verdict,
    is_due,
    is_hopeless,
    verdict_of,
    wait_ms,
)

TIMES = RetryTimes()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(204), Verdict.DELIVERED),
        (Answer(200), Verdict.DELIVERED),
        (Answer(404, "FED_USER_NOT_FOUND"), Verdict.REFUSED),
        (Answer(403, "USER_BLOCKED"), Verdict.REFUSED),
        (Answer(404), Verdict.LATER),
        (Answer(404, "UNKNOWN"), Verdict.LATER),
        (Answer(403, "FED_AUTH_FAILED"), Verdict.LATER),
        (Answer(403, "FED_TIMESTAMP_EXPIRED"), Verdict.LATER),
        (Answer(301), Verdict.LATER),
        (Answer(500, "INTERNAL_ERROR"), Verdict.LATER),
        (Answer(500, "FED_USER_NOT_FOUND"), Verdict.LATER),
        (Answer(0), Verdict.PEER_AWAY),
        (Answer(429, "RATE_LIMITED", 3.0), Verdict.PEER_AWAY),
        (Answer(502), Verdict.PEER_AWAY),
        (Answer(503, "UNAVAILABLE"), Verdict.PEER_AWAY),
    ],
)
def test_only_the_peers_own_words_settle_a_delivery(answer: Answer, verdict: Verdict):
    assert verdict_of(answer) is verdict


@given(st.integers(0, 10_000), st.floats(0, 1), st.none() | st.floats(0, 1e9))
def test_waits_grow_to_a_bound(attempts: int, chance: float, asked_s: float | None):
    wait = wait_ms(attempts, TIMES, chance=chance, retry_after_s=asked_s)
    assert 1000 <= wait <= 600_000
    assert wait_ms(20, TIMES, chance=0) == 300_000


def test_a_clock_that_was_set_back_makes_no_one_wait_for_hours():
    assert is_due(1_000_000, 999_999, TIMES)
    assert not is_due(1_000_000, 1_000_001, TIMES)
    assert not is_due(1_000_000, 1_600_000, TIMES)
    assert is_due(1_000_000, 1_600_001, TIMES)


def test_age_alone_ends_no_delivery():
    week_ms = 7 * 86_400_000
    assert not is_hopeless(week_ms * 100, 0, FEWEST_ATTEMPTS - 1, TIMES)
    assert not is_hopeless(week_ms, 0, 10_000, TIMES)
    assert is_hopeless(week_ms + 1, 0, FEWEST_ATTEMPTS, TIMES)
