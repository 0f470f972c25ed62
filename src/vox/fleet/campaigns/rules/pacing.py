"""How many calls a campaign may start now: the smallest of all its limits, and which one that was. Pure.

Progressive pacing dials one call for each free agent. Over-dialling, only where it is switched on, lets more ring than agents are
free, in a ratio that a controller raises slowly and cuts at once, and never by more than the abandon budget.
"""

from typing import Final

import msgspec

from vox.fleet.campaigns.rules.abandon import LIMIT_PERMILLE, AbandonCount, overdial_budget


class PacingRules(msgspec.Struct, frozen=True, gc=False):
    """Limits of a campaign.

    Args:
        max_concurrent: calls at the same time, ringing or answered.
        calls_per_s: started a second; the carrier's own limit holds beside it.
        max_ratio: ringing calls for each free agent; 1 never dials more than agents are free.
        abandon_permille: the highest share of answered calls that may be abandoned; at most 30.
    """

    max_concurrent: int = 10
    calls_per_s: float = 1.0
    max_ratio: float = 1.0
    abandon_permille: int = LIMIT_PERMILLE


class Load(msgspec.Struct, frozen=True, gc=False):
    """What is under way.

    Args:
        ringing: calls of the campaign that are queued, dialled or ringing.
        answered: calls of the campaign that an agent talks in.
        agents_free: slots for calls of campaigns that are free now, beside those that the ringing calls already hold.
        agents_held: slots that the campaign's ringing calls hold.
    """

    ringing: int
    answered: int
    agents_free: int
    agents_held: int = 0


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """How many calls may be started now.

    Args:
        calls: the number.
        limited_by: `rate`, `concurrency`, `agents`, `abandon_budget`; the limit that decided.
    """

    calls: int
    limited_by: str


def allowance(
    rules: PacingRules, load: Load, *, tokens: int, ratio: float = 1.0, count: AbandonCount | None = None
) -> Allowance:
    """The number of calls that may be started now.

    Args:
        rules: of the campaign.
        load: what is under way.
        tokens: calls that the rates of the campaign and of its carrier allow now.
        ratio: of the controller; below 1 it counts as 1.
        count: of the abandon period; without one nothing is dialled beyond the free agents.
    """
    agents = load.agents_free + load.agents_held
    ratio = max(1.0, min(ratio, rules.max_ratio))
    ringing_max = int(agents * ratio)
    budget = overdial_budget(count, rules.abandon_permille) if count is not None and ratio > 1 else 0
    limits = [
        (tokens, "rate"),
        (rules.max_concurrent - load.ringing - load.answered, "concurrency"),
        (ringing_max - load.ringing, "agents"),
    ]
    if ringing_max > agents:
        limits.append((agents + budget - load.ringing, "abandon_budget"))
    calls, limited_by = min(limits, key=lambda limit: limit[0])
    return Allowance(max(0, calls), limited_by)


class TokenBucket:
    """Calls per second with a burst of one second's worth, at least one call; times are Unix milliseconds.

    Args:
        rate: calls a second.
        at_ms: now; it begins empty, because nothing is known of the second before.
    """

    def __init__(self, rate: float, at_ms: int) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._tokens = 0.0
        self._at_ms = at_ms

    def set_rate(self, rate: float) -> None:
        """Another rate from now on."""
        self._rate, self._burst = rate, max(1.0, rate)
        self._tokens = min(self._tokens, self._burst)

    def available(self, at_ms: int) -> int:
        """Whole calls that may be started now."""
        if at_ms > self._at_ms:
            self._tokens = min(self._burst, self._tokens + (at_ms - self._at_ms) / 1000 * self._rate)
        self._at_ms = at_ms  # a clock that was set back gives nothing, and goes on from there
        return int(self._tokens + 1e-9)

    def take(self, calls: int) -> None:
        """So many calls were started."""
        self._tokens -= calls


RAISE: Final = 0.05
CUT: Final = 0.5


class RatioController:
    """Finds the ratio of ringing calls to free agents: up by a step while agents wait, half of the way down with each abandoned call."""

    def __init__(self) -> None:
        self.ratio = 1.0

    def note_tick(self, rules: PacingRules, count: AbandonCount, *, agents_idle: int) -> None:
        """One tick has passed.

        Args:
            rules: of the campaign.
            count: of the abandon period.
            agents_idle: agents without a call.
        """
        is_cheap = count.abandoned * 2000 <= count.answered * min(rules.abandon_permille, LIMIT_PERMILLE)
        if agents_idle > 0 and is_cheap and count.answered > 0:
            self.ratio += RAISE
        self.ratio = max(1.0, min(self.ratio, rules.max_ratio))

    def note_abandoned(self) -> None:
        """A call was abandoned."""
        self.ratio = 1.0 + (self.ratio - 1.0) * CUT
