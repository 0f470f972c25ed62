"""One answer under way: the model's responses in it, which sentence belongs to which, and what of it was not heard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from vox.agent.call.checkpoint import SavedAnswer
from vox.agent.call.conversation import Answer
from vox.agent.call.open_sentence import OpenSentence
from vox.agent.call.playout_ledger import Heard
from vox.agent.call.speakable import SpeakableText
from vox.errors import DependencyError, VoxError
from vox.protocols.agent_events import AgentError, AgentEvent
from vox.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text that is synthesised in one go."""

    answer: Answer
    text: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that are played as tones."""

    answer: Answer
    keys: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A sentence that is spoken while it is written."""

    answer: Answer
    sentence: OpenSentence


Pieces = asyncio.Queue[Sentence | Unfinished | Keys | None]
"""What an answer will sound like, in order; None ends it."""


@dataclass(slots=True, eq=False)
class Run:
    """One answer under way: the model's responses in it, and which sentence belongs to which.

    `voice` is its number at the output. A silent one is shown, not spoken. `reported` is how much of each sentence the client
    knows to be spoken, all of it for a sentence that is over. `is_voiced`: there is something to hear in it. `recited` is text
    of ours in it, `is_written` that all its text is there, and `said_before` what was heard of it in another process.
    `planned` is what it was begun for, left over from that process where `is_resumed`.
    """

    number: int
    voice: int
    is_silent: bool = False
    answers: list[Answer] = field(default_factory=list[Answer])
    owners: dict[int, Answer] = field(default_factory=dict[int, Answer])
    shown: int = 0
    reported: dict[int, str] = field(default_factory=dict[int, str])
    speakable: SpeakableText = field(default_factory=SpeakableText)
    spoken_answer: Answer | None = None
    is_voiced: bool = False
    task: asyncio.Task[None] | None = None
    end_reason: str | None = None
    is_over: bool = False
    is_generating: bool = False
    is_audible: bool = False
    is_held: bool = False
    is_speaking: bool = False
    has_pressed: bool = False
    has_filled: bool = False
    recited: str = ""
    is_written: bool = False
    said_before: str = ""
    planned: SavedAnswer = field(default_factory=SavedAnswer)
    is_resumed: bool = False


def rest_of(run: Run, parts: list[Heard]) -> str:
    """The text of an answer that was not heard: of the sentences that have audio, and of those that have none yet."""
    text = " ".join(filter(None, [run.recited, *(answer.text for answer in run.answers)]))
    end, left = 0, list[str]()
    for part in parts:
        if part.text and (found := text.find(part.text, end)) >= 0:
            end = found + len(part.text)
        left.append(part.remaining)
    return " ".join(filter(None, [*left, text[end:].strip()]))


def heard_in(run: Run, answer: Answer, parts: list[Heard]) -> str:
    """What was heard of one of the run's answers."""
    return " ".join(part.spoken for part in parts if run.owners.get(part.segment) is answer and part.spoken)


def unfinished(run: Run, parts: list[Heard], *, has_open_tools: bool) -> tuple[SavedAnswer, dict[int, str]]:
    """What another process needs to go on with the run, and by `id` what was heard of its answers."""
    if not run.answers:  # its task has not begun
        return run.planned, {}
    heard = {id(one): one.text if run.is_silent else heard_in(run, one, parts) for one in run.answers}
    was_heard = any(heard.values()) or run.is_audible
    *earlier, _ = [run.said_before, *(f"{one.before} {heard[id(one)]}".strip() for one in run.answers)]
    is_owed = not run.is_written and (not was_heard or has_open_tools)
    rest = run.recited if is_owed and not was_heard else "" if run.is_silent else rest_of(run, parts)
    return SavedAnswer(rest, is_owed, " ".join(filter(None, earlier)), run.end_reason), heard


def report(error: Exception, tell: Callable[[AgentEvent], None]) -> None:
    """Tells the log and the client that an answer failed."""
    if isinstance(error, VoxError):
        log.warning("answer failed", code=error.code, error=str(error), retryable=error.retryable)
        what = "a provider failed" if isinstance(error, DependencyError) else str(error)
        tell(AgentError(f"the answer failed: {what} ({error.code})"))
    else:
        log.error("answer failed", exc_info=error)
        tell(AgentError("the answer failed"))


def first_of(group: ExceptionGroup[Exception]) -> Exception:
    """A failure out of a group of them; one of ours, which says what to do, before any other."""
    ours = group.subgroup(VoxError) or group
    while isinstance(ours, ExceptionGroup):
        ours = cast("Exception", ours.exceptions[0])
    return ours
