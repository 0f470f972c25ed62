"""What a slot of each type takes: how its values are said, which of them it allows, how they are keyed in and spoken."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, assert_never, cast

from vox.providers.flows import vocabulary
from vox.providers.flows.days import read_date
from vox.providers.flows.forms import IMPOSSIBLE, Reading, word_at
from vox.providers.flows.numbers import read_digits, read_number, read_phone
from vox.providers.flows.patterns import Node, match_at, parse_pattern
from vox.providers.flows.rendering import Value, say, say_digits
from vox.providers.flows.schema import (
    ChoiceSlot,
    DateSlot,
    DigitsSlot,
    NumberSlot,
    PhoneSlot,
    Slot,
    TextSlot,
    TimeSlot,
    YesNoSlot,
)
from vox.providers.flows.times import SpokenTime, read_time, resolve_time
from vox.providers.flows.yes_no import read_yes_no

FRAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "date": ("(on | for) {slot}", "{slot}"),
        "time": ("(at | around | by) {slot}", "[for] {slot}"),
        "phone": ("[my number is] {slot}",),
        "digits": ("[(it is | number)] {slot}",),
        "choice": ("[the] {slot}",),
        "number": (),
        "yes_no": (),
        "text": (),
    }
)
"""How values of a type are said inside a longer sentence, where the slot itself does not say (`phrases`)."""


Choices = Sequence[tuple[Node, int | str]]
"""The slot's own ways of saying a value, with that value."""


def frames_of(name: str, slot: Slot) -> tuple[Node, ...]:
    """The sentences a slot's value is recognised in, its own before the usual ones of its type."""
    usual = (frame.replace("{slot}", f"{{{name}}}") for frame in FRAMES[slot.type])
    return tuple(parse_pattern(frame) for frame in (slot.phrases or usual))


def named_values(slot: Slot) -> tuple[tuple[Node, int | str], ...]:
    """The slot's own ways of saying a value: options by their names and synonyms, numbers that the flow names."""
    match slot:
        case ChoiceSlot():
            options = slot.options.items()
            return tuple((parse_pattern(said), name) for name, synonyms in options for said in (name, *synonyms))
        case NumberSlot():
            return tuple((parse_pattern(said), number) for number, ways in slot.named.items() for said in ways)
        case _:
            return ()


def read_slot(slot: Slot, choices: Choices, words: Sequence[str], at: int, today: date) -> Reading:
    """Every value of the slot's type that begins at a word, allowed or not, the longest first."""
    if at >= len(words) or not words[at]:
        return []
    match slot:
        case NumberSlot():
            return [
                _whole(reading, words)
                for reading in sorted([*read_number(words, at), *_named(choices, words, at)], key=_longest)
            ]
        case DigitsSlot():
            return read_digits(words, at)
        case PhoneSlot():
            return read_phone(words, at)
        case DateSlot():
            return read_date(words, at, today)
        case TimeSlot():
            return read_time(words, at)
        case YesNoSlot():
            return read_yes_no(words, at)
        case ChoiceSlot():
            return sorted(_named(choices, words, at), key=_longest)
        case TextSlot():
            return [(len(words), " ".join(words[at:]))]
        case _:
            assert_never(slot)


def _named(choices: Choices, words: Sequence[str], at: int) -> Reading:
    return [(end, value) for node, value in choices for end, _ in match_at(node, words, at, lambda _name, _at: ())]


def _longest(reading: tuple[int, object]) -> int:
    return -reading[0]


def _whole(reading: tuple[int, object], words: Sequence[str]) -> tuple[int, object]:
    """The reading, or that there is none where it is a part of a sum or of an alternative (`four or five`, `two and a baby`)."""
    end, _ = reading
    joined, after = word_at(words, end), word_at(words, end + 1)
    if joined in _JOINING and (after in _COUNTED or after.isdecimal() or read_number(words, end + 1)):
        return end + 2, IMPOSSIBLE
    return reading


_JOINING: Final = frozenset({"and", "plus", "or"})
_COUNTED: Final = frozenset({"a", "an", "my", "our", "maybe", "perhaps", "possibly", "some"})


def accept(slot: Slot, raw: object, today: date) -> Value | None:
    """The value as the slot keeps it, or None where the slot does not allow it."""
    if raw is IMPOSSIBLE:
        return None
    match slot:
        case NumberSlot():
            number = cast("int", raw)
            return number if slot.min <= number <= slot.max else None
        case DigitsSlot() | PhoneSlot():
            digits = cast("str", raw)
            return digits if slot.min_length <= len(digits.removeprefix("+")) <= slot.max_length else None
        case DateSlot():
            day = cast("date", raw)
            return day if today <= day <= today + timedelta(days=slot.max_days) else None
        case TimeSlot():
            return resolve_time(cast("SpokenTime", raw), slot.earliest, slot.latest)
        case ChoiceSlot() | YesNoSlot() | TextSlot():
            return cast("str | bool", raw)
        case _:
            assert_never(slot)


def is_certain(slot: Slot, raw: object, *, framed: bool) -> bool:
    """Whether a value may be taken that was not asked for: it stands in a frame, or cannot mean anything else."""
    if raw is IMPOSSIBLE:
        return framed or isinstance(slot, DateSlot)
    match slot:
        case DateSlot() | ChoiceSlot():
            return True
        case TimeSlot():
            return framed or not cast("SpokenTime", raw).is_plain
        case PhoneSlot() | DigitsSlot():
            return framed or (accept(slot, raw, date.min) is not None and len(cast("str", raw)) > 2)  # noqa: PLR2004  not a count
        case NumberSlot() | YesNoSlot():
            return framed
        case TextSlot():
            return False
        case _:
            assert_never(slot)


def spoken_value(slot: Slot, value: Value, today: date) -> str:
    """The value in words, digits one by one."""
    return (
        say_digits(value) if isinstance(slot, DigitsSlot | PhoneSlot) and isinstance(value, str) else say(value, today)
    )


def keyed_value(slot: Slot, keys: str, today: date) -> object | None:
    """What pressed keys mean to a slot: digits, 1 or 2 for yes or no, the number of an option, `0730`, `2411` (day, month)."""
    match slot:
        case NumberSlot():
            return int(keys[:7])
        case DigitsSlot() | PhoneSlot():
            return keys
        case YesNoSlot():
            return {"1": True, "2": False}.get(keys)
        case ChoiceSlot():
            names = list(slot.options)
            return names[int(keys) - 1] if len(keys) < 4 and 0 < int(keys) <= len(names) else None  # noqa: PLR2004  no option needs more
        case TimeSlot():
            clock = f"{keys[:-2]}:{keys[-2:]}" if len(keys) > 2 else keys  # noqa: PLR2004  hours alone
            readings = read_time((clock,), 0)
            return readings[0][1] if readings else None
        case DateSlot():
            day, month = keys[:2], int(keys[2:]) if len(keys) == len("ddmm") else 0
            names = vocabulary.MONTHS[month - 1 : month] if month else ()
            readings = read_date((day, *names), 0, today) if names else []
            return readings[0][1] if readings and readings[0][1] is not IMPOSSIBLE else None
        case TextSlot():
            return keys
