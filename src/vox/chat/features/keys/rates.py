"""Counting against the limits of this feature, which every process shares that shares the limits of requests."""

from vox.chat.context import ChatContext
from vox.chat.errors import rate_limited
from vox.http.rate_limits import RateCategory, RateDecision


async def assert_below(chat: ChatContext, key: str, category: RateCategory, what: str) -> None:
    """Counts one more.

    Args:
        chat: keeps the limits.
        key: what is counted for.
        category: how many at once, and in the long run.
        what: too many of what, the start of the refusal's sentence.

    Raises:
        Refusal: RATE_LIMITED.
    """
    wait_s = await seconds_over(chat, key, category)
    if wait_s is not None:
        raise rate_limited(wait_s, what)


async def seconds_over(chat: ChatContext, key: str, category: RateCategory) -> float | None:
    """Counts one more; the seconds to wait where that is too many."""
    decision = chat.limits.take(key, category, chat.clock.now())
    if not isinstance(decision, RateDecision):
        decision = await decision
    return decision.retry_after_s
