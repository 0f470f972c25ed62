"""What a flow finds in the caller's words: intents, values, commands, keywords, yes and no."""

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import BOOKING, TODAY, script
from vox.providers.flows.match import Details, Matcher
from vox.providers.flows.patterns import heard_words

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
    assert MATCHER.details("booking", heard("four"), TODAY, asked="people").values == {"people": 4}
    assert MATCHER.details("booking", heard("seven"), TODAY, asked="time").values == {"time": time(19)}
    assert MATCHER.details("booking", heard("four"), TODAY, loose=True).values


def test_free_text_takes_everything_once_it_is_asked_for():
    assert MATCHER.details("account", heard("my card is gone"), TODAY, asked="note").values == {
        "note": "my card is gone"
    }
    assert MATCHER.details("account", (), TODAY, asked="note").values == {}


def test_one_word_is_not_two_values():
    details = MATCHER.details("booking", heard("for seven persons"), TODAY)
    assert details.values == {"people": 7}


@pytest.mark.parametrize(
    ("text", "name"), [("can i hear the opening times and hours", "hours"), ("something else", None), ("and the", None)]
)
def test_a_guess_needs_most_of_the_words_that_tell_intents_apart(text, name):
    found = MATCHER.guess(heard(text), TODAY)
    assert (found.name if found else None) in {name, None}
    assert found is None or found.matched == 1


def test_no_guess_between_two_that_are_alike():
    two = BOOKING.replace("phrases: [wine]", "phrases: [red grapes]").replace(
        "phrases: [my account]", "phrases: [red apples]"
    )
    matcher = Matcher(script(two))
    assert matcher.guess(("red",), TODAY) is None
    found = matcher.guess(("grapes",), TODAY)
    assert found is not None
    assert found.name == "wine"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("please repeat that", "repeat"),
        ("um say it again please", "repeat"),
        ("good bye", "goodbye"),
        ("operator", "operator"),
        ("help", "help"),
        ("help me book a table", None),
        ("", None),
    ],
)
def test_a_command_is_the_words_and_little_else(text, name):
    assert MATCHER.command(heard(text)) == name


def test_keywords_find_an_answer():
    found = MATCHER.faq(heard("is there parking for my car"))
    assert found is not None
    assert found.answer == "Behind the house."
    assert MATCHER.faq(heard("is there a carpet")) is None
    assert MATCHER.faq(()) is None


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
        ("um", None),
        ("", None),
    ],
)
def test_yes_or_no_comes_first(text, answer):
    found = MATCHER.yes_no(heard(text))
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
