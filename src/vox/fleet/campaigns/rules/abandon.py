"""The abandon budget: how many calls may ring beyond those that an agent is free for. Pure.

A call is abandoned when a person answered and no agent was there. At most 3 % of the answered calls of a campaign may be, in
each successive period of 30 days. The budget counts the worst case, that every call that rings is answered at once, so the share
holds at every moment and not only on average: answered calls only grow in number within a period, and each further abandoned call
was in the budget before it was dialled.
"""

from typing import Final

import msgspec

LIMIT_PERMILLE: Final = 30
PERIOD_MS: Final = 30 * 86_400_000


class AbandonCount(msgspec.Struct, frozen=True, gc=False):
    """Calls of one campaign that were dialled in one period.

    Args:
        answered: by a person, the abandoned ones among them.
        abandoned: answered by a person while no agent was free.
    """

    answered: int = 0
    abandoned: int = 0


def period_start_ms(first_dial_ms: int, at_ms: int) -> int:
    """When the period that an instant lies in began; a campaign's first period begins with its first call."""
    return first_dial_ms + max(0, at_ms - first_dial_ms) // PERIOD_MS * PERIOD_MS


def overdial_budget(count: AbandonCount, limit_permille: int = LIMIT_PERMILLE) -> int:
    """How many calls of this period may be at risk of being abandoned at the same time.

    Args:
        count: of the period.
        limit_permille: a stricter limit than 3 %, in thousandths; a laxer one is cut to it.
    """
    permille = max(0, min(limit_permille, LIMIT_PERMILLE))
    return max(0, count.answered * permille // 1000 - count.abandoned)
