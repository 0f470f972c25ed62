"""A caller played by a language model: it gets the agent's words and answers with the caller's next ones.

The roles are turned round: for the model the agent is the user.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from vox.clients.evals.scenario import ModelCaller
from vox.errors import DependencyError

HANG_UP: Final = "[hang up]"
MAX_SAID: Final = 2000
"""Characters of one thing said; a person on the phone says less."""
PROMPT: Final = """\
You play a person who is on the phone with an agent. The agent's words are what the user says to you.
Your goal: {goal}
{persona}
Say only what this person says aloud, one short turn at a time, without stage directions.
When the goal is reached, or certainly cannot be reached, say goodbye and end your turn with {hang_up}."""


class ChatMessage(NamedTuple):
    """One message of the conversation with the caller's model."""

    role: Literal["system", "user", "assistant"]
    content: str


Complete = Callable[[Sequence[ChatMessage]], Awaitable[str]]
"""Asks a language model for the next message."""


@dataclass(frozen=True, slots=True)
class CallerLine:
    """What the caller says next; after the last one they hang up."""

    text: str
    is_last: bool


@dataclass(slots=True)
class CallerRole:
    """One call's conversation as the caller's model sees it."""

    plan: ModelCaller
    complete: Complete
    _history: list[ChatMessage] = field(default_factory=list[ChatMessage])
    _turns: int = 0

    async def next_line(self, heard: str) -> CallerLine:
        """What the caller says to these words of the agent; an empty text means that they hang up without a word.

        Raises:
            DependencyError: the model failed, or said nothing (`empty_answer`).
        """
        self._turns += 1
        is_last = self._turns >= self.plan.max_turns
        self._history.append(ChatMessage("user", heard or "(silence)"))
        if self._turns == 1 and self.plan.opens_with:
            said = self.plan.opens_with
        else:
            instruction = PROMPT.format(goal=self.plan.goal, persona=self.plan.persona, hang_up=HANG_UP)
            said = (await self.complete([ChatMessage("system", instruction), *self._history])).strip()
        self._history.append(ChatMessage("assistant", said))
        if not said:
            raise DependencyError("the model that plays the caller said nothing", code="empty_answer", retryable=True)
        at = said.lower().find(HANG_UP)
        spoken = said if at < 0 else said[:at]
        return CallerLine(spoken.strip()[:MAX_SAID], is_last or at >= 0)
