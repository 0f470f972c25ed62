"""One timer for everything that happens every few milliseconds in all calls.

A loop timer per call would cost one heap operation and one callback per call and frame; one ticker costs 200 callbacks a
second, whatever the number of calls. Deadlines are absolute (`origin + index * period`), so lateness never adds up, and
they lie on whole milliseconds, which is the resolution of uvloop's timers.
"""

import asyncio
import math
from collections.abc import Callable

from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Histogram, Metrics

TICK_LATENESS = Histogram(
    "vox_media_tick_lateness_seconds",
    "How late the media ticker ran against its deadline: the event loop's own delay.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
)
TICKS_LATE = Counter(
    "vox_media_ticks_late_total",
    "Ticks that the media ticker had to skip, because the event loop was busy for longer than a period.",
)

_log = get_logger(__name__)


class Ticker:
    """Calls its callbacks once per period; runs only while it has any.

    A tick that comes too late to be followed in time swallows the ones it missed: callbacks are called once, with the
    present time, and find out from `index_at` how many periods have passed. Must be used from one event loop.

    Args:
        clock: must run with the event loop's own clock (`SystemClock` does).
        metrics: where lateness is counted.
        period_s: seconds between ticks; 5 ms gives a 20 ms frame four phases to spread the calls over.
        loop: the event loop; the running one by default.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        metrics: Metrics,
        period_s: float = 0.005,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.clock = clock
        self.period_s = period_s
        self._loop = loop
        self._lateness = metrics.histogram(TICK_LATENESS)
        self._late = metrics.counter(TICKS_LATE)
        self._callbacks: dict[Callable[[float], None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._origin = math.floor(clock.now() * 1000.0) / 1000.0
        self._next_index = 0

    def index_at(self, now: float) -> int:
        """The number of the last tick due at `now` (clock seconds)."""
        return math.floor((now - self._origin) / self.period_s + 1e-6)

    def time_of(self, index: int) -> float:
        """The deadline (clock seconds) of a tick."""
        return self._origin + index * self.period_s

    def add(self, callback: Callable[[float], None]) -> None:
        """Calls `callback` with the clock's seconds on every tick from the next on. Adding twice changes nothing."""
        self._callbacks[callback] = None
        if self._timer is None:
            self._schedule(self.index_at(self.clock.now()) + 1)

    def remove(self, callback: Callable[[float], None]) -> None:
        """Stops calling `callback`, at once; unknown callbacks are ignored."""
        self._callbacks.pop(callback, None)
        if not self._callbacks and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, index: int) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._next_index = index
        self._timer = self._loop.call_at(self.time_of(index), self._tick)

    def _tick(self) -> None:
        deadline = self.time_of(self._next_index)
        now = self.clock.now()
        self._lateness.observe(max(now - deadline, 0.0))
        now = max(now, deadline)  # a timer may fire a fraction of a millisecond early; its tick counts as reached
        index = self.index_at(now)
        if index > self._next_index:
            self._late.inc(index - self._next_index)
        self._schedule(index + 1)  # before the callbacks, so that none of them can break the chain
        for callback in tuple(self._callbacks):
            if callback in self._callbacks:
                try:
                    callback(now)
                except Exception:  # noqa: BLE001  the top of a timer: the others must run
                    _log.exception("tick_callback_failed")
