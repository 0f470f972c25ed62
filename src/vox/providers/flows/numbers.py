"""Spoken numbers: amounts (`twenty five`), strings of digits (`double five`, `fifty two`), telephone numbers.

Figures are read as well as words: recognisers write both.
"""

from collections.abc import Sequence
from typing import Final

from vox.providers.flows import vocabulary
from vox.providers.flows.forms import IMPOSSIBLE, Reading, word_at

NUMBERS: Final = {word: value for value, word in enumerate(("zero", *vocabulary.UNITS, *vocabulary.TEENS))}
TENS: Final = {word: 10 * value for value, word in enumerate(vocabulary.TENS, 2)}
_DIGITS: Final = {**{word: str(value) for value, word in enumerate(("zero", *vocabulary.UNITS))}, "oh": "0", "o": "0"}
_TEENS: Final = {word: str(value) for value, word in enumerate(vocabulary.TEENS, 10)}
_REPEATS: Final = {"double": 2, "triple": 3, "treble": 3}
_DOZEN: Final = 12
_ADULTS: Final = frozenset({"adult", "adults", "grownup", "grownups"})
_CHILDREN: Final = frozenset({"child", "children", "kid", "kids", "baby", "babies", "toddler", "toddlers"})
_BETWEEN: Final = frozenset({"dash", "hyphen", "space", "then", "and", "um", "uh", "er", "area", "code", "extension"})
"""What may be said between digits without being one."""


def read_number(words: Sequence[str], at: int) -> Reading:
    """A whole number from zero to 999,999."""
    found: dict[int, int] = dict(_below_thousand(words, at)) | dict(_read_dozens(words, at))
    for end, thousands in tuple(found.items()):
        if word_at(words, end) == "thousand":
            found[end + 1] = 1000 * thousands
            for last, rest in _below_thousand(words, end + 1 + (word_at(words, end + 1) == "and")):
                found[last] = 1000 * thousands + rest
    for end, adults in tuple(found.items()):
        if word_at(words, end) in _ADULTS:
            for last, children in below_hundred(words, end + 1 + (word_at(words, end + 1) in {"and", "plus"})):
                if word_at(words, last) in _CHILDREN:
                    found[last + 1] = adults + children
    whole = {end: value if value <= 999_999 else IMPOSSIBLE for end, value in found.items()}  # noqa: PLR2004  stated above
    return sorted(whole.items(), key=lambda reading: -reading[0])


def read_digits(words: Sequence[str], at: int) -> Reading:
    """A string of digits: `four two`, `double five`, `fifty two`, `eight hundred`, `4711`, `555-1234`."""
    found: Reading = []
    digits = ""
    while at < len(words):
        piece = _digits_at(words, at)
        if piece is None:
            if not digits or words[at] not in _BETWEEN:
                break
            at += 1
            continue
        at, more = piece
        digits += more
        found.append((at, digits))
    return found[::-1]


def read_phone(words: Sequence[str], at: int) -> Reading:
    """A telephone number: digits, with a leading `plus` kept as `+`."""
    if word_at(words, at) == "plus":
        return [(end, f"+{digits}") for end, digits in read_digits(words, at + 1)]
    return read_digits(words, at)


def _digits_at(words: Sequence[str], at: int) -> tuple[int, str] | None:
    """The digits one or two words stand for, and where they end."""
    word, after = words[at], word_at(words, at + 1)
    if (repeats := _REPEATS.get(word)) is not None:
        digit = after if len(after) == 1 and after.isdecimal() else _DIGITS.get(after)
        return None if digit is None else (at + 2, repeats * digit)
    if (plain := word.replace("-", "").replace(".", "")).isdecimal():
        return at + 1, plain
    if word in _DIGITS:
        if after in {"hundred", "thousand"}:
            return at + 2, _DIGITS[word] + ("00" if after == "hundred" else "000")
        return at + 1, _DIGITS[word]
    if word in _TEENS:
        return at + 1, _TEENS[word]
    if word in TENS:
        unit = NUMBERS.get(after, 0)
        return (at + 2, str(TENS[word] + unit)) if 0 < unit < 10 else (at + 1, str(TENS[word]))  # noqa: PLR2004  a unit
    return None


def below_hundred(words: Sequence[str], at: int) -> list[tuple[int, int]]:
    """A number below a hundred in words, or one of up to six figures."""
    word = word_at(words, at)
    if word in TENS:
        units = NUMBERS.get(word_at(words, at + 1), 0)
        longer = [(at + 2, TENS[word] + units)] if 0 < units < 10 else []  # noqa: PLR2004  a unit
        return [*longer, (at + 1, TENS[word])]
    if word in NUMBERS:
        return [(at + 1, NUMBERS[word])]
    return [(at + 1, int(word))] if word.isdecimal() and len(word) <= 6 else []  # noqa: PLR2004  below a million


def _below_thousand(words: Sequence[str], at: int) -> list[tuple[int, int]]:
    found = below_hundred(words, at)
    hundreds = 1 if word_at(words, at) == "a" else NUMBERS.get(word_at(words, at), 0)
    if 0 < hundreds < 10 and word_at(words, at + 1) == "hundred":  # noqa: PLR2004  a unit
        rest = below_hundred(words, at + 2 + (word_at(words, at + 2) == "and"))
        found = [*((end, 100 * hundreds + more) for end, more in rest), (at + 2, 100 * hundreds), *found]
    return found


def _read_dozens(words: Sequence[str], at: int) -> list[tuple[int, int]]:
    said = tuple(words[at : at + 3])
    if said == ("half", "a", "dozen"):
        return [(at + 3, _DOZEN // 2)]
    if said[:2] == ("a", "dozen"):
        return [(at + 2, _DOZEN)]
    if said[:2] in {("a", "couple"), ("a", "pair")}:
        return [(at + 2 + (word_at(words, at + 2) == "of"), 2)]
    return []
