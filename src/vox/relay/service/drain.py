"""The end of a relay: its readiness fails, the directory is told, and every participant is sent to another relay.

The order matters: the directory must list this relay no more before clients ask where to go.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Final

from livekit.protocol.rtc import RegionInfo

from vox.relay.metrics import MOVED
from vox.relay.rooms.registry import Rooms
from vox.runtime.lifecycle import Lifecycle, State
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics

BATCHES: Final = 30
LEAST_AT_ONCE: Final = 20
BATCH_EVERY_S: Final = 0.1
"""Participants go in batches, so that a full relay's do not all knock at the next one in the same moment: within 3 s."""

_log = get_logger(__name__)


class Drain:
    """Holds the life cycle open until everyone has moved, or the deadline cuts what is left.

    Args:
        lifecycle: begins the drain.
        rooms: are drained.
        leave: tells the directory, within a deadline of its own, and returns the other relays.
        finish: closes what is left, within a deadline of its own, once everyone has been sent away.
        metrics: counts.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        rooms: Rooms,
        leave: Callable[[], Awaitable[Sequence[RegionInfo]]],
        finish: Callable[[], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        self._lifecycle = lifecycle
        self._rooms = rooms
        self._leave = leave
        self._finish = finish
        self._moved = metrics.counter(MOVED)
        self._is_begun = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Waits for the drain while the block runs, and carries it out."""
        stop = self._lifecycle.subscribe(self._follow)
        hold = ExitStack()
        hold.enter_context(self._lifecycle.hold())  # from the start: a drain without a hold is over at once
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run(hold), name="relay drain")
            try:
                yield
            finally:
                stop()
                hold.close()
                task.cancel()

    def _follow(self, state: State) -> None:
        if state in {State.DRAINING, State.STOPPED}:
            self._is_begun.set()

    async def _run(self, hold: ExitStack) -> None:
        await self._is_begun.wait()
        rooms = self._rooms
        left = rooms.drain(at_most=0)  # from now on it takes nobody
        regions = await self._leave()
        _log.info("participants are sent elsewhere", participants=left, relays=len(regions))
        self._moved.inc(left)
        batch = max(LEAST_AT_ONCE, -(-left // BATCHES))
        while rooms.drain(regions, at_most=batch):  # noqa: ASYNC110  a pace, not a wait
            await asyncio.sleep(BATCH_EVERY_S)
        await self._finish()
        hold.close()
