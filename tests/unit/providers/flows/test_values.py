import random
from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY
from vox.providers.flows import vocabulary
from vox.providers.flows.patterns import (
    Either,
    Many,
    Maybe,
    Node,
    Rule,
    Series,
    Value,
    Word,
    heard_words,
    parse_pattern,
)
from vox.providers.flows.rendering import iso, say, say_digits, say_number
from vox.providers.flows.values import (
    SpokenTime,
    read_date,
    read_digits,
    read_number,
    read_phone,
    read_time,
    read_yes_no,
    resolve_time,
)

EVENING = (time(12), time(21, 30))


def whole(read, text, *more):
    """The meaning of the whole text, or None where it is not such a value from beginning to end."""
    words = heard_words(text)
    readings = read(words, 0, *more)
    return readings[0][1] if readings and readings[0][0] == len(words) else None


def spoken_time(text, *limits):
    said = whole(read_time, text)
    return resolve_time(said, *limits) if isinstance(said, SpokenTime) else None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("zero", 0), ("seven", 7), ("twelve", 12), ("forty two", 42), ("twenty-five", 25), ("a hundred", 100), ("4", 4),
        ("three hundred and five", 305), ("two thousand and ten", 2010), ("12 thousand", 12000),
    ],
)  # fmt: skip
def test_numbers(text, number):
    assert whole(read_number, text) == number


@given(st.integers(0, 999_999))
def test_a_number_said_is_the_number_read(number):
    assert whole(read_number, say_number(number)) == number


@pytest.mark.parametrize(
    ("text", "digits"),
    [("four seven one one", "4711"), ("double five oh", "550"), ("triple 3 1", "3331"), ("555-1234", "5551234")],
)
def test_digits(text, digits):
    assert whole(read_digits, text) == digits


@given(st.text("0123456789", min_size=1, max_size=15))
def test_digits_said_are_the_digits_read(digits):
    assert whole(read_digits, say_digits(digits)) == digits


def test_a_leading_plus_belongs_to_a_telephone_number():
    assert whole(read_phone, "plus four four two oh") == "+4420"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", "2026-11-20"), ("tomorrow", "2026-11-21"), ("the day after tomorrow", "2026-11-22"),
        ("friday", "2026-11-27"), ("this saturday", "2026-11-21"), ("next saturday", "2026-11-28"),
        ("next monday", "2026-11-23"), ("a week from monday", "2026-11-30"), ("in three days", "2026-11-23"),
        ("in two weeks", "2026-12-04"), ("in a week", "2026-11-27"), ("the third of march", "2027-03-03"),
        ("december fifth", "2026-12-05"), ("saturday the fifth of december", "2026-12-05"), ("the third", "2026-12-03"),
        ("the thirty first", "2026-12-31"), ("21st of November", "2026-11-21"), ("March 3rd", "2027-03-03"),
        ("monday the thirtieth", "2026-11-30"), ("2026-12-24", "2026-12-24"), ("the twenty ninth of february", "2028-02-29"),
    ],
)  # fmt: skip
def test_days(text, day):
    assert whole(read_date, text, TODAY) == date.fromisoformat(day)


@pytest.mark.parametrize("text", ["the thirty first of february", "in 999999 weeks", "someday", "the"])
def test_what_is_no_day(text):
    assert whole(read_date, text, TODAY) is None


@given(st.integers(0, 364))
def test_a_day_said_is_the_day_read(ahead):
    day = TODAY + timedelta(days=ahead)
    assert whole(read_date, say(day, TODAY), TODAY) == day


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("seven thirty p m", time(19, 30)), ("7:30 pm", time(19, 30)), ("half past seven", time(19, 30)),
        ("a quarter to eight in the evening", time(19, 45)), ("seven", time(19)), ("eleven", time(11)),
        ("eight o'clock in the morning", time(8)), ("noon", time(12)), ("midnight", time(0)), ("19:30", time(19, 30)),
        ("twelve thirty", time(12, 30)), ("twelve a m", time(0)), ("quarter to one", time(12, 45)), ("07:30", time(7, 30)),
        ("five past six", time(18, 5)), ("seven oh five", time(19, 5)), ("7.45", time(19, 45)),
    ],
)  # fmt: skip
def test_times(text, at):
    assert spoken_time(text) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("eight", time(20)),
        ("one", time(13)),
        ("eleven", None),
        ("nine in the morning", None),
        ("half past nine", time(21, 30)),
    ],
)
def test_an_open_time_falls_into_its_range_if_it_can(text, at):
    assert spoken_time(text, *EVENING) == at


@given(st.times())
def test_a_time_said_is_the_time_read(at):
    at = at.replace(second=0, microsecond=0, tzinfo=None)
    assert spoken_time(say(at, TODAY)) == at


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", True),
        ("yeah", True),
        ("that's right", True),
        ("no", False),
        ("no thank you", False),
        ("nope", False),
        ("maybe", None),
    ],
)
def test_yes_and_no(text, answer):
    assert whole(read_yes_no, text) is answer


def test_values_for_tools_are_iso():
    assert [iso(value) for value in (date(2026, 11, 21), time(19, 5), 4, True, "red")] == [
        "2026-11-21",
        "19:05",
        4,
        True,
        "red",
    ]


@pytest.mark.parametrize(
    ("rule", "understood"),
    [
        ("date", lambda text: whole(read_date, text, TODAY) is not None or "thirt" in text or "twent" in text),
        ("time", lambda text: whole(read_time, text) is not None),
        ("digits", lambda text: whole(read_digits, text) is not None),
        ("phone", lambda text: whole(read_phone, text) is not None),
        ("below_million", lambda text: whole(read_number, text) is not None),
        ("yes", lambda text: whole(read_yes_no, text) is True),
        ("no", lambda text: whole(read_yes_no, text) is False),
    ],
)
def test_whatever_the_recogniser_listens_for_is_understood(rule, understood):
    # Of the late days of a month some do not exist (a thirtieth of February), and are rightly not understood.
    chance = random.Random(4)
    for _ in range(400):
        text = " ".join(sentence(parse_pattern(vocabulary.RULES[rule]), chance))
        assert understood(text), text


def sentence(node: Node, chance: random.Random) -> list[str]:
    """One of the sentences of a pattern."""
    match node:
        case Word(text):
            return [text]
        case Series(parts):
            return [word for part in parts for word in sentence(part, chance)]
        case Either(options):
            return sentence(chance.choice(options), chance)
        case Maybe(part):
            return sentence(part, chance) if chance.random() < 0.5 else []
        case Many(part):
            return [word for _ in range(chance.randint(1, 4)) for word in sentence(part, chance)]
        case Rule(name) | Value(name):
            return sentence(parse_pattern(vocabulary.RULES[name]), chance)
