from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox.fleet.campaigns.rules.windows import CallingHours, Window, opening, validate

EVERY_DAY = tuple(range(7))
NINE_TO_FIVE = CallingHours((Window(EVERY_DAY, 540, 1020),))
WEEKDAYS = CallingHours((Window((0, 1, 2, 3, 4), 540, 1020),))
ZONES = ["America/New_York", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"]


def at(zone, *parts, fold=0):
    return int(datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def local(zone, instant):
    return datetime.fromtimestamp(instant, ZoneInfo(zone))


def test_a_recipient_in_india_is_called_by_the_clock_that_is_half_an_hour_off():
    opens = at("Asia/Kolkata", 2026, 3, 4, 9, 0)
    assert datetime.fromtimestamp(opens, UTC).strftime("%H:%M") == "03:30"
    early = opening(NINE_TO_FIVE, ["Asia/Kolkata"], "IN", opens - 1)
    assert (early.is_open, early.reason, early.opens_at_s) == (False, "outside_window", opens)
    assert opening(NINE_TO_FIVE, ["Asia/Kolkata"], "IN", opens).is_open
    closes = at("Asia/Kolkata", 2026, 3, 4, 17, 0)
    assert opening(NINE_TO_FIVE, ["Asia/Kolkata"], "IN", closes - 1).is_open
    assert not opening(NINE_TO_FIVE, ["Asia/Kolkata"], "IN", closes).is_open


def test_the_telephone_stops_ringing_before_the_window_closes():
    closes = at("Europe/Berlin", 2026, 3, 4, 17, 0)
    assert not opening(NINE_TO_FIVE, ["Europe/Berlin"], "DE", closes - 30, 30).is_open
    assert opening(NINE_TO_FIVE, ["Europe/Berlin"], "DE", closes - 31, 30).is_open


def test_a_gap_of_a_minute_between_two_windows_is_not_rung_across():
    hours = CallingHours((Window(EVERY_DAY, 540, 720), Window(EVERY_DAY, 721, 1020)))
    noon = at("Europe/Berlin", 2026, 3, 4, 12, 0)
    assert not opening(hours, ["Europe/Berlin"], "DE", noon - 20, 120).is_open


@pytest.mark.parametrize(
    "zones", [[], ["Mars/Base"], ["Europe/Berlin", "Mars/Base"], ["../etc/passwd"], ["/etc"], ["Europe"]]
)
def test_a_zone_that_is_unknown_or_bad_forbids_the_call(zones):
    verdict = opening(NINE_TO_FIVE, zones, "DE", at("Europe/Berlin", 2026, 3, 4, 12, 0))
    assert (verdict.is_open, verdict.reason, verdict.opens_at_s) == (False, "unknown_zone", None)


def test_of_several_zones_the_clocks_of_all_have_to_allow_the_call():
    zones = ["America/New_York", "Pacific/Honolulu"]
    verdict = opening(NINE_TO_FIVE, zones, "US", at("America/New_York", 2026, 7, 1, 10, 0))
    assert verdict.opens_at_s == at("Pacific/Honolulu", 2026, 7, 1, 9, 0)
    assert local("America/New_York", verdict.opens_at_s).hour == 15


def test_the_law_of_a_region_narrows_what_a_campaign_allows():
    all_day = CallingHours((Window(EVERY_DAY, 0, 1440),))
    midnight = at("America/Chicago", 2026, 7, 1, 0, 0)
    american = opening(all_day, ["America/Chicago"], "US", midnight)
    assert american.opens_at_s == at("America/Chicago", 2026, 7, 1, 8, 0)
    assert opening(all_day, ["America/Mexico_City"], "MX", midnight).is_open


def test_holidays_are_the_recipients_own_dates():
    hours = CallingHours((Window(EVERY_DAY, 540, 1020),), ("12-25", "2026-03-04", "US:2026-11-26"))
    assert opening(hours, ["Pacific/Auckland"], "NZ", at("Pacific/Auckland", 2026, 12, 25, 10, 0)).reason == "holiday"
    assert opening(hours, ["Europe/Berlin"], "DE", at("Europe/Berlin", 2026, 3, 4, 10, 0)).reason == "holiday"
    thanksgiving = at("America/New_York", 2026, 11, 26, 10, 0)
    assert opening(hours, ["America/New_York"], "US", thanksgiving).reason == "holiday"
    assert opening(hours, ["America/Toronto"], "CA", thanksgiving).is_open
    following = opening(hours, ["Pacific/Auckland"], "NZ", at("Pacific/Auckland", 2026, 12, 25, 10, 0)).opens_at_s
    assert following == at("Pacific/Auckland", 2026, 12, 26, 9, 0)


def test_weekends_are_waited_out():
    friday_evening = at("Europe/Berlin", 2026, 3, 6, 18, 0)
    assert opening(WEEKDAYS, ["Europe/Berlin"], "DE", friday_evening).opens_at_s == at(
        "Europe/Berlin", 2026, 3, 9, 9, 0
    )


def test_a_window_that_the_clocks_skip_opens_at_the_moment_of_the_change():
    hours = CallingHours((Window(EVERY_DAY, 150, 240),))  # 02:30 to 04:00
    verdict = opening(hours, ["Europe/Berlin"], "DE", at("Europe/Berlin", 2026, 3, 29, 1, 0))
    assert local("Europe/Berlin", verdict.opens_at_s).strftime("%H:%M:%S") == "03:00:00"


def test_an_hour_that_comes_twice_is_read_from_the_clock_both_times():
    hours = CallingHours((Window(EVERY_DAY, 150, 170),))  # 02:30 to 02:50, twice on that day
    first, second = (at("Europe/Berlin", 2026, 10, 25, 2, 30, fold=fold) for fold in (0, 1))
    assert second - first == 3600
    assert opening(hours, ["Europe/Berlin"], "DE", first).is_open
    between = opening(hours, ["Europe/Berlin"], "DE", first + 1800)
    assert (between.is_open, between.opens_at_s) == (False, second)


def test_a_window_that_never_opens_is_said_to_have_no_opening():
    monday_only = CallingHours(
        (Window((0,), 0, 1440),), tuple(f"{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 32))
    )
    assert opening(monday_only, ["Europe/Berlin"], "DE", at("Europe/Berlin", 2026, 3, 4, 10, 0)).opens_at_s is None


windows = st.builds(
    lambda days, start, length: Window(tuple(sorted(days)), start, min(start + length, 1440)),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1430),
    st.integers(10, 800),
)


@settings(max_examples=60, deadline=None)
@given(
    hours=st.builds(lambda some: CallingHours(tuple(some)), st.lists(windows, min_size=1, max_size=2)),
    zones=st.sets(st.sampled_from(ZONES), min_size=1, max_size=2),
    # around the days on which some of these zones change their clocks
    instant=st.sampled_from([(2026, 3, 8), (2026, 3, 29), (2026, 4, 5), (2026, 10, 25), (2026, 11, 1)]).flatmap(
        lambda day: st.integers(0, 36 * 60).map(lambda minute: datetime(*day, tzinfo=UTC) + timedelta(minutes=minute))
    ),
    ring_s=st.sampled_from([0, 30, 120]),
)
def test_no_call_ever_rings_where_any_of_the_clocks_forbids_it(hours, zones, instant, ring_s):
    verdict = opening(hours, sorted(zones), "", int(instant.timestamp()), ring_s)
    dialled_at = int(instant.timestamp()) if verdict.is_open else verdict.opens_at_s
    if dialled_at is None:
        return
    assert opening(hours, sorted(zones), "", dialled_at, ring_s).is_open
    for zone in zones:
        for second in range(0, ring_s + 1, 10):
            clock = local(zone, dialled_at + second)
            minute = clock.hour * 60 + clock.minute
            assert any(
                clock.weekday() in one.days and one.start_min <= minute < one.end_min for one in hours.windows
            ), f"{clock} in {zone}"


@settings(max_examples=30, deadline=None)
@given(
    hours=st.builds(lambda one: CallingHours((one,)), windows),
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 10**4),
)
def test_the_next_opening_is_the_first_minute_that_is_open(hours, zone, minute):
    start = at("UTC", 2026, 10, 22) + minute * 60
    verdict = opening(hours, [zone], "", start)
    expected = next(
        (one for one in range(start, start + 8 * 86400, 60) if opening(hours, [zone], "", one).is_open), None
    )
    assert (start if verdict.is_open else verdict.opens_at_s) == expected


def test_calling_hours_that_cannot_be_are_named():
    hours = CallingHours((Window((), 0, 60), Window((1,), 1200, 600)), ("25.12.", "usa:12-25", "02-30"))
    said = list(validate(hours))
    assert [line.split(":")[0] for line in said] == [
        "windows[1].days",
        "windows[2]",
        "holidays",
        "holidays",
        "holidays",
    ]
    assert list(validate(CallingHours(()))) != []
    assert list(validate(CallingHours(holidays=("2026-12-25", "02-29", "US:12-25")))) == []
