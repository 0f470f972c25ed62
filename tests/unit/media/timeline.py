"""A clock and an event loop's timers in one, moved by hand: time passes only in `run_until`."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from vox.runtime.clock import Clock


class _Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Timeline(Clock):
    def __init__(self, start: float = 1000.0) -> None:
        self.time = start
        self._timers: list[tuple[float, int, _Timer]] = []
        self._number = 0

    def now(self) -> float:
        return self.time

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(callback)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, timer))
        return timer

    @property
    def pending(self) -> int:
        return sum(timer.callback is not None for _, _, timer in self._timers)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return cast("Any", self)

    def run_until(self, end: float, *, early: float = 0.0) -> None:
        """Lets timers fire in order up to `end`, each `early` seconds before its time."""
        while self._timers and self._timers[0][0] - early <= end:
            when, _, timer = heapq.heappop(self._timers)
            self.time = max(self.time, when - early)
            if timer.callback is not None:
                timer.callback()
        self.time = max(self.time, end)

    def stall(self, seconds: float) -> None:
        """Time passes while the event loop does not come to run its timers."""
        self.time += seconds
