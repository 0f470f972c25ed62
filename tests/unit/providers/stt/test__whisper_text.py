"""Tokens and texts of Whisper, with a small vocabulary in the place of the real one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.stt._whisper_text import (
    Vocabulary,
    agreed,
    plain_words,
    prompt_text,
    read_vocabulary,
    without_repeats,
)

# Byte characters first, then merges in the order in which they were learned, as in the real vocabularies.
PRINTED = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256))]
BYTES = [*PRINTED, *(chr(256 + n) for n in range(256 - len(PRINTED)))]
MERGES = ["he", "ll", "Ġt", "Ġw", "llo", "hello", "Ġtw", "Ġtwo"]
TOKENS = [*BYTES, *MERGES, "<|endoftext|>", "<|startoftranscript|>", "<|en|>"]
VOCABULARY = Vocabulary(TOKENS)


def tokens(text: str) -> list[str]:
    return [TOKENS[number] for number in VOCABULARY.encode(text)]


def test_a_text_is_merged_in_the_order_of_the_vocabulary():
    assert tokens("hello two") == ["hello", "Ġtwo"]
    assert tokens("hell") == ["he", "ll"]


def test_words_are_not_merged_across_their_borders():
    assert tokens("two") == ["t", "w", "o"], "the token is for the word behind a space"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_decoding_gives_back_what_was_encoded(text):
    assert VOCABULARY.decode(VOCABULARY.encode(text)) == text.strip()


def test_special_and_unknown_tokens_say_nothing():
    assert VOCABULARY.decode([VOCABULARY.number("<|en|>"), *VOCABULARY.encode("hello"), 10_000, -1]) == "hello"
    assert VOCABULARY.number("<|xx|>") == -1


def test_half_a_character_is_left_out():
    assert VOCABULARY.decode(VOCABULARY.encode("hé")[:-1]) == "h"


@pytest.mark.parametrize("form", ["txt", "json"])
def test_both_forms_of_a_vocabulary_file_are_read(tmp_path, form):
    text = json.dumps(TOKENS) if form == "json" else "\n".join(TOKENS) + "\n"
    (tmp_path / f"vocabulary.{form}").write_text(text, encoding="utf-8")
    assert read_vocabulary(tmp_path).encode("hello two") == VOCABULARY.encode("hello two")


def test_a_prompt_is_made_of_sentences():
    assert prompt_text(["book a table", " ", "opening hours"]) == "Book a table. Opening hours."
    assert prompt_text([]) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ten of clubs. Ten of clubs.", "Ten of clubs."),
        ("Ten of clubs Ten of clubs Ten of clubs", "Ten of clubs"),
        ("I would like, I would like a table for two", "I would like a table for two"),
        ("five five five five five five", "five five five five five five"),
        ("no no no no", "no no no no"),
        ("bye bye, bye bye", "bye bye, bye bye"),
        ("one two one two", "one two one two"),
        ("a table for two on friday", "a table for two on friday"),
        ("", ""),
    ],
)
def test_only_a_repeated_phrase_of_three_different_words_goes(text, said):
    assert without_repeats(text) == said


def test_shorter_phrases_go_where_that_is_asked_for():
    assert without_repeats("5 5 5 5 5", shortest=1) == "5"
    assert without_repeats("so do I so do I you you", shortest=1) == "so do I you"


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12))
def test_nothing_is_added_and_a_second_pass_changes_nothing(words):
    once = without_repeats(" ".join(words))
    assert set(once.split()) == set(words)
    assert without_repeats(once) == once


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [
        ("", "I would", ""),
        ("I would like to book enough", "I would like to book an appointment", "I would like to book"),
        ("i would, like", "I would like to", "I would like"),
        ("Yes.", "No.", ""),
        ("Yes.", "Yes", "Yes"),
    ],
)
def test_two_interim_texts_show_the_beginning_they_agree_on(before, now, shown):
    assert agreed(before, now) == shown


def test_a_phrase_keeps_the_mark_it_ends_with():
    assert prompt_text(["are you open?", "book a table"]) == "Are you open? Book a table."


@pytest.mark.parametrize("text", ["I'm high-spirited.", "im high spirited", " I'm  high, spirited!"])
def test_texts_of_the_same_words_are_the_same(text):
    assert plain_words(text) == "im high spirited"
