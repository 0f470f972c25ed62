"""Whether a recipient may be called at an instant, by the clocks where they may be. Pure.

A recipient whose zone is not certain has several: a call is allowed when all of their clocks allow it. Without a zone that is
known, nothing is allowed. An instant is converted to local time, never the other way round, so that the hour that a change of
clocks repeats or leaves out has one meaning; only the search for the next opening goes from local time to instants.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAY_MIN: Final = 24 * 60
SEARCHED_DAYS: Final = 62
"""A window that does not open within this time counts as one that never opens."""
STEP_S: Final = 60
"""Windows begin and end on whole minutes, so no gap between two of them is passed over at this step."""

_NANP_HOURS: Final = (8 * 60, 21 * 60)
REGION_HOURS: Final[Mapping[str, tuple[int, int]]] = dict.fromkeys(("US", "PR", "GU", "VI", "AS", "MP"), _NANP_HOURS)
"""Minutes of the local day outside which the law of a region forbids calls, whatever a campaign says."""


class Window(msgspec.Struct, frozen=True, gc=False):
    """Hours of the week in local time.

    Args:
        days: of the week, Monday is 0.
        start_min: minutes since midnight of the clock on the wall.
        end_min: the first minute that is outside; 1440 is midnight.
    """

    days: tuple[int, ...]
    start_min: int
    end_min: int


class CallingHours(msgspec.Struct, frozen=True, gc=False):
    """When recipients may be called.

    Args:
        windows: of the week.
        holidays: local dates without calls: `2026-12-25`, `12-25` for every year, `US:2026-11-26` for numbers of one region.
    """

    windows: tuple[Window, ...] = (Window(tuple(range(7)), *_NANP_HOURS),)
    holidays: tuple[str, ...] = ()


class Opening(msgspec.Struct, frozen=True, gc=False):
    """What the clocks of a recipient say.

    Args:
        is_open: whether they may be called now.
        reason: why not: `unknown_zone`, `outside_window`, `holiday`; empty where they may.
        opens_at_s: the next instant at which they may, in Unix seconds; None where there is none in sight.
    """

    is_open: bool
    reason: str = ""
    opens_at_s: int | None = None


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The time zone of that IANA name, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a name such as "/etc" or "Europe" is refused in these ways
        return None


def opening(hours: CallingHours, zones: Sequence[str], region: str, at_s: int, for_s: int = 0) -> Opening:
    """Says whether all clocks allow a call at an instant and for a while after it.

    Args:
        hours: of the campaign.
        zones: IANA names of all zones in which the recipient may be; none, or one that is unknown, forbids the call.
        region: of the number, such as `US`: for the region's own hours and holidays.
        at_s: in Unix seconds.
        for_s: seconds that the telephone may ring: it has to stop before the window closes.
    """
    clocks = _clocks(tuple(zones))
    if not clocks:
        return Opening(is_open=False, reason="unknown_zone")
    reason = _closed_reason(hours, clocks, region, at_s, for_s)
    if not reason:
        return Opening(is_open=True)
    return Opening(is_open=False, reason=reason, opens_at_s=_next_opening(hours, clocks, region, at_s, for_s))


@lru_cache(maxsize=4096)
def _clocks(zones: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    found = [zone(name) for name in zones]
    return tuple(one for one in found if one is not None) if all(found) else ()


def _closed_reason(hours: CallingHours, clocks: Sequence[ZoneInfo], region: str, at_s: int, for_s: int) -> str:
    instants = [*range(at_s, at_s + for_s, STEP_S), at_s + for_s]
    for clock in clocks:
        for instant in instants:
            local = datetime.fromtimestamp(instant, clock)
            if _is_holiday(hours.holidays, local.date(), region):
                return "holiday"
            minute = local.hour * 60 + local.minute
            if not any(start <= minute < end for start, end in _of_day(hours, local.weekday(), region)):
                return "outside_window"
    return ""


@lru_cache(maxsize=4096)
def _of_day(hours: CallingHours, weekday: int, region: str) -> tuple[tuple[int, int], ...]:
    earliest, latest = REGION_HOURS.get(region, (0, DAY_MIN))
    spans = ((max(one.start_min, earliest), min(one.end_min, latest)) for one in hours.windows if weekday in one.days)
    return tuple(sorted(span for span in spans if span[0] < span[1]))


def _is_holiday(holidays: Sequence[str], day: date, region: str) -> bool:
    if not holidays:
        return False
    dated = day.isoformat()
    yearly = dated[5:]
    return any(one in holidays for one in (dated, yearly, f"{region}:{dated}", f"{region}:{yearly}"))


def _next_opening(hours: CallingHours, clocks: tuple[ZoneInfo, ...], region: str, at_s: int, for_s: int) -> int | None:
    """The intersection of several clocks' windows opens where one of them opens."""
    first_day = datetime.fromtimestamp(at_s, clocks[0]).date() - timedelta(days=1)
    for days in range(SEARCHED_DAYS):
        day = first_day + timedelta(days=days)
        candidates = {
            instant
            for clock in clocks
            for start, _ in _of_day(hours, day.weekday(), region)
            for instant in _instants(clock, day, start)
            if instant > at_s
        }
        for instant in sorted(candidates):
            if not _closed_reason(hours, clocks, region, instant, for_s):
                return instant
    return None


@lru_cache(maxsize=16384)
def _instants(clock: ZoneInfo, day: date, minute: int) -> tuple[int, ...]:
    """The instants at which a clock comes to that minute: two where it is set back, the moment of the change where it skips it."""
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001  the zone is put on below
    early, late = (int(naive.replace(tzinfo=clock, fold=fold).timestamp()) for fold in (0, 1))
    if early == late:
        return (early,)
    if early < late:
        return early, late
    while early - late > 1:  # skipped: before the change the clock shows less, after it more
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, clock).replace(tzinfo=None) >= naive:
            early = middle
        else:
            late = middle
    return (early,)


def validate(hours: CallingHours) -> Iterator[str]:
    """Says everything that is wrong with a campaign's calling hours; nothing where all is right."""
    if not hours.windows:
        yield "windows: there is none, so no call could ever be made; add one, such as Monday to Friday 09:00 to 17:00"
    for number, window in enumerate(hours.windows, 1):
        if not window.days or any(day not in range(7) for day in window.days):
            yield f"windows[{number}].days: name at least one day of the week"
        if not 0 <= window.start_min < window.end_min <= DAY_MIN:
            yield (
                f"windows[{number}]: the end has to lie after the start on the same day; "
                "write a window over midnight as two, one up to 24:00 and one from 00:00"
            )
    for holiday in hours.holidays:
        if not _is_holiday_name(holiday):
            yield f"holidays: {holiday!r} is none of 2026-12-25, 12-25 and US:12-25"


def _is_holiday_name(text: str) -> bool:
    region, _, day = text.rpartition(":")
    if region and not (len(region) == 2 and region.isascii() and region.isupper()):  # noqa: PLR2004  ISO 3166
        return False
    try:
        date.fromisoformat(day if len(day) > len("12-25") else f"2024-{day}")
    except ValueError:
        return False
    return len(day) in {len("12-25"), len("2026-12-25")}
