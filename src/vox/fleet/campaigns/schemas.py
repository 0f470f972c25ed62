"""What the API of campaigns takes and gives: campaigns, rules as people write them, recipients, progress.

Rules travel as times and names of days and are kept as minutes and numbers; what is wrong with them is said all at once, by field.
"""

import re
from typing import Any, Final, Literal

import msgspec

from vox.errors import UsageError
from vox.fleet.calls.contract import AmdMode, OnMachine
from vox.fleet.campaigns.plans import CallPlan
from vox.fleet.campaigns.rules.abandon import LIMIT_PERMILLE
from vox.fleet.campaigns.rules.breaker import BreakerRules
from vox.fleet.campaigns.rules.decision import DialRules
from vox.fleet.campaigns.rules.pacing import PacingRules
from vox.fleet.campaigns.rules.retry import RetryRules
from vox.fleet.campaigns.rules.time_zones import subscriber
from vox.fleet.campaigns.rules.windows import CallingHours, Window, opening, validate

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_LONGEST_RING_S: Final = 120
_SHORTEST_RING_S: Final = 15
MOST_RECIPIENTS_AT_ONCE: Final = 10_000


class WindowForm(msgspec.Struct, forbid_unknown_fields=True):
    """Hours of the week in the recipient's local time."""

    start: str = "08:00"
    end: str = "21:00"
    days: tuple[Day, ...] = DAYS


class RulesForm(msgspec.Struct, forbid_unknown_fields=True):
    """When and how often recipients are called."""

    windows: tuple[WindowForm, ...] = (WindowForm(),)
    holidays: tuple[str, ...] = ()
    retry: RetryRules = RetryRules()
    pacing: PacingRules = PacingRules()
    breaker: BreakerRules = BreakerRules()
    ring_timeout_s: int = 30


class CampaignForm(msgspec.Struct, forbid_unknown_fields=True):
    """A campaign as it is created."""

    name: str
    bot_id: str
    tenant: str = ""
    rules: RulesForm = msgspec.field(default_factory=RulesForm)
    provider: str = ""
    caller_ids: tuple[str, ...] = ()
    variables: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    amd: AmdMode = "off"
    on_machine: OnMachine = "continue"
    max_duration_s: int = 3600
    webhook_url: str = ""
    pre_dial_url: str = ""
    pre_dial_timeout_s: float = 5.0
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    opt_out_digits: str = "9"
    starts_at_ms: int = 0
    expires_at_ms: int = 0


class RecipientForm(msgspec.Struct, forbid_unknown_fields=True):
    """A recipient as it is added."""

    number: str
    time_zone: str = ""
    variables: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class RecipientsForm(msgspec.Struct, forbid_unknown_fields=True):
    """Recipients that are added; more than a few thousand are imported as CSV."""

    recipients: list[RecipientForm]
    default_region: str = ""


class ListedForm(msgspec.Struct, forbid_unknown_fields=True):
    """Numbers, or SHA-256 hashes of them in E.164, for a do-not-call list."""

    numbers: list[str]
    scope: Literal["global", "tenant", "campaign"] = "global"
    owner: str = ""
    source: str = "api"
    default_region: str = ""


def read_rules(form: RulesForm, *, is_checked: bool, at_s: int) -> DialRules:
    """Rules as they are kept.

    Args:
        form: as they were given.
        is_checked: whether the operator's check has to allow each call.
        at_s: now, in Unix seconds.

    Raises:
        UsageError: something is wrong with them, all of which the message names (campaign_rules_invalid).
    """
    problems: list[str] = []
    windows: list[Window] = []
    for number, one in enumerate(form.windows, 1):
        if not _TIME.fullmatch(one.start) or not _TIME.fullmatch(one.end):
            problems.append(f"windows[{number}]: write times as 09:00, up to 24:00")
            continue
        days = tuple(sorted({DAYS.index(day) for day in one.days}))
        windows.append(Window(days, _minutes(one.start), _minutes(one.end)))
    hours = CallingHours(tuple(windows), tuple(form.holidays))
    problems += validate(hours) if windows or not problems else ()
    problems += _problems_of_numbers(form)
    rules = DialRules(
        hours, form.retry, form.pacing, form.breaker, ring_timeout_s=form.ring_timeout_s, is_checked=is_checked
    )
    needed_s = rules.dial_within_s + rules.ring_timeout_s
    if not problems and _never_opens(hours, at_s, needed_s):
        problems.append(f"the windows never open for the {needed_s} s that it takes to dial and ring")
    if problems:
        raise UsageError(f"The rules cannot be used: {'; '.join(problems)}", code="campaign_rules_invalid")
    return rules


