"""Whether one recipient is dialled now: a function of values alone, so that every decision can be repeated from its record. Pure.

The order of the checks is the order of what matters: the campaign itself, the do-not-call lists, the recipient's hours, the caps,
the breakers, the operator's own check before the dial. The first that forbids the call decides.
"""

from typing import Final, Literal

import msgspec

from vox.fleet.campaigns.rules.breaker import BreakerRules
from vox.fleet.campaigns.rules.pacing import PacingRules
from vox.fleet.campaigns.rules.retry import RetryRules
from vox.fleet.campaigns.rules.windows import CallingHours, opening

DAY_MS: Final = 86_400_000
CHECK_RETRY_MS: Final = 60_000
"""The operator's check gave no answer: the recipient comes again after this time."""

Verdict = Literal["dial", "ask", "later", "never"]
PreDial = Literal["not_asked", "allowed", "denied", "failed"]


class DialRules(msgspec.Struct, frozen=True, gc=False):
    """The rules of a campaign, as one value that its decisions refer to.

    Args:
        hours: when recipients may be called.
        retry: which outcomes are tried again, and the caps.
        pacing: limits of the campaign.
        breaker: when failures stop the dialling.
        ring_timeout_s: how long a telephone rings.
        dial_within_s: how long a call may wait for a slot and for the carrier; then it is put back.
        is_checked: whether the operator's check has to allow each call.
    """

    hours: CallingHours = CallingHours()
    retry: RetryRules = RetryRules()
    pacing: PacingRules = PacingRules()
    breaker: BreakerRules = BreakerRules()
    ring_timeout_s: int = 30
    dial_within_s: int = 60
    is_checked: bool = False


class OpenBreaker(msgspec.Struct, frozen=True, gc=False):
    """A breaker that lets no call through.

    Args:
        scope: `campaign`, `provider` or `caller_id`.
        retry_at_ms: when to ask again.
    """

    scope: str
    retry_at_ms: int


class DialInputs(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Everything that a decision depends on beside the rules.

    Args:
        at_ms: the moment, in Unix milliseconds.
        campaign_state: a value of CampaignState.
        expires_at_ms: when the campaign ends; 0 for never.
        zones: of the recipient.
        region: of the number.
        do_not_call: scopes of the lists that have the number: `global`, `tenant`, `campaign`.
        attempts: calls to the recipient in this campaign so far.
        last_day: when the number was called within the last 24 hours, all campaigns of the tenant, oldest first.
        last_30_days: how often it was called within the last 30 days, all campaigns of the tenant.
        is_in_call: whether a call to the number is under way, of any campaign of the tenant.
        breakers: those that let no call through.
        caller_id: that the call would show; empty where all are blocked by their breakers.
        provider: that would carry it.
        pre_dial: what the operator's check said.
        allowed: calls that pacing allowed in this round, this one included.
        limited_by: which limit of pacing decided that number.
    """

    at_ms: int
    campaign_state: str
    expires_at_ms: int = 0
    zones: tuple[str, ...] = ()
    region: str = ""
    do_not_call: tuple[str, ...] = ()
    attempts: int = 0
    last_day: tuple[int, ...] = ()
    last_30_days: int = 0
    is_in_call: bool = False
    breakers: tuple[OpenBreaker, ...] = ()
    caller_id: str = ""
    provider: str = ""
    pre_dial: PreDial = "not_asked"
    allowed: int = 0
    limited_by: str = ""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What is done with the recipient.

    Args:
        verdict: `dial`; `ask` the operator's check first; `later`, at the earliest at `not_before_ms`; or `never` in this campaign.
        reason: a word, stable; `due` for a call that is made.
        not_before_ms: for `later`.
    """

    verdict: Verdict
    reason: str
    not_before_ms: int = 0


def decide(rules: DialRules, inputs: DialInputs) -> Decision:
    """Decides about one recipient."""
    at_ms = inputs.at_ms
    if inputs.campaign_state != "running":
        return Decision("later", "campaign_not_running", at_ms)
    if inputs.expires_at_ms and at_ms >= inputs.expires_at_ms:
        return Decision("never", "campaign_expired")
    if inputs.do_not_call:
        return Decision("never", f"do_not_call_{inputs.do_not_call[0]}")
    if inputs.attempts >= rules.retry.max_attempts:
        return Decision("never", "max_attempts")
    hours = opening(rules.hours, inputs.zones, inputs.region, at_ms // 1000, rules.dial_within_s + rules.ring_timeout_s)
    if hours.reason == "unknown_zone":
        return Decision("never", "unknown_zone")
    if not hours.is_open:
        if hours.opens_at_s is None:
            return Decision("never", "window_never_opens")
        return Decision("later", hours.reason, hours.opens_at_s * 1000)
    if (capped := _capped(rules.retry, inputs)) is not None:
        return capped
    if inputs.breakers:
        return Decision("later", f"breaker_{inputs.breakers[0].scope}", max(one.retry_at_ms for one in inputs.breakers))
    if inputs.allowed < 1:
        return Decision("later", f"pacing_{inputs.limited_by}", at_ms)
    if rules.is_checked and inputs.pre_dial != "allowed":
        return _unchecked(inputs)
    return Decision("dial", "due")


def _capped(rules: RetryRules, inputs: DialInputs) -> Decision | None:
    at_ms = inputs.at_ms
    if inputs.is_in_call:
        return Decision("later", "already_in_call", at_ms + CHECK_RETRY_MS)
    recent = [one for one in inputs.last_day if one > at_ms - DAY_MS]
    if len(recent) >= rules.max_per_day:
        return Decision("later", "max_per_day", recent[len(recent) - rules.max_per_day] + DAY_MS)
    if rules.max_per_contact and inputs.last_30_days >= rules.max_per_contact:
        return Decision("later", "max_per_contact", at_ms + DAY_MS)
    return None


def _unchecked(inputs: DialInputs) -> Decision:
    match inputs.pre_dial:
        case "denied":
            return Decision("never", "pre_dial_denied")
        case "failed":
            return Decision("later", "pre_dial_failed", inputs.at_ms + CHECK_RETRY_MS)
        case _:
            return Decision("ask", "pre_dial")
