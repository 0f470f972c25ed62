"""Keeps database and memory together: heartbeats and probe results are written in batches, other directories' changes read.

A relay that changes ten times before the next write costs one row, so the queue cannot grow beyond the number of relays. What
is lost when the process is killed is at most WRITE_EVERY_S of heartbeats; registrations and deletions are written before
they are answered. Where it is not known whether a change reached the database (`doubt`), everything is read again.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from vox.directory.database import relay_rows
from vox.directory.database.relay_rows import Changes, Record
from vox.directory.metrics import UNWRITTEN
from vox.directory.relays.relay import Relay
from vox.errors import DependencyError
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.stores.sql import SqlDatabase

WRITE_EVERY_S = 0.5
READ_EVERY_S = 1.0
DOUBT_AFTER = 600
"""Reads that failed in a row, after which a removal may have been missed: the database forgets those after a day."""

_log = get_logger(__name__)


class Journal:
    """What waits to be written, and what was read.

    Args:
        database: open while `running`.
        look_up: the present state of a relay, None where it is gone.
        learn: takes in what other directories changed.
        metrics: counts what waits.
        changing: held while relays are registered, removed or read, so that none of them sees half of another.
    """

    def __init__(
        self,
        database: SqlDatabase,
        look_up: Callable[[str], Record | None],
        learn: Callable[[Changes], None],
        metrics: Metrics,
        changing: asyncio.Lock,
    ) -> None:
        self._database = database
        self._look_up = look_up
        self._learn = learn
        self._waiting = metrics.gauge(UNWRITTEN)
        self._beats: dict[str, None] = {}
        self._findings: dict[str, None] = {}
        self._drains: dict[str, None] = {}
        self._read_up_to = -1
        self._writing = asyncio.Lock()
        self._changing = changing
        self._reading: asyncio.Task[None] | None = None
        self._is_in_doubt = False

    def heard(self, relay_id: str) -> None:
        """A relay's heartbeat changed it."""
        self._beats[relay_id] = None

    def probed(self, relay_id: str) -> None:
        """A probe changed what is known of a relay's health."""
        self._findings[relay_id] = None

    def drained(self, relay_id: str) -> None:
        """A relay is on its way out, or no longer, without an operator's word."""
        self._drains[relay_id] = None

    def doubt(self) -> None:
        """What the database holds is not known: a change was given up on, and may have been written nevertheless."""
        self._is_in_doubt = True

    def knows_drain_better(self, relay_id: str) -> bool:
        """Whether a drain waits to be written."""
        return relay_id in self._drains

    def ours_over(self, read: Relay, ours: Relay | None) -> Relay:
        """What was read, with what is known better here because it waits to be written."""
        if ours is None or read.id not in self._beats:
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

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Reads everything, then writes and reads in the background until the block ends with a last write."""
        await self._database.write(relay_rows.adopt)
        await self.read()
        tasks = [
            asyncio.create_task(self._write_forever(), name="journal writer"),
            asyncio.create_task(self._read_forever(), name="journal reader"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *filter(None, [self._reading]), return_exceptions=True)
            with suppress(DependencyError):
                await self.write()

    async def write(self) -> None:
        """Writes what waits; what cannot be written waits on."""
        async with self._writing:
            beats, self._beats = self._beats, {}
            findings, self._findings = self._findings, {}
            drains, self._drains = self._drains, {}
            if not beats and not findings and not drains:
                self._waiting.set(0)
                return
            heard = [found.relay for found in self._found(beats)]
            probed, drained = self._found(findings), self._found(drains)

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
                self._beats = beats | self._beats
                self._findings = findings | self._findings
                self._drains = drains | self._drains
                raise
            finally:
                self._waiting.set(len(self._beats) + len(self._findings) + len(self._drains))

    async def read(self) -> None:
        """Takes in what changed in the database since the last time."""
        async with self._changing:
            is_whole, self._is_in_doubt = self._is_in_doubt, False
            since = -1 if is_whole else self._read_up_to
            try:
                changes = await self._database.read(lambda connection: relay_rows.changes_since(connection, since))
            except BaseException:
                self._is_in_doubt = self._is_in_doubt or is_whole
                raise
            self._read_up_to = changes.revision
            self._learn(changes)

    async def catch_up(self) -> None:
        """Takes in what changed until now; many who ask at once cost one read, or two.

        Raises:
            DependencyError: the database failed.
        """
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading])  # it may have begun before what is asked for was written
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.read(), name="journal catches up")
            self._reading.add_done_callback(_told)
        await asyncio.shield(self._reading)

    def _found(self, waiting: dict[str, None]) -> list[Record]:
        return [found for one in waiting if (found := self._look_up(one)) is not None]

    async def _write_forever(self) -> None:
        is_waiting = False
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.write()
            except DependencyError as error:
                if not is_waiting:  # said once, not twice a second
                    _log.warning("changes wait for the database", code=error.code)
                is_waiting = True
            except Exception:  # noqa: BLE001  the top of a task that must not end
                _log.exception("changes could not be written")
            else:
                is_waiting = False

    async def _read_forever(self) -> None:
        failed = 0
        while True:
            await asyncio.sleep(READ_EVERY_S)
            if self._database.is_sqlite and not self._is_in_doubt:
                continue  # nobody else writes there
            try:
                await self.read()
            except DependencyError as error:
                failed += 1
                self._is_in_doubt = self._is_in_doubt or failed >= DOUBT_AFTER
                if failed == 1:
                    _log.warning("other directories' changes are not read", code=error.code)
            except Exception:  # noqa: BLE001  the top of a task that must not end
                _log.exception("other directories' changes could not be taken in")
            else:
                failed = 0


def _told(reading: "asyncio.Task[None]") -> None:
    if not reading.cancelled():
        reading.exception()  # whoever waits for it raises it; those who left need not
