"""Days as people say and write them; one that does not exist is none."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY, whole
from vox.providers.flows.days import read_date
from vox.providers.flows.forms import IMPOSSIBLE
from vox.providers.flows.rendering import say


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", "2026-11-20"), ("tomorrow", "2026-11-21"), ("the day after tomorrow", "2026-11-22"),
        ("friday", "2026-11-27"), ("this saturday", "2026-11-21"), ("next saturday", "2026-11-28"),
        ("next monday", "2026-11-23"), ("a week from monday", "2026-11-30"), ("in three days", "2026-11-23"),
        ("in two weeks", "2026-12-04"), ("in a week", "2026-11-27"), ("the third of march", "2027-03-03"),
        ("december fifth", "2026-12-05"), ("saturday the fifth of december", "2026-12-05"), ("the third", "2026-12-03"),
        ("the thirty first", "2026-12-31"), ("21st of November", "2026-11-21"), ("March 3rd", "2027-03-03"),
        ("monday the thirtieth", "2026-11-30"), ("2026-12-24", "2026-12-24"), ("the twenty ninth of february", "2028-02-29"),
        ("24 dec", "2026-12-24"), ("fri", "2026-11-27"), ("24/12", "2026-12-24"), ("12/24/2026", "2026-12-24"),
        ("christmas eve", "2026-12-24"), ("new year's eve", "2026-12-31"), ("in a fortnight", "2026-12-04"),
        ("friday week", "2026-12-04"), ("11/11", "2027-11-11"),
    ],
)  # fmt: skip
def test_days(text, day):
    assert whole(read_date, text, TODAY) == date.fromisoformat(day)


@pytest.mark.parametrize("text", ["in 999999 weeks", "someday", "the"])
def test_what_is_no_day(text):
    assert whole(read_date, text, TODAY) is None


@pytest.mark.parametrize(
    "text",
    ["the thirty first of february", "the 30th of february", "february 30", "2026-02-30", "31/4", "4/12", "99/99"],
)
def test_a_day_that_does_not_exist_or_may_be_two_is_not_read_in_part(text):
    assert whole(read_date, text, TODAY) is IMPOSSIBLE


@given(st.integers(0, 364))
def test_a_day_said_is_the_day_read(ahead):
    day = TODAY + timedelta(days=ahead)
    assert whole(read_date, say(day, TODAY), TODAY) == day
