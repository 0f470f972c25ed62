"""What a flow finds in the caller's words: intents, values, commands, keywords, yes and no."""

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY, script
from vox.providers.flows.details import Details, Search
from vox.providers.flows.match import Matcher, content_words, is_greeting, yes_no
from vox.providers.flows.wording import heard_words

MATCHER = Matcher(script())


def heard(text: str) -> tuple[str, ...]:
    return tuple(heard_words(text))


def intent(text: str) -> str | None:
    found = MATCHER.intent(heard(text), TODAY)
    return found.name if found else None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("what are your opening hours", "hours"),
        ("um hello when are opening hours please", "hours"),
        ("i'd like to book a table", "booking"),
        ("wine", "wine"),
        ("the weather is nice and i feel like talking about wine all day long", None),
        ("", None),
        ("hello", None),
    ],
)
def test_an_intent_fits_most_of_the_words(text, name):
    assert intent(text) == name


def test_what_is_said_beside_the_intent_is_kept():
    found = MATCHER.intent(heard("book a table for four persons tomorrow at half past seven"), TODAY)
    assert found is not None
    assert found.details.values == {"people": 4, "day": TODAY + timedelta(days=1), "time": time(19, 30)}
    assert found.matched == len(heard("book a table for four persons tomorrow at half past seven"))


def test_a_value_out_of_range_is_refused_and_not_forgotten():
    details = MATCHER.details("booking", heard("for thirty persons"), TODAY)
    assert (details.values, details.refused) == ({}, {"people"})
    assert details
    assert not Details()


def test_the_slot_that_is_asked_for_needs_no_frame():
    assert not MATCHER.details("booking", heard("four"), TODAY)
    assert MATCHER.details("booking", heard("four"), TODAY, Search(asked="people")).values == {"people": 4}
    assert MATCHER.details("booking", heard("seven"), TODAY, Search(asked="time")).values == {"time": time(19)}
    assert MATCHER.details("booking", heard("12 30"), TODAY, Search(loose=True)).values == {"time": time(12, 30)}


def test_a_value_that_two_slots_could_take_is_none_until_one_is_named():
    found = MATCHER.details("booking", heard("four"), TODAY, Search(loose=True))
    assert found.rivals == {"people", "time"}
    assert not found


def test_one_word_is_not_two_values():
    details = MATCHER.details("booking", heard("for seven persons"), TODAY)
    assert details.values == {"people": 7}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("please repeat that", "repeat"),
        ("um say it again please", "repeat"),
        ("good bye", "goodbye"),
        ("operator", "operator"),
        ("help", "help"),
        ("help me book a table", None),
        ("stop", "stop"),
        ("stop the music in the kitchen", None),
        ("", None),
    ],
)
def test_a_command_is_the_words_and_little_else(text, name):
    assert MATCHER.command(heard(text)) == name


@pytest.mark.parametrize(
    ("text", "name"), [("change the day", "day"), ("the time please", "time"), ("change it", None)]
)
def test_a_slot_is_mentioned_by_its_name(text, name):
    assert MATCHER.slot_named("booking", heard(text)) == name


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", (True, ())),
        ("um well no for five", (False, ("for", "five"))),
        ("five yes", None),
        ("yes yes please", (True, ())),
        ("yes no", None),
        ("great, but for five", (True, ("but", "for", "five"))),
        ("um", None),
        ("", None),
    ],
)
def test_yes_or_no_comes_first(text, answer):
    found = yes_no(heard(text))
    assert (None if found is None else (found[0], tuple(found[1]))) == answer


WORDS = st.lists(
    st.sampled_from(heard("for four seven persons tomorrow at half past book a table wine red my account no")),
    max_size=8,
)


@given(WORDS)
def test_any_words_are_matched_within_themselves(words):
    for name in ("hours", "booking", "wine", "account"):
        details = MATCHER.details(name, words, TODAY)
        assert details.matched <= len(words)
        assert not set(details.values) & details.refused
    found = MATCHER.intent(words, TODAY)
    assert found is None or 0 < found.matched <= len(words)


def test_what_is_said_beside_a_phrase_is_counted():
    found = MATCHER.intent(heard("what are your opening hours on the moon or mars"), TODAY)
    assert found is not None
    assert found.beside == 2
    assert content_words(heard("um I would like the moon")) == 1


@pytest.mark.parametrize(
    ("text", "is_one"), [("hello", True), ("good morning", True), ("hello table", False), ("good", False)]
)
def test_a_greeting_is_nothing_but_a_greeting(text, is_one):
    assert is_greeting(heard(text)) is is_one
