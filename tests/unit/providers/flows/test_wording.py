"""How text is cut into words, and when two words are the same, in every script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.flows.wording import fold, heard_words, written_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("At 7.30pm, on 2026-11-21!", ("at", "7.30", "p", "m", "on", "2026-11-21")),
        ("7 P.M. twenty-five o'clock", ("7", "p", "m", "twenty", "five", "o'clock")),
        ("What\u2019s up?", ("what's", "up")),
        ("+44 (20) 79", ("plus", "44", "20", "79")),
        ("1,250 or 24/12", ("1250", "or", "24/12")),
        ("wi-fi", ("wi", "fi")),
        ("Größe", ("größe",)),
        ("\uff17 o\u02bcclock", ("7", "o'clock")),
        ("\u0664\u0662", ("42",)),
        ("等一下", ("等", "一", "下")),
        ("नमस्ते दुनिया", ("नमस्ते", "दुनिया")),
        ("...", ()),
        ("", ()),
    ],
)
def test_words_as_they_are_written(text, words):
    assert written_words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's open?", ("what", "is", "open")),
        ("I can't, won't and didn't", ("i", "can", "not", "will", "not", "and", "did", "not")),
        ("D'you wanna go? Goodbye", ("do", "you", "want", "to", "go", "good", "bye")),
        ("STRASSE straße", ("strasse", "strasse")),
        ("I'd've", ("i", "would", "have")),
    ],
)
def test_words_as_they_are_compared(text, words):
    assert heard_words(text) == words


@given(st.text(max_size=80))
def test_words_do_not_depend_on_how_unicode_writes_them(text):
    """Composed or decomposed, in capitals or not: the same words."""
    composed = unicodedata.normalize("NFC", text)
    assert heard_words(composed) == heard_words(unicodedata.normalize("NFD", text))
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=80))
def test_words_hold_no_space_and_no_letter_is_lost(text):
    words = written_words(text)
    assert all(word and not any(char.isspace() for char in word) for word in words)
    assert any(char.isalnum() for char in unicodedata.normalize("NFKC", text)) <= bool(words)
