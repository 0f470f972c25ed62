"""Where a conversation stands, and what one step of it says and does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vox.providers.flows.rendering import Value

Phase = Literal["open", "offered", "filling", "confirming", "changing", "closed"]
Pending = Literal["", "goodbye", "start_over", "handoff"]
"""What was asked about ("Shall I end the call?") and is done once the caller says yes."""

BUSY = frozenset[Phase]({"filling", "confirming", "changing"})


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to be run, and what to say after it; `follow_up` is said behind either outcome."""

    id: str
    tool: str
    arguments: Mapping[str, int | str | bool]
    done: str
    failed: str
    is_last: bool = False
    follow_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do now: say these texts, run this tool, then hang up if `is_last`.

    Places such as `{vars.name}` and `{result}` are still open in the texts.
    """

    say: tuple[str, ...] = ()
    call: Call | None = None
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Suspended:
    """A task that another one has interrupted, and that goes on after it."""

    intent: str
    slots: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class State:
    """Where the conversation stands.

    Attributes:
        slots: those of the intent being filled, or of the last one completed.
        asking: the slot that was asked for.
        pending: what was asked about and waits for a yes.
        misses: how often in a row nothing was understood.
        said: the last words, for `repeat`; `question` is the open one among them.
        answered: the last words that were no apology, and how often they came without anything new between.
        calls: the tools asked for, by the number of the user message that led to them.
    """

    phase: Phase = "open"
    intent: str | None = None
    slots: Mapping[str, Value] = field(default_factory=dict[str, Value])
    asking: str | None = None
    pending: Pending = ""
    misses: int = 0
    turn: int = 0
    said: tuple[str, ...] = ()
    question: str = ""
    suspended: Suspended | None = None
    answered: tuple[tuple[str, ...], int] = ((), 0)
    calls: Mapping[int, Call] = field(default_factory=dict[int, Call])

    @property
    def is_busy(self) -> bool:
        """Whether a task is under way."""
        return self.phase in BUSY


Step = tuple[State, Reply]
