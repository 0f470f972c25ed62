"""Keeps database and memory together: heartbeats and probe results are written in batches, other directories' changes read.

A relay that changes ten times before the next write costs one row, so the queue cannot grow beyond the number of relays. What
is lost when the process is killed is at most WRITE_EVERY_S of heartbeats; registrations and deletions are written before
they are answered.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from vox.directory import records
from vox.directory.metrics import UNWRITTEN
from vox.directory.records import Changes, Record
from vox.directory.relay import Relay
from vox.errors import DependencyError
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.stores.sql import SqlDatabase

WRITE_EVERY_S = 0.5
READ_EVERY_S = 1.0

_log = get_logger(__name__)


class Journal:
    """What waits to be written, and what was read.

    Args:
        database: open while `running`.
        look_up: the present state of a relay, None where it is gone.
        learn: takes in what other directories changed.
        metrics: counts what waits.
    """

    def __init__(
        self,
        database: SqlDatabase,
        look_up: Callable[[str], Record | None],
        learn: Callable[[Changes], None],
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._look_up = look_up
        self._learn = learn
        self._waiting = metrics.gauge(UNWRITTEN)
        self._beats: dict[str, None] = {}
        self._findings: dict[str, None] = {}
        self._read_up_to = -1
        self._writing = asyncio.Lock()

    def heard(self, relay_id: str) -> None:
        """A relay's heartbeat changed it."""
        self._beats[relay_id] = None

    def probed(self, relay_id: str) -> None:
        """A probe changed what is known of a relay's health."""
        self._findings[relay_id] = None

    def ours_over(self, read: Relay, ours: Relay | None) -> Relay:
        """What was read, with what is known better here because it waits to be written."""
        if ours is None:
            return read
        if read.id in self._beats:
            read = replace(
                read,
                last_seen_at=ours.last_seen_at,
                current_connections=ours.current_connections,
                capacity=ours.capacity,
                is_draining=ours.is_draining,
                version=ours.version,
                stress=ours.stress,
                features=ours.features,
            )
        if read.id in self._findings:
            read = replace(read, healthy=ours.healthy, failed_checks=ours.failed_checks, state=ours.state)
        return read

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Reads everything, then writes and reads in the background until the block ends with a last write."""
        await self._database.run(records.create_schema)
        await self.read()
        tasks = [asyncio.create_task(self._write_forever(), name="journal writer")]
        if not self._database.is_sqlite:
            tasks.append(asyncio.create_task(self._read_forever(), name="journal reader"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(DependencyError):
                await self.write()

    async def write(self) -> None:
        """Writes what waits; what cannot be written waits on."""
        async with self._writing:
            beats, self._beats = self._beats, {}
            findings, self._findings = self._findings, {}
            if not beats and not findings:
                self._waiting.set(0)
                return
            heard = [found.relay for one in beats if (found := self._look_up(one)) is not None]
            probed = [found for one in findings if (found := self._look_up(one)) is not None]

            def unit(connection: records.Connection) -> None:
                if heard:
                    records.save_heartbeats(connection, heard)
                if probed:
                    records.save_health(connection, probed)

            try:
                await self._database.run(unit)
            except DependencyError:
                self._beats = beats | self._beats
                self._findings = findings | self._findings
                raise
            finally:
                self._waiting.set(len(self._beats) + len(self._findings))

    async def read(self) -> None:
        """Takes in what changed in the database since the last time."""
        since = self._read_up_to
        changes = await self._database.run(lambda connection: records.changes_since(connection, since))
        self._read_up_to = changes.revision
        self._learn(changes)

    async def _write_forever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.write()
            except DependencyError as error:
                _log.warning("changes wait for the database", code=error.code)

    async def _read_forever(self) -> None:
        while True:
            await asyncio.sleep(READ_EVERY_S)
            try:
                await self.read()
            except DependencyError as error:
                _log.warning("other directories' changes are not read", code=error.code)
