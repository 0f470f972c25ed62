"""Whether a transcript at a pause is a whole turn; a wrong verdict cuts callers off, or has them wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.turns.completeness import Completeness, Expected, is_backchannel, is_silencer, judge

UNFINISHED, UNKNOWN, COMPLETE = Completeness.UNFINISHED, Completeness.UNKNOWN, Completeness.COMPLETE


@pytest.mark.parametrize(
    "text",
    [
        "I would like",
        "I'd like to book a table for",
        "could you tell me",
        "do you have",
        "is there a",
        "my phone number is",
        "on the",
        "we will be there at",
        "um",
        "yes but",
        "for four people and",
        "A table for two,",
        "I was thinking…",
        "can I please",
        "what time do you",
        "how much is",
        "are you open on",
    ],
)
def test_what_ends_in_an_open_word_goes_on(text: str):
    assert judge(text) is UNFINISHED


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "no thank you",
        "that's right",
        "Do you have parking?",
        "what time do you close tonight",
        "where are you",
        "what do you recommend",
        "I want to book a table, please.",
        "Good bye!",
        "is that so?",
    ],
)
def test_a_whole_question_or_answer_is_complete(text: str):
    assert judge(text) is COMPLETE


@pytest.mark.parametrize(
    "text",
    ["", "  ", "a table for four", "where are you from", "roast chicken", "can I come in", "what can I eat with"],
)
def test_in_doubt_the_usual_pause_decides(text: str):
    assert judge(text) is UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected", "verdict"),
    [
        ("four", "number", COMPLETE),
        ("four people", "number", COMPLETE),
        ("four or", "number", UNFINISHED),
        ("on friday", "date", COMPLETE),
        ("the 3rd", "date", COMPLETE),
        ("on the", "date", UNFINISHED),
        ("at seven thirty", "time", COMPLETE),
        ("eight o'clock", "time", COMPLETE),
        ("yes i think", "yes_no", UNFINISHED),
        ("sure thing", "yes_no", COMPLETE),
        ("five five five one", "digits", UNKNOWN),
        ("friday", "", UNKNOWN),
    ],
)
def test_an_answer_of_the_kind_asked_for_is_complete(text: str, expected: Expected, verdict: Completeness):
    assert judge(text, expected=expected) is verdict


def test_the_question_mark_of_a_recogniser_outweighs_an_open_last_word_but_does_not_make_it_whole():
    assert judge("should I bring cash or will plastic do") is UNFINISHED
    assert judge("Should I bring cash, or will plastic do?") is UNKNOWN


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("minulla on yksi", UNKNOWN), ("Onko teillä auki?", COMPLETE), ("Minä haluaisin…", UNFINISHED)],
)
def test_a_language_without_a_table_is_judged_by_its_punctuation(text: str, verdict: Completeness):
    assert judge(text, language="fi-FI") is verdict


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("de-DE", "ich hätte gern einen", UNFINISHED),
        ("de", "einen Tisch für", UNFINISHED),
        ("de", "wann haben Sie geöffnet", COMPLETE),
        ("de", "nein danke", COMPLETE),
        ("de", "rufen Sie mich morgen an", UNKNOWN),
        ("fr", "je voudrais réserver une", UNFINISHED),
        ("fr-CA", "d'accord", COMPLETE),
        ("fr", "à quelle heure fermez-vous s'il vous plaît", COMPLETE),
        ("fr", "c'est pour demain", UNKNOWN),
        ("es", "quisiera reservar una mesa para", UNFINISHED),
        ("es-MX", "sí por favor", COMPLETE),
        ("es", "cuánto cuesta el menú del día", COMPLETE),
        ("es", "para mañana", UNKNOWN),
    ],
)
def test_other_languages_have_their_own_words(language: str, text: str, verdict: Completeness):
    assert judge(text, language=language) is verdict


@pytest.mark.parametrize(
    ("language", "agreement", "asked"),
    [("de", "ja genau", "Moment bitte"), ("fr", "d'accord", "attendez un instant"), ("es", "de acuerdo", "un momento")],
)
def test_agreement_and_silence_in_other_languages(language: str, agreement: str, asked: str):
    assert is_backchannel(agreement, language)
    assert not is_silencer(agreement, language)
    assert is_silencer(asked, language)


def test_the_language_is_english_where_none_is_set_and_whatever_its_region():
    assert judge("I would like") is judge("I would like", language="en_GB") is UNFINISHED


@pytest.mark.parametrize(
    "text", ["uh huh", "Uh-huh.", "Mm.", "mm-hmm", "Yeah!", "okay", "I see.", "uh huh, uh huh", "Okay, yeah."]
)
def test_what_listeners_say_is_known(text: str):
    assert is_backchannel(text)
    assert not is_silencer(text)


@pytest.mark.parametrize("text", ["yeah but no", "no", "banana", "", "yes please"])
def test_what_asks_for_something_is_more_than_listening(text: str):
    assert not is_backchannel(text)


@pytest.mark.parametrize(
    "text",
    [
        "Stop!",
        "wait",
        "be quiet",
        "Please, be quiet.",
        "hold on",
        "One moment, please.",
        "Stop, stop!",
        "wait, stop",
        "Okay, stop please.",
    ],
)
def test_a_request_for_silence_is_known(text: str):
    assert is_silencer(text)
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["wait, what about Friday", "the bus stop", "stop the booking", ""])
def test_a_request_for_more_than_silence_is_none(text: str):
    assert not is_silencer(text)


@given(text=st.text(max_size=80), language=st.sampled_from(["", "en", "fr", "zh-Hans", "x"]))
def test_any_text_of_any_language_has_a_verdict(text: str, language: str):
    assert judge(text, language=language) in Completeness


@given(words=st.lists(st.sampled_from(["a", "table", "for", "two", "Friday", "please", "?"]), max_size=8))
def test_neither_capitals_nor_spaces_change_the_verdict(words: list[str]):
    text = " ".join(words)
    assert judge(text.upper()) is judge(f"  {text.lower()} ")
