"""Digits of every script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.digits import ascii_digits, is_number


@pytest.mark.parametrize(
    ("text", "expected"), [("٣٤", "34"), ("३", "3"), ("room ３０1", "room 301"), ("½ ²", "½ ²"), ("", "")]
)
def test_digits_become_ascii(text: str, expected: str):
    assert ascii_digits(text) == expected


@given(st.text())
def test_nothing_but_digits_changes(text: str):
    converted = ascii_digits(text)
    assert len(converted) == len(text)
    assert ascii_digits(converted) == converted
    assert all(one == other or is_number(one) for one, other in zip(text, converted, strict=True))
