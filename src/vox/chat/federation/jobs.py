"""Small work for other servers that may be lost: typing, presence, refreshed profiles.

Bounded by dropping: a job with the key of one that waits takes its place, and beyond the bound new ones are dropped. What must
arrive goes into the outbox instead.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from vox.chat.federation.client import PeerFailure
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

MAX_WAITING: Final = 1000
WORKERS: Final = 4
WORTHLESS_AFTER_S: Final = 10.0
"""A job that has waited longer is dropped: the typing is over."""

Job = Callable[[], Awaitable[object]]

_log = get_logger(__name__)


class Jobs:
    """Runs jobs while `run` runs.

    Args:
        clock: how long a job has waited.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: OrderedDict[tuple[object, ...], tuple[float, Job]] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    def add(self, key: tuple[object, ...], job: Job) -> bool:
        """Adds a job, from any thread; False where it was dropped.

        Args:
            key: what the job is about; of several with one key the last counts.
            job: makes the coroutine.
        """
        loop = self._loop
        if loop is None or (key not in self._waiting and len(self._waiting) >= MAX_WAITING):
            return False
        loop.call_soon_threadsafe(self._put, key, job)
        return True

    async def run(self) -> None:
        """Runs jobs until cancelled."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(self._work(self._wake))
        finally:
            self._loop = None
            self._waiting.clear()

    def _put(self, key: tuple[object, ...], job: Job) -> None:
        self._waiting[key] = (self._clock.now(), job)
        if self._wake is not None:
            self._wake.set()

    async def _work(self, wake: asyncio.Event) -> None:
        while True:
            while not self._waiting:
                wake.clear()
                await wake.wait()
            key, (added, job) = self._waiting.popitem(last=False)
            if self._clock.now() - added > WORTHLESS_AFTER_S:
                continue
            try:
                await job()
            except (PeerFailure, VoxError) as error:
                _log.debug("federation job failed", job=str(key[0]), reason=str(error))
            except Exception:  # noqa: BLE001  the top of a worker: one bad job must not be the last one
                _log.exception("federation job failed", job=str(key[0]))
