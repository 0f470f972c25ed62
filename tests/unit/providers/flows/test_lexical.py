"""Sentences compared by their words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.flows.lexical import Lexicon, features_of, stem
from vox.providers.flows.wording import heard_words

EXAMPLES = {
    "parking": ["where can I park", "is there a car park", "do you have parking spaces"],
    "dogs": ["may I bring my dog", "are dogs allowed"],
    "hours": ["when are you open", "what time do you close", "how late are you open"],
}
LEXICON = Lexicon(EXAMPLES)


def best(text: str) -> str:
    scores = LEXICON.scores(heard_words(text))
    return max(scores, key=scores.__getitem__)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("could I leave my car in a parking space", "parking"),
        ("can our puppy come along", "dogs"),  # a synonym
        ("are doggs alowed", "dogs"),  # misspelt
        ("until what time are you open", "hours"),
    ],
)
def test_the_topic_that_shares_what_tells_topics_apart_is_first(text, topic):
    assert best(text) == topic


def test_an_example_itself_is_nearly_sure_and_strange_words_are_not():
    assert LEXICON.scores(heard_words("are dogs allowed"))["dogs"] > 0.8
    assert max(LEXICON.scores(heard_words("quantum chromodynamics lattice")).values()) < 0.2


@pytest.mark.parametrize(
    ("word", "same"),
    [
        ("parking", "parks"),
        ("allergies", "allergy"),
        ("closed", "closing"),
        ("kids", "children"),
        ("4", "12"),
        ("cost", "prices"),
    ],
)
def test_forms_and_synonyms_of_a_word_have_one_stem(word, same):
    assert stem(word) == stem(same)


@pytest.mark.parametrize(("word", "other"), [("bus", "bu"), ("dress", "dre"), ("is", "i"), ("sing", "s")])
def test_short_words_keep_their_ends(word, other):
    assert stem(word) != stem(other)


def test_two_that_follow_each_other_count_as_well():
    assert features_of(("how", "late")) == (stem("how"), stem("late"), f"{stem('how')} {stem('late')}")


@given(st.text(max_size=60))
def test_any_text_has_a_score_for_every_topic(text):
    assert LEXICON.scores(heard_words(text)).keys() == EXAMPLES.keys()
