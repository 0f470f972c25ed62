"""SQL on SQLite or PostgreSQL: units of work are plain functions of a connection, run on the database's own threads.

Nothing can await while a transaction is open, and the event loop never waits for a disk. No object of one event loop is kept:
several loops may use one database. A unit may be run more than once before it is committed (after another unit of its batch
failed, or after a deadlock), so it changes nothing but the database; what must follow the commit goes into `then`.
"""

import asyncio
import concurrent.futures
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine

from vox.errors import DependencyError
from vox.runtime import tracing
from vox.stores.engines import Synchronous, is_in_memory, make_engine, parse_url, raw, sqlite_url
from vox.stores.postgres_executor import PostgresThreads
from vox.stores.sqlite_executor import SqliteThreads
from vox.stores.work_items import Mode, WorkItem

__all__ = ["DEADLINE_S", "MAX_WAITING", "Connection", "SqlDatabase", "raw", "sqlite_url"]

T = TypeVar("T")

_tracer = tracing.tracer(__name__)

MAX_WAITING: Final = 4096
"""Units of work that may wait for the writer, and as many for the readers; the next is refused rather than queued."""
DEADLINE_S: Final = 10.0
SLOW_READERS: Final = 2
"""Threads for slow reads, and on PostgreSQL as many connections beyond the others."""
MAX_SLOW_WAITING: Final = 64
"""Slow reads that may wait for one of those threads."""


class _Threads(Protocol):
    def waiting(self, pending: WorkItem) -> int: ...
    def submit(self, pending: WorkItem) -> None: ...
    def stop(self, timeout_s: float) -> None: ...


