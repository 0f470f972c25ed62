"""Tells the other directories on one PostgreSQL how many clients this one sent to each relay, so that together they overfill none.

Once a second, one row per directory with all its counts; a row is of use to the others for a few seconds only. What could not be
written or read in that time is not made up for: a relay's next report puts every count right.
"""

from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from vox.directory.database.schema import relay_assignments as _assignments
from vox.directory.selection.selector import RelaySelector
from vox.runtime.clock import Clock
from vox.runtime.tasks import periodic
from vox.stores.sql import SqlDatabase

EVERY_S: Final = 1.0
KEEP_S: Final = 10.0
HEARD_S: Final = 60.0
"""Age up to which rows of others are taken in; more than KEEP_S, because their clocks may go otherwise."""
FORGOTTEN_S: Final = 3600.0
"""Age at which rows of others, who must have died, are deleted, whatever their clocks say."""


class PeerAssignments:
    """Exchanges counts while `running`.

    Args:
        database: the one that all directories share.
        selector: whose counts are told, and who is told of the others'.
        clock: wall time says how old rows are.
        holder: this directory's name among the others.
    """

    def __init__(self, database: SqlDatabase, selector: RelaySelector, clock: Clock, holder: str) -> None:
        self._database = database
        self._selector = selector
        self._clock = clock
        self._holder = holder
        self._seen = frozenset[int]()
        selector.share()

    def running(self) -> AbstractAsyncContextManager[None]:
        """Exchanges once a second until the block is left."""
        return periodic(EVERY_S, self.exchange, "peer assignments")

    async def exchange(self) -> None:
        """Tells and hears what is new.

        Raises:
            DependencyError: the database failed; what was to be told is forgotten.
        """
        ours, now_s = self._selector.take_assigned(), self._clock.wall().timestamp()

        def tell_and_hear(connection: Connection) -> list[tuple[int, str]]:
            mine = _assignments.c.holder == self._holder
            connection.execute(delete(_assignments).where(mine, _assignments.c.at_s < now_s - KEEP_S))
            connection.execute(delete(_assignments).where(_assignments.c.at_s < now_s - FORGOTTEN_S))
            counts = msgspec.json.encode(ours).decode()
            connection.execute(insert(_assignments).values(holder=self._holder, at_s=now_s, counts=counts))
            return hear(connection)

        def hear(connection: Connection) -> list[tuple[int, str]]:
            others = select(_assignments.c.number, _assignments.c.counts).where(_assignments.c.holder != self._holder)
            others = others.where(_assignments.c.at_s >= now_s - HEARD_S)
            return [(row.number, row.counts) for row in connection.execute(others).all()]

        rows = await (self._database.write(tell_and_hear) if ours else self._database.read(hear))
        for number, counts in rows:
            if number not in self._seen:
                self._selector.assigned_elsewhere(msgspec.json.decode(counts, type=dict[str, int]))
        self._seen = frozenset(number for number, _ in rows)
