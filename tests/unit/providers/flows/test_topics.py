"""What a sentence is about, and when that is left open."""

import pytest

from tests.unit.providers.flows.flows import BOOKING, script
from vox.providers.flows.topics import NONE, Topic, Topics
from vox.providers.flows.wording import heard_words

TOPICS = Topics(
    script(
        BOOKING.replace(
            "phrases: [wine]",
            "phrases: [wine]\n    keywords: [bottle]\n    examples: [which wines do you sell, a glass of red, do you have merlot]",
        )
    )
)


def judged(text: str, **meaning: float) -> Topic | None:
    words = heard_words(text)
    similarities = {Topic("intent", name): score for name, score in meaning.items()} if meaning else None
    found = TOPICS.judge(TOPICS.ranked(words, similarities), has_meaning=bool(meaning))
    return found.topic if found is not None else None


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("do you sell wines", Topic("intent", "wine")),
        ("could we book a table please", Topic("intent", "booking")),
        ("parking please", Topic("faq", "0")),
        ("what can you help me with", Topic("command", "help")),
        ("I would like to buy a house", None),
        ("tell me a joke about the weather", None),
        ("", None),
    ],
)
def test_the_likeliest_topic_is_named_or_none(text, topic):
    assert judged(text) == topic


def test_an_example_is_its_topic_and_nothing_else_comes_near():
    ranked = TOPICS.ranked(heard_words("Do you have Merlot?"))
    assert ranked[0].topic == Topic("intent", "wine")
    assert ranked[0].score == 1.0
    assert ranked[1].score < 1.0


def test_meaning_outweighs_words():
    assert judged("when might one drop by", hours=0.9) == Topic("intent", "hours")
    assert judged("when might one drop by", hours=0.9, booking=0.88) is None


def test_values_of_an_intent_are_evidence_for_it():
    words = heard_words("three of us")
    plain, more = (TOPICS.ranked(words, None, found) for found in ({}, {Topic("intent", "booking"): 2}))
    score = {one.topic: one.score for one in plain}[Topic("intent", "booking")]
    assert {one.topic: one.score for one in more}[Topic("intent", "booking")] > score


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("another bottle", Topic("intent", "wine")),
        ("my car", Topic("faq", "0")),
        ("a bottle in the car", None),  # two topics
        ("the car crashed into the wall of the town hall last night", None),
        ("nothing of the kind", None),
    ],
)
def test_a_keyword_has_to_be_a_good_part_of_what_is_said(text, topic):
    words = heard_words(text)
    assert TOPICS.by_keyword(words, TOPICS.ranked(words)) == topic


def test_what_no_flow_is_about_is_a_topic_too():
    assert TOPICS.ranked(heard_words("set an alarm for seven"))[0].topic == NONE
