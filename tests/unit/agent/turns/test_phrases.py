"""The tables of what callers say are in the form in which transcripts are compared with them."""

from dataclasses import fields

import pytest

from vox.agent.turns.phrase_table import Phrases
from vox.agent.turns.phrases import phrases_of, spoken_words


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
@pytest.mark.parametrize("field", [field.name for field in fields(Phrases)])
def test_every_entry_is_written_as_a_transcript_is_read(field: str, language: str):
    assert [entry for entry in getattr(phrases_of(language), field) if " ".join(spoken_words(entry)) != entry] == []


def test_words_lose_their_marks_and_keep_their_apostrophes():
    assert spoken_words("I\u2019d like — “two” mother-in-laws, please!") == [
        "i'd",
        "like",
        "two",
        "mother-in-laws",
        "please",
    ]


def test_an_unknown_language_has_an_empty_table():
    assert phrases_of("fi-FI") == Phrases()
    assert phrases_of("EN_us") is phrases_of("") is phrases_of("en")


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_what_silences_is_no_agreement(language: str):
    table = phrases_of(language)
    assert not table.silencers & table.backchannels
