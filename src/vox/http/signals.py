"""Drains before another ASGI server shuts down.

uvicorn closes sockets with 1012 as soon as SIGTERM arrives, and only then tells the application. So its signal handler is kept
back until the application has sent its clients away in its own words.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import FrameType
from typing import Any

from vox.runtime.logging import get_logger

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = get_logger(__name__)


@contextlib.asynccontextmanager
async def drain_before_shutdown(drain: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Runs `drain` when a signal comes, and hands the signal to the server's own handler afterwards, while the block runs.

    Further signals change nothing until then. Where the server has no handler of the ordinary kind, as ours, nothing happens.
    """
    loop = asyncio.get_running_loop()
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    task: asyncio.Task[None] | None = None

    async def drain_then(number: int) -> None:
        try:
            await drain()
        except Exception:  # noqa: BLE001  the task's top: the server must end all the same
            _log.exception("drain failed")
        finally:
            handlers[number](number, None)

    def begin(number: int) -> None:
        nonlocal task
        task = task or loop.create_task(drain_then(number), name="drain")

    def on_signal(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin, number)

    try:
        for number in SIGNALS:
            present = signal.getsignal(number)
            if callable(present) and present is not signal.default_int_handler:
                signal.signal(number, on_signal)  # a ValueError where this is not the main thread
                handlers[number] = present
    except ValueError:
        handlers.clear()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if task is not None:
            await asyncio.wait({task})
