"""The slots of one worker: reserved before a call has media, taken by the stream that brings the token, free again at the end. Pure.

The one thing to know before changing it: running calls are counted elsewhere (by the admission of the agent server) and come in as
`active`. What counts here is what has been promised and has no media yet, and which class the running calls belong to. Every method
is one step that nothing can interrupt, so that `active + pending` never passes the limit that held when the last one was promised.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from vox.protocols.fleet import CallClass
from vox.security.digests import is_equal, sha256_hex

LEASE_S: Final = 30.0
"""A reservation stands so long after its last renewal."""
MAX_TTL_S: Final = 180.0
"""The longest that one may stand without media or renewal: the longest ring time, and some seconds more."""

Refusal = Literal["AT_CAPACITY", "DRAINING", "CALL_EXISTS"]


@dataclass(frozen=True, slots=True)
class NoSlot:
    """Why there is no slot. `is_kept` says that the free ones are kept for inbound calls."""

    code: Refusal
    is_kept: bool = False


@dataclass(slots=True, eq=False)
class Reserved:
    """One promised slot, or with `is_taken` the slot of a running call."""

    reservation_id: str
    call_id: str
    call_class: CallClass
    expires_at: float
    bot_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    token_digest: str = field(default="", repr=False)
    is_taken: bool = False


class Slots:
    """What this worker has promised.

    Args:
        inbound_share: the share of the limit, 0 to 1, that outbound and campaign calls leave free; rounded down to whole slots.
    """

    def __init__(self, inbound_share: float) -> None:
        self._inbound_share = inbound_share
        self._by_id: dict[str, Reserved] = {}
        self._by_call: dict[str, Reserved] = {}
        self.expired = 0

    @property
    def pending(self) -> int:
        """How many slots are promised to calls that have no media yet."""
        return sum(not one.is_taken for one in self._by_id.values())

    @property
    def outbound(self) -> int:
        """How many slots outbound and campaign calls have, running ones included."""
        return sum(one.call_class != "inbound" for one in self._by_id.values())

    def find(self, reservation_id: str) -> Reserved | None:
        """The reservation of that id."""
        return self._by_id.get(reservation_id)

    def of_call(self, call_id: str) -> Reserved | None:
        """The reservation of that call."""
        return self._by_call.get(call_id)

    def free(self, *, active: int, limit: int) -> int:
        """Slots that an inbound call may have."""
        return max(0, limit - active - self.pending)

    def free_outbound(self, *, active: int, limit: int) -> int:
        """Slots that an outbound or campaign call may have."""
        kept = int(limit * self._inbound_share)
        return max(0, min(self.free(active=active, limit=limit), limit - kept - self.outbound))

    def reserve(self, reserved: Reserved, token: str, *, active: int, limit: int) -> NoSlot | None:
        """Promises a slot; None where that is done.

        A call that is asked for again gets the slot that it has, under the new id and token: its first answer was lost.

        Args:
            reserved: what to keep.
            token: what the media stream will bring; only its hash is kept.
            active: running calls.
            limit: how many there may be.
        """
        earlier = self._by_call.get(reserved.call_id)
        if earlier is not None and earlier.is_taken:
            return NoSlot("CALL_EXISTS")
        if earlier is not None and earlier.call_class == reserved.call_class:
            self._forget(earlier)
        elif reserved.call_class == "inbound":
            if not self.free(active=active, limit=limit):
                return NoSlot("AT_CAPACITY")
        elif not self.free_outbound(active=active, limit=limit):
            return NoSlot("AT_CAPACITY", is_kept=self.free(active=active, limit=limit) > 0)
        if earlier is not None:
            self._forget(earlier)
        reserved.token_digest = sha256_hex(token.encode())
        self._by_id[reserved.reservation_id] = self._by_call[reserved.call_id] = reserved
        return None

    def renew(self, reservation_id: str, now: float, lease_s: float = LEASE_S) -> Reserved | None:
        """Keeps a reservation for another lease; None where there is none (any more)."""
        found = self._by_id.get(reservation_id)
        if found is not None:
            found.expires_at = max(found.expires_at, now + min(lease_s, MAX_TTL_S))
        return found

    def take(self, reservation_id: str, now: float) -> Reserved | None:
        """Hands a promised slot to the stream that names it, which still has to `prove` itself; None where there is none to hand."""
        found = self._by_id.get(reservation_id)
        if found is None or found.is_taken or found.expires_at <= now:
            return None
        found.is_taken = True
        return found

    def prove(self, taken: Reserved, token: str, now: float) -> bool:
        """Whether the stream brings the token; it is worth nothing afterwards."""
        is_right = bool(taken.token_digest) and is_equal(taken.token_digest, sha256_hex(token.encode()))
        if is_right:
            taken.token_digest = ""
            taken.expires_at = max(taken.expires_at, now + LEASE_S)
        return is_right

    def give_back(self, taken: Reserved) -> None:
        """Ends the hold of a stream: a call that has run frees its slot, one that never proved itself leaves the promise standing."""
        if self._by_id.get(taken.reservation_id) is not taken:
            return
        if taken.token_digest:
            taken.is_taken = False
        else:
            self._forget(taken)

    def release(self, reservation_id: str) -> bool:
        """Frees a slot that no stream has taken; False where there is none, or a call runs on it."""
        found = self._by_id.get(reservation_id)
        if found is None or found.is_taken:
            return False
        self._forget(found)
        return True

    def expire(self, now: float) -> list[Reserved]:
        """Frees what has not been renewed in time, and says what that was."""
        over = [one for one in self._by_id.values() if one.expires_at <= now]
        for one in over:
            self._forget(one)
        self.expired += len(over)
        return over

    def _forget(self, one: Reserved) -> None:
        self._by_id.pop(one.reservation_id, None)
        if self._by_call.get(one.call_id) is one:
            del self._by_call[one.call_id]
