from pathlib import Path

import pytest
from pydantic import ValidationError

from vox.clients.evals.scenario import (
    CallExpectation,
    Expectation,
    ModelCaller,
    Scenario,
    ScriptedTurn,
    ToolExpectation,
)

SAY = ScriptedTurn(say="x")


def test_a_turn_is_labelled_by_what_the_caller_does():
    turns = [SAY, ScriptedTurn(audio=Path("a/q.wav")), ScriptedTurn(press="42#"), ScriptedTurn(wait_s=2.5)]
    assert [turn.label for turn in turns] == ["x", "(q.wav)", "(presses 42#)", "(waits 2.5 s)"]


@pytest.mark.parametrize("transport", ["typed", "ws", "genesys"])
def test_only_carriers_are_phones(transport: str):
    assert Scenario(name="a", transport=transport, turns=(SAY,)).is_by_phone is (transport == "genesys")


@pytest.mark.parametrize(
    ("scenario", "needs"),
    [
        (Scenario(name="a", turns=(SAY,)), False),
        (Scenario(name="a", turns=(SAY,), expect=CallExpectation(answers_within_s=1)), False),
        (Scenario(name="a", turns=(SAY,), greeting=Expectation(contains=("hello",))), True),
        (Scenario(name="a", turns=(ScriptedTurn(say="x", expect=Expectation(matches=("x",))),)), True),
        (Scenario(name="a", caller=ModelCaller(goal="g")), True),
    ],
)
def test_words_are_needed_where_something_is_expected_of_them(scenario: Scenario, needs: bool):
    assert scenario.needs_words is needs


def test_what_a_carriers_wire_does_not_show():
    assert Expectation(tools=(ToolExpectation(name="t"),)).needs_client
    assert CallExpectation(max_tokens=1).needs_client
    assert not CallExpectation(contains=("x",), interruptions={"min": 1}).needs_client  # pyright: ignore[reportArgumentType]  as a file has it


def test_a_scenario_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        SAY.say = "y"  # pyright: ignore[reportAttributeAccessIssue]
