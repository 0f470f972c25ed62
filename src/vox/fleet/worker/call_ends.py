"""When the next slot will be free, from how long calls last: what a refused caller is told. Pure.

Calls do not end at random: most are short, and one that has lasted long lasts longer still. So a running call is compared with those
earlier ones that outlasted its age, and what they still had to go is what it is expected to have.
"""

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Final

REMEMBERED: Final = 200
LEAST_KNOWN: Final = 5
"""With fewer calls known than this, nothing is predicted."""


class CallEnds:
    """The lengths of the last calls."""

    def __init__(self) -> None:
        self._lengths: deque[float] = deque(maxlen=REMEMBERED)

    def ended(self, seconds: float) -> None:
        """A call lasted so long."""
        self._lengths.append(seconds)

    def next_free_s(self, ages: Iterable[float]) -> float | None:
        """Seconds until the first of the running calls is expected to end; None where nothing is known.

        Args:
            ages: how long each has lasted.
        """
        if len(self._lengths) < LEAST_KNOWN:
            return None
        return min((self._remaining(age) for age in ages), default=None)

    def _remaining(self, age: float) -> float:
        longer = [length - age for length in self._lengths if length > age]
        return median(longer) if longer else max(age, 1.0)  # older than any: as long again, the cautious guess
