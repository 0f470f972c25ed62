"""What is slow leaves room for what is quick."""

import asyncio

import pytest

from vox.errors import DependencyError
from vox.runtime.concurrency import ConcurrencyLimiter


def busy() -> DependencyError:
    return DependencyError("too many exports at once", code="busy", retryable=True, retry_after_s=1.0)


async def test_the_third_waits_until_one_of_two_is_done():
    few, doors = ConcurrencyLimiter(2, busy), [asyncio.Event() for _ in range(3)]
    third_is_in = asyncio.Event()
    inside: list[int] = []

    async def slow(number: int) -> None:
        async with few.slot():
            inside.append(number)
            if number == 2:
                third_is_in.set()
            await doors[number].wait()
        inside.remove(number)

    tasks = [asyncio.create_task(slow(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert inside == [0, 1]
    doors[0].set()
    async with asyncio.timeout(5):
        await tasks[0]
        await third_is_in.wait()
    assert sorted(inside) == [1, 2]
    for door in doors:
        door.set()
    await asyncio.gather(*tasks)


async def test_who_finds_no_room_in_time_gets_the_refusal_of_this_limiter():
    few = ConcurrencyLimiter(1, busy, within_s=0.01)
    async with few.slot():
        with pytest.raises(DependencyError, match="too many exports at once"):
            async with few.slot():
                pass


async def test_only_so_many_wait_and_failures_give_their_room_back():
    few = ConcurrencyLimiter(1, busy, waiting=0)

    async def fail() -> None:
        async with few.slot():
            with pytest.raises(DependencyError):
                async with few.slot():
                    pass
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await fail()
