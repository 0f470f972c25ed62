"""Background tasks with an owner: each runs while an `async with` block runs, and survives the failure of one round.

The one thing to know: leaving the block cancels the task and waits for its end, so whatever the task uses may be closed afterwards.
Several of them in one `async with` or `AsyncExitStack` end in reverse order.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from vox.errors import VoxError
from vox.runtime.logging import get_logger

RESTART_S: Final = 1.0
CANCEL_AGAIN_S: Final = 1.0
"""A library may lose a cancellation that arrives together with an answer; after this time the task is cancelled again."""

_log = get_logger(__name__)


def periodic(
    interval_s: float, work: Callable[[], Awaitable[object]], name: str, *, retry_s: float | None = None
) -> AbstractAsyncContextManager[None]:
    """Calls `work` again and again while the block runs, the first time after one interval.

    A round that fails is logged and the next one comes: a `VoxError` is logged once until a round succeeds again, anything else
    each time with its traceback.

    Args:
        interval_s: seconds between the end of a round and the beginning of the next.
        work: one round.
        name: of the task, in the log.
        retry_s: the interval after a round that failed; None for the same.
    """
    return _running(lambda: _repeat(interval_s, work, name, interval_s if retry_s is None else retry_s), name)


def supervised(
    work: Callable[[], Awaitable[object]], name: str, *, restart_s: float = RESTART_S
) -> AbstractAsyncContextManager[None]:
    """Runs `work`, which usually lasts as long as the block; where it fails, that is logged and it is started again.

    Args:
        work: what to run. Once it has returned, it is not started again.
        name: of the task, in the log.
        restart_s: seconds between a failure and the new start.
    """
    return _running(lambda: _restart(work, name, restart_s), name)


async def cancel_and_wait(*tasks: asyncio.Task[None]) -> None:
    """Cancels tasks and returns when all of them have ended."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


@asynccontextmanager
async def _running(rounds: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncGenerator[None, None]:
    task = asyncio.create_task(rounds(), name=name)
    try:
        yield
    finally:
        await cancel_and_wait(task)


async def _repeat(interval_s: float, work: Callable[[], Awaitable[object]], name: str, retry_s: float) -> None:
    failed = 0
    while True:
        await asyncio.sleep(retry_s if failed else interval_s)
        try:
            await work()
        except VoxError as error:
            if not failed:
                _log.warning("background task failed", task=name, code=error.code, error=str(error))
            failed += 1
        except Exception:  # noqa: BLE001  the top of a task: one bad round must not be the last one
            _log.exception("background task failed", task=name)
            failed += 1
        else:
            if failed:
                _log.info("background task works again", task=name, failed_rounds=failed)
            failed = 0


async def _restart(work: Callable[[], Awaitable[object]], name: str, restart_s: float) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  the top of a task, which must not end by a failure
            _log.error("background task failed", task=name, error=str(error), exc_info=not isinstance(error, VoxError))
        else:
            return
        await asyncio.sleep(restart_s)


class GroupLeft(Exception):  # noqa: N818  not an error: the way out of a task group
    """Says that a task group has done what it was there for."""


def leave_group() -> None:
    """Ends what is still running in a task group; to be called in its block, and caught around it as `GroupLeft`."""
    raise GroupLeft
