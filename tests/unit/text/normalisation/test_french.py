"""French numbers, ordinals, dates and times."""

import pytest

from vox.text.normalisation.french import FRENCH, FRENCH_SEPTANTE
from vox.text.normalisation.language import Clock, Date, Gender


@pytest.mark.parametrize(
    ("number", "gender", "words"),
    [
        (0, "", "zéro"),
        (1, "f", "une"),
        (21, "", "vingt et un"),
        (21, "f", "vingt et une"),
        (70, "", "soixante-dix"),
        (71, "", "soixante et onze"),
        (80, "", "quatre-vingts"),
        (81, "", "quatre-vingt-un"),
        (81, "f", "quatre-vingt-une"),
        (91, "", "quatre-vingt-onze"),
        (99, "", "quatre-vingt-dix-neuf"),
        (100, "", "cent"),
        (200, "", "deux cents"),
        (201, "", "deux cent un"),
        (1000, "", "mille"),
        (80_000, "", "quatre-vingt mille"),
        (200_000, "", "deux cent mille"),
        (1_000_000, "", "un million"),
        (2_000_200, "", "deux millions deux cents"),
    ],
)
def test_numbers(number: int, gender: Gender, words: str):
    assert FRENCH.cardinal(number, gender) == words


@pytest.mark.parametrize(
    ("number", "words"), [(70, "septante"), (71, "septante et un"), (80, "quatre-vingts"), (95, "nonante-cinq")]
)
def test_numbers_of_belgium_and_switzerland(number: int, words: str):
    assert FRENCH_SEPTANTE.cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "mark", "words"),
    [
        (1, "er", "premier"),
        (1, "re", "première"),
        (2, "e", "deuxième"),
        (4, "e", "quatrième"),
        (5, "e", "cinquième"),
        (9, "e", "neuvième"),
        (21, "e", "vingt et unième"),
        (80, "e", "quatre-vingtième"),
        (1000, "e", "millième"),
    ],
)
def test_ordinals(number: int, mark: str, words: str):
    assert FRENCH.ordinal(number, mark) == words


def test_dates_and_times():
    assert FRENCH.date(Date(1, 5, 2026)) == "premier mai deux mille vingt-six"
    assert FRENCH.date(Date(3, 8)) == "trois août"
    assert FRENCH.clock(Clock(1)) == "une heure"
    assert FRENCH.clock(Clock(21, 15)) == "vingt et une heures quinze"


def test_sums():
    euro, yen = FRENCH.currencies["€"], FRENCH.currencies["¥"]
    assert FRENCH.cents("deux euros", 50, euro) == "deux euros cinquante"
    assert FRENCH.cents("", 1, euro) == "un centime"
    assert FRENCH.cents("deux yens", 50, yen) == "deux yens"
    assert [number for number in (1, 11, 21, 71, 91) if FRENCH.agrees(number)] == [1, 21]
