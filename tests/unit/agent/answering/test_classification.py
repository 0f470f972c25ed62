"""Who has answered, by the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.answering.classification import AnsweredBy, classify, from_model, machine_in

PERSON, VOICEMAIL, SCREENING, MENU = AnsweredBy

SAID = {
    "hello": PERSON,
    "yes": PERSON,
    "Ada Lovelace speaking": PERSON,
    "hi who is calling please": PERSON,
    "Müller, guten Tag": PERSON,
    "Hi, you've reached Ada. I can't come to the phone right now. Leave a message after the beep.": VOICEMAIL,
    "you have reached the voicemail box of five five five": VOICEMAIL,
    "please leave your message after the tone": VOICEMAIL,
    "I am not available right now and will get back to you": VOICEMAIL,
    "your call has been forwarded to an automated voice mail system": VOICEMAIL,
    "record your message at the tone, or press one for more options": VOICEMAIL,
    "I can\u2019t answer the phone": VOICEMAIL,
    "Bitte hinterlassen Sie eine Nachricht nach dem Signalton": VOICEMAIL,
    "der Teilnehmer ist zurzeit nicht erreichbar": VOICEMAIL,
    "por favor deje su mensaje después del tono": VOICEMAIL,
    "laissez un message après le bip sonore": VOICEMAIL,
    "Hi, if you record your name and reason for calling, I'll see if this person is available.": SCREENING,
    "the person you're calling is using a screening service and will get a copy": SCREENING,
    "go ahead and say your name and why you're calling": SCREENING,
    "thank you for calling acme for sales press one for support press two": MENU,
    "please listen carefully as our menu options have changed": MENU,
    "para español oprima el dos": MENU,
    "Für Rechnungen drücken Sie die eins": MENU,
    "pour le service client tapez un": MENU,
}


@pytest.mark.parametrize(("text", "kind"), SAID.items())
def test_telling_phrases_decide(text: str, kind: AnsweredBy):
    assert classify(text) is kind


@pytest.mark.parametrize(
    "text", ["", "good morning this is the office of doctor miller we are open from eight to five", "   "]
)
def test_what_tells_nothing_is_undecided(text: str):
    assert classify(text) is None


def test_a_machine_is_known_in_the_middle_of_its_sentence_and_a_person_only_at_the_end():
    assert machine_in("you have reached the voicemail") is VOICEMAIL
    assert machine_in("hello") is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("VOICEMAIL", VOICEMAIL),
        ("person.", PERSON),
        ("It is a MENU", MENU),
        ("screening\n", SCREENING),
        ("PERSON or VOICEMAIL", None),
        ("", None),
        ("I cannot tell", None),
    ],
)
def test_a_models_answer_counts_only_where_it_names_one(answer: str, kind: AnsweredBy | None):
    assert from_model(answer) is kind


@given(st.text())
def test_no_text_is_too_odd(text: str):
    assert classify(text) is None or isinstance(classify(text), AnsweredBy)
    assert from_model(text) is None or isinstance(from_model(text), AnsweredBy)
