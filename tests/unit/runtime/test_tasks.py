"""Background tasks: their rounds, their failures, and their end with the block that owns them."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

import pytest
from structlog.testing import capture_logs

from vox.errors import DependencyError
from vox.runtime.tasks import CANCEL_AGAIN_S, cancel_and_wait, periodic, supervised

AWAY = DependencyError("the database is away", code="database_failed")


class Rounds:
    """Counts rounds with the time of each; a round fails where it was told to."""

    def __init__(self, failures: Iterable[Exception | None] = ()) -> None:
        self.at: list[float] = []
        self._failures = iter(failures)

    async def __call__(self) -> None:
        self.at.append(asyncio.get_running_loop().time() - 1000.0)
        failure = next(self._failures, None)
        if failure is not None:
            raise failure


async def test_a_round_comes_after_each_interval(virtual_loop):
    rounds = Rounds()
    async with periodic(2.0, rounds, "counting"):
        await asyncio.sleep(7.0)
    assert rounds.at == [2.0, 4.0, 6.0]


async def test_a_slow_round_puts_off_the_next(virtual_loop):
    at: list[float] = []

    async def slow() -> None:
        at.append(virtual_loop.time() - 1000.0)
        await asyncio.sleep(3.0)

    async with periodic(1.0, slow, "slow"):
        await asyncio.sleep(10.0)
    assert at == [1.0, 5.0, 9.0]


async def test_no_round_comes_after_the_block(virtual_loop):
    rounds = Rounds()
    async with periodic(2.0, rounds, "counting"):
        await asyncio.sleep(3.0)
    await asyncio.sleep(10.0)
    assert rounds.at == [2.0]


@pytest.mark.parametrize("failure", [AWAY, RuntimeError("a defect")])
async def test_a_failed_round_is_not_the_last(virtual_loop, failure):
    rounds = Rounds([failure, None, failure])
    async with periodic(1.0, rounds, "counting"):
        await asyncio.sleep(4.5)
    assert rounds.at == [1.0, 2.0, 3.0, 4.0]


async def test_a_failed_round_may_be_tried_again_at_another_time(virtual_loop):
    rounds = Rounds([None, AWAY, AWAY])
    async with periodic(1.0, rounds, "counting", retry_s=5.0):
        await asyncio.sleep(14.0)
    assert rounds.at == [1.0, 2.0, 7.0, 12.0, 13.0]


async def test_an_outage_is_logged_once_and_so_is_its_end(virtual_loop):
    with capture_logs() as lines:
        async with periodic(1.0, Rounds([AWAY, AWAY, AWAY, None, None]), "counting"):
            await asyncio.sleep(5.5)
    assert [(line["log_level"], line["task"]) for line in lines] == [("warning", "counting"), ("info", "counting")]
    assert lines[0]["code"] == "database_failed"
    assert lines[1]["failed_rounds"] == 3


async def test_a_defect_is_logged_with_its_traceback_each_time(virtual_loop):
    with capture_logs() as lines:
        async with periodic(1.0, Rounds([AWAY, KeyError("x"), KeyError("x")]), "counting"):
            await asyncio.sleep(3.5)
    assert [line["log_level"] for line in lines] == ["warning", "error", "error"]
    assert all(line["exc_info"] for line in lines[1:])


@pytest.mark.parametrize("run", [partial(periodic, 1.0), supervised])
async def test_a_round_under_way_is_cancelled_and_has_ended_when_the_block_is_left(
    virtual_loop, run: Callable[..., AbstractAsyncContextManager[None]]
):
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            await asyncio.sleep(0.5)
            seen.append("ended")

    async with run(work, "working"):
        await asyncio.sleep(5.0)
        assert seen == []
    assert seen == ["ended"]
    assert virtual_loop.time() == 1005.5


async def test_the_task_ends_also_where_the_block_fails(virtual_loop):
    rounds = Rounds()
    with pytest.raises(ValueError, match="of the block"):
        async with periodic(1.0, rounds, "counting"):
            raise ValueError("of the block")
    await asyncio.sleep(5.0)
    assert rounds.at == []
    assert len(asyncio.all_tasks()) == 1


async def test_supervised_work_runs_at_once_under_its_name(virtual_loop):
    names: list[str] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())

    async with supervised(work, "listening"):
        await asyncio.sleep(0)
        assert names == ["listening"]
        await asyncio.sleep(100.0)
    assert names == ["listening"]  # what has returned is not started again


@pytest.mark.parametrize(("failure", "has_traceback"), [(AWAY, False), (RuntimeError("a defect"), True)])
async def test_supervised_work_that_fails_is_logged_and_starts_again(virtual_loop, failure, has_traceback):
    rounds = Rounds([failure, failure])
    with capture_logs() as lines:
        async with supervised(rounds, "listening", restart_s=3.0):
            await asyncio.sleep(20.0)
    assert rounds.at == [0.0, 3.0, 6.0]
    assert [(line["task"], line["exc_info"]) for line in lines] == [("listening", has_traceback)] * 2


async def test_a_lost_cancellation_is_repeated(virtual_loop):
    async def deaf_once() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100.0)
        await asyncio.sleep(100.0)

    async with supervised(deaf_once, "deaf"):
        await asyncio.sleep(0)
    assert virtual_loop.time() == 1000.0 + CANCEL_AGAIN_S


async def test_waiting_for_no_task_and_for_ended_ones_returns_at_once(virtual_loop):
    await cancel_and_wait()
    ended = asyncio.create_task(Rounds()())
    await ended
    await cancel_and_wait(ended)
    assert virtual_loop.time() == 1000.0
