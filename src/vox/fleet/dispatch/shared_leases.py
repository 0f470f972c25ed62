"""What several bridges know together about a worker: whether any of them hears it.

The one thing to know: each worker is connected to every bridge, so a connection that one bridge loses says little. A worker is lost when
no bridge has heard it for a lease, and then exactly one bridge says so, the one that gets the lease which the others let go.
"""

from collections.abc import Iterable
from typing import Final

from vox.errors import VoxError
from vox.fleet.dispatch.registry import WorkerKey
from vox.protocols.fleet import HEARTBEAT_S, LEASE_S
from vox.runtime.clock import Clock, new_id
from vox.stores.leases import Leases

HEARD: Final = "heard"
"""The holder of a worker's lease while any bridge hears it."""
RENEW_S: Final = HEARTBEAT_S / 2
FRESH_S: Final = HEARTBEAT_S
"""Only a worker that was heard so lately is renewed, and for the rest of its lease only, so that the lease ends here and there at once.

A worker speaks every two seconds and leases are renewed every second, so one that is well is renewed at least every three of four.
"""
TTL_S: Final = LEASE_S - FRESH_S
SETTLE_S: Final = 2 * HEARTBEAT_S
"""After a failure of the database the other bridges have this long to renew what they hear, before anything counts as lost."""
PREFIX: Final = "fleet-worker:"
PRUNE_S: Final = 3600.0


class SharedLeases:
    """The leases of all workers, in the database of the bridges.

    Args:
        leases: in that database.
        clock: monotonic seconds.
    """

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._bridge_id = new_id("bridge")
        self._trusted_at = clock.now()
        self._prune_at = clock.now() + PRUNE_S

    async def renew(self, keys: Iterable[WorkerKey]) -> None:
        """This bridge has heard these workers within `FRESH_S`.

        Raises:
            VoxError: the database does not answer.
        """
        names = [_name(key) for key in keys]
        try:
            await self._leases.acquire(names, HEARD, TTL_S)
            if self._clock.now() >= self._prune_at:
                self._prune_at = self._clock.now() + PRUNE_S
                await self._leases.prune(names, prefix=PREFIX)
        except VoxError:
            self._trusted_at = self._clock.now() + SETTLE_S
            raise

    async def claim_loss(self, key: WorkerKey) -> bool:
        """Whether no bridge hears the worker, and it is this one that says so.

        Raises:
            VoxError: the database does not answer, or did not a moment ago; it has to be asked again.
        """
        if self._clock.now() < self._trusted_at:
            raise VoxError(
                "other bridges may not have renewed their leases yet", code="leases_unsettled", retryable=True
            )
        try:
            held = await self._leases.acquire([_name(key)], self._bridge_id, LEASE_S)
        except VoxError:
            self._trusted_at = self._clock.now() + SETTLE_S
            raise
        return bool(held)


def _name(key: WorkerKey) -> str:
    worker_id, generation = key
    return f"{PREFIX}{worker_id}:{generation}"
