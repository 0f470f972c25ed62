"""When a recipient is called again after an outcome. Pure.

Only the earliest instant is said here; whether that instant is inside the recipient's hours is decided when it comes.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from vox.fleet.campaigns.rules.windows import zone

Outcome = Literal[
    "completed", "no_answer", "busy", "rejected", "voicemail", "screened", "failed", "canceled", "expired", "uncertain"
]
"""How a call ended; the final statuses of the outbound API."""

DAY_PARTS: Final = (12, 17, 24)
"""The local hours before which the morning, the afternoon and the evening end."""
LONGEST_BACKOFF_S: Final = 3600


class Retry(msgspec.Struct, frozen=True, gc=False):
    """How long to wait after one outcome.

    Args:
        after_s: seconds at least.
        other_day_part: whether to wait for another part of the local day: morning, afternoon or evening.
        next_day: whether to wait for the next local day.
        doubles: whether the wait doubles with each attempt, up to an hour.
    """

    after_s: int = 0
    other_day_part: bool = False
    next_day: bool = False
    doubles: bool = False


class RetryRules(msgspec.Struct, frozen=True, gc=False):
    """Which outcomes are tried again, and how often; None is not tried again.

    Args:
        max_attempts: calls to a recipient in this campaign.
        max_per_day: calls to a number within any 24 hours, counted over all campaigns of the tenant.
        max_per_contact: calls to a number within 30 days, counted over all campaigns of the tenant; 0 is no limit.
        busy: the line was engaged.
        no_answer: it rang out; also a call whose outcome never became known.
        voicemail: a machine answered.
        screened: a screening service answered and put the call through to no person.
        rejected: the person declined.
        failed: the network or the carrier failed, in a way that may pass.
    """

    max_attempts: int = 3
    max_per_day: int = 2
    max_per_contact: int = 0
    busy: Retry | None = Retry(after_s=300)
    no_answer: Retry | None = Retry(after_s=7200, other_day_part=True)
    voicemail: Retry | None = Retry(next_day=True)
    screened: Retry | None = Retry(next_day=True)
    rejected: Retry | None = Retry(next_day=True)
    failed: Retry | None = Retry(after_s=60, doubles=True)


class Following(msgspec.Struct, frozen=True, gc=False):
    """What follows for the recipient.

    Args:
        state: `reached`, `pending`, `exhausted`, `not_callable` or `canceled`: a value of RecipientState.
        not_before_ms: the earliest next attempt, in Unix milliseconds; 0 where there is none.
    """

    state: str
    not_before_ms: int = 0


NOT_DIALLED_RETRY_S: Final = 60
"""A call that expired in the queue before it was dialled is no attempt; it comes again after this time."""


def following(
    rules: RetryRules,
    outcome: Outcome,
    *,
    attempts: int,
    at_ms: int,
    zones: tuple[str, ...],
    is_permanent: bool = False,
    was_message_left: bool = False,
) -> Following:
    """Says what follows from the outcome of a call.

    Args:
        rules: of the campaign.
        outcome: of the call.
        attempts: calls to this recipient so far, this one included.
        at_ms: when the call ended, in Unix milliseconds.
        zones: of the recipient; the first one's clock divides the day.
        is_permanent: whether a failure would repeat itself, as with a number that is not in use.
        was_message_left: whether the machine got the message that the campaign wanted to leave.
    """
    match outcome:
        case "completed":
            return Following("reached")
        case "canceled":
            return Following("canceled")
        case "expired":
            return Following("pending", at_ms + NOT_DIALLED_RETRY_S * 1000)
        case "voicemail" if was_message_left:
            return Following("reached")
        case "failed" if is_permanent:
            return Following("not_callable")
        case "uncertain":
            retry = rules.no_answer
        case _:
            retry = getattr(rules, outcome)
    if retry is None or attempts >= rules.max_attempts:
        return Following("exhausted")
    return Following("pending", _earliest(retry, attempts, at_ms, zones))


def _earliest(retry: Retry, attempts: int, at_ms: int, zones: tuple[str, ...]) -> int:
    wait_s = retry.after_s
    if retry.doubles:
        wait_s = max(retry.after_s, min(wait_s * 2 ** min(attempts - 1, 16), LONGEST_BACKOFF_S))
    earliest_s = at_ms // 1000 + wait_s
    clock = zone(zones[0]) if zones else None
    if clock is not None and (retry.next_day or retry.other_day_part):
        ended = datetime.fromtimestamp(at_ms // 1000, clock)
        local = datetime.fromtimestamp(earliest_s, clock)
        if retry.next_day and local.date() == ended.date():
            local = _midnight_after(local)
        elif retry.other_day_part and local.date() == ended.date() and _day_part(local) == _day_part(ended):
            hour = DAY_PARTS[_day_part(local)]
            ends = local.replace(hour=hour % 24, minute=0, second=0, microsecond=0)
            local = ends if hour < 24 else _midnight_after(local)  # noqa: PLR2004  hours of a day
        earliest_s = int(local.timestamp())
    elif retry.next_day:
        earliest_s = max(earliest_s, at_ms // 1000 + 86_400)
    return max(earliest_s, at_ms // 1000) * 1000


def day_part(at_ms: int, zones: tuple[str, ...]) -> int | None:
    """The part of the recipient's day, 0 for the morning; None where the zone is unknown."""
    clock = zone(zones[0]) if zones else None
    return None if clock is None else _day_part(datetime.fromtimestamp(at_ms // 1000, clock))


def _day_part(local: datetime) -> int:
    return next(number for number, hour in enumerate(DAY_PARTS) if local.hour < hour)


def _midnight_after(local: datetime) -> datetime:
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
