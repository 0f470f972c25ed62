import pytest
from bench.conversation.answers import Said
from bench.conversation.scoring import Asked, Question, Verdict, judge, percentile, score, targets_of
from hypothesis import given
from hypothesis import strategies as st

HOURS, MENU = Said("hours"), Said("menu")
MISS, HELP, ASKS = Said("fallback"), Said("command:help"), Said("prompt")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ([HOURS], Verdict.RIGHT),
        ([HOURS, ASKS], Verdict.RIGHT),
        ([MISS, HOURS], Verdict.RIGHT),
        ([MENU], Verdict.WRONG),
        ([HOURS, MENU], Verdict.WRONG),
        ([Said("command:goodbye")], Verdict.WRONG),
        ([Said("command:start_over"), ASKS], Verdict.WRONG),
        ([MISS], Verdict.HELP),
        ([HELP], Verdict.HELP),
        ([ASKS], Verdict.HELP),
        ([Said("handoff")], Verdict.HELP),
        ([], Verdict.SILENT),
    ],
)
def test_a_question_about_the_hours(said, verdict):
    assert judge(["hours"], {"hours"}, said) is verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [([MISS], Verdict.RIGHT), ([HELP], Verdict.RIGHT), ([HOURS], Verdict.WRONG), ([], Verdict.SILENT)],
)
def test_a_question_that_is_not_the_restaurants(said, verdict):
    assert judge(["none"], set(), said) is verdict


def test_a_question_for_help_is_rightly_answered_by_it():
    assert judge(["help"], {"command:help"}, [HELP]) is Verdict.RIGHT


def test_a_sentence_that_two_parts_say_is_right_for_either():
    shared = Said("cancel", also=frozenset({"change"}))
    assert judge(["change"], {"change"}, [shared]) is Verdict.RIGHT
    assert judge(["hours"], {"hours"}, [shared]) is Verdict.WRONG


def test_what_begins_by_itself_behind_a_handoff_is_no_wrong_answer():
    said = [Said("handoff"), Said("callback", "slot", "number")]
    assert judge(["hours"], {"hours"}, said, {"handoff": "callback"}) is Verdict.HELP
    assert judge(["hours"], {"hours"}, said[1:], {"handoff": "callback"}) is Verdict.WRONG


def test_a_topic_may_be_answered_by_several_parts():
    table = {"takeaway": ["takeaway"], "delivery": ["delivery"]}
    assert targets_of(["takeaway", "delivery", "none"], table) == {"takeaway", "delivery"}


def test_no_values_have_no_percentile():
    assert percentile([], 0.5) is None


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_with_its_share_at_or_below(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_a_score_counts_verdicts_and_times_of_those_that_were_answered():
    question = Question("?", ("hours",), "test")
    asked = [
        Asked(question, Verdict.RIGHT, response_s=0.4),
        Asked(question, Verdict.SILENT),
        Asked(question, Verdict.RIGHT),
    ]
    total = score(asked)
    assert (total.asked, total.p50_s) == (3, 0.4)
    assert total.share(Verdict.RIGHT) == pytest.approx(2 / 3)
    assert score([]).share(Verdict.RIGHT) == 0
