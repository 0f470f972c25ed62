"""A scenario's caller as the steps of a simulated call: what is said, when they listen, and a log of where each turn began."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vox.clients.evals.scenario import Scenario
from vox.clients.script import Press, Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import CallReport

THINKING_S = 0.1
"""A caller who is not yet sure what to say is silent for so long before they look again."""


@dataclass(frozen=True, slots=True)
class PreparedTurn:
    """One turn with its speech at hand."""

    label: str
    action: Say | Press | Wait


@dataclass(frozen=True, slots=True)
class Begun:
    """A turn that the caller came to; `turn` is its place in the call's report, None for a wait."""

    label: str
    at_s: float
    turn: int | None

    def began_s(self, report: CallReport) -> float:
        """When the turn began: with the caller's first sound where there is one."""
        return self.at_s if self.turn is None or self.turn >= len(report.turns) else report.turns[self.turn].began_s


class Pending(Protocol):
    """The caller's next turn while it is being thought of; None is the end of the call. An `asyncio.Task` is one."""

    def done(self) -> bool:
        """Whether it is there."""
        ...

    def result(self) -> PreparedTurn | None:
        """The turn; raises what went wrong with it."""
        ...


@dataclass(slots=True)
class CallerScript:
    """The steps of one call; `is_finished` says that the caller had nothing more to do, so it was they who hung up."""

    scenario: Scenario
    elapsed_s: Callable[[], float]
    begun: list[Begun] = field(default_factory=list[Begun])
    is_finished: bool = False
    _reported: int = 1  # the report's first turn is the greeting

    def scripted(self, turns: Sequence[PreparedTurn]) -> Iterator[Step]:
        """Turns that are known beforehand; before a barge-in the caller does not wait for the agent to finish."""
        yield self._greeting()
        for turn, following in zip(turns, [*turns[1:], None], strict=False):
            yield self._begin(turn)
            if following is None or not isinstance(following.action, Say) or following.action.into_agent_s is None:
                yield self._listening()
        self.is_finished = True

    def thought_of(self, think: Callable[[], Pending]) -> Iterator[Step]:
        """Turns each of which is thought of when the one before it is over; the line stays open meanwhile."""
        yield self._greeting()
        while True:
            pending = think()
            while not pending.done():
                yield Wait(THINKING_S)
            turn = pending.result()
            if turn is None:
                break
            yield self._begin(turn)
            yield self._listening()
        self.is_finished = True

    def _begin(self, turn: PreparedTurn) -> Step:
        number = None
        if not isinstance(turn.action, Wait):
            number, self._reported = self._reported, self._reported + 1
        self.begun.append(Begun(turn.label, self.elapsed_s(), number))
        return turn.action

    def _greeting(self) -> WaitForAgent:
        return WaitForAgent(self.scenario.silence_s, self.scenario.greeting_s, self.scenario.timeout_s)

    def _listening(self) -> WaitForAgent:
        return WaitForAgent(self.scenario.silence_s, self.scenario.answer_timeout_s, self.scenario.timeout_s)
