from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import BOOKING, TODAY, machine, said, talk
from vox.providers.flows.state import State
from vox.providers.flows.topics import Topic

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
    _, reply = talk(*BOOKED)
    assert reply.call is not None
    assert machine().outcome(reply.call, '{"reference": 7}').say == ("Booked as {result.reference}.", "Anything else?")
    for failure in ("error: full", '{"error": "full"}', "tool not found"):
        assert machine().outcome(reply.call, failure).say == ("The book is closed.", "Anything else?")


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
    assert said(BOOKED[0], "no", "nine people") == "A table for nine tomorrow at seven thirty in the evening?"
    assert said(BOOKED[0], "no", "nine") == "Do you mean the people or the time?"
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
        "four seven one one, plus four four two zero seven seven one, the bill, of course, {vars.caller}."
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


@pytest.mark.parametrize("words", ["start over", "cancel that", "never mind", "no thanks"])
def test_a_task_is_dropped_once_the_caller_has_confirmed_it(words):
    assert said("a table for four", words) == "Shall I drop this and start again?"
    state, reply = talk("a table for four", words, "yes please")
    assert reply.say[-1] == "What can I do?"
    assert not state.slots
    assert said("a table for four", words, "no") == "All right. Which day?"
    assert said("a table for four", words, "tomorrow") == "What time?"
    assert said("a table for four", words, "yes", "a table") == "How many?"


def test_there_is_nothing_to_confirm_where_nothing_was_begun():
    assert said("start over") == "All right, from the beginning. What can I do?"


def test_the_last_words_are_repeated():
    assert said("are you open", "say that again", "repeat") == "From noon to ten."
    assert said("repeat") == "Hello."


@pytest.mark.parametrize(
    "messages",
    [["goodbye"], ["thank you, bye"], ["are you open", "bye"], [*BOOKED, "no"], [*BOOKED, "that's all, thanks"]],
)
def test_a_farewell_at_the_end_ends_the_call(messages):
    _, reply = talk(*messages)
    assert reply.say == ("Bye.",)
    assert reply.is_last


@pytest.mark.parametrize(
    "messages",
    [
        ["bye"],
        ["a table", "good bye"],
        ["a table", "that's it"],
        [BOOKED[0], "that's all"],
        ["are you open", "no thanks"],
    ],
)
def test_a_farewell_that_may_be_misheard_is_asked_about_once(messages):
    _, reply = talk(*messages)
    assert reply.say == ("Shall I end the call?",)
    assert not reply.is_last
    assert talk(*messages, "yes")[1].is_last
    assert not talk(*messages, "no")[1].is_last
    assert not talk(*messages, "abracadabra")[1].is_last


def test_the_open_question_is_asked_again_where_the_call_goes_on():
    assert said("a table for two", "that's it", "no") == "All right. Which day?"
    assert said("a table for two", "that's it", "tomorrow") == "What time?"


def test_a_question_behind_a_no_is_answered():
    assert said(*BOOKED, "no, is there parking") == "Behind the house."


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


@pytest.mark.parametrize("nothing", ["", "  ", "...", "[BLANK_AUDIO]", "(inaudible)", "*cough*"])
def test_speech_without_words_counts_as_a_miss(nothing):
    assert said(nothing) == "Sorry?"
    assert said(nothing, nothing) == "Again?"
    assert said("a table", nothing) == "A number please."


OFFERING = BOOKING.replace("after: 3", "after: 4\n  offer: Shall somebody call you?")


def test_a_way_out_is_offered_before_it_is_taken():
    misses = ("abra", "ca", "da", "bra")
    assert said(*misses, text=OFFERING) == "Shall somebody call you?"
    assert said(*misses, "yes", text=OFFERING) == "I give up."
    assert said(*misses, "no", text=OFFERING) == "All right."
    assert said(*misses, "are you open", text=OFFERING) == "From noon to ten."


