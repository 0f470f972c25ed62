"""Words are found in what vendors say about time, whatever they count."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts._words import Timeline, WordFinder
from vox.providers.tts.contract import SpokenWord

TEXT = "Good morning, the café opens at nine o'clock."


def found(text: str, words: Sequence[str]) -> list[str]:
    finder = WordFinder(text)
    return [text[word.start : word.end] for n, each in enumerate(words) if (word := finder.spoken(each, float(n)))]


def test_words_as_they_were_sent():
    assert found(TEXT, TEXT.split()) == TEXT.split()


def test_punctuation_and_blanks_are_no_words():
    tokens = ["Good", " ", "morning", ",", " ", "the", " ", "café", "opens", "at", "nine", "o", "'", "clock", "."]
    assert found(TEXT, tokens) == TEXT.split()


def test_words_that_are_spoken_otherwise_have_no_time_and_do_no_harm():
    assert found("At 9 we open the gate.", ["At", "nine", "we", "open", "the", "gate"]) == [
        "At",
        "we",
        "open",
        "the",
        "gate.",
    ]


def test_a_word_far_ahead_is_another_one():
    assert found("one two three four five six again", ["again"]) == []


def test_upper_and_lower_case_do_not_matter():
    assert found("Straße UND Weg", ["STRASSE", "und", "weg"]) == ["Straße", "UND", "Weg"]


@pytest.mark.parametrize("garbage", ["", "...", "_", "\ud800", "🎉"])
def test_what_has_no_letters_is_no_word(garbage):
    assert WordFinder(TEXT).spoken(garbage, 0.0) is None


@given(st.text(max_size=60).filter(lambda text: "\ud800" not in text))
def test_every_character_belongs_to_its_word_once(text):
    finder = WordFinder(text)
    words = finder.characters(list(text), [n / 10 for n in range(len(text))], 0)
    expected = [match.span() for match in re.finditer(r"\S+", text)]
    assert [(word.start, word.end) for word in words] == expected
    assert [round(word.at_s * 10) for word in words] == [start for start, _ in expected]


@given(st.text(alphabet="aé日🎉 ", max_size=40))
def test_bytes_are_counted_like_characters(text):
    finder = WordFinder(text)
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    words = [finder.at_byte(len(text[:start].encode()), 0.0) for start, _ in spans]
    assert [(word.start, word.end) for word in words if word] == spans


def test_positions_outside_of_the_text_are_no_word():
    finder = WordFinder("one two")
    assert finder.at(3, 0.0) is None
    assert finder.at(99, 0.0) is None
    assert finder.at_byte(99, 0.0) is None


def test_times_never_go_back_and_are_numbers():
    finder = WordFinder("one two three four five")
    words = [finder.spoken(word, at_s) for word, at_s in (("one", -1.0), ("two", 0.5), ("three", 0.2))]
    assert [word.at_s for word in words if word] == [0.0, 0.5, 0.5]
    assert finder.spoken("four", float("nan")) is None
    assert finder.spoken("five", 1e300) is None


def test_times_of_the_sentence_stay_as_they_are():
    timeline = Timeline()
    assert timeline.of([0.0, 0.2], 0.0) == [0.0, 0.2]
    assert timeline.of([0.5, 0.7], 0.4) == [0.5, 0.7]
    assert timeline.of([], 0.8) == []


def test_times_of_a_piece_begin_where_it_begins():
    timeline = Timeline()
    assert timeline.of([0.0, 0.2], 0.0) == [0.0, 0.2]
    assert timeline.of([0.1, 0.3], 0.4) == [0.5, 0.7]
    assert timeline.of([0.0], 0.8) == [0.8]


def test_a_text_that_grows_has_the_words_of_all_its_parts():
    finder = WordFinder("the kitchen ")
    assert finder.spoken("the", 0.0) == SpokenWord(0, 3, 0.0)
    finder.extend("is open.")
    assert finder.text == "the kitchen is open."
    assert finder.all_spoken(["kitchen", "is", "open"], [0.1, 0.2, 0.3]) == [
        SpokenWord(4, 11, 0.1),
        SpokenWord(12, 14, 0.2),
        SpokenWord(15, 20, 0.3),
    ]
