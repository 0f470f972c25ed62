"""The words of English values, and the rules that a recogniser listens by."""

import random
import re

import pytest

from tests.unit.providers.flows.flows import TODAY, whole
from vox.providers.flows import vocabulary
from vox.providers.flows.days import read_date
from vox.providers.flows.numbers import read_digits, read_number, read_phone
from vox.providers.flows.patterns import Either, Many, Maybe, Node, Rule, Series, Value, Word, parse_pattern
from vox.providers.flows.times import read_time
from vox.providers.flows.yes_no import read_yes_no


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


@pytest.mark.parametrize(
    ("rule", "understood"),
    [
        ("date", lambda text: whole(read_date, text, TODAY) is not None),
        ("time", lambda text: whole(read_time, text) is not None),
        ("digits", lambda text: whole(read_digits, text) is not None),
        ("phone", lambda text: whole(read_phone, text) is not None),
        ("below_million", lambda text: whole(read_number, text) is not None),
        ("yes", lambda text: whole(read_yes_no, text) is True),
        ("no", lambda text: whole(read_yes_no, text) is False),
    ],
)
def test_whatever_the_recogniser_listens_for_is_understood(rule, understood):
    chance = random.Random(4)
    for _ in range(400):
        text = " ".join(sentence(parse_pattern(vocabulary.RULES[rule]), chance))
        assert understood(text), text


def sentence(node: Node, chance: random.Random) -> list[str]:
    """One of the sentences of a pattern."""
    match node:
        case Word(text):
            return [text]
        case Series(parts):
            return [word for part in parts for word in sentence(part, chance)]
        case Either(options):
            return sentence(chance.choice(options), chance)
        case Maybe(part):
            return sentence(part, chance) if chance.random() < 0.5 else []
        case Many(part):
            return [word for _ in range(chance.randint(1, 4)) for word in sentence(part, chance)]
        case Rule(name) | Value(name):
            return sentence(parse_pattern(vocabulary.RULES[name]), chance)
