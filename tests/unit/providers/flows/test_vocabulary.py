"""The words of English values, and the rules that a recogniser listens by."""

import re

import pytest

from vox.providers.flows import vocabulary
from vox.providers.flows.patterns import parse_pattern


def test_words_stand_in_the_order_of_their_values_and_once():
    assert [len(words) for words in (vocabulary.UNITS, vocabulary.TEENS, vocabulary.TENS)] == [9, 10, 8]
    assert (len(vocabulary.ORDINAL_UNITS), len(vocabulary.ORDINAL_TEENS)) == (9, 10)
    assert (len(vocabulary.WEEKDAYS), len(vocabulary.MONTHS)) == (7, 12)
    words = (*vocabulary.UNITS, *vocabulary.TEENS, *vocabulary.TENS)
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("name", vocabulary.RULES)
def test_every_rule_is_a_pattern_of_rules_that_exist(name: str):
    text = vocabulary.RULES[name]
    parse_pattern(text)
    assert set(re.findall(r"<(\w+)>", text)) <= set(vocabulary.RULES)


def test_no_rule_leads_back_to_itself():
    def below(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, (*above, name)
        for inner in re.findall(r"<(\w+)>", vocabulary.RULES[name]):
            below(inner, (*above, name))

    for name in vocabulary.RULES:
        below(name, ())


@pytest.mark.parametrize("text", [*vocabulary.DATES, *vocabulary.TIMES, *vocabulary.YES, *vocabulary.NO])
def test_every_way_of_saying_a_value_is_a_pattern(text: str):
    parse_pattern(text)


def test_both_halves_of_the_day_are_told_apart():
    assert set(vocabulary.HALVES.values()) == {"am", "pm"}
