"""What becomes of a delivery to another server: whether an answer settles it, and when it is tried again. Pure.

Three rules make a queue that loses and repeats nothing. A delivery leaves it only for an answer that is recognisably the peer's
own; of one conversation only the oldest is under way, so that order holds; and each carries a name by which the receiver knows what
it has. Times are the wall clock's, because they outlive the process: a clock that is set back must not make a delivery wait for
hours, and one that jumps ahead must not end its life.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 600.0
GIVE_UP_S: Final = 7 * 86_400.0
FEWEST_ATTEMPTS: Final = 50
"""A delivery is never given up before so many attempts, whatever the clock says."""
FINAL_CODES: Final = frozenset({
    "BANNED", "DM_PERMISSION_DENIED", "EMPTY_MESSAGE", "FED_BLOCKED", "FED_POLICY_DENIED", "FED_USER_NOT_FOUND",
    "INVALID_TARGET", "KICKED", "MESSAGE_TOO_LARGE", "PAYLOAD_TOO_LARGE", "USER_BLOCKED", "VALIDATION_ERROR",
})  # fmt: skip
"""Refusals that the same delivery would meet again; all others may pass: keys rotate, clocks are set, proxies restart."""
_GATEWAY_STATUSES: Final = frozenset({502, 503, 504})


class Verdict(Enum):
    """What an answer means for a delivery."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    LATER = "later"
    """Tried again by itself; the peer's other conversations go on."""
    PEER_AWAY = "peer_away"
    """Nothing reaches the peer at present: all its deliveries wait, and one of them probes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A peer's answer to a delivery.

    Args:
        status: HTTP status; 0 where there was no answer.
        code: of the error body, where it is one of this protocol; else empty.
        retry_after_s: what the peer asks for.
    """

    status: int
    code: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """How long to wait between attempts, and when to give up; seconds."""

    first_s: float = FIRST_RETRY_S
    longest_s: float = LONGEST_RETRY_S
    give_up_s: float = GIVE_UP_S


def verdict_of(answer: Answer) -> Verdict:
    """What an answer means. Redirects, error pages and unknown codes settle nothing: they may be a proxy's."""
    if 200 <= answer.status < 300:  # noqa: PLR2004  HTTP's own classes
        return Verdict.DELIVERED
    if 400 <= answer.status < 500 and answer.code in FINAL_CODES:  # noqa: PLR2004  as above
        return Verdict.REFUSED
    if not answer.status or answer.status == 429 or answer.status in _GATEWAY_STATUSES:  # noqa: PLR2004  as above
        return Verdict.PEER_AWAY
    return Verdict.LATER


def wait_ms(attempts: int, times: RetryTimes, *, chance: float, retry_after_s: float | None = None) -> int:
    """How long to wait after an attempt that settled nothing.

    Args:
        attempts: made so far, at least 1.
        times: the bounds.
        chance: from 0 to 1, so that servers do not come back all at once.
        retry_after_s: what the peer asked for, believed up to the longest wait.
    """
    grown = times.first_s * 2 ** min(max(attempts, 1) - 1, 30)
    wait_s = min(grown, times.longest_s) * (0.5 + chance / 2)
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, times.longest_s))
    return int(wait_s * 1000)


def is_due(now_ms: int, not_before_ms: int, times: RetryTimes) -> bool:
    """Whether a wait is over; one longer than any that is ever set is the trace of a clock that was set back."""
    return not_before_ms <= now_ms or not_before_ms > now_ms + times.longest_s * 1000


def is_hopeless(now_ms: int, created_ms: int, attempts: int, times: RetryTimes) -> bool:
    """Whether a delivery is given up: old, and tried often enough that the age is not only a clock that jumped."""
    return attempts >= FEWEST_ATTEMPTS and now_ms - created_ms > times.give_up_s * 1000
