"""Short pieces of work that outlive the request which began them, bounded in number and owned by the server.

The one thing to know: without a lasting event loop there is no owner, and nothing is started; the caller then does the work itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from vox.errors import VoxError
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

_log = get_logger(__name__)


class BackgroundTasks:
    """Tasks that run while `running` does; leaving it ends them.

    Args:
        most: tasks at the same time; the next is not started.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> bool:
        """Starts a piece of work; False where it must not be, because there is no owner on this loop or too many run."""
        if self._loop is not asyncio.get_running_loop() or len(self._tasks) >= self._most:
            return False
        task = asyncio.create_task(self._guarded(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Owns the tasks while the block runs."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None
            await cancel_and_wait(*self._tasks)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  the top of a task
            _log.error("background work failed", task=name, error=str(error), exc_info=not isinstance(error, VoxError))
