"""Where the state of calls is kept, so that another worker can go on with a call: checkpoints, owners and one-time tokens.

A call has one owner at a time, named by a fence: a number that grows with each change of hands. What an earlier owner writes is
refused, so a worker that was paused and does not know that it lost its call does no harm. A call that ended stays marked as ended
for as long as a carrier may still ask for it. What a record says is the agent's affair: here it is bytes.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

from vox.errors import DependencyError

KEPT_S: Final = 60.0
"""A record lives so long after its owner's last sign of life. A carrier asks within a few seconds; a person who waits hangs up."""
ENDED_S: Final = 120.0
"""So long an ended call is remembered as ended."""
MOST_INVITATIONS: Final = 5
"""Of one call within `INVITATIONS_S`: what is more is a loop of streams that fail."""
INVITATIONS_S: Final = 60.0
TIMEOUT_S: Final = 3.0
"""For one operation: a line is silent meanwhile."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest state of a call, the fence of its owner, and how often it was offered since it was taken last."""

    call_id: str
    fence: int
    record: bytes
    offers: int = 0


class HandoverStore(Protocol):
    """Keeps calls for other workers. Each method raises DependencyError (handover_store_failed) where the store does not answer.

    `async with` opens and closes it.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_error: object) -> None: ...

    async def save(self, call_id: str, fence: int, record: bytes, *, line: str = "") -> bool:
        """Keeps the newest state for another `KEPT_S`; False where the call has ended or belongs to another owner.

        Args:
            call_id: of the call.
            fence: of the owner; 1 for the worker that took the call first.
            record: the state.
            line: another name to find the call by, such as the carrier's own.
        """
        ...

    async def renew(self, calls: Mapping[str, int]) -> Collection[str]:
        """Keeps calls, given with their fences, for another `KEPT_S`; those of them that the caller no longer owns."""
        ...

    async def invite(self, name: str, token: str, *, ttl_s: float, fence: int = 0) -> Kept | None:
        """Makes this the token by which another worker goes on with a call; an earlier one becomes worthless.

        None where the call is not known, has ended, belongs to another owner than `fence` (0: any), or was offered too often.

        Args:
            name: the call's id or its line.
            token: from `secrets`; only its digest is kept.
            ttl_s: how long it is good for, while the call is kept.
            fence: of the owner that asks.
        """
        ...

    async def withdraw(self, call_id: str, fence: int) -> bool:
        """Makes the call's token worthless; False where it was used, or the call belongs to another owner."""
        ...

    async def claim(self, token: str) -> Kept | None:
        """Takes a call over, once: its state and the new owner's fence; None for a token that is not, or no longer, good."""
        ...

    async def finish(self, call_id: str, fence: int) -> bool:
        """Marks a call as ended, and forgets its state; False where it belongs to another owner."""
        ...

    async def check(self) -> None:
        """Returns once the store has answered."""
        ...


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def failed(why: str) -> DependencyError:
    """The error of a store that does not answer."""
    return DependencyError(
        f"the store of calls to hand over failed: {why}",
        code="handover_store_failed",
        hint="calls go on, but cannot be handed over until it answers; check handover_store",
        retryable=True,
    )
