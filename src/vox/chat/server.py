"""The chat server as an object: what its routes and sockets stand on, and the one path of every change.

All state hangs on a `Chat`, so a second one in the same process starts clean. It opens by itself at the first request where
nobody runs the ASGI lifespan, and it keeps nothing that belongs to one event loop: several may use it at once.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, text

from vox.chat.bus.contract import Bus, Entry
from vox.chat.bus.memory import MemoryBus
from vox.chat.bus.shared import SharedBus
from vox.chat.community import Community
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.schema.full_text import tidy
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import Change, UnitOfWork, persist_outcome
from vox.chat.database.worker_lease import Ids, LeasedSnowflakes, SqlWorkerLeases, largest_number
from vox.chat.events import Event
from vox.chat.features.files.cleanup import delete_orphaned_files
from vox.chat.features.messages.insert import delete_expired_nonces
from vox.chat.features.retention import sweep
from vox.chat.gateway import Hub
from vox.chat.gateway.expiry import close_expired_for_ever
from vox.chat.gateway.metrics import FAILURES
from vox.chat.identity.admin_bootstrap import issue_setup_token
from vox.chat.identity.logins import LoginCache
from vox.chat.replication.resync import StateResync, at_latest_version, needed_version
from vox.chat.replication.session_checkpoints import SessionCheckpoints
from vox.chat.replication.version_poll import poll_version
from vox.chat.storage.limits import UploadLimits, open_storage
from vox.errors import VoxError
from vox.http.rate_limits import MemoryRateLimits, RateLimits
from vox.runtime.clock import Clock
from vox.runtime.concurrency import ConcurrencyLimiter
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.stores.sql import SqlDatabase

T = TypeVar("T")

SWEEP_S = 3600.0
SEARCHES = 2
"""At the same time: a search may take seconds, and everybody's reads share the same four threads on SQLite."""

_log = get_logger(__name__)


@dataclass(slots=True)
class Parts:
    """What a chat server stands on; tests hand in their own."""

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    bus: Bus | None = None
    limits: RateLimits | None = None
    worker: int = 0
    ids: LeasedSnowflakes | None = None
    running: Sequence[Callable[[], AbstractAsyncContextManager[None]]] = ()


