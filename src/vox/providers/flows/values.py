"""What spoken English values mean: digits, numbers, days, times, telephone numbers, yes and no.

A reader takes words (as `patterns.heard_words` gives them) and an index, and returns every place where such a value may
end with what it then means, the longest first. Figures are read as well as words: recognisers write both. Days are
relative to the `today` that is passed in.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import partial
from typing import Literal, cast

from vox.providers.flows import vocabulary
from vox.providers.flows.patterns import Node, match_at, parse_pattern

Reading = list[tuple[int, object]]
Reader = Callable[[Sequence[str], int], Reading]

_WEEK = 7
_NUMBERS = {word: value for value, word in enumerate(("zero", *vocabulary.UNITS, *vocabulary.TEENS))}
_TENS = {word: 10 * value for value, word in enumerate(vocabulary.TENS, 2)}
_DIGITS = {**{word: str(value) for value, word in enumerate(("zero", *vocabulary.UNITS))}, "oh": "0", "o": "0"}
_REPEATS = {"double": 2, "triple": 3}
_ORDINALS = {
    **{word: value for value, word in enumerate((*vocabulary.ORDINAL_UNITS, *vocabulary.ORDINAL_TEENS), 1)},
    "twentieth": 20,
    "thirtieth": 30,
}
_NOON = 12
_TIME_STARTS = frozenset(
    {"half", "a", "quarter", "twenty", "noon", "midday", "midnight", *vocabulary.UNITS, *vocabulary.TEENS}
)
_DATE_STARTS = frozenset(
    {
        "today",
        "tonight",
        "tomorrow",
        "the",
        "day",
        "this",
        "next",
        "a",
        "week",
        "in",
        *vocabulary.WEEKDAYS,
        *vocabulary.MONTHS,
    }
    | set(_ORDINALS)
    | set(_TENS)
)
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")
_FURTHEST = 366


@dataclass(frozen=True, slots=True)
class SpokenTime:
    """A time as said; `half` is None where morning or evening was left open, `is_plain` where only an hour was said."""

    hour: int
    minute: int = 0
    half: Literal["am", "pm"] | None = None
    is_plain: bool = False


def read_number(words: Sequence[str], at: int) -> Reading:
    """A whole number from zero to 999,999."""
    found: dict[int, int] = dict(_below_thousand(words, at))
    for end, thousands in tuple(found.items()):
        if _word(words, end) == "thousand":
            found[end + 1] = 1000 * thousands
            for last, rest in _below_thousand(words, end + 1 + (_word(words, end + 1) == "and")):
                found[last] = 1000 * thousands + rest
    return sorted(found.items(), reverse=True)


def read_digits(words: Sequence[str], at: int) -> Reading:
    """A string of digits: `four two`, `double five`, `4711`, `555-1234`."""
    found: Reading = []
    digits = ""
    while at < len(words):
        word = words[at]
        repeats = _REPEATS.get(word, 1)
        if repeats > 1 and (digit := _one_digit(_word(words, at + 1))):
            digits += repeats * digit
            at += 2
        elif (plain := word.replace("-", "").replace(".", "")).isdecimal():
            digits += plain
            at += 1
        elif word in _DIGITS:
            digits += _DIGITS[word]
            at += 1
        else:
            break
        found.append((at, digits))
    return found[::-1]


def read_phone(words: Sequence[str], at: int) -> Reading:
    """A telephone number: digits, with a leading `plus` kept as `+`."""
    if _word(words, at) == "plus":
        return [(end, f"+{digits}") for end, digits in read_digits(words, at + 1)]
    return read_digits(words, at)


def read_time(words: Sequence[str], at: int) -> Reading:
    """A time of day, as a `SpokenTime`."""
    if (clock := _clock_figures(_word(words, at))) is not None:
        found: Reading = [(at + 1, clock)]
        for end, half in _read_half(words, at + 1):
            found.insert(0, (end, SpokenTime(clock.hour, clock.minute, cast("Literal['am', 'pm']", half))))
        return found
    return _read_forms(_TIME_FORMS, words, at, _TIME_PARTS) if _may_begin(_TIME_STARTS, _word(words, at)) else []


def read_date(words: Sequence[str], at: int, today: date) -> Reading:
    """A day not before `today`."""
    if not _may_begin(_DATE_STARTS, _word(words, at)):
        return []
    try:
        return [(at + 1, date.fromisoformat(_word(words, at)))]
    except ValueError:
        forms = tuple((node, partial(_on, mean, today)) for node, mean in _DATE_FORMS)
        return _read_forms(forms, words, at, _DATE_PARTS)


def read_yes_no(words: Sequence[str], at: int) -> Reading:
    """Yes (True) or no (False)."""
    found: Reading = [(end, True) for end, _ in match_at(_YES, words, at, _nothing)]
    found += [(end, False) for end, _ in match_at(_NO, words, at, _nothing)]
    return sorted(found, key=lambda reading: -reading[0])


def resolve_time(said: SpokenTime, earliest: time | None = None, latest: time | None = None) -> time | None:
    """The time meant: in the range if it can be; None where it cannot.

    Without a range and without `a m` or `p m`, hours from one to seven are taken as afternoon.
    """
    hours = [said.hour]
    if said.half is not None:
        hours = [said.hour % _NOON + (_NOON if said.half == "pm" else 0)] if said.hour <= _NOON else [said.hour]
    elif 1 <= said.hour <= _NOON:
        hours = [said.hour % _NOON, said.hour % _NOON + _NOON]
        if 1 <= said.hour <= 7 or said.hour == _NOON:  # noqa: PLR2004  stated in the docstring
            hours.reverse()
    moments = [time(hour, said.minute) for hour in hours]
    within = [at for at in moments if (earliest or time.min) <= at <= (latest or time.max)]
    return within[0] if within else None


def _word(words: Sequence[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""


def _one_digit(word: str) -> str | None:
    return word if len(word) == 1 and word.isdecimal() else _DIGITS.get(word)


def _nothing(_name: str, _at: int) -> Reading:
    return []


def _below_hundred(words: Sequence[str], at: int) -> list[tuple[int, int]]:
    word = _word(words, at)
    if word in _TENS:
        units = _NUMBERS.get(_word(words, at + 1), 0)
        longer = [(at + 2, _TENS[word] + units)] if 0 < units < 10 else []  # noqa: PLR2004  a unit
        return [*longer, (at + 1, _TENS[word])]
    if word in _NUMBERS:
        return [(at + 1, _NUMBERS[word])]
    return [(at + 1, int(word))] if word.isdecimal() and len(word) <= 6 else []  # noqa: PLR2004  below a million


def _below_thousand(words: Sequence[str], at: int) -> list[tuple[int, int]]:
    found = _below_hundred(words, at)
    hundreds = 1 if _word(words, at) == "a" else _NUMBERS.get(_word(words, at), 0)
    if 0 < hundreds < 10 and _word(words, at + 1) == "hundred":  # noqa: PLR2004  a unit
        rest = _below_hundred(words, at + 2 + (_word(words, at + 2) == "and"))
        found = [*((end, 100 * hundreds + more) for end, more in rest), (at + 2, 100 * hundreds), *found]
    return found


def _may_begin(starts: frozenset[str], word: str) -> bool:
    """Whether a reading can begin with the word; spares trying every form on words that begin none."""
    return word in starts or word[:1].isdecimal()


def _read_forms(
    forms: Sequence[tuple[Node, Callable[[Mapping[str, object]], object | None]]],
    words: Sequence[str],
    at: int,
    parts: Mapping[str, Reader],
) -> Reading:
    found: dict[int, object] = {}
    for node, meaning in forms:
        for end, bindings in match_at(node, words, at, lambda name, index: parts[name](words, index)):
            if end not in found and (value := meaning(dict(bindings))) is not None:
                found[end] = value
    return sorted(found.items(), key=lambda reading: -reading[0])


def _table(meanings: Mapping[str, object]) -> Reader:
    def read(words: Sequence[str], at: int) -> Reading:
        word = _word(words, at)
        return [(at + 1, meanings[word])] if word in meanings else []

    return read


def _read_ordinal(words: Sequence[str], at: int) -> Reading:
    word = _word(words, at)
    if word in _TENS and (unit := _ORDINALS.get(_word(words, at + 1), 0)) and unit < 10 and _TENS[word] <= 30:  # noqa: PLR2004  days of a month
        return [(at + 2, _TENS[word] + unit)]
    if word in _ORDINALS:
        return [(at + 1, _ORDINALS[word])]
    figures = word.removesuffix("st").removesuffix("nd").removesuffix("rd").removesuffix("th")
    return [(at + 1, int(figures))] if figures.isdecimal() and len(figures) <= 2 else []  # noqa: PLR2004  days of a month


def _read_minute(words: Sequence[str], at: int) -> Reading:
    if _word(words, at) in {"oh", "o"}:
        return [(at + 2, _NUMBERS[unit])] if (unit := _word(words, at + 1)) in vocabulary.UNITS else []
    return [(end, value) for end, value in _below_hundred(words, at) if 10 <= value < 60]  # noqa: PLR2004  minutes


def _read_hour(words: Sequence[str], at: int) -> Reading:
    word = _word(words, at)
    hour = int(word) if word.isdecimal() else _NUMBERS.get(word, 0)
    return [(at + 1, hour)] if 1 <= hour <= (23 if word.isdecimal() else _NOON) else []


def _read_fives(words: Sequence[str], at: int) -> Reading:
    return [(end, value) for end, value in _below_hundred(words, at) if value in {5, 10, 20, 25}]


def _read_half(words: Sequence[str], at: int) -> Reading:
    return [
        (at + len(said.split()), half)
        for said, half in vocabulary.HALVES.items()
        if tuple(words[at : at + len(said.split())]) == tuple(said.split())
    ]


def _clock_figures(word: str) -> SpokenTime | None:
    figures = _CLOCK.fullmatch(word)
    if figures is None:
        return None
    hour, minute = int(figures[1]), int(figures[2])
    is_certain = figures[1].startswith("0")  # `07:30` and `00:15` are written by people with 24 hours
    return SpokenTime(hour, minute, "am" if is_certain else None)


def _at_hour(minute: int, *, before: bool = False) -> Callable[[Mapping[str, object]], object]:
    def meaning(parts: Mapping[str, object]) -> object:
        past = cast("int", parts.get("fives", minute))
        hour = cast("int", parts["hour"])
        half = cast("Literal['am', 'pm'] | None", parts.get("half"))
        if not before:
            return SpokenTime(hour, past, half)
        return SpokenTime((hour - 2) % _NOON + 1, 60 - past, half)

    return meaning


def _hour_and_minute(parts: Mapping[str, object]) -> object:
    hour, minute = cast("int", parts["hour"]), cast("int | None", parts.get("minute"))
    half = cast("Literal['am', 'pm'] | None", parts.get("half"))
    return SpokenTime(hour, minute or 0, half, is_plain=minute is None and half is None)


_TIME_PARTS: dict[str, Reader] = {
    "hour": _read_hour,
    "minute": _read_minute,
    "half": _read_half,
    "fives": _read_fives,
}
_TIME_FORMS = tuple(
    zip(
        (parse_pattern(form) for form in vocabulary.TIMES),
        (
            _hour_and_minute,
            _at_hour(0),
            _at_hour(30),
            _at_hour(15),
            _at_hour(15, before=True),
            _at_hour(0),
            _at_hour(0, before=True),
            lambda _: SpokenTime(_NOON, half="pm"),
            lambda _: SpokenTime(_NOON, half="am"),
        ),
        strict=True,
    )
)


def _on(mean: Callable[[Mapping[str, object], date], date | None], today: date, parts: Mapping[str, object]) -> object:
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
    for year in range(today.year, today.year + 9):
        day = _date_or_none(year, cast("int", parts["month"]), cast("int", parts["ordinal"]))
        if day is not None and day >= today:
            return day
    return None


def _date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _in_days(length: int) -> Callable[[Mapping[str, object], date], date]:
    return lambda parts, today: today + timedelta(days=length * cast("int", parts.get("count", 1)))


_DATE_PARTS: dict[str, Reader] = {
    "weekday": _table({word: value for value, word in enumerate(vocabulary.WEEKDAYS)}),
    "month": _table({word: value for value, word in enumerate(vocabulary.MONTHS, 1)}),
    "ordinal": _read_ordinal,
    "count": lambda words, at: [(end, value) for end, value in _below_hundred(words, at) if 0 < value <= _FURTHEST],
}
_DATE_FORMS: tuple[tuple[Node, Callable[[Mapping[str, object], date], date | None]], ...] = tuple(
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
        ),
        strict=True,
    )
)
_YES = parse_pattern(" | ".join(vocabulary.YES))
_NO = parse_pattern(" | ".join(vocabulary.NO))
