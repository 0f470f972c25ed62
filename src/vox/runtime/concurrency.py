"""Lets only a few at a time do what is slow, so that it cannot take every thread from what is quick.

It belongs to no event loop, because several may use one server; who waits looks again every few milliseconds.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from vox.chat.errors import refuse

LOOK_S: Final = 0.005


class ConcurrencyLimiter:
    """Room for a few.

    Args:
        most: at the same time.
        waiting: how many may wait for room; the next is refused.
        within_s: how long one waits.
    """

    def __init__(self, most: int, *, waiting: int = 64, within_s: float = 3.0) -> None:
        self._most = most
        self._may_wait = waiting
        self._looks = max(1, int(within_s / LOOK_S))
        self._inside = 0
        self._waiting = 0
        self._lock = threading.Lock()

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """Waits for room, and holds it while the block runs.

        Raises:
            Refusal: UNAVAILABLE where there was none in time.
        """
        await self._enter()
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    async def _enter(self) -> None:
        if self._entered():
            return
        if self._waiting >= self._may_wait:
            raise _full()
        self._waiting += 1
        try:
            for _ in range(self._looks):
                await asyncio.sleep(LOOK_S)
                if self._entered():
                    return
        finally:
            self._waiting -= 1
        raise _full()

    def _entered(self) -> bool:
        with self._lock:
            if self._inside >= self._most:
                return False
            self._inside += 1
            return True


def _full() -> Exception:
    return refuse("UNAVAILABLE", "Too many are searching at once; try again.", retry_after_ms=1000)
