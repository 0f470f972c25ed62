"""German numbers, ordinals, years, dates and times."""

import pytest

from vox.text.normalisation.german import GERMAN, cardinal, ordinal, year
from vox.text.normalisation.language import Clock, Date, Gender


@pytest.mark.parametrize(
    ("number", "gender", "words"),
    [
        (0, "", "null"),
        (1, "", "eins"),
        (1, "m", "ein"),
        (1, "f", "eine"),
        (21, "", "einundzwanzig"),
        (30, "", "dreißig"),
        (101, "f", "einhunderteine"),
        (1001, "", "eintausendeins"),
        (21_500, "", "einundzwanzigtausendfünfhundert"),
        (1_000_000, "", "eine Million"),
        (2_000_017, "", "zwei Millionen siebzehn"),
        (10**9, "", "eine Milliarde"),
    ],
)
def test_numbers(number: int, gender: Gender, words: str):
    assert cardinal(number, gender) == words


@pytest.mark.parametrize(
    ("number", "before", "words"),
    [
        (1, "der", "erste"),
        (3, "am", "dritten"),
        (7, "", "siebter"),
        (8, "den", "achten"),
        (12, "am", "zwölften"),
        (20, "der", "zwanzigste"),
        (31, "zum", "einunddreißigsten"),
        (100, "der", "einhundertste"),
        (103, "der", "einhundertdritte"),
    ],
)
def test_ordinals_follow_the_word_before_them(number: int, before: str, words: str):
    assert ordinal(number, before) == words


def test_years():
    assert year(1999) == "neunzehnhundertneunundneunzig"
    assert year(1900) == "neunzehnhundert"
    assert year(2026) == "zweitausendsechsundzwanzig"


def test_dates_and_times():
    assert GERMAN.date(Date(3, 5, 2026, "am")) == "dritten Mai zweitausendsechsundzwanzig"
    assert GERMAN.date(Date(3, 5)) == "dritter Mai"
    assert GERMAN.clock(Clock(1)) == "ein Uhr"
    assert GERMAN.clock(Clock(14, 30)) == "vierzehn Uhr dreißig"


def test_sums():
    euro, yen = GERMAN.currencies["€"], GERMAN.currencies["¥"]
    assert GERMAN.cents("zwei Euro", 50, euro) == "zwei Euro fünfzig"
    assert GERMAN.cents("", 1, euro) == "ein Cent"
    assert GERMAN.cents("zwei Yen", 50, yen) == "zwei Yen"
    assert GERMAN.agrees(1)
    assert not GERMAN.agrees(21)
