"""When an agent follows its caller into another language."""

import pytest

from vox.agent.turns.language_choice import LanguageChoice


def test_a_sentence_in_another_language_is_followed_at_once():
    choice = LanguageChoice(["en", "de"], "en")
    assert choice.heard("Ich möchte einen Tisch reservieren", "de") == "de"
    assert choice.language == "de"
    assert choice.heard("für vier Personen bitte", "de") is None


def test_a_word_alone_has_to_be_followed_by_another():
    choice = LanguageChoice(["en", "de"], "en")
    assert choice.heard("hallo", "de") is None
    assert choice.heard("okay", "en") is None
    assert choice.heard("hallo", "de") is None
    assert choice.heard("guten Tag", "de") == "de"


@pytest.mark.parametrize("language", [None, "", "fi", "tlh-Latn"])
def test_a_language_that_the_agent_has_not_changes_nothing(language: str | None):
    choice = LanguageChoice(["en", "de"], "en")
    assert choice.heard("tämä on pitkä lause suomeksi", language) is None
    assert choice.language == "en"


def test_regions_of_a_language_are_one_where_the_agent_has_no_other():
    choice = LanguageChoice(["en-GB", "de-AT", "de-DE"], "en-GB")
    assert choice.heard("I would like a table", "en-US") is None
    assert choice.heard("ich möchte einen Tisch", "de") == "de-AT"
    assert choice.heard("ich möchte einen Tisch", "de-de") == "de-DE"
    assert choice.heard("ich möchte einen Tisch", "de") is None


def test_silence_is_no_language():
    choice = LanguageChoice(["en", "de"], "en")
    assert choice.heard(" ", "de") is None
    assert choice.heard("ja", "de") is None
