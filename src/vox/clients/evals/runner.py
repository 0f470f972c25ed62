"""Runs scenarios side by side, a bounded number at once, and scores each; one that fails or breaks does not disturb the others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from vox.clients.evals.loading import AnyScenario
from vox.clients.evals.model_caller import ChatMessage
from vox.clients.evals.record import CallRecord
from vox.clients.evals.scenario import TYPED, ModelScenario, Scenario
from vox.clients.evals.scoring import Check, cost, score, score_output
from vox.clients.evals.spoken_call import run_spoken
from vox.clients.evals.station import Station
from vox.clients.evals.typed_call import run_typed
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class EvalResult:
    """How one scenario went.

    `error` is why it could not be judged, or a model's output is wrong; `checks` are those of a call, `output` is that of a model.
    """

    name: str
    transport: str
    duration_s: float = 0.0
    description: str = ""
    checks: list[Check] = field(default_factory=list[Check])
    record: CallRecord | None = None
    cost: float | None = None
    output: str | None = None
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ran, and every check was met."""
        return not self.error and all(check.passed for check in self.checks)

    @property
    def failures(self) -> list[str]:
        """What was not met, one line each."""
        return [*([self.error] if self.error else []), *(str(check) for check in self.checks if not check.passed)]


class Watcher(Protocol):
    """Who wants to know how far a run is."""

    def began(self, name: str) -> None:
        """A scenario begins."""
        ...

    def ended(self, result: EvalResult) -> None:
        """A scenario is over."""
        ...


Ask = Callable[[Sequence[ChatMessage]], Awaitable[str]]
"""Asks the language model under test."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the scenarios run on: calls need the station, questions to the model alone need `ask`."""

    clock: Clock
    station: Station | None = None
    ask: Ask | None = None


async def run_all(
    scenarios: Sequence[AnyScenario], bench: Bench, watcher: Watcher, *, at_once: int
) -> list[EvalResult]:
    """Runs all scenarios, at most `at_once` at a time, and returns their results in order."""
    room = asyncio.Semaphore(at_once)

    async def run(scenario: AnyScenario) -> EvalResult:
        async with room:
            watcher.began(scenario.name)
            result = await run_one(scenario, bench)
            watcher.ended(result)
            return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(scenario), name=f"eval {scenario.name}") for scenario in scenarios]
    return [task.result() for task in tasks]


async def run_one(scenario: AnyScenario, bench: Bench) -> EvalResult:
    """Runs one scenario within its time and scores it; whatever goes wrong in it becomes its error."""
    is_model = isinstance(scenario, ModelScenario)
    result = EvalResult(scenario.name, "model" if is_model else scenario.transport)
    timeout_s = scenario.timeout_secs if is_model else scenario.timeout_s
    began = bench.clock.now()
    try:
        async with asyncio.timeout(timeout_s):
            if isinstance(scenario, ModelScenario):
                await _ask_model(scenario, bench, result)
            else:
                await _call(scenario, bench, result)
    except Exception as error:  # noqa: BLE001  a scenario's top: one that breaks must not end the others
        result.error = _reason(error, scenario.name, timeout_s)
    result.duration_s = bench.clock.now() - began
    return result


async def _call(scenario: Scenario, bench: Bench, result: EvalResult) -> None:
    if bench.station is None:
        raise TypeError("a call needs a station")
    result.description = scenario.description
    run = run_typed if scenario.transport == TYPED else run_spoken
    record = result.record = await run(scenario, bench.station)
    if scenario.prices.prompt or scenario.prices.completion:
        result.cost = cost(record, scenario.prices)
    result.checks = score(scenario, record)


async def _ask_model(scenario: ModelScenario, bench: Bench, result: EvalResult) -> None:
    if bench.ask is None:
        raise TypeError("a question to the model needs a model")
    system = [ChatMessage("system", scenario.system_prompt)] if scenario.system_prompt else []
    result.output = await bench.ask([*system, ChatMessage("user", scenario.prompt)])
    result.error = score_output(scenario, result.output)


def _reason(error: Exception, name: str, timeout_s: float) -> str:
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    if isinstance(error, VoxError):
        return f"{error} [{error.code}]"
    if isinstance(error, TimeoutError):
        return f"not finished within {timeout_s:g} s"
    log.error("scenario broke", scenario=name, exc_info=error)
    return f"broke: {error!r}"