@pytest.mark.parametrize("begun", [(), ("a table",), ("a table for two",), (BOOKED[0],), ("wine",)])
def test_nothing_is_said_three_times_to_a_caller_who_is_not_understood(begun):
    texts: list[str] = []
    for count in range(1, 4):
        texts += talk(*begun, *["abracadabra"] * count, text=OFFERING)[1].say
    assert max(texts.count(text) for text in texts) < 3


def test_a_slot_has_its_own_reprompts():
    assert said("a table", "abracadabra") == "A number please."
    assert said("a table", "abracadabra", "") == "Again? How many?"
    assert said("a table", "abracadabra", "", "hm hm", text=OFFERING) == "For example: four."
    assert said("a table for two", "abracadabra") == "Sorry? Which day?"


def test_a_greeting_alone_is_no_misunderstanding():
    assert said("hello") == "What can I do?"
    assert said("a table", "hello") == "How many?"


@pytest.mark.parametrize(
    ("answers", "reply"),
    [
        (["four or five"], "I am not sure which people you mean. How many?"),
        (["four, no, five"], "Which day?"),
        (["a table for 2 not 3"], "Which day?"),
        (["four", "the 30th of february"], "I am not sure which day you mean. Which day?"),
        (["four", "saturday or sunday"], "I am not sure which day you mean. Which day?"),
        (["four", "saturday, sorry, sunday"], "What time?"),
        (["my brother has four cars in his garage"], "A number please."),
    ],
)
def test_a_partial_reading_is_no_reading(answers, reply):
    assert said("a table", *answers) == reply


@pytest.mark.parametrize(
    ("messages", "people", "day", "at"),
    [
        (["a table for four", "no, for five", "tomorrow", "seven"], 5, 21, time(19)),
        (["a table for four", "tomorrow", "make it sunday instead", "actually eight thirty"], 4, 22, time(20, 30)),
        (["a table for four tomorrow", "at eight for two"], 2, 21, time(20)),
        (["a table for 4 at 8", "sunday", "move it from sunday to monday"], 4, 23, time(20)),
        (["a table for 4 at 8 on sunday", "yes but make it six people"], 6, 22, time(20)),
        (["a table for 4 at 8 on sunday", "change the time", "half seven"], 4, 22, time(19, 30)),
    ],
)
def test_a_change_of_mind_in_the_middle_is_followed(messages, people, day, at):
    state, _ = talk(*messages)
    assert dict(state.slots) == {"people": people, "day": date(2026, 11, day), "time": at}
    assert state.phase == "confirming"


def test_stop_silences_and_changes_nothing():
    assert said("stop") == "Okay."
    assert said("a table", "wait a moment", "four") == "Which day?"
    assert said("are you open", "stop", "repeat") == "Okay."


def test_a_hum_is_neither_help_nor_a_miss():
    assert said("uh huh") == "Anything else?"
    assert said("a table", "okay") == "How many?"
    assert talk("a table", "uh huh")[0].misses == 0


def test_an_interrupted_task_goes_on_afterwards():
    assert said("a table for two", "some wine please") == "Red or white?"
    assert said("a table for two", "some wine please", "red", "no") == "red it is, chilled no. Which day?"
    state, _ = talk("a table for two", "some wine please", "red", "no", "tomorrow", "seven")
    assert state.slots["people"] == 2


LEADING = BOOKING.replace(
    "faq:",
    """  complaint:
    examples: [the food was cold, I want to complain]
    answer: I am sorry.
    then: account
  withdraw:
    examples: [I will not come after all]
    answer: Which one?
    while_busy: start_over
faq:""",
)


def test_an_intent_may_lead_to_another():
    assert said("I want to complain", text=LEADING) == "I am sorry. Your number?"


def test_an_intent_may_mean_a_command_while_something_is_asked():
    assert said("I will not come after all", text=LEADING) == "Which one?"
    assert said("a table", "I will not come after all", text=LEADING) == "Shall I drop this and start again?"


def test_free_wordings_are_answered_by_what_they_share_with_examples():
    assert said("the food you gave us was stone cold", text=LEADING) == "I am sorry. Your number?"
    assert said("I did not catch that") == "Hello."
    assert said("what can you do") == "What can I do?"