class SqlDatabase:
    """A database between `open` and `close`, or while the block runs.

    Args:
        url: `sqlite:///path` (see `sqlite_url`), `sqlite://` in memory, or `postgresql://…`; the driver is chosen here.
        readers: threads that read from a SQLite file.
        synchronous: SQLite's promise after a power cut: FULL keeps every commit, NORMAL may lose the last ones; after a mere
            crash of the process both keep everything.
        pool_size: PostgreSQL connections that are kept.
        max_overflow: PostgreSQL connections beyond those, for a rush.
        pool_recycle_s: a PostgreSQL connection is replaced after this time.

    Raises:
        UsageError: the URL is none (database_url_invalid).
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = 4,
        synchronous: Synchronous = "FULL",
        pool_size: int = 1,
        max_overflow: int = 0,
        pool_recycle_s: int = 1800,
    ) -> None:
        self._url = parse_url(url)
        self._readers = readers
        self._synchronous: Synchronous = synchronous
        self._pool = (pool_size, max_overflow, pool_recycle_s)
        self._threads: _Threads | None = None
        self._finalizer: weakref.finalize[[float], Any] | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def is_in_memory(self) -> bool:
        """Whether all data is lost when it closes."""
        return self.is_sqlite and is_in_memory(self._url)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database; None where there is none, or SQLite's own URI names it."""
        name = self._url.database
        if not self.is_sqlite or self.is_in_memory or name is None or name.startswith("file:"):
            return None
        return Path(name)

    def open(self) -> None:
        """Makes the database usable; connects with the first unit of work. Does nothing where it is open.

        Raises:
            UsageError: the driver is not installed (missing_dependency), or SQLite is too old (sqlite_too_old).
        """
        if self._threads is not None:
            return
        size, overflow, recycle_s = self._pool
        engine = make_engine(
            self._url,
            synchronous=self._synchronous,
            pool_size=size,
            max_overflow=overflow + SLOW_READERS,
            pool_recycle_s=recycle_s,
        )
        self._threads = self._make_threads(engine, size + overflow)
        self._finalizer = weakref.finalize(self, self._threads.stop, 0)  # a forgotten database leaves no threads

    def close(self) -> None:
        """Finishes what is queued and closes the database; blocks for at most DEADLINE_S."""
        threads, self._threads = self._threads, None
        if self._finalizer is not None:
            self._finalizer.detach()
        if threads is not None:
            threads.stop(DEADLINE_S)

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.to_thread(self.close)

    async def write(
        self,
        unit: Callable[[Connection], T],
        then: Callable[[T], object] | None = None,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> T:
        """Runs one unit of work so that all of it is stored or nothing.

        `then` runs on this loop right after the commit, in the order of the commits, before this returns; also where the caller
        is gone by then. A unit that misses its deadline is ended on SQLite where it runs; one that is about to be committed, and one
        on PostgreSQL, may still be committed later.

        Raises:
            VoxError: what the unit raised, unchanged; so does every error that is not the database's.
            DependencyError: a constraint refused it (database_conflict), the database failed (database_failed), or it is too
                busy (database_busy).
        """
        return await self._submitted(unit, "write", then, deadline_s)

    async def read(self, unit: Callable[[Connection], T], *, deadline_s: float = DEADLINE_S) -> T:
        """Runs one unit of work on one snapshot, in which it can change nothing.

        Raises:
            DependencyError: as `write`.
        """
        return await self._submitted(unit, "read", None, deadline_s)

    async def read_slowly(self, unit: Callable[[Connection], T], *, deadline_s: float = DEADLINE_S) -> T:
        """`read` for a unit that may take seconds, such as a search: on threads of its own, so that it keeps no other waiting.

        A thread is taken until the unit is over, not until its caller has given up.

        Raises:
            DependencyError: as `write`; database_busy where too many wait.
        """
        return await self._submitted(unit, "slow", None, deadline_s)

    def run_sync(self, unit: Callable[[Connection], T], *, deadline_s: float = DEADLINE_S) -> T:
        """`write` for code without an event loop; blocks.

        Raises:
            DependencyError: as `write`.
        """
        return self._waited_for(unit, "write", deadline_s)

    def run_exclusive(self, unit: Callable[[Connection], T], *, deadline_s: float = 3600.0) -> T:
        """Runs a unit with no transaction begun, while nothing else in this process writes to SQLite; blocks.

        For migrations and backups: the unit begins and ends its own transactions.

        Raises:
            DependencyError: as `write`.
        """
        return self._waited_for(unit, "alone", deadline_s)

    async def write_exclusive(self, unit: Callable[[Connection], T], *, deadline_s: float = 3600.0) -> T:
        """`run_exclusive` for code on an event loop.

        Raises:
            DependencyError: as `write`.
        """
        return await self._submitted(unit, "alone", None, deadline_s)

    async def _submitted(
        self, unit: Callable[[Connection], T], mode: Mode, then: Callable[[T], object] | None, deadline_s: float
    ) -> T:
        if tracing.is_on():
            with _tracer.span("database", mode=mode, system=self._url.get_backend_name()):
                return await self._waited(unit, mode, then, deadline_s)
        return await self._waited(unit, mode, then, deadline_s)

    async def _waited(
        self, unit: Callable[[Connection], T], mode: Mode, then: Callable[[T], object] | None, deadline_s: float
    ) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        pending = WorkItem(unit, mode, future, loop, then)
        self._submit(pending)
        timer = loop.call_later(deadline_s, _expire, pending, future, deadline_s)
        try:
            return await future
        except asyncio.CancelledError:
            if mode != "write":  # a change goes on without its caller
                pending.give_up()
            raise
        finally:
            timer.cancel()

    def _waited_for(self, unit: Callable[[Connection], T], mode: Mode, deadline_s: float) -> T:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        pending = WorkItem(unit, mode, future)
        self._submit(pending)
        try:
            return future.result(deadline_s)
        except TimeoutError:
            if future.done() or not future.cancel():
                raise
            pending.give_up()
            raise _no_answer(deadline_s) from None

    def _submit(self, pending: WorkItem) -> None:
        threads = self._threads
        if threads is None:
            raise DependencyError("the database is closed", code="database_failed", retryable=True)
        if threads.waiting(pending) >= (MAX_SLOW_WAITING if pending.mode == "slow" else MAX_WAITING):
            raise DependencyError(
                "the database is overloaded: too many requests wait for it",
                code="database_busy",
                retryable=True,
                retry_after_s=1,
            )
        threads.submit(pending)

    def _make_threads(self, engine: Engine, connections: int) -> _Threads:
        if self.is_sqlite:
            return SqliteThreads(engine, 0 if self.is_in_memory else self._readers, SLOW_READERS)
        return PostgresThreads(engine, connections, SLOW_READERS)


def _expire(pending: WorkItem, future: "asyncio.Future[Any]", deadline_s: float) -> None:
    if not future.done():
        future.set_exception(_no_answer(deadline_s))
        pending.give_up()


def _no_answer(deadline_s: float) -> DependencyError:
    return DependencyError(f"the database did not answer within {deadline_s:g} s", code="database_busy", retryable=True)
