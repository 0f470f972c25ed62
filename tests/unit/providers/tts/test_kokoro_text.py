# ruff: noqa: RUF001  phonemes look like other letters
"""How a text is cut for Kokoro: where speakers pause, and in runs that are ready before they are needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts._kokoro_text import FIRST_PHONEMES, MAX_PHONEMES, Spoken, plan, sections, spoken

LONG = " ".join(["ðə", "hˈaʊs"] * 60)


def cut(text: str) -> list[tuple[str, str]]:
    return [(text[section.start : section.end].strip(), section.mark) for section in sections(text)]


def as_spoken(text: str) -> list[Spoken]:
    """As if a phoneme were a letter, and every word stressed."""
    return [
        spoken(text, section, " ".join(f"ˈ{word}" for word in text[section.start : section.end].split()))
        for section in sections(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes, of course.", [("Yes", ","), ("of course", ".")]),
        ("It costs 3.50, Dr. Smith.", [("It costs 3.50", ","), ("Dr. Smith", ".")]),
        ("Really?! Well...", [("Really", "?"), ("Well", ".")]),
        ('He said "no." Then he left', [('He said "no', "."), ("Then he left", "")]),
        ("one - two — three", [("one", ","), ("two", ","), ("three", "")]),
        ("a\nb", [("a", ","), ("b", "")]),
        ("¿Qué tal? Bien.", [("¿Qué tal", "?"), ("Bien", ".")]),
        ("नमस्ते। ठीक", [("नमस्ते", "."), ("ठीक", "")]),
        ("...", []),
        ("", []),
    ],
)
def test_a_text_is_cut_at_its_punctuation(text, expected):
    assert cut(text) == expected


def test_a_short_sentence_is_one_run():
    (run,) = plan(as_spoken("Yes, I can."))
    assert (run.phonemes, run.mark) == ("ˈYes, ˈI ˈcan.", ".")


def test_the_first_clause_is_spoken_alone():
    first, second = plan(as_spoken("The kitchen closes at ten, but the bar stays open until midnight."))
    assert (first.phonemes, first.mark) == ("ˈThe ˈkitchen ˈcloses ˈat ˈten,", ",")
    assert second.phonemes.endswith("ˈmidnight.")


def test_a_long_first_clause_is_cut_before_an_unstressed_word():
    text = " ".join(["the", "house"] * 60)
    (section,) = sections(text)
    first, *_ = plan([spoken(text, section, LONG)])
    assert first.phonemes.endswith("hˈaʊs")
    assert first.mark == ""
    assert FIRST_PHONEMES / 2 <= len(first.phonemes) <= FIRST_PHONEMES * 1.5


def test_runs_grow_no_faster_than_what_was_said_can_hide():
    runs = plan(as_spoken("One two three four five six. " * 40))
    lengths = [len(run.phonemes) for run in runs]
    assert len(runs) > 4
    assert all(after <= sum(lengths[:i]) * 2 + FIRST_PHONEMES for i, after in enumerate(lengths) if i)
    assert max(lengths) <= MAX_PHONEMES


def test_words_begin_where_their_phonemes_do():
    text = "Good day, café!"
    runs = plan(as_spoken(text))
    words = [(text[start:end], share) for run in runs for start, end, share in run.words]
    assert [word for word, _ in words] == ["Good", "day,", "café!"]
    assert words[0][1] == 0.0
    assert words[0][1] < words[1][1] < words[2][1] < 1


def test_words_are_placed_by_their_letters_where_the_phonemes_have_other_words():
    text = "room 42 please"
    (run,) = plan([spoken(text, sections(text)[0], "ɹˈuːm fˈɔːɹɾi tˈuː plˈiːz")])
    assert [text[start:end] for start, end, _ in run.words] == ["room", "42", "please"]
    shares = [share for _, _, share in run.words]
    assert shares == sorted(shares)


def test_a_word_longer_than_the_model_takes_is_cut():
    text = "a" * 1000
    runs = plan([spoken(text, sections(text)[0], "a" * 1000)])
    assert "".join(run.phonemes for run in runs) == "a" * 1000
    assert max(len(run.phonemes) for run in runs) <= MAX_PHONEMES


@given(st.text("ab .,;?!—-\n1I", max_size=300))
def test_every_word_is_spoken_once_and_in_order(text):
    parts = as_spoken(text)
    runs = plan(parts)
    said = " ".join(part.phonemes for part in parts).split()
    planned = "".join(run.phonemes for run in runs)
    assert sum(planned.count(symbol) for symbol in "ab1I") == sum(
        word.count(symbol) for word in said for symbol in "ab1I"
    )
    starts = [start for run in runs for start, _, _ in run.words]
    assert starts == sorted(set(starts))
    assert all(0 <= share <= 1 for run in runs for _, _, share in run.words)
    assert all(len(run.phonemes) <= MAX_PHONEMES + 20 for run in runs)
