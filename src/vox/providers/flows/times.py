"""Spoken times of day: `half past seven`, `7.30 p m`, `noon`; and which time is meant where the half of the day was left open."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final, Literal, cast

from vox.providers.flows import vocabulary
from vox.providers.flows.forms import Reader, Reading, may_begin, read_forms, word_at
from vox.providers.flows.numbers import NUMBERS, below_hundred
from vox.providers.flows.patterns import parse_pattern
from vox.providers.flows.sound_alikes import HOURS

Half = Literal["am", "pm"]

_NOON: Final = 12
_STARTS: Final = frozenset(
    {"half", "a", "quarter", "twenty", "noon", "midday", "midnight", *vocabulary.UNITS, *vocabulary.TEENS}
)
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)|([01]?\d|2[0-3])([0-5]\d)")


@dataclass(frozen=True, slots=True)
class SpokenTime:
    """A time as said; `half` is None where morning or evening was left open, `is_plain` where only an hour was said."""

    hour: int
    minute: int = 0
    half: Half | None = None
    is_plain: bool = False


def read_time(words: Sequence[str], at: int) -> Reading:
    """A time of day, as a `SpokenTime`."""
    word = word_at(words, at)
    if (clock := _clock_figures(word)) is not None:
        longer: Reading = [
            (end, SpokenTime(clock.hour, clock.minute, cast("Half", half))) for end, half in _read_half(words, at + 1)
        ]
        return [*longer, (at + 1, clock)]
    return read_forms(_FORMS, words, at, _PARTS) if may_begin(_STARTS, word.removesuffix("ish")) else []


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


def _read_minute(words: Sequence[str], at: int) -> Reading:
    if word_at(words, at) in {"oh", "o"}:
        return [(at + 2, NUMBERS[unit])] if (unit := word_at(words, at + 1)) in vocabulary.UNITS else []
    return [(end, value) for end, value in below_hundred(words, at) if 10 <= value < 60]  # noqa: PLR2004  minutes


def _read_hour(words: Sequence[str], at: int) -> Reading:
    word = word_at(words, at).removesuffix("ish")
    hour = int(word) if word.isdecimal() else NUMBERS.get(word, 0)
    if not hour and at and word_at(words, at - 1) in {"past", "to"}:
        hour = HOURS.get(word, 0)
    return [(at + 1, hour)] if 1 <= hour <= (23 if word.isdecimal() else _NOON) else []


def _read_fives(words: Sequence[str], at: int) -> Reading:
    return [(end, value) for end, value in below_hundred(words, at) if value in {5, 10, 20, 25}]


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
    written, minute = figures[1] or figures[3], figures[2] or figures[4]
    is_certain = written.startswith("0")  # `07:30` and `00:15` are written by people with 24 hours
    return SpokenTime(int(written), int(minute), "am" if is_certain else None, is_plain=figures[1] is None)


def _at_hour(minute: int, *, before: bool = False) -> Callable[[Mapping[str, object]], object]:
    def meaning(parts: Mapping[str, object]) -> object:
        past = cast("int", parts.get("fives", minute))
        hour = cast("int", parts["hour"])
        half = cast("Half | None", parts.get("half"))
        if not before:
            return SpokenTime(hour, past, half)
        return SpokenTime((hour - 2) % _NOON + 1, 60 - past, half)

    return meaning


def _hour_and_minute(parts: Mapping[str, object]) -> object:
    hour, minute = cast("int", parts["hour"]), cast("int | None", parts.get("minute"))
    half = cast("Half | None", parts.get("half"))
    return SpokenTime(hour, minute or 0, half, is_plain=minute is None and half is None)


_PARTS: Final[Mapping[str, Reader]] = {
    "hour": _read_hour,
    "minute": _read_minute,
    "half": _read_half,
    "fives": _read_fives,
}
_FORMS: Final = tuple(
    zip(
        (parse_pattern(form) for form in vocabulary.TIMES),
        (
            _hour_and_minute,
            _at_hour(0),
            _at_hour(30),
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
