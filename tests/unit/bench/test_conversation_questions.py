from collections import Counter

import pytest
from bench.conversation.answers import AnswerTable
from bench.conversation.questions import (
    Judge,
    read_bookings,
    read_flow,
    read_questions,
    read_topics,
    read_turn_cases,
)
from bench.conversation.scoring import Question, Verdict


def test_two_hundred_questions_in_two_equal_halves_no_two_alike():
    questions = read_questions("both")
    assert Counter(question.half for question in questions) == {"tuning": 100, "test": 100}
    assert len({question.text.lower() for question in questions}) == 200


@pytest.mark.parametrize("half", ["tuning", "test"])
def test_an_eighth_of_each_half_is_not_the_restaurants(half):
    strangers = [question for question in read_questions(half) if "none" in question.topics]
    assert 10 <= len(strangers) <= 15


def test_every_topic_has_a_place_in_the_table():
    asked = {topic for question in read_questions("both") for topic in question.topics}
    asked |= {topic for case in read_turn_cases()[1] for topic in case.get("topics", ())}
    assert asked - {"none"} == asked & read_topics().keys()


def test_every_booking_is_within_what_the_demo_takes():
    today, scripts = read_bookings()
    assert len(scripts) == 12
    for script in scripts:
        assert set(script.wants) == {"people", "day", "time"}
        assert script.wants["day"] >= today.isoformat()


def test_the_demos_own_answers_are_judged_by_its_own_names():
    flow = read_flow()
    judge = Judge(AnswerTable(flow), read_topics())
    answer = flow["intents"]["hours"]["answer"]
    assert judge.asked(Question("?", ("hours",), "test"), [answer]).verdict is Verdict.RIGHT
    assert judge.asked(Question("?", ("menu",), "test"), [answer]).verdict is Verdict.WRONG
    assert judge.asked(Question("?", ("menu",), "test"), ["Something else."]).verdict is Verdict.HELP
    assert judge.leaves_task_open([flow["intents"]["booking"]["slots"]["people"]["prompt"]])
    assert not judge.leaves_task_open([answer])
