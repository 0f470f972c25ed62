from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.evals.record import CallRecord, Line, ToolUse, TurnRecord
from vox.clients.evals.scenario import ModelScenario, Scenario
from vox.clients.evals.scoring import has_phrase, score, score_output


def unmet(expect: dict[str, Any], *, turn: dict[str, Any] | None = None, **record: Any) -> list[str]:
    """The failed checks of a call in which one thing was asked and answered."""
    scenario = Scenario.model_validate(
        {
            "name": "a",
            "transport": "ws",
            "turns": [{"say": "when?", "barge_in_s": 1, "expect": turn or {}}],
            "expect": expect,
            "prices": {"prompt": 1_000, "completion": 2_000},
        }
    )
    call = CallRecord(
        turns=[TurnRecord("", 0.0, 0.1), TurnRecord("when?", 2.0, 0.8, 0.3)],
        lines=[Line(0.1, "agent", "Hello there."), Line(3.0, "agent", "We open at noon, and close at 10.")],
        tools=[ToolUse(2.5, "look_up", {"day": "Sunday", "people": 4, "deep": {"list": [1, "b"], "more": None}})],
        interruptions=1,
        prompt_tokens=100,
        completion_tokens=20,
        duration_s=6.0,
    )
    for name, value in record.items():
        setattr(call, name, value)
    call.share_out()
    return [str(check) for check in score(scenario, call) if not check.passed]


MET: list[dict[str, Any]] = [
    {"contains": "open at NOON and"},
    {"contains": ["hello", "10"]},
    {"any_of": ["midnight", "noon"]},
    {"not": ["midnight", "oon", "open noon"]},
    {"matches": r"close at \d+"},
    {"tools": [{"name": "look_up"}]},
    {"tools": [{"name": "look_up", "arguments": {"day": "sunday", "people": "4"}, "times": 1}]},
    {"tools": [{"name": "look_up", "arguments": {"day": "/^sun/", "people": 4.0, "deep": {"list": [1, "b"], "more": None}}}]},
    {"tools": [{"name": "other", "times": 0}]},
    {"no_tools": "other"},
    {"answers_within_s": 0.8},
    {"interruptions": 1},
    {"interruptions": {"min": 1}},
    {"max_tokens": 120},
    {"max_cost": 0.14},
    {"max_duration_s": 6},
    {"ended_by": "caller"},
]  # fmt: skip
UNMET: list[tuple[dict[str, Any], str]] = [
    ({"contains": "midnight"}, "call: says 'midnight'; the agent said 'Hello there. We open"),
    ({"any_of": ["midnight", "dawn"]}, "says one of 'midnight', 'dawn'"),
    ({"not": "noon"}, "does not say 'noon'"),
    ({"matches": "^noon"}, "matches /^noon/"),
    ({"tools": [{"name": "look_up", "times": 2}]}, "calls look_up() 2 times; called were look_up(day: Sunday"),
    ({"tools": [{"name": "look_up", "arguments": {"day": "Monday"}}]}, "calls look_up(day: Monday)"),
    ({"tools": [{"name": "look_up", "arguments": {"hour": 1}}]}, "calls look_up(hour: 1)"),
    ({"tools": [{"name": "look_up", "arguments": {"day": {"a": 1}}}]}, "calls look_up"),
    ({"tools": [{"name": "look_up", "arguments": {"day": ["a"]}}]}, "calls look_up"),
    ({"tools": [{"name": "look_up", "arguments": {"deep": {"list": [1]}}}]}, "calls look_up"),
    ({"tools": [{"name": "look_up", "arguments": {"people": True}}]}, "calls look_up"),
    ({"no_tools": "look_up"}, "does not call look_up"),
    ({"answers_within_s": 0.79}, "call, turn 1: answers within 0.79 s; it took 0.80 s"),
    ({"interruptions": 0}, "interruptions: 0; there were 1"),
    ({"interruptions": {"min": 2, "max": 3}}, "interruptions: 2 to 3; there were 1"),
    ({"max_tokens": 119}, "at most 119 tokens; it took 120"),
    ({"max_cost": 0.1}, "costs at most 0.1; it cost 0.14"),
    ({"max_duration_s": 5}, "lasts at most 5 s; it took 6.0 s"),
    ({"ended_by": "agent"}, "the agent hangs up; the caller did"),
]


@pytest.mark.parametrize("expect", MET, ids=str)
def test_what_is_met(expect: dict[str, Any]):
    assert unmet(expect) == []


@pytest.mark.parametrize(("expect", "said"), UNMET, ids=str)
def test_what_is_not_met_says_what_there_was(expect: dict[str, Any], said: str):
    [check] = unmet(expect)
    assert said in check


def test_a_turn_is_judged_by_itself():
    assert unmet({}, turn={"contains": "noon", "silenced_within_s": 0.3, "answers_within_s": 1}) == []
    assert "turn 1: says 'hello'" in unmet({}, turn={"contains": "hello"})[0]
    assert "is silent within 0.2 s; it took 0.30 s" in unmet({}, turn={"silenced_within_s": 0.2})[0]


def test_a_turn_without_an_answer_is_not_quick():
    turns = [TurnRecord("", 0.0), TurnRecord("when?", 2.0)]
    assert unmet({}, turn={"answers_within_s": 5}, turns=turns) == ["turn 1: answers within 5 s; it did not answer"]
    assert "nothing to interrupt" in unmet({}, turn={"silenced_within_s": 5}, turns=turns)[0]
    assert unmet({"answers_within_s": 5}, turns=turns) == []


def test_a_call_that_ends_before_a_turn_fails_it():
    assert unmet({}, turns=[TurnRecord("", 0.0)]) == ["turn 1: the caller gets to it; the call ended before"]


def test_a_call_without_words_or_tools_says_so():
    assert "the agent said nothing" in unmet({"contains": "x"}, lines=[])[0]
    assert "no tool was called" in unmet({"tools": [{"name": "t"}]}, tools=[])[0]


def test_an_error_fails_the_call():
    assert unmet({}, failure="the server left") == ["call: goes without an error; the server left"]


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("It is often so.", "ten", False),
        ("Zehn Uhr, bitte!", "uhr bitte", True),
        ("営業時間は正午からです", "正午", True),
        ("That's fine", "thats fine", False),
        ("That\u2019s fine", "that's FINE", True),
        ("It costs $ 5", "$", True),
        ("", "x", False),
    ],
)
def test_phrases_are_found_as_words(text: str, phrase: str, found: bool):
    assert has_phrase(text, phrase) is found


@given(st.text(), st.from_regex(r"[a-z0-9]+( [a-zäé]+)*", fullmatch=True), st.text())
def test_a_phrase_between_others_is_always_found(before: str, phrase: str, after: str):
    assert has_phrase(f"{before} . {phrase.upper()} . {after}", phrase)


@pytest.mark.parametrize(
    ("expected", "output", "fits"),
    [
        ({"expected_contains": " PARIS "}, "It is Paris.\n", True),
        ({"expected_contains": "rome", "expected_pattern": "paris"}, "Paris", False),
        ({"expected_pattern": "^it IS"}, "  It is Paris", True),
        ({"expected_pattern": "^paris"}, "It is Paris", False),
        ({}, "", True),
    ],
)
def test_a_models_output_is_compared_trimmed_and_in_lower_case(expected: dict[str, str], output: str, fits: bool):
    assert (score_output(ModelScenario(name="a", prompt="p", **expected), output) == "") is fits  # pyright: ignore[reportArgumentType]  keys of a file
