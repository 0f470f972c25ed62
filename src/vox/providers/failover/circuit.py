"""A circuit breaker: a provider that keeps failing is left alone for a while, then tried with one request. Pure.

closed ── `failures` in a row, or a refused key ──▶ open ── the cool-down is over ──▶ half-open
   ▲                                                  ▲                                  │
   └─────────────── its request succeeds ─────────────┼──────────────────────────────────┤
                                                      └────── its request fails ─────────┘
"""

from dataclasses import dataclass
from enum import Enum

LONGEST_COOL_DOWN = 8.0
"""A provider that stays down is left alone for up to so many times the first cool-down."""
LONGEST_RETRY_AFTER_S = 600.0
"""A provider that asks for more time is tried then all the same: one wrong header must not switch it off for good."""


class State(Enum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a circuit opens and closes.

    Args:
        failures: in a row that open it.
        cooldown_s: how long it then stays open, twice as long each time that the trial fails.
    """

    failures: int = 3
    cooldown_s: float = 30.0


class CircuitBreaker:
    """Follows one provider; `now` is in seconds of a monotonic clock."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._cooldown_s = policy.cooldown_s
        self._opens_again_at: float | None = None
        self._trial_until = 0.0

    def state(self, now: float) -> State:
        """Where it stands."""
        if self._opens_again_at is None:
            return State.CLOSED
        return State.OPEN if now < self._opens_again_at else State.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether a request may be sent; of a half-open circuit only one at a time."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and now >= self._trial_until)

    @property
    def opens_again_at(self) -> float:
        """When an open circuit lets a request through; 0 for a closed one."""
        return self._opens_again_at or 0.0

    def began(self, now: float) -> None:
        """A request is sent; a half-open circuit lets no other through until it has ended, or one cool-down has passed."""
        if self.state(now) is State.HALF_OPEN:
            self._trial_until = now + self._policy.cooldown_s

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0
        self._cooldown_s = self._policy.cooldown_s
        self._opens_again_at = None
        self._trial_until = 0.0

    def abandoned(self) -> None:
        """A request ended without telling anything about the provider."""
        self._trial_until = 0.0

    def failed(self, now: float, *, is_lasting: bool = False, retry_after_s: float = 0.0) -> None:
        """A request failed.

        Args:
            now: in seconds.
            is_lasting: whether the next one would fail as well, as with a refused key.
            retry_after_s: when the provider asked to come back, 0 where it did not.
        """
        self._failures += 1
        is_trial = self.state(now) is State.HALF_OPEN
        if is_trial:
            self._cooldown_s = min(self._cooldown_s * 2, self._policy.cooldown_s * LONGEST_COOL_DOWN)
        self._trial_until = 0.0
        if is_trial or is_lasting or retry_after_s or self._failures >= self._policy.failures:
            asked_s = min(retry_after_s, LONGEST_RETRY_AFTER_S)
            wait_s = max(asked_s, 0.0 if retry_after_s and not is_trial else self._cooldown_s)
            self._opens_again_at = max(self._opens_again_at or 0.0, now + wait_s)
