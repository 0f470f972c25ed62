"""Texts, names and ids as databases take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.transcripts.rows import MAX_TEXT, is_session_id, is_table_name, portable, storable


@given(st.text(st.characters(), max_size=50))
def test_every_text_becomes_one_that_is_valid_utf8_without_nul(text):
    kept = storable(text)
    assert "\x00" not in kept
    kept.encode()
    assert len(kept) == len(text)


def test_a_text_of_ordinary_length_is_kept_and_a_longer_one_ends_in_an_ellipsis():
    assert storable("a" * MAX_TEXT) == "a" * MAX_TEXT
    assert storable("a" * (MAX_TEXT + 1)) == "a" * (MAX_TEXT - 1) + "…"


@given(st.text(max_size=40_000))
def test_a_portable_text_fits_into_65535_bytes_of_three_byte_characters(text):
    kept = portable(text)
    assert len(kept.encode()) < 65_536
    assert all(len(character.encode()) <= 3 for character in kept)


@pytest.mark.parametrize("name", ["call_transcripts", "T1", "_x", "a" * 63])
def test_plain_identifiers_name_tables(name):
    assert is_table_name(name)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a.b", "a b", 'a"', "a;", "ü", "a" * 64, "a\n"])
def test_nothing_else_names_a_table(name):
    assert not is_table_name(name)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("call_1", True), ("CA0:1/x=", True), ("", False), ("a b", False), ("ä", False), ("x" * 256, False)],
)
def test_session_ids_are_printable_and_short(text, is_one):
    assert is_session_id(text) is is_one
