"""Number words under the spellings of other words that sound like them: tried where a number was asked for and none was read.

A recogniser writes what is likeliest in any sentence, "to the afternoon" for "two in the afternoon"; the question makes the other
word the likelier one. Only utterances of nothing but a value are read so, and the value is read back before it counts.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from vox.providers.flows import vocabulary

_NUMBERS: Final = {
    "won": "one",
    "wan": "one",
    "to": "two",
    "too": "two",
    "tree": "three",
    "free": "three",
    "for": "four",
    "fore": "four",
    "fife": "five",
    "sicks": "six",
    "sex": "six",
    "sven": "seven",
    "several": "seven",
    "heaven": "seven",
    "ate": "eight",
    "nein": "nine",
    "mine": "nine",
    "line": "nine",
    "tin": "ten",
    "tan": "ten",
}
_BEFORE: Final = {"4": "for", "four": "for", "2": "to", "two": "to", "hate": "eight", "hay": "eight", "hey": "eight"}
"""What a word at the beginning may be, where another number follows."""
_PARTS_OF_DAY: Final = frozenset({"morning", "afternoon", "evening"})
_AROUND: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "about",
        "around",
        "by",
        "just",
        "in",
        "is",
        "it",
        "of",
        "on",
        "the",
        "then",
        "um",
        "uh",
        "us",
        "we",
        "are",
        "be",
        "will",
        "there",
        "people",
        "persons",
        "guests",
        "adults",
        "morning",
        "afternoon",
        "evening",
        "half",
        "past",
        "quarter",
        "o'clock",
        "p",
        "m",
        "please",
        "minutes",
    ]
)
_SPELLED: Final = frozenset({*vocabulary.UNITS, *vocabulary.TEENS, *vocabulary.TENS})

HOURS: Final = {word: vocabulary.UNITS.index(number) + 1 for word, number in _NUMBERS.items() if number == "seven"}
"""Hours that are no function words under their other spelling: read so behind "past" in any sentence."""


def alike(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Other readings of an utterance that is nothing but a value, the likeliest first; none for any other."""
    if len(words) > 1 and words[0] in _BEFORE and _is_value(words[1:]):
        yield (_BEFORE[words[0]], *words[1:])
    replaced = tuple(_NUMBERS.get(word, word) for word in words)
    if replaced != tuple(words) and _is_value(replaced):
        yield _with_in(replaced)


def _is_value(words: Sequence[str]) -> bool:
    numbers = [word for word in words if word in _SPELLED or word.isdecimal()]
    return bool(numbers) and all(word in _AROUND or word in numbers for word in words)


def _with_in(words: tuple[str, ...]) -> tuple[str, ...]:
    """`two the afternoon` as `two in the afternoon`."""
    for at, (first, second) in enumerate(pairwise(words)):
        if second in _PARTS_OF_DAY and first == "the" and words[at - 1] != "in":
            return (*words[:at], "in", *words[at:])
        if second in _PARTS_OF_DAY and first in _SPELLED:
            return (*words[: at + 1], "in", "the", *words[at + 1 :])
    return words
