"""What memory and the database do not have in common: changes that wait to be written, and whether some may have been missed.

A relay that changes ten times before the next write counts once, so what waits cannot grow beyond the number of relays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection

from vox.directory.relays.relay import Relay
from vox.errors import DependencyError
from vox.stores.sql import SqlDatabase

T = TypeVar("T")


@dataclass(slots=True)
class Pending:
    """Ids of relays whose changes wait, by what changed; each in the order of its first change."""

    heartbeats: dict[str, None] = field(default_factory=dict[str, None])
    health: dict[str, None] = field(default_factory=dict[str, None])
    drains: dict[str, None] = field(default_factory=dict[str, None])

    def __len__(self) -> int:
        return len(self.heartbeats) + len(self.health) + len(self.drains)


class SyncState:
    """Collects what the journal is to write, and says what it is to read.

    Attributes:
        is_in_doubt: whether the database may hold changes that were not read, so that everything is to be read again.
    """

    def __init__(self) -> None:
        self._pending = Pending()
        self.is_in_doubt = False

    @property
    def waiting(self) -> int:
        """How many changes wait to be written."""
        return len(self._pending)

    def add_heartbeat(self, relay_id: str) -> None:
        """A relay's heartbeat changed it."""
        self._pending.heartbeats[relay_id] = None

    def add_health(self, relay_id: str) -> None:
        """A probe changed what is known of a relay's health."""
        self._pending.health[relay_id] = None

    def add_drain(self, relay_id: str) -> None:
        """A relay began or ended a drain by itself."""
        self._pending.drains[relay_id] = None

    def has_drain(self, relay_id: str) -> bool:
        """Whether a drain waits to be written, so that memory knows it better than the database."""
        return relay_id in self._pending.drains

    def take(self) -> Pending:
        """All that waits; nothing waits afterwards."""
        taken, self._pending = self._pending, Pending()
        return taken

    def put_back(self, pending: Pending) -> None:
        """Lets what could not be written wait again, before what came meanwhile."""
        self._pending = Pending(
            pending.heartbeats | self._pending.heartbeats,
            pending.health | self._pending.health,
            pending.drains | self._pending.drains,
        )

    def merge(self, read: Relay, ours: Relay | None) -> Relay:
        """What was read, with what memory knows better because it waits to be written."""
        if ours is None or read.id not in self._pending.heartbeats:
            return read
        return replace(
            read,
            last_seen_at=ours.last_seen_at,
            current_connections=ours.current_connections,
            capacity=ours.capacity,
            version=ours.version,
            stress=ours.stress,
            features=ours.features,
        )


async def commit(database: SqlDatabase, state: SyncState, unit: Callable[[Connection], T]) -> T:
    """Runs a unit of work whose outcome memory takes over.

    Raises:
        DependencyError: the database failed. A unit that missed its deadline may be written nevertheless, so everything is read again.
        VoxError: what the unit raised.
    """
    try:
        return await database.write(unit)
    except DependencyError:
        state.is_in_doubt = True
        raise
