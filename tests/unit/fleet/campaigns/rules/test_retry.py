from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.fleet.campaigns.rules.retry import Outcome, RetryRules, day_part, following

RULES = RetryRules()
ZONES = ("America/New_York",)


def ms(*parts, zone="America/New_York"):
    return int(datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def after(outcome, *, ended, attempts=1, zones=ZONES, rules=RULES, **more):
    return following(rules, outcome, attempts=attempts, at_ms=ended, zones=zones, **more)


def test_a_busy_line_is_tried_after_five_minutes():
    ended = ms(2026, 3, 4, 10, 0)
    assert after("busy", ended=ended).not_before_ms == ended + 300_000


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ((2026, 3, 4, 9, 0), (2026, 3, 4, 12, 0)),  # morning: the afternoon
        ((2026, 3, 4, 11, 0), (2026, 3, 4, 13, 0)),  # two hours later it is afternoon already
        ((2026, 3, 4, 14, 0), (2026, 3, 4, 17, 0)),  # afternoon: the evening
        ((2026, 3, 4, 18, 0), (2026, 3, 5, 0, 0)),  # evening: the next day
        ((2026, 3, 4, 23, 0), (2026, 3, 5, 1, 0)),
    ],
)
def test_no_answer_is_tried_in_another_part_of_the_day(ended, expected):
    assert after("no_answer", ended=ms(*ended)).not_before_ms == ms(*expected)


def test_a_voicemail_is_tried_the_next_local_day():
    assert after("voicemail", ended=ms(2026, 3, 4, 23, 30)).not_before_ms == ms(2026, 3, 5, 0, 0)
    india = ms(2026, 3, 4, 23, 30, zone="Asia/Kolkata")
    assert after("voicemail", ended=india, zones=("Asia/Kolkata",)).not_before_ms == india + 30 * 60_000


def test_a_voicemail_that_got_the_message_is_done():
    assert after("voicemail", ended=0, was_message_left=True).state == "reached"


def test_a_failure_of_the_network_is_tried_after_a_minute_and_then_ever_later():
    ended = ms(2026, 3, 4, 10, 0)
    rules = RetryRules(max_attempts=20)
    waits = [after("failed", ended=ended, attempts=n, rules=rules).not_before_ms - ended for n in (1, 2, 3, 15)]
    assert waits == [60_000, 120_000, 240_000, 3_600_000]


def test_a_number_that_is_not_in_use_is_not_tried_again():
    assert after("failed", ended=0, is_permanent=True).state == "not_callable"


def test_a_call_that_was_never_dialled_is_no_attempt():
    assert after("expired", ended=5000, attempts=3) == following(RULES, "expired", attempts=0, at_ms=5000, zones=())
    assert after("expired", ended=5000, attempts=3).state == "pending"


def test_a_call_whose_outcome_stays_unknown_waits_like_one_without_an_answer():
    ended = ms(2026, 3, 4, 9, 0)
    assert after("uncertain", ended=ended) == after("no_answer", ended=ended)


def test_an_outcome_without_a_retry_ends_it():
    assert after("busy", ended=0, rules=RetryRules(busy=None)).state == "exhausted"


@given(
    outcome=st.sampled_from(get_args(Outcome)),
    ended=st.integers(1_700_000_000, 1_900_000_000),
    attempts=st.integers(1, 6),
    zone=st.sampled_from(["America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]),
)
def test_every_outcome_leads_somewhere_and_never_into_the_past_or_past_the_cap(outcome, ended, attempts, zone):
    found = after(outcome, ended=ended * 1000, attempts=attempts, zones=(zone,))
    assert found.not_before_ms == 0 or found.not_before_ms >= ended * 1000
    assert (found.state == "pending") == (found.not_before_ms > 0)
    if attempts >= RULES.max_attempts and outcome != "expired":
        assert found.state != "pending"
    if outcome == "no_answer" and found.state == "pending":
        assert found.not_before_ms >= ended * 1000 + 7_200_000
        same_day = {datetime.fromtimestamp(t, ZoneInfo(zone)).date() for t in (ended, found.not_before_ms / 1000)}
        assert len(same_day) == 2 or day_part(ended * 1000, (zone,)) != day_part(found.not_before_ms, (zone,))
