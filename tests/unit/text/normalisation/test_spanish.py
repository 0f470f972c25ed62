"""Spanish numbers, ordinals, dates and times."""

import pytest

from vox.text.normalisation.language import Clock, Date, Gender
from vox.text.normalisation.spanish import SPANISH, SPANISH_DOLLAR, SPANISH_POINT, cardinal


@pytest.mark.parametrize(
    ("number", "gender", "words"),
    [
        (0, "", "cero"),
        (1, "", "uno"),
        (1, "m", "un"),
        (1, "f", "una"),
        (21, "m", "veintiún"),
        (21, "f", "veintiuna"),
        (31, "m", "treinta y un"),
        (100, "", "cien"),
        (101, "f", "ciento una"),
        (200, "f", "doscientas"),
        (1000, "", "mil"),
        (21_000, "", "veintiún mil"),
        (200_000, "f", "doscientas mil"),
        (1_000_000, "", "un millón"),
        (2_500_500, "", "dos millones quinientos mil quinientos"),
    ],
)
def test_numbers_agree_with_their_noun(number: int, gender: Gender, words: str):
    assert cardinal(number, gender) == words


def test_ordinals():
    assert [SPANISH.ordinal(number, mark) for number, mark in ((1, "º"), (3, "ª"), (12, "º"))] == [
        "primero",
        "tercera",
        "doce",
    ]


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (Clock(1, 5), "una cero cinco"),
        (Clock(14, 30), "catorce treinta"),
        (Clock(14, says_hour=True), "catorce horas"),
        (Clock(1, says_hour=True), "una hora"),
        (Clock(3, 0, "pm"), "tres de la tarde"),
        (Clock(9, 0, "am"), "nueve de la mañana"),
    ],
)
def test_times(clock: Clock, words: str):
    assert SPANISH.clock(clock) == words


def test_dates():
    assert SPANISH.date(Date(1, 5)) == "primero de mayo"
    assert SPANISH.date(Date(3, 5, 2026)) == "tres de mayo de dos mil veintiséis"


def test_sums():
    euro, yen = SPANISH.currencies["€"], SPANISH.currencies["¥"]
    assert SPANISH.cents("dos euros", 50, euro) == "dos euros con cincuenta céntimos"
    assert SPANISH.cents("", 1, euro) == "un céntimo"
    assert SPANISH.cents("dos yenes", 50, yen) == "dos yenes"
    assert SPANISH_POINT.currencies["$"].unit.one == "peso"
    assert SPANISH_DOLLAR.currencies["$"].unit.one == "dólar"
    assert [number for number in (1, 11, 21, 100, 200, 1000) if SPANISH.agrees(number)] == [1, 21, 200]