class Chat:
    """Everything behind the routes and the gateway."""

    def __init__(self, settings: ChatSettings, parts: Parts) -> None:
        self.settings = settings
        self.clock = parts.clock
        self.metrics = parts.metrics
        self.lifecycle = parts.lifecycle
        self.database = SqlDatabase(
            settings.database_url.get_secret_value(),
            synchronous=settings.sqlite_synchronous,
            pool_size=settings.db_pool_size,
            max_overflow=settings.db_max_overflow,
            pool_recycle_s=settings.db_pool_recycle,
        )
        self.ids: Ids = parts.ids or Snowflakes(parts.clock, parts.worker)
        self.community = Community()
        self.config = Config(settings)
        self.limits = parts.limits or MemoryRateLimits(settings.rate_limit_scale)
        self.logins = LoginCache(self)
        self.bus = parts.bus or MemoryBus(parts.clock)
        self.hub = Hub(self)
        self.storage = open_storage(settings)
        self.upload_limits = UploadLimits(settings)
        self.outbound = OutboundGuard()
        self.searches = ConcurrencyLimiter(SEARCHES)
        self._parts = parts
        self._is_shared = isinstance(self.bus, SharedBus)
        self._catching_up = StateResync(self)
        self._opening = threading.Lock()
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether database and community are there."""
        return self._is_open

    def open(self) -> None:
        """Opens the database, brings its tables up to date and loads the community; does nothing the second time.

        It blocks, so that it works before any event loop runs.

        Raises:
            UsageError: the database cannot be used; the message says why.
        """
        with self._opening:
            if self._is_open:
                return
            self.storage.prepare()
            self.database.open()
            prepare(self.database)
            self.database.run_sync(self._load)
            self._seed_ids(self.database.run_sync(largest_number))
            self.bus.subscribe(self._on_bus_entries)
            if self.settings.registration != "open" and not self._parts.worker:
                self._print_setup_token()
            self._is_open = True
        self.lifecycle.ready()
        _log.info("community loaded", users=len(self.community.users), feeds=len(self.community.feeds))

    def close(self) -> None:
        """Closes the database; what was acknowledged is on the disk."""
        with self._opening:
            if self._is_open:
                self._is_open = False
                self.upload_limits.close()
                self.logins.close()
                self.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """What needs a lasting event loop: the bus to other processes, and what is looked at from time to time."""
        async with AsyncExitStack() as stack:
            if not self.database.is_sqlite and not isinstance(self.ids, LeasedSnowflakes):
                # While one process takes over from another, two of them number for a moment.
                leased = LeasedSnowflakes(self.clock, SqlWorkerLeases(self.database, self.clock))
                leased.after, self.ids = self.ids.next(), leased
            if isinstance(self.ids, LeasedSnowflakes):
                await stack.enter_async_context(self.ids.running())
            for part in self._parts.running:
                await stack.enter_async_context(part())
            await stack.enter_async_context(self.bus.running())
            stack.push_async_callback(self._catching_up.close)
            await self._catching_up.wait()
            tasks = {
                asyncio.create_task(self._sweep_for_ever(), name="chat-sweep"),
                asyncio.create_task(close_expired_for_ever(self), name="chat-expiry"),
                asyncio.create_task(poll_version(self, self._catching_up.request), name="chat-looking-back"),
            }
            if isinstance(self.bus, SharedBus):
                tasks.add(asyncio.create_task(SessionCheckpoints(self, self.bus).run(), name="chat-checkpoints"))
            try:
                yield
            finally:
                self.lifecycle.drain()
                await self.hub.drain()
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def drain(self) -> None:
        """Takes nobody in any more and sends the gateway's clients away, resumable, over the configured time."""
        self.lifecycle.drain()
        await self.hub.drain(self.settings.drain_timeout_s)

    async def check(self) -> None:
        """Asks the database for a sign of life.

        Raises:
            DependencyError: there is none.
        """
        await self.database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """Runs a read-only unit of work on a reader's thread.

        Raises:
            DependencyError: the database failed or is too busy.
        """
        return await self.database.read(unit)

    async def change(self, unit: UnitOfWork[T]) -> T:
        """Runs a unit of work in the writer's transaction; its events are out when this returns.

        Raises:
            VoxError: what the unit raised; nothing of it is stored then.
            DependencyError: the database failed or is too busy.
        """
        change = await self.database.write(partial(self._in_transaction, unit), then=self._committed)
        if self._catching_up.is_running:
            await self._catching_up.wait()
        return change.value

    async def sweep(self) -> int:
        """Deletes what time has made worthless: logins, old events, nonces, files nobody can reach; runs once an hour.

        Returns:
            How many rows and files went.

        Raises:
            DependencyError: the database failed; the next round goes on.
        """
        now = self.clock.wall()
        removed = await self.database.write(lambda connection: sweep(connection, now))
        removed += await self.database.write(lambda connection: delete_expired_nonces(connection, int(now.timestamp())))
        await self.database.write(tidy)
        return removed + await delete_orphaned_files(self, now)

    def tell(self, *events: Event) -> None:
        """Sends events that no database row stands behind, such as typing."""
        with self._invalidating_on_failure():
            self.bus.publish(events)

    def _in_transaction(self, unit: UnitOfWork[T], connection: Connection) -> Change[T]:
        change = unit(connection)
        if not change.events and not change.audit:
            return change
        done = persist_outcome(connection, change, self.ids.next, int(self.clock.wall().timestamp() * 1000))
        return at_latest_version(connection, done) if self._is_shared else done

    def _committed(self, change: Change[object]) -> None:
        with self._invalidating_on_failure():
            for event in change.events:
                if not self._apply_event(event):
                    self._catching_up.request(event.version)
        with self._invalidating_on_failure():  # also after a failure: others, and who comes back, find it in the log
            self.bus.publish(change.events)

    @contextmanager
    def _invalidating_on_failure(self) -> Generator[None, None, None]:
        """What fails in here may be unknown to memory and clients: both begin anew, so that nobody misses it silently."""
        try:
            yield
        except Exception:  # noqa: BLE001  the top of a commit's consequences
            _log.exception("events could not be applied or delivered: every client begins anew")
            self.metrics.counter(FAILURES).inc()
            self._catching_up.invalidate()

    def _apply_event(self, event: Event) -> bool:
        """Takes an event into the memory; False where one before it is missing, so that it could not be taken."""
        shift = self.community.apply(event)
        is_taken = shift is None or not shift.must_reload
        if shift is not None and is_taken:
            self.hub.on_access_changed(event, shift)
        self.config.absorb(event)
        self.logins.apply(event)
        return is_taken

    def _on_bus_entries(self, entries: Sequence[Entry]) -> None:
        with self._invalidating_on_failure():
            self._deliver(entries)

    def _deliver(self, entries: Sequence[Entry]) -> None:
        """Takes entries in the order of the bus, also those of this process, which are absorbed already."""
        start = 0
        for index, entry in enumerate(entries):
            needed = needed_version(entry.event)
            if needed > self.community.version:
                self.hub.publish(entries[start:index])
                self._catching_up.request(needed, entries[index:])
                return
            if not entry.is_foreign:
                continue
            if entry.event.version and index > start:
                # What stands before a change of access is delivered by what held before it.
                self.hub.publish(entries[start:index])
                start = index
            if not self._apply_event(entry.event):
                self._catching_up.request(entry.event.version, entries[index:])
                return
        self.hub.publish(entries[start:])

    def _print_setup_token(self) -> None:
        """Shows the set-up token where nobody could become administrator otherwise; to the terminal, not to the log."""
        token = self.database.run_sync(issue_setup_token)
        if token is not None:
            sys.stderr.write(f"\n  Set-up token for the first administrator, once: {token}\n\n")

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                removed = await self.sweep()
            except VoxError as error:
                _log.warning("sweep failed", error=str(error))
            except Exception:  # noqa: BLE001  the top of a task: one bad hour must not be the last one
                _log.exception("sweep failed")
            else:
                _log.info("swept", removed=removed)

    def _seed_ids(self, largest: int) -> None:
        """Numbers go on above what is stored, whatever the clock says today."""
        if isinstance(self.ids, LeasedSnowflakes):
            self.ids.after = largest
        else:
            self.ids = Snowflakes(self.clock, self._parts.worker, largest)

    def _load(self, connection: Connection) -> None:
        self.community.load(connection)
        self.config.load(connection)
