"""A circuit breaker over the outcomes of calls: what fails half of the time is left alone for a while. Pure.

closed ── half of at least 5 outcomes of the last 120 s failed ──▶ open ── the cool-down is over ──▶ half open
   ▲                                                                ▲                                  │
   └────────────────────── the one trial call succeeds ─────────────┼──────────────────────────────────┤
                                                                    └──── the trial call fails ────────┘

One follows each campaign, each carrier and each caller id: a caller id that the networks block must not stop the others.
"""

from collections import deque
from typing import Final, Literal

import msgspec

BreakerState = Literal["closed", "open", "half_open"]

TRIAL_POLL_MS: Final = 10_000
"""While a trial call is under way, its outcome is looked for again after this time."""
LONGEST_COOL_DOWN: Final = 16
"""What stays down is left alone for up to so many times the first cool-down."""


class BreakerRules(msgspec.Struct, frozen=True, gc=False):
    """When a breaker opens and closes.

    Args:
        share: of outcomes that failed, at which it opens.
        min_outcomes: below this number a share says nothing.
        window_s: how far back outcomes count.
        cool_down_s: how long it stays open; twice as long each time that the trial call fails.
        trial_s: how long a trial call may go without an outcome before another one is made.
    """

    share: float = 0.5
    min_outcomes: int = 5
    window_s: int = 120
    cool_down_s: int = 60
    trial_s: int = 300


class CallBreaker:
    """Follows one campaign, carrier or caller id; all times are Unix milliseconds."""

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._outcomes: deque[tuple[int, bool]] = deque()
        self._failures = 0
        self._opens_again_ms: int | None = None
        self._cool_down_s = rules.cool_down_s
        self._trial: str | None = None
        self._trial_ends_ms = 0

    def state(self, at_ms: int) -> BreakerState:
        """Where it stands."""
        if self._opens_again_ms is None:
            return "closed"
        return "open" if at_ms < self._opens_again_ms else "half_open"

    def admits(self, at_ms: int) -> bool:
        """Whether a call may be made; of a half-open breaker only one at a time."""
        match self.state(at_ms):
            case "closed":
                return True
            case "open":
                return False
            case "half_open":
                return self._trial is None or at_ms >= self._trial_ends_ms

    @property
    def opens_again_ms(self) -> int:
        """When a call may be made again; 0 while it is closed."""
        return self._opens_again_ms or 0

    def retry_at_ms(self, at_ms: int) -> int:
        """The instant at which asking again makes sense, for a call that it does not admit."""
        if self.state(at_ms) == "open":
            return self.opens_again_ms
        return at_ms if self._trial is None else min(self._trial_ends_ms, at_ms + TRIAL_POLL_MS)

    def note_dial(self, call_id: str, at_ms: int) -> None:
        """A call is made; the first of a half-open breaker is its trial."""
        if self.state(at_ms) == "half_open":
            self._trial, self._trial_ends_ms = call_id, at_ms + self._rules.trial_s * 1000

    def note_outcome(self, call_id: str, at_ms: int, *, is_failure: bool) -> None:
        """A call ended. While the breaker is not closed, only the trial call counts: the others were made before it opened."""
        if self._opens_again_ms is not None:
            if call_id == self._trial:
                self._end_trial(at_ms, is_failure=is_failure)
            return
        self._outcomes.append((at_ms, is_failure))
        self._failures += is_failure
        while self._outcomes and self._outcomes[0][0] <= at_ms - self._rules.window_s * 1000:
            self._failures -= self._outcomes.popleft()[1]
        total = len(self._outcomes)
        if is_failure and total >= self._rules.min_outcomes and self._failures >= self._rules.share * total:
            self._open(at_ms)

    def _end_trial(self, at_ms: int, *, is_failure: bool) -> None:
        self._trial = None
        if is_failure:
            longest = self._rules.cool_down_s * LONGEST_COOL_DOWN
            self._cool_down_s = min(self._cool_down_s * 2, longest)
            self._open(at_ms)
        else:
            self._opens_again_ms = None
            self._cool_down_s = self._rules.cool_down_s

    def _open(self, at_ms: int) -> None:
        self._outcomes.clear()
        self._failures = 0
        self._opens_again_ms = at_ms + self._cool_down_s * 1000
