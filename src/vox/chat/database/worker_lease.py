"""The number a process puts into its snowflakes, leased so that no two processes ever have the same.

The one thing to know: a process that could not renew its lease gives out no numbers beyond the lease's own end, minus a margin:
refusing a write for a moment is better than two messages with one id. It goes on with the same or with another number as soon
as it can.
"""

import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from sqlalchemy import Connection, select
from sqlalchemy.sql import func

from vox.chat.bus import redis_scripts as scripts
from vox.chat.database.schema import audit_log, event_log, messages
from vox.chat.database.snowflakes import WORKERS, Snowflakes
from vox.errors import DependencyError, VoxError
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.runtime.tasks import periodic
from vox.stores.leases import SqlLeases
from vox.stores.redis import PREFIX, connect, failures
from vox.stores.sql import SqlDatabase

LEASE_S: Final = 60.0
RENEW_S: Final = 5.0
RETRY_S: Final = 1.0
MARGIN_S: Final = 5.0
"""Before the end of its lease a process stops: its clock and the other's need not run equally fast."""
REST_S: Final = 5.0
"""A number that was given back is free after this time: its last user's snowflakes may have run ahead of the clock."""
TRIES: Final = 200

_log = get_logger(__name__)


class Ids(Protocol):
    """Gives numbers to messages, audit entries and events."""

    def next(self, above: int = 0) -> int:
        """The next number, larger than every one before it, and than `above`."""
        ...


class WorkerLeaseStore(Protocol):
    """Where worker numbers are leased."""

    async def take(self, number: int, holder: str, ttl_s: float) -> bool:
        """Takes or keeps a number for another time; False when another holder has it."""
        ...

    async def release(self, number: int, holder: str, after_s: float) -> None:
        """Leaves a number to others after a time."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


class LeasedSnowflakes:
    """Snowflakes under a lease; any thread may ask.

    Args:
        clock: wall time for the numbers, monotonic time for the lease.
        numbers: where the number is leased.
        starts_at: gives the first worker number to try; chance, so that processes that start together seldom meet.
    """

    def __init__(self, clock: Clock, numbers: WorkerLeaseStore, starts_at: Callable[[], int] | None = None) -> None:
        self.after = 0
        self._clock = clock
        self._numbers = numbers
        self._starts_at = starts_at or (lambda: 1 + secrets.randbelow(WORKERS - 1))
        self._holder = new_id("proc")
        self._flakes: Snowflakes | None = None
        self._number = 0
        self._until = 0.0

    @property
    def worker(self) -> int | None:
        """The number; None while there is none."""
        return self._number if self._flakes is not None and self._clock.now() < self._until else None

    def next(self, above: int = 0) -> int:
        """The next number.

        Args:
            above: one that it must be larger than, besides all of its own.

        Raises:
            DependencyError: the lease is over (worker_lease_lost).
        """
        flakes = self._flakes
        if flakes is None or self._clock.now() >= self._until:
            raise DependencyError(
                "this process may not number messages at present",
                code="worker_lease_lost",
                hint="it has lost touch with Redis or the database, and tries again",
                retryable=True,
                retry_after_s=RETRY_S,
            )
        number = flakes.next(above)
        self.after = max(self.after, number)
        return number

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Holds a number while the block runs.

        Raises:
            DependencyError: none can be had.
        """
        try:
            await self._acquire()
            try:
                async with periodic(RENEW_S, self.renew, "chat worker number"):
                    yield
            finally:
                self._until = 0.0
                with contextlib.suppress(VoxError):
                    await self._numbers.release(self._number, self._holder, REST_S)
        finally:
            await self._numbers.close()

    async def renew(self) -> None:
        """Keeps the number for another time, or takes another one where it has been given away.

        Raises:
            DependencyError: Redis or the database failed.
        """
        asked_at = self._clock.now()
        if await self._numbers.take(self._number, self._holder, LEASE_S):
            self._until = asked_at + LEASE_S - MARGIN_S
            return
        self._until = 0.0
        _log.error("another process has this worker number", worker=self._number)
        await self._acquire()

    async def _acquire(self) -> None:
        start = self._starts_at()
        for step in range(TRIES):
            # 0 is left to processes that lease nothing.
            number = 1 + (start - 1 + step) % (WORKERS - 1)
            asked_at = self._clock.now()
            if await self._numbers.take(number, self._holder, LEASE_S):
                self._number = number
                self._flakes = Snowflakes(self._clock, number, self.after)
                self._until = asked_at + LEASE_S - MARGIN_S
                _log.info("numbering as worker", worker=number)
                return
        raise DependencyError("no worker number is free", code="worker_lease_lost", retryable=True)


class RedisWorkerLeases:
    """Worker numbers as keys of Redis.

    Args:
        url: of Redis.
    """

    def __init__(self, url: str) -> None:
        self._client = connect(url, connections=1)
        self._lease = self._client.register_script(scripts.LEASE)

    async def take(self, number: int, holder: str, ttl_s: float) -> bool:
        """See `Numbers`."""
        with failures():
            return bool(await self._lease(keys=[f"{PREFIX}worker:{number}"], args=[holder, int(ttl_s * 1000)]))

    async def release(self, number: int, holder: str, after_s: float) -> None:
        """See `Numbers`."""
        await self.take(number, holder, after_s)

    async def close(self) -> None:
        """See `Numbers`."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()


class SqlWorkerLeases:
    """Worker numbers as leases in the database.

    Args:
        database: open while this is used.
        clock: see `SqlLeases`.
    """

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._leases = SqlLeases(database, clock)
        self._is_ready = False

    async def take(self, number: int, holder: str, ttl_s: float) -> bool:
        """See `Numbers`."""
        if not self._is_ready:
            await self._leases.create()
            self._is_ready = True
        return bool(await self._leases.acquire([_lease(number)], holder, ttl_s))

    async def release(self, number: int, holder: str, after_s: float) -> None:
        """See `Numbers`."""
        await self._leases.release(holder, after_s)

    async def close(self) -> None:
        """See `Numbers`: the database belongs to the caller and stays open."""


def largest_number(connection: Connection) -> int:
    """The largest snowflake in the database; 0 in an empty one."""
    columns = (messages.c.id, event_log.c.id, audit_log.c.id)
    return max(connection.execute(select(func.max(column))).scalar() or 0 for column in columns)


def _lease(number: int) -> str:
    return f"chat-worker-{number}"
