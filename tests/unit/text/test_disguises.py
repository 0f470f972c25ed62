"""Disguised words: whatever hides a word, one of a few readings shows it; and the readings stay few and quick."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.disguises import collapsed, is_unspaced, key_of, literal, masked_words, readings

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12)
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\ufe0f\u180e"
ALIKE = {
    "a": "аɑаＡ𝒶ⓐ",
    "e": "еЕё𝕖",
    "o": "оοօ",
    "c": "сϲＣ",
    "i": "іıⅰ",
    "p": "рρ",
    "x": "хχ",
    "y": "уү",
    "s": "ѕＳ𝓈",
    "n": "ｎⓝ",
}


def all_words(text: str) -> set[str]:
    return {
        word
        for reading in readings(text)
        for part in (reading.words, reading.joined, reading.mended)
        for word in part.split()
    }


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("h3ll0", "hello"), ("k1ll", "kill"), ("he1lo", "hello"), ("a$$et", "asset"), ("h.e.l.l.o", "hello"), ("h e l l o", "hello"),
        ("he-llo", "hello"), ("h🔥e🔥l🔥l🔥o", "hello"), ("𝖍𝖊𝖑𝖑𝖔", "hello"), ("ⓗⓔⓛⓛⓞ", "hello"), ("🅷🅴🅻🅻🅾", "hello"),
        ("🇭🇪🇱🇱🇴", "hello"), ("ʜᴇʟʟᴏ", "hello"), ("нello", "hello"), ("hello!!!", "hello"), ("5 h 1 p", "ship"), ("!diot", "idiot"),
        ("h\u0336e\u0336llo", "hello"), ("HELLO", "hello"), ("straße", "strasse"), ("**hello**", "hello"), ("(hello)", "hello"),
    ],
)  # fmt: skip
def test_a_reading_shows_the_word(text: str, word: str):
    assert word in all_words(text)


@pytest.mark.parametrize("text", ["455 rooms", "10:30", "3.14 + 2 = 5.14", "$100", "C++", "1!"])
def test_numbers_are_no_letters(text: str):
    assert not all_words(text) & {"ass", "ios", "iee"}


@given(word=LETTERS, data=st.data())
def test_invisible_characters_and_marks_hide_nothing(word: str, data: st.DataObject):
    hidden = "".join(char + data.draw(st.text(INVISIBLE, max_size=3)) for char in word)
    struck = "".join(char + data.draw(st.sampled_from(["", "\u0301", "\u0336", "\u20dd"])) for char in word)
    for text in (hidden, struck, word.upper()):
        assert readings(text)[0].words == word


@given(word=LETTERS, data=st.data())
def test_letters_of_other_scripts_hide_nothing(word: str, data: st.DataObject):
    disguised = "".join(data.draw(st.sampled_from(ALIKE.get(char, char) + char)) for char in word)
    assert readings(disguised)[0].words == word


@given(word=LETTERS, separator=st.sampled_from([".", "-", " ", "_", "*", " . ", "/", "🔥", "|"]))
def test_spelling_a_word_out_hides_nothing(word: str, separator: str):
    assert word in all_words(separator.join(word))


@given(st.text(max_size=300))
def test_every_text_has_few_readings_of_its_own_length(text: str):
    found = readings(text)
    assert 1 <= len(found) <= 4
    for reading in found:
        assert len(reading.words) <= 20 * len(text) + 20
        assert reading.words == " ".join(reading.words.split())


@given(st.text(max_size=200))
def test_a_key_is_its_own_key(text: str):
    key = key_of(text)
    assert key_of(key) == key


@given(st.text("ab ", max_size=60))
def test_collapsing_keeps_the_letters_in_order_and_counts_them(text: str):
    bare, lengths = collapsed(text)
    assert len(bare) == len(lengths)
    words = "".join(char * count for char, count in zip(bare, lengths, strict=True) if char != " ")
    assert words == text.replace(" ", "")


def test_struck_out_letters_and_scripts_without_spaces():
    assert masked_words("what the d*rn and h#ll* and *bold* 2*3") == ["d*rn"]
    assert masked_words("plain") == []
    assert is_unspaced("你")
    assert is_unspaced("😀")
    assert not is_unspaced("a")
    assert literal("Straße, STRASSE!") == "strasse strasse"


@pytest.mark.parametrize(
    "text", ["a" * 4000, "a1" * 2000, "a." * 2000, "a " * 2000, "*" * 4000, "a*" * 2000, "а\u0301" * 2000, "🔥" * 4000]
)
def test_hostile_texts_cost_no_more_than_long_ones(text: str):
    before = time.process_time()
    readings(text)
    masked_words(text)
    assert time.process_time() - before < 0.5, "a quadratic reading takes seconds"