def test_what_a_model_says_of_the_meaning_decides_where_words_do_not():
    topic = next(topic for topic in machine().topics.examples if topic.name == "hours")
    state, reply = machine().step(State(), "when might one drop by", TODAY, {topic: 0.9})
    assert reply.say == ("From noon to ten.",)
    assert machine().step(state, "when might one drop by", TODAY)[1].say == ("Sorry?",)


@given(
    st.lists(
        st.text(max_size=40) | st.sampled_from([*BOOKED, "no", "DTMF: 1", "DTMF: #", "wine", "my account", "the time"]),
        max_size=6,
    )
)
def test_anything_may_be_said_in_any_order(messages):
    state = State()
    for message in messages:
        was_busy = state.is_busy
        state, reply = machine().step(state, message, TODAY)
        assert reply.say or reply.call
        assert not (
            reply.is_last and was_busy and state.misses == 0 and "yes" not in message and "DTMF" not in message
        ) or (reply.say == ("I give up.",))
    assert state.turn == len(messages)


ON_THE_WAY = ("a table for four tomorrow at seven",)


@pytest.mark.parametrize(
    ("before", "message", "is_understood", "has_consequences"),
    [
        ((), "a table", True, False),
        ((), "a fable", False, False),
        ((), "", False, False),
        ((), "good bye", True, True),
        ((), "speak to someone", True, True),
        (("a table",), "four", True, False),
        ((), "four", False, False),
        (ON_THE_WAY, "yes", True, True),
        (ON_THE_WAY, "at eight", True, False),
        (ON_THE_WAY, "start over", True, True),
    ],
)
def test_how_well_a_message_would_be_understood_and_whether_that_has_consequences(
    before, message, is_understood, has_consequences
):
    state, _ = talk(*before)
    understanding = machine().understanding(state, message, TODAY)
    assert (understanding.sureness > 0, understanding.has_consequences) == (is_understood, has_consequences)


@given(st.text(max_size=30))
def test_sureness_is_a_share(message):
    state, _ = talk("a table")
    assert 0 <= machine().understanding(state, message, TODAY).sureness <= 1


def test_a_number_that_was_asked_for_is_read_out_of_what_sounds_like_it():
    assert said("a table", "4. 2.") == "Which day?"
    assert (
        said("a table", "for people", "tomorrow", "To the afternoon.")
        == "A table for four tomorrow at two in the afternoon?"
    )
    assert said("a table for four tomorrow at noon", "No, at a quarter past several in the evening") == (
        "A table for four tomorrow at seven fifteen in the evening?"
    )


def test_a_value_that_was_misheard_is_no_question_about_something_else():
    lost = said("a table for four", "tomorrow", "hm hm hm")
    assert said("a table for four", "tomorrow", "Welcome to the afternoon.") == lost
    assert said("a table for four", "tomorrow", "what are your opening hours in the afternoon").startswith(
        "From noon to ten."
    )


def test_a_misheard_value_is_none_also_where_its_meaning_is_near_a_topic():
    near = {Topic("intent", "hours"): 0.95}
    state, _ = talk("a table for four", "tomorrow")
    lost = machine().step(state, "hm hm hm", TODAY)[1].say
    assert machine().step(state, "Welcome to the afternoon.", TODAY, near)[1].say == lost
    assert machine().step(state, "When can we come in the afternoon?", TODAY, near)[1].say[0] == "From noon to ten."


def test_the_same_question_again_and_again_leads_to_a_way_out():
    question = "what are your opening hours"
    replies = [said(*[question] * times) for times in range(1, 6)]
    assert replies == ["From noon to ten.", "From noon to ten.", "Sorry?", "Again?", "I give up."]


def test_another_question_between_two_equal_ones_gets_its_answer():
    again = ["what are your opening hours", "a table", "what are your opening hours"] * 3
    assert all(said(*again[:count]).startswith("From noon to ten.") for count in (1, 3, 4))


def test_what_was_said_can_be_repeated_as_often_as_wanted():
    assert said("what are your opening hours", *["repeat that"] * 5) == "From noon to ten."
