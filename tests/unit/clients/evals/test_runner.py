from typing import Any

import pytest

from tests.unit.clients.evals.fake_server import FakeServer, station
from vox.clients.evals.runner import Bench, EvalResult, run_all
from vox.clients.evals.scenario import ModelScenario, Scenario
from vox.errors import DependencyError


class Watched:
    """Who watches a run, and sees how much of it is under way."""

    def __init__(self) -> None:
        self.running = self.most = 0

    def began(self, name: str) -> None:
        self.running += 1
        self.most = max(self.most, self.running)

    def ended(self, result: EvalResult) -> None:
        self.running -= 1


def scenario(name: str, **more: Any) -> Scenario:
    return Scenario.model_validate({"name": name, "turns": [{"say": "a", "expect": {"contains": "One"}}], **more})


async def run(scenarios: Any, bench: Bench, at_once: int = 2) -> tuple[list[EvalResult], Watched]:
    watched = Watched()
    return await run_all(scenarios, bench, watched, at_once=at_once), watched


async def test_scenarios_run_side_by_side_up_to_the_bound_and_come_back_in_order(virtual_clock):
    server = FakeServer("One.")
    results, watched = await run(
        [scenario(str(number)) for number in range(7)], Bench(virtual_clock, station(server, virtual_clock)), at_once=3
    )
    assert [(result.name, result.passed) for result in results] == [(str(number), True) for number in range(7)]
    assert (watched.most, server.most_calls, server.open_calls) == (3, 3, 0)


async def test_one_that_fails_breaks_or_hangs_does_not_disturb_the_others(virtual_clock):
    async def ask(messages: Any) -> str:
        raise DependencyError("the model is away", code="provider_failed")

    results, _ = await run(
        [
            scenario("hangs", timeout_s=5, answer_timeout_s=60, turns=[{"say": "a"}, {"say": "b"}]),
            scenario("unmet", turns=[{"say": "a", "expect": {"contains": "Two"}}]),
            ModelScenario(name="away", prompt="p"),
            scenario("well"),
        ],
        Bench(virtual_clock, station(FakeServer("One.", ""), virtual_clock), ask),
    )
    assert [(result.name, result.passed) for result in results] == [
        ("hangs", False), ("unmet", False), ("away", False), ("well", True),
    ]  # fmt: skip
    assert results[0].failures == ["not finished within 5 s"]
    assert results[1].failures == ["turn 1: says 'Two'; the agent said 'One.'"]
    assert results[2].failures == ["the model is away [provider_failed]"]


async def test_a_fault_of_our_own_is_an_error_of_its_scenario(virtual_clock):
    results, _ = await run([scenario("a"), ModelScenario(name="b", prompt="p")], Bench(virtual_clock))
    assert ["a call needs a station" in results[0].error, "needs a model" in results[1].error] == [True, True]


async def test_what_goes_wrong_in_a_spoken_call_is_named(virtual_clock):
    async def away(messages: Any) -> str:
        raise DependencyError("the caller's model is away", code="provider_failed")

    spoken = Scenario.model_validate({"name": "a", "transport": "ws", "caller": {"goal": "g"}})
    results, _ = await run([spoken], Bench(virtual_clock, station(FakeServer("One."), virtual_clock, caller=away)))
    assert results[0].error == "the caller's model is away [provider_failed]"


async def test_what_a_call_cost(virtual_clock):
    priced = scenario("a", prices={"prompt": 1000, "completion": 2000}, expect={"max_cost": 0.1})
    [result], _ = await run([priced], Bench(virtual_clock, station(FakeServer("One."), virtual_clock)))
    assert result.passed
    assert result.cost == pytest.approx(0.028)


async def test_a_model_is_asked_with_its_system_prompt(virtual_clock):
    asked: list[Any] = []

    async def ask(messages: Any) -> str:
        asked.append([(one.role, one.content) for one in messages])
        return "Paris"

    results, _ = await run(
        [
            ModelScenario(name="a", prompt="p", system_prompt="s", expected_contains="paris"),
            ModelScenario(name="b", prompt="p", expected_contains="rome"),
        ],
        Bench(virtual_clock, None, ask),
        at_once=1,
    )
    assert asked == [[("system", "s"), ("user", "p")], [("user", "p")]]
    assert [(result.output, result.error) for result in results] == [
        ("Paris", ""), ("Paris", "the output does not contain 'rome'"),
    ]  # fmt: skip
