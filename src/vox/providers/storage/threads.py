"""Work in a thread whose caller may be cancelled: the caller then waits for the thread, because both use the same file.

Closing a file under a thread that still writes would let it write into whatever gets the descriptor next.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], executor: Executor | None = None) -> T:
    """The result of `work`, run in a thread of `executor` or of the loop's own pool; a cancellation waits for its end."""
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({future})
        if not future.cancelled():
            future.exception()
        raise
