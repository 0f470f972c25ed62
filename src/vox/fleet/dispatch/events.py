"""Hands what happens at the workers to the rest of the bridge, in order for each worker, however slow that is.

The one thing to know: what must not be lost is either repeated by the worker until it is acknowledged (the end of a call), or tried
again here until it succeeds (a worker that registered, a worker that was lost). Only progress may be dropped.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from zlib import crc32

from vox.fleet.dispatch.contract import DispatchListener
from vox.fleet.dispatch.metrics import EVENTS_DROPPED
from vox.protocols.fleet import RunningCall
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import supervised

QUEUES: Final = 8
"""Workers share this many; those of one queue wait for each other."""
MAX_WAITING: Final = 2_000
"""Events of calls in one queue; what is tried again comes on top, at most once per worker and lease."""
RETRY_S: Final = 1.0

_log = get_logger(__name__)


class EventQueues:
    """Calls the listener; `running` is where that happens.

    Args:
        listener: of the bridge.
        metrics: counts what is dropped.
    """

    def __init__(self, listener: DispatchListener, metrics: Metrics) -> None:
        self._listener = listener
        self._queues = [_Queue(metrics) for _ in range(QUEUES)]
        self._ends = Counter[str]()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Delivers while the block runs."""
        async with AsyncExitStack() as stack:
            for number, queue in enumerate(self._queues):
                await stack.enter_async_context(supervised(queue.run, f"fleet-events-{number}"))
            yield

    def registered(self, worker_id: str, calls: Sequence[RunningCall]) -> None:
        """A worker is there with these calls."""
        self._of(worker_id).put_surely(lambda: self._listener.on_registered(worker_id, calls))

    def lost(self, worker_id: str, call_ids: Sequence[str], is_lost: Callable[[], Awaitable[bool]]) -> None:
        """A worker's lease has ended.

        Args:
            worker_id: of the worker.
            call_ids: the calls that it had.
            is_lost: asked once before the bridge hears of it; another bridge may still hear the worker.
        """

        async def deliver() -> None:
            nonlocal has_claimed
            has_claimed = has_claimed or await is_lost()
            if has_claimed:
                await self._listener.on_lost(worker_id, call_ids)

        has_claimed = False
        self._of(worker_id).put_surely(deliver)

    def ended(
        self, worker_id: str, call_id: str, outcome: str, result: Mapping[str, Any], acknowledge: Callable[[], None]
    ) -> None:
        """A call has ended; `acknowledge` is called once that is recorded."""

        async def deliver() -> None:
            try:
                await self._listener.on_ended(call_id, outcome, result)
            finally:
                self._ends[call_id] -= 1
                if not self._ends[call_id]:
                    del self._ends[call_id]
            acknowledge()

        if self._of(worker_id).put(deliver, "ended"):
            self._ends[call_id] += 1

    def is_ending(self, call_id: str) -> bool:
        """Whether a call's end waits to be recorded."""
        return call_id in self._ends

    def progress(self, worker_id: str, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Something happened in a call."""
        self._of(worker_id).put(lambda: self._listener.on_progress(call_id, event, data), "progress")

    def _of(self, worker_id: str) -> "_Queue":
        return self._queues[crc32(worker_id.encode()) % QUEUES]


class _Queue:
    def __init__(self, metrics: Metrics) -> None:
        self._waiting: deque[tuple[Callable[[], Awaitable[None]], bool]] = deque()
        self._has_some = asyncio.Event()
        self._metrics = metrics

    def put(self, deliver: Callable[[], Awaitable[None]], kind: str) -> bool:
        """Whether there was room."""
        if len(self._waiting) >= MAX_WAITING:
            self._metrics.counter(EVENTS_DROPPED, kind).inc()
            return False
        self._waiting.append((deliver, False))
        self._has_some.set()
        return True

    def put_surely(self, deliver: Callable[[], Awaitable[None]]) -> None:
        self._waiting.append((deliver, True))
        self._has_some.set()

    async def run(self) -> None:
        while True:
            await self._has_some.wait()
            while self._waiting:
                deliver, is_sure = self._waiting[0]
                try:
                    await deliver()
                except Exception as error:  # noqa: BLE001  the top of a task; one listener's failure is not every worker's
                    _log.warning("an event of a worker was not recorded", error=str(error), is_tried_again=is_sure)
                    if is_sure:
                        await asyncio.sleep(RETRY_S)
                        continue
                self._waiting.popleft()
            self._has_some.clear()
