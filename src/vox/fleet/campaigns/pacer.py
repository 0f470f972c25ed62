"""What a bridge remembers of its campaigns between two rounds: rates, breakers, the ratio of over-dialling.

All of it is rebuilt from the database when a campaign comes to this bridge: breakers from the outcomes of the last minutes, rates from
an empty bucket. Nothing here decides by itself; it turns what was seen into the limits of a round.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from vox.fleet.campaigns import queries
from vox.fleet.campaigns.dialling import BreakerScope, BreakerView, Submitted
from vox.fleet.campaigns.outcomes import is_failure
from vox.fleet.campaigns.plans import CallPlan
from vox.fleet.campaigns.rules.abandon import AbandonCount
from vox.fleet.campaigns.rules.breaker import BreakerRules, BreakerState, CallBreaker
from vox.fleet.campaigns.rules.decision import DialRules
from vox.fleet.campaigns.rules.pacing import Allowance, Load, RatioController, TokenBucket, allowance

MOST_REMEMBERED: Final = 20_000
"""Calls whose outcome was counted already."""
_Key = tuple[BreakerScope, str]


class Pacer:
    """The limits of all campaigns of one bridge; all times are Unix milliseconds.

    Args:
        provider_rate: calls a second that a carrier allows; None where it sets no limit.
    """

    def __init__(self, provider_rate: Callable[[str], float | None]) -> None:
        self._provider_rate = provider_rate
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._breakers: dict[_Key, CallBreaker] = {}
        self._controllers: dict[str, RatioController] = {}
        self._counted: OrderedDict[str, None] = OrderedDict()

    def begin(self, campaign_id: str) -> None:
        """A campaign came to this bridge."""
        self._controllers[campaign_id] = RatioController()

    def forget(self, campaign_id: str) -> None:
        """A campaign is over or has gone to another bridge."""
        self._controllers.pop(campaign_id, None)
        self._buckets.pop(("campaign", campaign_id), None)
        self._breakers.pop(("campaign", campaign_id), None)

    def note_outcomes(self, rows: Iterable[queries.Row], rules: Mapping[str, DialRules]) -> int:
        """Takes in attempts that have ended, each once; returns how many of them were abandoned.

        Args:
            rows: of the attempts, in the order in which they ended.
            rules: of the campaigns that this bridge dials for.
        """
        abandoned = 0
        for row in rows:
            call_id, campaign_id = row["call_id"], row["campaign_id"]
            if call_id in self._counted:
                continue
            self._counted[call_id] = None
            while len(self._counted) > MOST_REMEMBERED:
                self._counted.popitem(last=False)
            if row["is_abandoned"] and campaign_id in self._controllers:
                abandoned += 1
                self._controllers[campaign_id].note_abandoned()
            if not row["is_dialled"]:
                continue
            found = rules.get(campaign_id)
            breaker_rules = BreakerRules() if found is None else found.breaker
            for key in _keys(campaign_id, row["provider"], row["caller_id"]):
                if key[0] != "campaign" or found is not None:
                    self._breaker(key, breaker_rules).note_outcome(
                        call_id, row["ended_at_ms"], is_failure=is_failure(row["outcome"])
                    )
        return abandoned

    def note_submitted(self, campaign_id: str, calls: Iterable[Submitted], rules: DialRules, at_ms: int) -> None:
        """Calls were submitted: their rates are used up, and those of half-open breakers are trials."""
        for call in calls:
            self._bucket("campaign", campaign_id, rules.pacing.calls_per_s, at_ms).take(1)
            if (rate := self._provider_rate(call.provider)) is not None:
                self._bucket("provider", call.provider, rate, at_ms).take(1)
            for key in _keys(campaign_id, call.provider, call.caller_id):
                self._breaker(key, rules.breaker).note_dial(call.call_id, at_ms)

    def allowance(
        self, campaign_id: str, plan: CallPlan, rules: DialRules, load: Load, count: AbandonCount | None, at_ms: int
    ) -> Allowance:
        """How many calls the campaign may start now."""
        held = [key for key in _keys(campaign_id, plan.provider, "") if not self._admits(key, at_ms)]
        if held:
            return Allowance(0, f"breaker_{held[0][0]}")
        tokens = self._bucket("campaign", campaign_id, rules.pacing.calls_per_s, at_ms).available(at_ms)
        if (rate := self._provider_rate(plan.provider)) is not None:
            tokens = min(tokens, self._bucket("provider", plan.provider, rate, at_ms).available(at_ms))
        controller = self._controllers[campaign_id]
        if count is not None:
            controller.note_tick(rules.pacing, count, agents_idle=load.agents_free)
        found = allowance(rules.pacing, load, tokens=tokens, ratio=controller.ratio, count=count)
        shared = _keys(campaign_id, plan.provider, "")
        trial = next((key for key in shared if self._state(key, at_ms) == "half_open"), None)
        return Allowance(1, f"breaker_{trial[0]}") if trial is not None and found.calls > 1 else found

    def breakers(self, campaign_id: str, plan: CallPlan, at_ms: int) -> dict[_Key, BreakerView]:
        """How the breakers stand that matter for a campaign; those that are closed are left out."""
        names = [*_keys(campaign_id, plan.provider, "")]
        for caller_id in plan.caller_ids:
            names.append(("caller_id", caller_id))  # noqa: PERF401  a literal keeps its type here
        found: dict[_Key, BreakerView] = {}
        for key in names:
            breaker = self._breakers.get(key)
            if breaker is not None and (state := breaker.state(at_ms)) != "closed":
                admits = breaker.admits(at_ms)
                retry_at_ms = 0 if admits else breaker.retry_at_ms(at_ms)
                found[key] = BreakerView(admits, is_trial=state == "half_open", retry_at_ms=retry_at_ms)
        return found

    def ratio(self, campaign_id: str) -> float:
        """The present ratio of ringing calls to free agents."""
        controller = self._controllers.get(campaign_id)
        return 1.0 if controller is None else controller.ratio

    def _admits(self, key: _Key, at_ms: int) -> bool:
        breaker = self._breakers.get(key)
        return breaker is None or breaker.admits(at_ms)

    def _state(self, key: _Key, at_ms: int) -> BreakerState:
        breaker = self._breakers.get(key)
        return "closed" if breaker is None else breaker.state(at_ms)

    def _breaker(self, key: _Key, rules: BreakerRules) -> CallBreaker:
        found = self._breakers.get(key)
        if found is None:
            found = self._breakers[key] = CallBreaker(rules)
        return found

    def _bucket(self, scope: str, name: str, rate: float, at_ms: int) -> TokenBucket:
        found = self._buckets.get((scope, name))
        if found is None:
            found = self._buckets[scope, name] = TokenBucket(rate, at_ms)
        found.set_rate(rate)
        return found


def _keys(campaign_id: str, provider: str, caller_id: str) -> tuple[_Key, ...]:
    shared: tuple[_Key, ...] = (("campaign", campaign_id), ("provider", provider))
    return (*shared, ("caller_id", caller_id)) if caller_id else shared
