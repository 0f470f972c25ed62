"""Keeps database and memory together: heartbeats and probe results are written in batches, other directories' changes read.

What is lost when the process is killed is at most WRITE_EVERY_S of heartbeats; registrations and deletions are written before they are
answered. Where it is not known whether a change reached the database (`SyncState.is_in_doubt`), everything is read again.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from vox.directory.database import relay_rows
from vox.directory.database.relay_rows import Changes, Record
from vox.directory.database.sync_state import SyncState
from vox.directory.metrics import UNWRITTEN
from vox.errors import DependencyError
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic
from vox.stores.sql import SqlDatabase

WRITE_EVERY_S = 0.5
READ_EVERY_S = 1.0
DOUBT_AFTER = 600
"""Reads that failed in a row, after which a removal may have been missed: the database forgets those after a day."""


class Journal:
    """Writes what waits and reads what others changed.

    Args:
        database: open while `running`.
        state: what waits, and whether everything is to be read again.
        look_up: the present state of a relay, None where it is gone.
        learn: takes in what other directories changed.
        metrics: counts what waits.
        changing: held while relays are registered, removed or read, so that none of them sees half of another.
    """

    def __init__(
        self,
        database: SqlDatabase,
        state: SyncState,
        look_up: Callable[[str], Record | None],
        learn: Callable[[Changes], None],
        metrics: Metrics,
        changing: asyncio.Lock,
    ) -> None:
        self._database = database
        self._state = state
        self._look_up = look_up
        self._learn = learn
        self._waiting = metrics.gauge(UNWRITTEN)
        self._read_up_to = -1
        self._failed_reads = 0
        self._writing = asyncio.Lock()
        self._changing = changing
        self._catching_up: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Reads everything, then writes and reads in the background until the block ends with a last write."""
        await self._database.write(relay_rows.adopt)
        await self.read()
        try:
            async with (
                periodic(WRITE_EVERY_S, self.write, "journal writer"),
                periodic(READ_EVERY_S, self._read_again, "journal reader"),
            ):
                yield
        finally:
            if self._catching_up is not None:
                await asyncio.wait([self._catching_up])
            with suppress(DependencyError):
                await self.write()

    async def write(self) -> None:
        """Writes what waits; what cannot be written waits on.

        Raises:
            DependencyError: the database failed.
        """
        async with self._writing:
            pending = self._state.take()
            if not pending:
                self._waiting.set(0)
                return
            heard = [found.relay for found in self._found(pending.heartbeats)]
            probed, drained = self._found(pending.health), self._found(pending.drains)

            def unit(connection: relay_rows.Connection) -> None:
                if heard:
                    relay_rows.save_heartbeats(connection, heard)
                if drained:
                    relay_rows.save_drains(connection, drained)
                if probed:
                    relay_rows.save_health(connection, probed)

            try:
                await self._database.write(unit)
            except (DependencyError, asyncio.CancelledError):
                self._state.put_back(pending)
                raise
            finally:
                self._waiting.set(self._state.waiting)

    async def read(self) -> None:
        """Takes in what changed in the database since the last time.

        Raises:
            DependencyError: the database failed.
        """
        async with self._changing:
            is_whole, self._state.is_in_doubt = self._state.is_in_doubt, False
            since = -1 if is_whole else self._read_up_to
            try:
                changes = await self._database.read(lambda connection: relay_rows.changes_since(connection, since))
            except BaseException:
                self._state.is_in_doubt = self._state.is_in_doubt or is_whole
                raise
            self._read_up_to = changes.revision
            self._learn(changes)

    async def catch_up(self) -> None:
        """Takes in what changed until now; many callers at once cost one read, or two.

        Raises:
            DependencyError: the database failed.
        """
        if self._catching_up is not None and not self._catching_up.done():
            await asyncio.wait([self._catching_up])  # it may have begun before what is asked for was written
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self.read(), name="journal catches up")
            self._catching_up.add_done_callback(_retrieve_error)
        await asyncio.shield(self._catching_up)

    def _found(self, waiting: dict[str, None]) -> list[Record]:
        return [found for one in waiting if (found := self._look_up(one)) is not None]

    async def _read_again(self) -> None:
        if self._database.is_sqlite and not self._state.is_in_doubt:
            return  # no other directory writes there
        try:
            await self.read()
        except DependencyError:
            self._failed_reads += 1
            if self._failed_reads >= DOUBT_AFTER:
                self._state.is_in_doubt = True
            raise
        self._failed_reads = 0


def _retrieve_error(reading: "asyncio.Task[None]") -> None:
    if not reading.cancelled():
        reading.exception()  # a caller that waits for it raises it; one that left need not
