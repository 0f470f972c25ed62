"""The tables of abbreviations."""

import pytest

from vox.text import abbreviations as table


@pytest.mark.parametrize("of", [table.before_names, table.before_numbers, table.maybe_last, table.starters])
def test_a_language_has_its_own_and_none_has_all(of):
    assert of("en") < of("")
    assert of("xx") == frozenset()
    assert all(word == word.casefold() and not word.endswith(".") for word in of(""))


def test_a_word_has_one_rule_in_each_language():
    for language in ("en", "de", "fr", "es", "it", "nl"):
        assert not table.before_names(language) & table.maybe_last(language)
        assert not table.before_names(language) & table.before_numbers(language)
