"""Safety numbers, against vectors that other programs computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.safety_numbers import safety_number

ED25519 = (
    bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
    bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
)
"""The public keys of the first two test vectors of RFC 8032."""
keys = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("one", "other", "number"),
    [
        (bytes(32), b"\xff" * 32, "78566 36676 79400 24867 57155 17414 32566 58566 51011 84804 57757 41706"),
        (bytes(range(32)), bytes(32), "89135 89185 86098 68611 30750 25842 07729 49723 71605 89779 40018 86323"),
        (*ED25519, "31826 45850 83819 51291 45253 83697 51289 66980 02780 00302 02261 48511"),
        (b"\xff" * 32, b"\xff" * 32, "54084 42080 98055 01874 87029 61506 33591 46974 34897 40687 65998 33079"),
    ],
)
def test_vectors_computed_by_node_and_by_sha256sum_with_bc(one: bytes, other: bytes, number: str):
    assert safety_number(one, other) == number


@given(keys, keys)
def test_both_sides_read_the_same_twelve_groups_of_five_digits(one: bytes, other: bytes):
    number = safety_number(one, other)
    assert number == safety_number(other, one)
    groups = number.split(" ")
    assert len(groups) == 12
    assert all(len(group) == 5 and group.isdigit() for group in groups)


@given(keys, keys, keys)
def test_another_key_gives_another_number(one: bytes, other: bytes, third: bytes):
    if third not in {one, other}:
        assert safety_number(one, other) != safety_number(one, third)


@pytest.mark.parametrize(("one", "other"), [(b"", b""), (b"a", b"ab"), (b"ab", b"")])
def test_keys_whose_border_would_be_ambiguous_are_refused(one: bytes, other: bytes):
    with pytest.raises(ValueError, match="one length"):
        safety_number(one, other)
