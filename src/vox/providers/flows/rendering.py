"""How a value is written for the voice and for machines, and how a flow's texts are filled in."""

import re
from collections.abc import Mapping
from datetime import date, time

from vox.providers.flows import vocabulary

Value = int | str | bool | date | time
"""What a slot holds. A `datetime` never occurs: days and times are separate slots."""

_PLACEHOLDER = re.compile(r"(?P<on>\b[Oo]n )?\{(?P<name>[a-z][a-z0-9_.]*)\}")
_SMALL = ("zero", *vocabulary.UNITS, *vocabulary.TEENS)
_ORDINALS = (*vocabulary.ORDINAL_UNITS, *vocabulary.ORDINAL_TEENS)
_WEEK = 7
_RELATIVE = frozenset({"today", "tomorrow"})


def iso(value: Value) -> int | str | bool:
    """The value for tools: days as 2026-11-20, times as 19:30, the rest as JSON has it."""
    match value:
        case date():
            return value.isoformat()
        case time():
            return value.strftime("%H:%M")
        case _:
            return value


def say(value: Value, today: date) -> str:
    """The value in words."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return say_number(value)
        case date():
            return _say_day(value, today)
        case time():
            return _say_time(value)
        case str():
            return value


def say_digits(digits: str) -> str:
    """Digits one by one: `4711` is `four seven one one`."""
    return " ".join("plus" if digit == "+" else _SMALL[int(digit)] for digit in digits)


def say_number(number: int) -> str:
    """A whole number in words, below a million."""
    if number < len(_SMALL):
        return _SMALL[number]
    if number < 100:  # noqa: PLR2004  tens and units
        return " ".join([vocabulary.TENS[number // 10 - 2], *([_SMALL[number % 10]] if number % 10 else [])])
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")  # noqa: PLR2004
    rest = [say_number(number % size)] if number % size else []
    return " ".join([say_number(number // size), name, *rest])


def fill(text: str, said: Mapping[str, str]) -> str:
    """The text with its known places filled in; `on {day}` loses its `on` before `today` and `tomorrow`."""

    def place(found: re.Match[str]) -> str:
        if found["name"] not in said:
            return found[0]
        value = said[found["name"]]
        return value if value in _RELATIVE else (found["on"] or "") + value

    return _PLACEHOLDER.sub(place, text)


def _say_day(day: date, today: date) -> str:
    ahead = (day - today).days
    if ahead in {0, 1}:
        return ("today", "tomorrow")[ahead]
    weekday = vocabulary.WEEKDAYS[day.weekday()].capitalize()
    if 0 < ahead < _WEEK:
        return weekday
    return f"{weekday} the {say_ordinal(day.day)} of {vocabulary.MONTHS[day.month - 1].capitalize()}"


def say_ordinal(number: int) -> str:
    """The ordinal of a day of the month."""
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    if number % 10 == 0:
        return ("twentieth", "thirtieth")[number // 10 - 2]
    return f"{vocabulary.TENS[number // 10 - 2]} {_ORDINALS[number % 10 - 1]}"


def _say_time(at: time) -> str:
    if at == time(12):
        return "noon"
    if at == time(0):
        return "midnight"
    minutes = f" oh {_SMALL[at.minute]}" if 0 < at.minute < 10 else f" {say_number(at.minute)}" if at.minute else ""  # noqa: PLR2004
    part = "morning" if at.hour < 12 else "afternoon" if at.hour < 17 else "evening"  # noqa: PLR2004  as people speak
    return f"{_SMALL[(at.hour - 1) % 12 + 1]}{minutes} in the {part}"