def read_plan(form: CampaignForm, provider: str, caller_id: str) -> CallPlan:
    """How the calls are made, as it is kept.

    Args:
        form: as it was given.
        provider: the carrier, by its name.
        caller_id: of the carrier, for a campaign that names none; empty for none.

    Raises:
        UsageError: a caller id is no number (number_invalid), or a value is out of range (validation_error).
    """
    given = form.caller_ids or ((caller_id,) if caller_id else ())
    caller_ids = tuple(dict.fromkeys(subscriber(number).number for number in given))
    if not 10 <= form.max_duration_s <= 14_400:  # noqa: PLR2004  what carriers take
        raise UsageError("max_duration_s has to be from 10 to 14400.", code="validation_error")
    if not 1 <= form.pre_dial_timeout_s <= 30:  # noqa: PLR2004  a claim lasts a minute
        raise UsageError("pre_dial_timeout_s has to be from 1 to 30.", code="validation_error")
    return CallPlan(
        provider=provider,
        caller_ids=caller_ids,
        variables=form.variables,
        amd=form.amd,
        on_machine=form.on_machine,
        max_duration_s=form.max_duration_s,
        webhook_url=form.webhook_url,
        pre_dial_url=form.pre_dial_url,
        pre_dial_timeout_s=form.pre_dial_timeout_s,
        metadata=form.metadata,
        opt_out_digits=form.opt_out_digits,
    )


def shown_rules(rules: DialRules) -> dict[str, Any]:
    """Rules as the API gives them."""
    return {
        "windows": [
            {"start": _clock(one.start_min), "end": _clock(one.end_min), "days": [DAYS[day] for day in one.days]}
            for one in rules.hours.windows
        ],
        "holidays": list(rules.hours.holidays),
        "retry": msgspec.to_builtins(rules.retry),
        "pacing": msgspec.to_builtins(rules.pacing),
        "breaker": msgspec.to_builtins(rules.breaker),
        "ring_timeout_s": rules.ring_timeout_s,
    }


def _never_opens(hours: CallingHours, at_s: int, for_s: int) -> bool:
    found = opening(hours, ("UTC",), "", at_s, for_s)
    return not found.is_open and found.opens_at_s is None


def _problems_of_numbers(form: RulesForm) -> list[str]:
    retry, pacing, breaker = form.retry, form.pacing, form.breaker
    limits = (
        ("retry.max_attempts", retry.max_attempts, 1, 20),
        ("retry.max_per_day", retry.max_per_day, 1, 20),
        ("retry.max_per_contact", retry.max_per_contact, 0, 1000),
        ("pacing.max_concurrent", pacing.max_concurrent, 1, 10_000),
        ("pacing.calls_per_s", pacing.calls_per_s, 0.01, 1000),
        ("pacing.max_ratio", pacing.max_ratio, 1, 5),
        ("pacing.abandon_permille", pacing.abandon_permille, 0, LIMIT_PERMILLE),
        ("breaker.share", breaker.share, 0.05, 1),
        ("breaker.min_outcomes", breaker.min_outcomes, 1, 1000),
        ("breaker.window_s", breaker.window_s, 10, 3600),
        ("breaker.cool_down_s", breaker.cool_down_s, 1, 3600),
        ("breaker.trial_s", breaker.trial_s, 30, 3600),
        ("ring_timeout_s", form.ring_timeout_s, _SHORTEST_RING_S, _LONGEST_RING_S),
    )
    return [
        f"{name} has to be from {least:g} to {most:g}"
        for name, value, least, most in limits
        if not least <= value <= most
    ]


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
