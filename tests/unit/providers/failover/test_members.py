"""Which provider of a list is asked, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.failover.circuit import BreakerPolicy
from vox.providers.failover.members import FailOverPolicy, Member, Members
from vox.runtime.metrics import Metrics

DOWN = DependencyError("down", code="provider_unreachable", retryable=True)
REFUSED = DependencyError("no", code="provider_refused_key")
NO_CREDIT = DependencyError("no credit", code="provider_out_of_credit")
NO_CREDENTIALS = UsageError("there are no credentials", code="missing_api_key")
OWN_FAULT = DependencyError("bad request", code="provider_failed")


@dataclass
class Driver:
    """Says its words, or fails at one of them."""

    words: tuple[str, ...] = ("a", "b")
    errors: list[VoxError] = field(default_factory=list[VoxError])
    fails_after: int = 0
    hangs: bool = False
    asked: int = 0
    closed: int = 0

    async def respond(self) -> AsyncGenerator[str, None]:
        self.asked += 1
        try:
            for number, word in enumerate(self.words):
                if self.hangs:
                    await asyncio.Event().wait()
                if self.errors and number == self.fails_after:
                    raise self.errors.pop(0)
                yield word
        finally:
            self.closed += 1


def members(*drivers: Driver, clock: FakeClock | None = None, metrics: Metrics | None = None, ratio: float = 0.0):
    policy = FailOverPolicy(0.05, BreakerPolicy(failures=2, cooldown_s=10.0), ratio)
    named = [(f"p{number}", driver) for number, driver in enumerate(drivers)]
    return Members("llm", named, policy, clock or FakeClock(), metrics or Metrics())


async def said(group: Members[Driver]) -> list[str]:
    return [word async for word in group.stream(ask)]


def ask(member: Member[Driver]) -> AsyncGenerator[str, None]:
    return member.driver.respond()


async def test_the_preferred_one_answers_where_it_can():
    first, second = Driver(), Driver(("c",))
    assert await said(members(first, second)) == ["a", "b"]
    assert second.asked == 0


async def test_the_next_one_is_asked_where_it_fails():
    metrics = Metrics()
    first, second = Driver(errors=[DOWN]), Driver(("c",))
    assert await said(members(first, second, metrics=metrics)) == ["c"]
    assert 'llm_fallback_total{model="",session_id="",stage="llm"} 1.0' in metrics.render().decode()


async def test_the_next_one_is_asked_where_it_does_not_answer():
    first, second = Driver(hangs=True), Driver(("c",))
    assert await said(members(first, second)) == ["c"]
    assert first.closed == 1, "its request is ended"


async def test_an_answer_that_breaks_off_is_not_begun_again_by_another():
    first, second = Driver(errors=[DOWN], fails_after=1), Driver(("c",))
    answer = members(first, second).stream(ask)
    assert await anext(answer) == "a"
    with pytest.raises(DependencyError, match="down"):
        await anext(answer)
    assert second.asked == 0


async def test_the_last_failure_is_told_where_all_fail():
    with pytest.raises(DependencyError, match="no"):
        await said(members(Driver(errors=[DOWN]), Driver(errors=[REFUSED])))


async def test_a_failing_one_is_passed_over_until_its_cool_down_is_over():
    clock, metrics = FakeClock(), Metrics()
    first, second = Driver(errors=[DOWN, DOWN]), Driver(("c",))
    group = members(first, second, clock=clock, metrics=metrics)
    for _ in range(3):
        assert await said(group) == ["c"]
    assert first.asked == 2
    assert group.preferred.name == "p1"
    assert 'vox_provider_circuit_open{provider="p0",stage="llm"} 1.0' in metrics.render().decode()
    clock.advance(10.0)
    assert await said(group) == ["a", "b"], "it is back"
    assert 'vox_provider_circuit_open{provider="p0",stage="llm"} 0.0' in metrics.render().decode()


@pytest.mark.parametrize("error", [REFUSED, NO_CREDIT, NO_CREDENTIALS])
async def test_what_the_operator_has_to_set_right_is_not_tried_with_every_call(error):
    first, second = Driver(errors=[error] * 9), Driver(("c",))
    group = members(first, second)
    for _ in range(3):
        assert await said(group) == ["c"]
    assert first.asked == 1


async def test_a_request_that_is_itself_wrong_says_nothing_about_the_provider():
    first, second = Driver(errors=[OWN_FAULT] * 3), Driver(("c",))
    group = members(first, second)
    for _ in range(3):
        assert await said(group) == ["c"]
    assert first.asked == 3


async def test_where_all_are_passed_over_one_is_asked_all_the_same():
    only, other = Driver(errors=[REFUSED]), Driver(errors=[REFUSED])
    group = members(only, other)
    with pytest.raises(DependencyError):
        await said(group)
    assert await said(group) == ["a", "b"]


async def test_a_failure_that_may_pass_is_repeated_within_the_budget():
    metrics = Metrics()
    group = members(Driver(errors=[DOWN]), Driver(errors=[DOWN]), metrics=metrics, ratio=0.1)
    assert await said(group) == ["a", "b"]
    assert 'llm_retries_total{model="",session_id="",stage="llm"} 1.0' in metrics.render().decode()


async def test_closing_the_answer_ends_the_request():
    driver = Driver()
    answer = members(driver).stream(ask)
    assert await anext(answer) == "a"
    await answer.aclose()
    assert driver.closed == 1


async def test_an_answer_without_parts_is_an_answer():
    first, second = Driver(()), Driver(("c",))
    assert await said(members(first, second)) == []
    assert second.asked == 0
