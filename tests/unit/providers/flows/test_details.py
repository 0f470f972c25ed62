"""Values in sentences: where they stand, which of several counts, and what is too little to be one."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY, script
from vox.providers.flows.details import Details, Search, ValueFinder
from vox.providers.flows.wording import heard_words

FINDER = ValueFinder(script())
SATURDAY = date(2026, 11, 21)


def found(text: str, intent: str = "booking", **search) -> Details:
    return FINDER.find(intent, heard_words(text), TODAY, Search(**search))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("four people tomorrow at eight", {"people": 4, "day": SATURDAY, "time": time(20)}),
        ("at eight tomorrow for two", {"people": 2, "day": SATURDAY, "time": time(20)}),
        ("saturday not sunday", {"day": SATURDAY}),
        ("sunday, no, saturday", {"day": SATURDAY}),
        ("saturday instead of sunday", {"day": SATURDAY}),
        ("from sunday to saturday", {"day": SATURDAY}),
        ("tomorrow, saturday", {"day": SATURDAY}),
        ("for four", {"people": 4}),
        ("4", {}),
    ],
)
def test_values_are_found_where_they_cannot_be_anything_else(text, values):
    assert found(text).values == values


@pytest.mark.parametrize("text", ["saturday or sunday", "the 30th of february", "saturday sunday"])
def test_several_at_once_and_what_does_not_exist_are_unclear(text):
    assert found(text).unclear == {"day"}
    assert not found(text).values


def test_what_is_out_of_range_is_refused():
    assert found("for thirty people").refused == {"people"}


def test_a_correction_is_about_what_is_known_already():
    assert found("for five", asked="time").values == {"time": time(17)}
    assert found("no, for five", asked="time", filled=frozenset({"people"})).values == {"people": 5}


def test_a_bare_value_that_fits_two_slots_is_none():
    assert found("nine", loose=True).rivals == {"people", "time"}
    assert found("nine", asked="time").values == {"time": time(21)}


@pytest.mark.parametrize(
    ("speech", "text"),
    [
        ("My name is Ada Lovelace.", "Ada Lovelace"),
        ("It's Ada", "Ada"),
        ("O'Brien, with an apostrophe", "O'Brien, with an apostrophe"),
        ("my name is", "my name is"),
    ],
)
def test_free_text_is_kept_as_it_was_written(speech, text):
    flow = """
name: T
greeting: Hi.
intents:
  one:
    phrases: [one]
    slots:
      who: {type: text, prompt: "Who?", phrases: ["my name is {who}", "it is {who}", "{who}"]}
    done: ok
"""
    assert ValueFinder(script(flow)).free_text("one", "who", speech) == text


@given(
    st.lists(
        st.sampled_from(heard_words("for four five or no at eight tomorrow saturday the 3rd people not")), max_size=9
    )
)
def test_no_word_counts_twice(words):
    details = FINDER.find("booking", words, TODAY)
    assert details.matched <= len(words)
    assert not set(details.values) & (details.refused | details.unclear)
