"""Which of the texts that a recogniser offers for the same speech is taken. Pure.

A recogniser does not know what a flow can be asked, and a flow does not know what was said. Both count: how likely a text is by
its sound, and how well the flow understands it. A text that is much less likely than the first one is never taken, and none
that has consequences which the first one lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Final

SURE: Final = 0.7
"""How well a text must be understood for the others not to be looked at."""
LEAST_SURENESS: Final = 0.3
"""A text that is understood only just takes no other's place."""
MOST_UNLIKELY: Final = 0.35
"""How far below the first one's the mean log probability of a token may be."""
LEAST_CONFIDENCE: Final = 0.4
"""Below it what a text says is a matter of luck."""
LEAST_TRUSTED: Final = 0.35
"""Below it a text that is not understood surely is taken for nothing: of 100 questions 3 fewer were answered wrongly, none less rightly."""
SOUND_SHARE: Final = 1.0
"""What one unit of mean log probability counts, beside an understanding between 0 and 1."""
MOST_CANDIDATES: Final = 5
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a flow would make of a text.

    Attributes:
        sureness: from 0 for a text that would not be understood to 1 for one of the flow's own phrases.
        has_consequences: it would run a tool, end the call or drop what was begun, or lead to the question whether to.
    """

    sureness: float
    has_consequences: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text's confidence by its sound, in 0..1, and what the flow would make of it."""

    confidence: float
    understanding: Understanding


def choose(candidates: Sequence[Candidate]) -> int:
    """The index of the text to take; the first one is the likeliest by its sound."""
    first = candidates[0]
    if first.understanding.sureness >= SURE:
        return 0

    def worth(candidate: Candidate) -> float:
        return candidate.understanding.sureness - SOUND_SHARE * _less_likely(first, candidate)

    def may_be_taken(candidate: Candidate) -> bool:
        if candidate.confidence < LEAST_CONFIDENCE or candidate.understanding.sureness < LEAST_SURENESS:
            return False
        harmless = first.understanding.has_consequences or not candidate.understanding.has_consequences
        understood = candidate.understanding.sureness > first.understanding.sureness
        return harmless and understood and _less_likely(first, candidate) <= MOST_UNLIKELY

    possible = [number for number, one in enumerate(candidates) if number == 0 or may_be_taken(one)]
    return max(possible, key=lambda number: (worth(candidates[number]), -number))


def is_trusted(candidate: Candidate) -> bool:
    """Whether a text may be answered at all, or the caller has to be asked again."""
    return candidate.confidence >= LEAST_TRUSTED or candidate.understanding.sureness >= SURE


def _less_likely(first: Candidate, other: Candidate) -> float:
    return max(0.0, log(max(first.confidence, _LEAST)) - log(max(other.confidence, _LEAST)))
