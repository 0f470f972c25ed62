"""Background work is bounded, owned, and its failures end nothing else."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.time_limits import time_limit
from vox.runtime.background import BackgroundTasks


async def started(tasks: BackgroundTasks, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Starts work as soon as there is a place."""
    while True:
        if tasks.start(work, "x"):
            return
        await asyncio.sleep(0)


async def test_work_runs_while_it_is_owned_and_no_more_than_allowed():
    tasks, release, done = BackgroundTasks(2), asyncio.Event(), list[int]()

    async def work() -> None:
        await release.wait()
        done.append(1)

    assert not tasks.start(work, "before"), "without an owner nothing is started"
    async with time_limit(), tasks.running():
        assert [tasks.start(work, "x") for _ in range(3)] == [True, True, False]
        release.set()
        await started(tasks, work)
        assert len(done) >= 1, "a place is free again once work has ended"
    assert not tasks.start(work, "after")


async def test_leaving_ends_what_still_runs():
    tasks, ended = BackgroundTasks(5), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with time_limit():
        async with tasks.running():
            assert tasks.start(work, "x")
            await asyncio.sleep(0)
        assert ended.is_set()


async def test_a_failure_is_the_works_own():
    tasks, done = BackgroundTasks(1), asyncio.Event()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("a fault")

    async def works() -> None:
        await asyncio.sleep(0)
        done.set()

    async with time_limit(), tasks.running():
        assert tasks.start(fails, "x")
        await started(tasks, works)
        await done.wait()
