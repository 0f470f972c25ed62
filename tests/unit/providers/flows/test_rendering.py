"""How values are said, written for tools, and put into texts."""

from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY
from vox.providers.flows.rendering import fill, iso, say, say_digits, say_number, say_ordinal


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "yes"),
        (False, "no"),
        (0, "zero"),
        (17, "seventeen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (1001, "one thousand one"),
        (312_045, "three hundred twelve thousand forty five"),
        (time(12), "noon"),
        (time(0), "midnight"),
        (time(9, 5), "nine oh five in the morning"),
        (time(13, 30), "one thirty in the afternoon"),
        (time(17), "five in the evening"),
        (TODAY, "today"),
        (TODAY + timedelta(days=1), "tomorrow"),
        (TODAY + timedelta(days=6), "Thursday"),
        (TODAY + timedelta(days=7), "Friday the twenty seventh of November"),
        (TODAY - timedelta(days=1), "Thursday the nineteenth of November"),
        (date(2026, 12, 30), "Wednesday the thirtieth of December"),
        ("red", "red"),
    ],
)
def test_values_in_words(value, said):
    assert say(value, TODAY) == said


@pytest.mark.parametrize(
    ("value", "written"),
    [(date(2026, 1, 2), "2026-01-02"), (time(7, 5), "07:05"), (5, 5), (True, True), ("red", "red")],
)
def test_values_for_tools(value, written):
    assert iso(value) == written


def test_digits_are_said_one_by_one():
    assert say_digits("+4711") == "plus four seven one one"
    assert say_digits("") == ""


@given(st.integers(0, 999_999), st.integers(0, 999_999))
def test_different_numbers_sound_different(one, other):
    assert (say_number(one) == say_number(other)) is (one == other)


def test_every_day_of_a_month_has_its_ordinal():
    ordinals = [say_ordinal(day) for day in range(1, 32)]
    assert len(set(ordinals)) == 31
    assert [ordinals[day - 1] for day in (1, 12, 20, 21, 30, 31)] == [
        "first", "twelfth", "twentieth", "twenty first", "thirtieth", "thirty first",
    ]  # fmt: skip


def test_known_places_are_filled_in_and_others_left():
    assert fill("{people} on {day}, {result.reference}", {"people": "four", "day": "Monday"}) == (
        "four on Monday, {result.reference}"
    )


@pytest.mark.parametrize(("day", "text"), [("today", "See you today."), ("Monday", "See you on Monday.")])
def test_relative_days_go_without_on(day, text):
    assert fill("See you on {day}.", {"day": day}) == text
