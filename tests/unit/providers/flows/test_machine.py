from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY, said, script, talk
from vox.providers.flows.machine import Machine, State

BOOKED = ("book a table for four tomorrow at seven thirty", "yes")


def test_the_call_begins_with_the_greeting():
    assert talk()[1].say == ("Hello.",)


def test_an_intent_is_answered():
    assert said("what are your opening hours") == "From noon to ten."
    assert said("um, hello, when are your opening hours please") == "From noon to ten."


def test_slots_are_asked_for_one_after_the_other_and_read_back():
    messages = ["a table", "four people please", "tomorrow", "half past seven"]
    assert [said(*messages[:count]) for count in range(1, 5)] == [
        "How many?",
        "Which day?",
        "What time?",
        "A table for four tomorrow at seven thirty in the evening?",
    ]


def test_what_was_said_at_once_is_not_asked_for():
    state, reply = talk("i'd like to book a table for two people next monday at eight o'clock")
    assert reply.say == ("A table for two on Monday at eight in the evening?",)
    assert dict(state.slots) == {"people": 2, "day": date(2026, 11, 23), "time": time(20)}
    assert said("Hi! Could I get a table for 4 on Saturday?") == "What time?"


def test_a_confirmed_task_calls_its_tool_with_iso_values():
    _, reply = talk(*BOOKED)
    assert reply.call is not None
    assert reply.call.tool == "book_table"
    assert reply.call.arguments == {"people": 4, "day": "2026-11-21", "time": "19:30"}


def test_the_outcome_of_a_tool_is_told():
    machine = Machine(script())
    _, reply = talk(*BOOKED)
    assert reply.call is not None
    assert machine.outcome(reply.call, '{"reference": 7}').say == ("Booked as {result.reference}.", "Anything else?")
    for failure in ("error: full", '{"error": "full"}', "tool not found"):
        assert machine.outcome(reply.call, failure).say == ("The book is closed.", "Anything else?")


@pytest.mark.parametrize(
    ("correction", "answer"),
    [
        ("no, for five", "A table for five tomorrow at seven thirty in the evening?"),
        ("no at eight", "A table for four tomorrow at eight in the evening?"),
        ("make it six people", "A table for six tomorrow at seven thirty in the evening?"),
        ("actually on sunday", "A table for four on Sunday at seven thirty in the evening?"),
        ("no", "What should I change?"),
        ("change the time", "What time?"),
        ("no, the day", "Which day?"),
    ],
)
def test_a_read_back_can_be_corrected(correction, answer):
    assert said(BOOKED[0], correction) == answer


def test_a_correction_can_be_made_in_two_steps():
    assert said(BOOKED[0], "no", "nine") == "A table for nine tomorrow at seven thirty in the evening?"
    assert said(BOOKED[0], "no", "the time", "nine") == "A table for four tomorrow at nine in the evening?"
    assert said("a table for four", "sorry for five people", "tomorrow", "at six").startswith("A table for five")


def test_values_out_of_range_are_refused_with_the_reason():
    assert said("a table for twenty people") == "One to twelve. How many?"
    assert said("a table for two tomorrow", "nine in the morning").startswith(
        "That must be between noon and nine thirty"
    )
    assert said("a table for two", "the first of november") == "That is not possible. Which day?"


def test_a_question_in_the_middle_of_a_task_is_answered_and_the_task_goes_on():
    assert said("a table", "are you open") == "From noon to ten. How many?"
    assert said("a table", "is there parking") == "Behind the house. How many?"
    assert said("a table", "are you open", "for three") == "Which day?"


def test_another_task_takes_over():
    assert said("a table", "some wine please") == "Red or white?"


