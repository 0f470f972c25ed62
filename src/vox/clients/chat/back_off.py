"""How long to wait before the next try: doubling from a second to a minute, with jitter, so that clients do not come back together; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """The waits between tries.

    Args:
        first_s: before the second try.
        factor: from one wait to the next.
        longest_s: no wait is longer.
        jitter: up to this part of a wait is taken off at random.
    """

    first_s: float = 1.0
    factor: float = 2.0
    longest_s: float = 60.0
    jitter: float = 0.5

    def wait_s(self, tries: int, chance: float) -> float:
        """The wait after this many failed tries in a row, counted from 1; `chance` is a random number from 0 to 1."""
        whole = min(self.first_s * self.factor ** min(tries - 1, 64), self.longest_s)
        return whole * (1 - self.jitter * chance)
