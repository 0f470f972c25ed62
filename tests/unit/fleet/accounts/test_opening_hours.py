from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.fleet.accounts.opening_hours import OpeningHours, check_hours, next_opening

WORK = OpeningHours("09:00", "17:00", "Europe/Berlin", (1, 2, 3, 4, 5))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        (WORK, "2026-11-30T10:00", "2026-11-30T10:00"),  # a Monday, 11:00 in Berlin
        (WORK, "2026-11-30T16:00", "2026-12-01T08:00"),  # 17:00 is outside
        (WORK, "2026-11-28T12:00", "2026-11-30T08:00"),  # a Saturday
        (WORK, "2026-07-01T07:00", "2026-07-01T07:00"),  # summer time
        (OpeningHours("22:00", "02:00", "UTC"), "2026-11-30T01:00", "2026-11-30T01:00"),  # since yesterday
        (OpeningHours("22:00", "02:00", "UTC"), "2026-11-30T03:00", "2026-11-30T22:00"),
        (OpeningHours("00:00", "24:00", "UTC"), "2026-11-30T23:59", "2026-11-30T23:59"),
        (OpeningHours("08:00", "21:00", "Asia/Kolkata"), "2026-11-30T02:29", "2026-11-30T02:30"),
        (
            OpeningHours("02:30", "03:30", "Europe/Berlin"),
            "2026-03-29T00:00",
            "2026-03-30T00:30",
        ),  # left out that night
        (OpeningHours("10:00", "11:00", "UTC", (7,)), "2026-11-29T11:00", "2026-12-06T10:00"),
    ],
)
def test_the_next_moment_that_is_inside(hours: OpeningHours, now: str, opens: str):
    assert next_opening(hours, utc(now)) == utc(opens)


@pytest.mark.parametrize(
    "hours",
    [
        OpeningHours("9:00", "17:00", "UTC"),
        OpeningHours("09:00", "25:00", "UTC"),
        OpeningHours("09:00", "09:00", "UTC"),
        OpeningHours("24:00", "09:00", "UTC"),
        OpeningHours("09:00", "17:00", "Mars/Olympus"),
        OpeningHours("09:00", "17:00", "../../etc/passwd"),
        OpeningHours("09:00", "17:00", ""),
        OpeningHours("09:00", "17:00", "UTC", ()),
        OpeningHours("09:00", "17:00", "UTC", (0,)),
    ],
)
def test_hours_that_are_none_or_never_come_are_refused(hours: OpeningHours):
    with pytest.raises(UsageError) as refused:
        check_hours(hours)
    assert refused.value.code == "window_invalid"


times = st.times().map(lambda time: f"{time.hour:02}:{time.minute:02}")


@given(
    times,
    times,
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"]),
    st.integers(1_767_225_600, 1_830_297_600).map(lambda unix_s: datetime.fromtimestamp(unix_s, UTC)),
)
def test_the_next_opening_is_never_past_and_is_open(start: str, end: str, zone: str, now: datetime):
    if start == end:
        return
    hours = OpeningHours(start, end, zone)
    opens = next_opening(hours, now)
    assert now <= opens <= now + timedelta(days=2)
    assert next_opening(hours, opens) == opens
