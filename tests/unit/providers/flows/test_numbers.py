"""Numbers, digits and telephone numbers as people say and write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import whole
from vox.providers.flows import vocabulary
from vox.providers.flows.forms import IMPOSSIBLE
from vox.providers.flows.numbers import read_digits, read_number, read_phone
from vox.providers.flows.rendering import say_digits, say_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("zero", 0), ("seven", 7), ("twelve", 12), ("forty two", 42), ("twenty-five", 25), ("a hundred", 100), ("4", 4),
        ("three hundred and five", 305), ("two thousand and ten", 2010), ("12 thousand", 12000),
        ("a couple of", 2), ("half a dozen", 6), ("a dozen", 12), ("two adults and three children", 5),
        ("four grownups plus 1 child", 5), ("1,250", 1250), ("٤٢", 42),
    ],
)  # fmt: skip
def test_numbers(text, number):
    assert whole(read_number, text) == number


@given(st.integers(0, 999_999))
def test_a_number_said_is_the_number_read(number):
    assert whole(read_number, say_number(number)) == number


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("four seven one one", "4711"),
        ("double five oh", "550"),
        ("triple 3 1", "3331"),
        ("555-1234", "5551234"),
        ("eight six six four fifty sixty one fifty two", "8664506152"),
        ("oh eight hundred nineteen twenty", "08001920"),
        ("four two, dash, uh, seven", "427"),
    ],
)
def test_digits(text, digits):
    assert whole(read_digits, text) == digits


@given(st.text("0123456789", min_size=1, max_size=15))
def test_digits_said_are_the_digits_read(digits):
    assert whole(read_digits, say_digits(digits)) == digits


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("plus four four two oh", "+4420"),
        ("+1 (415) 555-0132", "+14155550132"),
        ("+44 20 7946 0123", "+442079460123"),
        ("(020) 7946 0123", "02079460123"),
    ],
)
def test_a_leading_plus_belongs_to_a_telephone_number(text, number):
    assert whole(read_phone, text) == number


def test_a_number_too_large_is_not_read_in_part():
    assert whole(read_number, "999999 thousand") is IMPOSSIBLE


@given(st.lists(st.sampled_from([*vocabulary.UNITS, *vocabulary.TEENS, *vocabulary.TENS, "oh", "zero"]), min_size=1))
def test_no_digit_that_was_said_is_lost(words):
    read = whole(read_digits, " ".join(words))
    assert isinstance(read, str)
    values = [int(digit) for digit in read]
    least = sum(1 for _ in words)
    assert least - sum(word in vocabulary.TENS for word in words) <= len(values) <= 2 * least
