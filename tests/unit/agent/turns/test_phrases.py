"""The tables of what callers say are in the form in which transcripts are compared with them."""

from dataclasses import fields

import pytest

from vox.agent.turns.phrases import Phrases, phrases_of, spoken_words


@pytest.mark.parametrize("field", [field.name for field in fields(Phrases)])
def test_every_entry_is_written_as_a_transcript_is_read(field: str):
    assert [entry for entry in getattr(phrases_of("en"), field) if " ".join(spoken_words(entry)) != entry] == []


def test_words_lose_their_marks_and_keep_their_apostrophes():
    assert spoken_words("I\u2019d like — “two” mother-in-laws, please!") == [
        "i'd",
        "like",
        "two",
        "mother-in-laws",
        "please",
    ]


def test_an_unknown_language_has_an_empty_table():
    assert phrases_of("fr-FR") == Phrases()
    assert phrases_of("EN_us") is phrases_of("") is phrases_of("en")


def test_what_silences_is_no_agreement():
    table = phrases_of("en")
    assert not table.silencers & table.backchannels