def test_choices_yes_and_no_digits_telephone_numbers_and_text():
    assert said("wine", "riesling", "yes please") == "white it is, chilled yes. Anything else?"
    answer = said("my account", "four seven one one", "plus four four two oh double seven one", "the bill, of course")
    assert answer.startswith(
        "four seven one one, plus four four two zero seven seven one, the bill of course, {vars.caller}."
    )
    assert said("my account", "four seven one") == "I need four digits. Your number?"


def test_keys_choose_fill_and_confirm():
    assert said("DTMF: 1") == "From noon to ten."
    assert said("DTMF: 2") == "How many?"
    assert said("DTMF: 2", "DTMF: 4#") == "Which day?"
    assert said("DTMF: 2", "DTMF: 4", "DTMF: 2412") == "What time?"
    assert (
        said("DTMF: 2", "DTMF: 4", "tomorrow", "DTMF: 1930")
        == "A table for four tomorrow at seven thirty in the evening?"
    )
    assert said(BOOKED[0], "DTMF: 2") == "What should I change?"
    assert talk(BOOKED[0], "DTMF: 1")[1].call is not None
    assert said("wine", "DTMF: 2") == "Chilled?"
    assert said("wine", "DTMF: 2", "DTMF: 1").startswith("white it is, chilled yes.")
    assert said("my account", "DTMF: 4711") == "Your telephone?"
    assert said("DTMF: 9") == "Sorry?"


def test_speech_and_keys_of_one_turn_are_both_heard():
    assert said("a table DTMF: 4 tomorrow").endswith("What time?")


@pytest.mark.parametrize("words", ["start over", "cancel that", "never mind"])
def test_a_task_can_be_dropped(words):
    state, reply = talk("a table for four", words)
    assert reply.say[-1] == "What can I do?"
    assert not state.slots
    assert said("a table for four", words, "a table") == "How many?"


def test_the_last_words_are_repeated():
    assert said("are you open", "say that again", "repeat") == "From noon to ten."
    assert said("repeat") == "Hello."


def test_good_bye_ends_the_call_at_any_time():
    for messages in (
        ["goodbye"],
        ["a table", "good bye"],
        ["a table", "thank you, bye"],
        [*BOOKED, "no"],
        ["are you open", "no thanks"],
    ):
        _, reply = talk(*messages)
        assert reply.say == ("Bye.",)
        assert reply.is_last


def test_no_thank_you_does_not_hang_up_where_yes_or_no_was_asked():
    assert not talk(BOOKED[0], "no thank you")[1].is_last
    assert said("wine", "red", "no thanks").startswith("red it is, chilled no.")


def test_an_operator_is_asked_for_by_a_tool():
    _, reply = talk("operator")
    assert reply.say == ("One moment.",)
    assert reply.call is not None
    assert reply.call.tool == "transfer"


def test_what_is_not_understood_escalates_until_the_call_is_handed_over():
    assert said("abracadabra") == "Sorry?"
    assert said("abracadabra", "hocus pocus") == "Again?"
    _, reply = talk("abracadabra", "hocus pocus", "sim sala bim")
    assert reply.say == ("I give up.",)
    assert reply.is_last
    assert said("abracadabra", "hocus pocus", "are you open", "simsalabim") == "Sorry?"


def test_a_slot_has_its_own_reprompts():
    assert said("a table", "abracadabra") == "A number please."
    assert said("a table", "abracadabra", "") == "For example: four."
    assert said("a table for two", "abracadabra") == "Sorry? Which day?"


def test_a_greeting_alone_is_no_misunderstanding():
    assert said("hello") == "What can I do?"
    assert said("a table", "hello") == "How many?"


@given(
    st.lists(
        st.text(max_size=40) | st.sampled_from([*BOOKED, "no", "DTMF: 1", "DTMF: #", "wine", "my account", "the time"]),
        max_size=6,
    )
)
def test_anything_may_be_said_in_any_order(messages):
    machine = Machine(script())
    state = State()
    for message in messages:
        state, reply = machine.step(state, message, TODAY)
        assert reply.say or reply.call
    assert state.turn == len(messages)
