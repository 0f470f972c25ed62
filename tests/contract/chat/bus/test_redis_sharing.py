"""Limits and worker numbers that processes share through Redis, and what holds while it is away."""

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest

from tests.e2e.redis_server import RunningRedis, redis_server
from tests.fakes.tcp_server import listening
from tests.time_limits import time_limit
from vox.chat.database.worker_lease import LeasedSnowflakes, RedisWorkerLeases, SqlWorkerLeases, WorkerLeaseStore
from vox.http.rate_limits import MemoryRateLimits, RateCategory, RateDecision
from vox.http.redis_rate_limits import RedisRateLimits
from vox.runtime.clock import SystemClock
from vox.stores.sql import SqlDatabase

FIVE = RateCategory("five", 5, 0.01)
clock = SystemClock()


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


async def take(limits: RedisRateLimits, key: str = "user:1", category: RateCategory = FIVE) -> RateDecision:
    verdict: RateDecision | Awaitable[RateDecision] = limits.take(key, category, clock.now())
    return verdict if isinstance(verdict, RateDecision) else await verdict


async def test_two_processes_share_a_bucket(redis: RunningRedis):
    redis.flush()
    one, two = RedisRateLimits(redis.url, 1.0, clock), RedisRateLimits(redis.url, 1.0, clock)
    async with one.running(), two.running():
        let_through = [(await take(limits)).retry_after_s is None for limits in (one, two) * 5]
        assert let_through == [True] * 5 + [False] * 5
        refused = await take(two)
        assert refused.remaining == 0
        assert refused.retry_after_s == pytest.approx(100, abs=2)
        assert (await take(two, "user:2")).remaining == 4


async def test_the_shared_bucket_answers_like_the_one_in_memory(redis: RunningRedis):
    redis.flush()
    memory, shared = MemoryRateLimits(), RedisRateLimits(redis.url, 1.0, clock)
    async with shared.running():
        for _ in range(7):
            here = memory.take("k", FIVE, clock.now())
            there = await take(shared, "k")
            assert there.remaining == here.remaining
            assert there.full_in_s == pytest.approx(here.full_in_s, abs=1)
            assert (there.retry_after_s is None) == (here.retry_after_s is None)


async def test_without_redis_the_limits_of_this_process_hold(redis: RunningRedis):
    limits = RedisRateLimits(redis.url, 1.0, clock)
    redis.kill()
    try:
        async with limits.running():
            verdicts = [await take(limits) for _ in range(7)]
            assert [one.retry_after_s is None for one in verdicts] == [True] * 5 + [False] * 2
    finally:
        redis.start()


async def test_a_redis_that_hangs_delays_one_request_and_not_the_next(redis: RunningRedis):
    redis.flush()

    asked = 0

    async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    async with listening(never) as port:
        limits = RedisRateLimits(f"redis://127.0.0.1:{port}/0", 1.0, clock)
        async with limits.running():
            async with time_limit():
                assert (await take(limits)).remaining == 4
            assert not isinstance(limits.take("user:1", FIVE, clock.now()), Awaitable), "decided without asking again"
    assert asked == 1


@pytest.mark.parametrize("engine", ["redis", "database"])
async def test_worker_numbers_of_real_engines_are_exclusive(redis: RunningRedis, tmp_path: Path, engine: str):
    redis.flush()
    async with SqlDatabase(f"sqlite:///{tmp_path / 'ids.db'}") as database:

        def numbers() -> WorkerLeaseStore:
            return RedisWorkerLeases(redis.url) if engine == "redis" else SqlWorkerLeases(database, clock)

        leased = [LeasedSnowflakes(clock, numbers(), lambda: 500) for _ in range(3)]
        async with leased[0].running(), leased[1].running(), leased[2].running():
            assert [one.worker for one in leased] == [500, 501, 502]
            await leased[0].renew()
            assert leased[0].worker == 500
        later = LeasedSnowflakes(clock, numbers(), lambda: 500)
        async with later.running():
            assert later.worker == 503, "a number rests before it is used again"
