"""English numbers, ordinals, years, dates and times."""

import pytest

from vox.text.normalisation.english import ENGLISH, ENGLISH_DAY_FIRST, cardinal, ordinal, year
from vox.text.normalisation.language import Clock, Date


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (19, "nineteen"),
        (20, "twenty"),
        (85, "eighty-five"),
        (100, "one hundred"),
        (2506, "two thousand five hundred six"),
        (1_000_001, "one million one"),
        (3 * 10**12, "three trillion"),
    ],
)
def test_numbers(number: int, words: str):
    assert cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "first"), (3, "third"), (4, "fourth"), (12, "twelfth"), (20, "twentieth"), (21, "twenty-first"), (100, "one hundredth")],
)  # fmt: skip
def test_ordinals(number: int, words: str):
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1999, "nineteen ninety-nine"),
        (1905, "nineteen oh five"),
        (1900, "nineteen hundred"),
        (2000, "two thousand"),
        (2005, "two thousand five"),
        (2026, "twenty twenty-six"),
        (900, "nine hundred"),
    ],
)
def test_years(number: int, words: str):
    assert year(number) == words


def test_dates():
    assert ENGLISH.date(Date(3, 5)) == "May third"
    assert ENGLISH.date(Date(3, 5, 2026, "the")) == "third of May, twenty twenty-six"
    assert ENGLISH_DAY_FIRST.date(Date(3, 5)) == "the third of May"
    assert ENGLISH_DAY_FIRST.date(Date(3, 5, None, "the")) == "third of May"


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (Clock(9, 5), "nine oh five"),
        (Clock(14, 30), "fourteen thirty"),
        (Clock(9), "nine o'clock"),
        (Clock(17), "seventeen hundred hours"),
        (Clock(0), "midnight"),
        (Clock(9, 0, "am"), "nine AM"),
        (Clock(9, 45, "pm"), "nine forty-five PM"),
    ],
)
def test_times(clock: Clock, words: str):
    assert ENGLISH.clock(clock) == words


def test_sums():
    dollar, yen = ENGLISH.currencies["$"], ENGLISH.currencies["JPY"]
    assert ENGLISH.cents("two dollars", 1, dollar) == "two dollars and one cent"
    assert ENGLISH.cents("", 50, dollar) == "fifty cents"
    assert ENGLISH.cents("two yen", 50, yen) == "two yen"
    assert not ENGLISH.agrees(21)
