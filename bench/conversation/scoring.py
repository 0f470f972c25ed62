"""Verdicts on single questions, and their sum."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from bench.conversation.answers import Said

OUT_OF_DOMAIN = "none"
_HELPING = frozenset({"fallback", "handoff", "command:help"})


class Verdict(StrEnum):
    """What became of a question.

    RIGHT: answered from an acceptable part of the flow and from no other; for a question the restaurant can not answer,
    that it said so. WRONG: answered from another part, or the call was ended or begun anew. HELP: not answered, and told
    so or told what can be asked. SILENT: nothing that the flow knows was said.
    """

    RIGHT = "right"
    WRONG = "wrong"
    HELP = "help"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the set; `topics` are labels of topics.json, or `none` for one that is not the restaurant's."""

    text: str
    topics: tuple[str, ...]
    half: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked, and what came of it; `heard` is what the recogniser took it for."""

    question: Question
    verdict: Verdict
    heard: str = ""
    answer: str = ""
    response_s: float | None = None
    condition: str = ""


def targets_of(topics: Iterable[str], table: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The parts of the flow that answer any of these topics."""
    return frozenset(target for topic in topics for target in table.get(topic, ()))


def judge(
    topics: Collection[str],
    acceptable: Collection[str],
    said: Sequence[Said],
    follows: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """What became of a question with these topics, whose acceptable answers are these parts of the flow.

    `follows` names the intents that begin by themselves behind a part: their question is no answer of its own.
    """
    begun = {follows[target] for one in said for target in one.targets if target in follows}
    answers = [one.targets for one in said if one.target not in {"prompt", *begun}]
    if any(targets.isdisjoint({*acceptable, *_HELPING}) for targets in answers):
        return Verdict.WRONG
    if any(not targets.isdisjoint(acceptable) for targets in answers):
        return Verdict.RIGHT
    if not said:
        return Verdict.SILENT
    return Verdict.RIGHT if OUT_OF_DOMAIN in topics else Verdict.HELP


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile; None of no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


@dataclass(frozen=True, slots=True)
class Score:
    """Verdicts counted, and how soon the answers came."""

    asked: int
    verdicts: Mapping[Verdict, int] = field(default_factory=dict[Verdict, int])
    p50_s: float | None = None
    p95_s: float | None = None

    def share(self, *verdicts: Verdict) -> float:
        """The share of these verdicts, 0 to 1."""
        return sum(self.verdicts.get(verdict, 0) for verdict in verdicts) / self.asked if self.asked else 0.0


def score(asked: Sequence[Asked]) -> Score:
    """The sum of some questions."""
    times = [one.response_s for one in asked if one.response_s is not None]
    counts = Counter(one.verdict for one in asked)
    return Score(len(asked), dict(counts), percentile(times, 0.5), percentile(times, 0.95))
