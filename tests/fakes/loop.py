"""An event loop whose time jumps: when nothing is ready, it is at once the time of the next timer.

Code with sleeps, time-outs and deadlines then runs in microseconds and always in the same order. Real I/O keeps its
precedence: as long as a file descriptor is ready, or a thread of the loop's executor works, time stands still.

Threads that the loop did not start itself, such as a database's, are waited for under `standing_still`.

A test asks for the fixture `virtual_loop` and runs on such a loop; `run_virtual` is the same for a plain function.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.fakes.clock import EPOCH
from tests.time_limits import scaled
from vox.runtime.clock import Clock

# Real seconds for which a loop without timers waits for a thread or a descriptor before the wait counts as endless.
STUCK_AFTER_S = scaled(30.0)

_T = TypeVar("_T")


class StuckError(AssertionError):
    """The loop waits, and nothing is left that could wake it."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual time, starting at 1000.0 seconds."""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping_selector.now_s

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Runs `func` in a thread; time stands still until it is done."""
        self._jumping_selector.working_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  asyncio's own
        """Joins the threads, for as long as that takes: their end is not on virtual time."""
        self._jumping_selector.working_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping_selector.working_threads -= 1

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._jumping_selector.working_threads -= 1


class VirtualClock(Clock):
    """Implements `vox.runtime.clock.Clock` on a loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._start_s = loop.time()

    def now(self) -> float:
        """Seconds on the loop's clock."""
        return self._loop.time()

    def wall(self) -> datetime:
        """The present time in UTC, moving with the loop."""
        return EPOCH + timedelta(seconds=self.now() - self._start_s)


@contextmanager
def standing_still() -> Generator[None]:
    """While the block waits for a thread of somebody else's, a virtual loop's time stands still; others are left alone."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        yield
        return
    loop._jumping_selector.working_threads += 1
    try:
        yield
    finally:
        loop._jumping_selector.working_threads -= 1


def run_virtual(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine to its end on a fresh virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.working_threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.working_threads or timeout is None:
            events = super().select(STUCK_AFTER_S)
            if not events:
                raise StuckError("no timer, no descriptor and no thread will ever wake this loop")
            return events
        self.now_s += timeout
        return []
