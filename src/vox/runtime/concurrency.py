"""Limits how many slow operations run at the same time, so that they cannot take every thread from the quick ones.

A limiter belongs to no event loop, because several may use one server; a caller that waits looks again every few milliseconds.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

LOOK_S: Final = 0.005


class ConcurrencyLimiter:
    """Slots for one kind of operation.

    Args:
        most: operations at the same time.
        refusal: makes the error for a caller that gets no slot; it names the operation.
        waiting: how many callers may wait for a slot; the next is refused at once.
        within_s: how long a caller waits.
    """

    def __init__(
        self, most: int, refusal: Callable[[], Exception], *, waiting: int = 64, within_s: float = 3.0
    ) -> None:
        self._most = most
        self._refusal = refusal
        self._may_wait = waiting
        self._looks = max(1, int(within_s / LOOK_S))
        self._inside = 0
        self._waiting = 0
        self._lock = threading.Lock()

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None, None]:
        """Waits for a slot, and holds it while the block runs.

        Raises:
            Exception: the limiter's refusal, where no slot was free in time.
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
            raise self._refusal()
        self._waiting += 1
        try:
            for _ in range(self._looks):
                await asyncio.sleep(LOOK_S)
                if self._entered():
                    return
        finally:
            self._waiting -= 1
        raise self._refusal()

    def _entered(self) -> bool:
        with self._lock:
            if self._inside >= self._most:
                return False
            self._inside += 1
            return True
