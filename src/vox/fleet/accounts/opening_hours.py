"""Hours of a day, in a place's own time: when a call may be dialled, when a bot takes calls. Pure, time comes in."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vox.errors import UsageError

_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_WEEK_DAYS: Final = 9  # from yesterday, whose window may go over midnight, to the same weekday in the next week
_MAX_WEEKDAY: Final = 7


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The same hours on some days of the week.

    Args:
        start: local time as HH:MM.
        end: local time as HH:MM, exclusive; before `start` where they go over midnight.
        timezone: IANA name of the zone.
        days: ISO weekdays on which they begin, 1 for Monday.
    """

    start: str
    end: str
    timezone: str
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


def check_hours(window: OpeningHours) -> None:
    """Refuses hours that are none or that never come.

    Raises:
        UsageError: window_invalid.
    """
    for name, text in (("start", window.start), ("end", window.end)):
        if not _TIME.fullmatch(text):
            raise _invalid(f"window.{name} is not a time as HH:MM")
    if window.start in {window.end, "24:00"}:
        raise _invalid("the window never opens: its start is its end", "for the whole day, use 00:00 to 24:00")
    if not window.days or any(not 1 <= day <= _MAX_WEEKDAY for day in window.days):
        raise _invalid("window.days has no weekday from 1 (Monday) to 7 (Sunday)")
    _zone(window.timezone)


def next_opening(window: OpeningHours, now: datetime) -> datetime:
    """The present moment where the window is open, else when it opens next.

    Args:
        window: hours that `check_hours` lets pass.
        now: with a time zone.

    Raises:
        UsageError: window_invalid, where it does not open within a week.
    """
    zone = _zone(window.timezone)
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    for ahead in range(_WEEK_DAYS):
        day = yesterday + timedelta(days=ahead)
        if day.isoweekday() not in window.days:
            continue
        opens = _at(day, window.start, zone)
        closes = _at(day + timedelta(days=1) if window.end <= window.start else day, window.end, zone)
        if max(now, opens) < closes:
            return max(now, opens)
    raise _invalid("the window does not open within a week")


def _at(day: date, text: str, zone: ZoneInfo) -> datetime:
    """The moment of a local time; in the hour that a change of the clocks leaves out, as if they had not been changed."""
    hour, minute = (int(part) for part in text.split(":"))
    midnight = day + timedelta(days=hour // 24)
    return datetime.combine(midnight, time(hour % 24, minute), zone).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _invalid(f"window.timezone {name!r} is no time zone", "use a name such as Europe/Berlin") from None


def _invalid(message: str, hint: str = "") -> UsageError:
    return UsageError(message, code="window_invalid", hint=hint)
