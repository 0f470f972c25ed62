"""Spoken days: `tomorrow`, `next friday`, `the third of march`, `24 dec`, `2027-03-03`, relative to the `today` passed in."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Final, cast

from vox.providers.flows import vocabulary
from vox.providers.flows.forms import IMPOSSIBLE, Reader, Reading, may_begin, read_forms, table, word_at
from vox.providers.flows.numbers import TENS, below_hundred
from vox.providers.flows.patterns import parse_pattern

Meaning = Callable[[Mapping[str, object], date], date | None]

_WEEK: Final = 7
_FURTHEST: Final = 366
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})(?:/(\d{2}|\d{4}))?")
_ORDINALS: Final = {
    **{word: value for value, word in enumerate((*vocabulary.ORDINAL_UNITS, *vocabulary.ORDINAL_TEENS), 1)},
    "twentieth": 20,
    "thirtieth": 30,
}
_WEEKDAYS: Final[Mapping[str, int]] = {
    **{word: value for value, word in enumerate(vocabulary.WEEKDAYS)},
    **{word[:3]: value for value, word in enumerate(vocabulary.WEEKDAYS)},
    "tues": 1,
    "weds": 2,
    "thur": 3,
    "thurs": 3,
}
_MONTHS: Final[Mapping[str, int]] = {
    **{word[:3]: value for value, word in enumerate(vocabulary.MONTHS, 1)},
    **{word: value for value, word in enumerate(vocabulary.MONTHS, 1)},
    "sept": 9,
}
_STARTS: Final = frozenset(
    {"today", "tonight", "tomorrow", "the", "day", "this", "next", "a", "week", "in", "christmas", "new", "halloween"}
    | {"valentine", "boxing", "fortnight"}
    | set(_WEEKDAYS)
    | set(_MONTHS)
    | set(_ORDINALS)
    | set(TENS)
)


def read_date(words: Sequence[str], at: int, today: date) -> Reading:
    """A day not before `today`, or `IMPOSSIBLE` where no such day exists."""
    word = word_at(words, at)
    if not may_begin(_STARTS, word):
        return []
    if _ISO.fullmatch(word):
        return [(at + 1, _iso(word))]
    if (slashed := _SLASHED.fullmatch(word)) is not None:
        return [(at + 1, _slashed(slashed, today) or IMPOSSIBLE)]
    forms = tuple((node, partial(_on, mean, today)) for node, mean in _FORMS)
    return read_forms(forms, words, at, _PARTS)


def _iso(word: str) -> object:
    try:
        return date.fromisoformat(word)
    except ValueError:
        return IMPOSSIBLE


def _slashed(figures: re.Match[str], today: date) -> date | None:
    """Day and month in the order that is possible; None where both are, and they differ: which is meant cannot be known."""
    first, second = int(figures[1]), int(figures[2])
    days: set[date] = set()
    for day, month in ((first, second), (second, first)):
        if figures[3]:
            year = int(figures[3]) + (2000 if len(figures[3]) == 2 else 0)  # noqa: PLR2004  a year of two figures
            found = _date_or_none(year, month, day)
        else:
            found = _next_year_with(month, day, today)
        days |= {found} if found is not None else set()
    return days.pop() if len(days) == 1 else None


def _on(mean: Meaning, today: date, parts: Mapping[str, object]) -> date | None:
    return mean(parts, today)


def _upcoming(weekday: object, today: date) -> date:
    return today + timedelta(days=(cast("int", weekday) - today.weekday() - 1) % _WEEK + 1)


def _this(parts: Mapping[str, object], today: date) -> date:
    return _upcoming(parts["weekday"], today)


def _next(parts: Mapping[str, object], today: date) -> date:
    monday = today - timedelta(days=today.weekday())
    return monday + timedelta(days=_WEEK + cast("int", parts["weekday"]))


def _day_of_month(parts: Mapping[str, object], today: date) -> date | None:
    ordinal = cast("int", parts["ordinal"])
    for ahead in range(12):
        month = today.month - 1 + ahead
        day = _date_or_none(today.year + month // 12, month % 12 + 1, ordinal)
        if day is not None and day >= today and parts.get("weekday", day.weekday()) == day.weekday():
            return day
    return None


def _day_and_month(parts: Mapping[str, object], today: date) -> date | None:
    return _next_year_with(cast("int", parts["month"]), cast("int", parts["ordinal"]), today)


def _next_year_with(month: int, day: int, today: date) -> date | None:
    """The next such day; 29 February may be up to eight years away."""
    found = (_date_or_none(year, month, day) for year in range(today.year, today.year + 9))
    return next((each for each in found if each is not None and each >= today), None)


def _fixed(month: int, day: int) -> Meaning:
    return lambda _, today: _next_year_with(month, day, today)


def _date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _in_days(length: int) -> Callable[[Mapping[str, object], date], date]:
    return lambda parts, today: today + timedelta(days=length * cast("int", parts.get("count", 1)))


def _read_ordinal(words: Sequence[str], at: int) -> Reading:
    word = word_at(words, at)
    if word in TENS and (unit := _ORDINALS.get(word_at(words, at + 1), 0)) and unit < 10 and TENS[word] <= 30:  # noqa: PLR2004  days of a month
        return [(at + 2, TENS[word] + unit)]
    if word in _ORDINALS:
        return [(at + 1, _ORDINALS[word])]
    figures = word.removesuffix("st").removesuffix("nd").removesuffix("rd").removesuffix("th")
    return [(at + 1, int(figures))] if figures.isdecimal() and len(figures) <= 2 else []  # noqa: PLR2004  days of a month


_PARTS: Final[Mapping[str, Reader]] = {
    "weekday": table(_WEEKDAYS),
    "month": table(_MONTHS),
    "ordinal": _read_ordinal,
    "count": lambda words, at: [(end, value) for end, value in below_hundred(words, at) if 0 < value <= _FURTHEST],
}
_FORMS: Final = tuple(
    zip(
        (parse_pattern(form) for form in vocabulary.DATES),
        (
            lambda _, today: today,
            lambda _, today: today,
            lambda _, today: today + timedelta(days=1),
            lambda _, today: today + timedelta(days=2),
            _this,
            _next,
            lambda parts, today: _this(parts, today) + timedelta(days=_WEEK),
            _in_days(1),
            _in_days(_WEEK),
            _in_days(_WEEK),
            _day_and_month,
            _day_and_month,
            _day_of_month,
            lambda _, today: today + timedelta(days=2 * _WEEK),
            lambda parts, today: _this(parts, today) + timedelta(days=_WEEK),
            _fixed(12, 24),
            _fixed(12, 25),
            _fixed(12, 26),
            _fixed(12, 31),
            _fixed(1, 1),
            _fixed(2, 14),
            _fixed(10, 31),
        ),
        strict=True,
    )
)
