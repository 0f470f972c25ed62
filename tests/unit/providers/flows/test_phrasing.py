"""What is said where the author of a flow did not write it."""

import pytest

from tests.unit.providers.flows.flows import BOOKING, TODAY, script
from vox.providers.flows.phrasing import (
    apologies,
    filled_in,
    prompt_of,
    refusal,
    unclear,
    what_may_change,
    what_to_answer,
    which_of,
)

INTENTS = script().intents
SLOTS = {name: slot for intent in INTENTS.values() for name, slot in intent.slots.items()}


@pytest.mark.parametrize(
    ("slot", "text"),
    [
        ("people", "One to twelve."),
        ("time", "That must be between noon and nine thirty in the evening."),
        ("number", "I need four digits."),
        ("phone", "I need between seven and fifteen digits."),
        ("day", "That is not possible."),
    ],
)
def test_a_refusal_names_the_limits(slot, text):
    assert refusal(SLOTS[slot], TODAY) == text


@pytest.mark.parametrize("slot", SLOTS)
def test_every_type_of_slot_says_what_may_be_answered(slot):
    assert what_to_answer(SLOTS[slot]).endswith(".")


def test_a_read_back_asks_for_yes_or_no():
    assert what_to_answer(None) == "Please say yes or no."
    assert what_to_answer(SLOTS["colour"]) == "You can say red or white."


def test_what_can_be_changed_is_listed():
    assert what_may_change(INTENTS["booking"]) == "You can change the people, the day or the time."
    assert which_of(INTENTS["booking"], ["time", "people"]) == "Do you mean the people or the time?"
    assert unclear("day", SLOTS["day"]) == "I am not sure which day you mean."


def test_there_are_three_ways_to_apologise_and_the_authors_come_first():
    said = apologies(script())
    assert said[:2] == ("Sorry?", "Again?")
    assert len(set(said)) == len(said) >= 3
    one = apologies(script(BOOKING.replace('["Sorry?", "Again?"]', '["Sorry?"]')))
    assert len(set(one)) == 3


def test_values_stand_in_texts_as_they_are_said():
    assert filled_in("{people} on {day}", INTENTS["booking"], {"people": 4, "day": TODAY}, TODAY) == "four today"
    assert prompt_of("colour", SLOTS["colour"]) == "Red or white?"
