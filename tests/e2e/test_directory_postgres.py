"""Several directories on one PostgreSQL: each knows what the others know, and each relay is probed by one of them."""

import asyncio
from pathlib import Path
from typing import Any

from tests.e2e.postgres import postgres
from tests.e2e.test_directory import FakeRelay, described, directory, eventually
from vox.runtime.clock import SystemClock
from vox.runtime.serving import Server
from vox.stores.leases import SqlLeases
from vox.stores.sql import SqlDatabase

INTERVAL_S = 0.5


def shared(url: str) -> dict[str, Any]:
    return {
        "database": {"url": url},
        "health_check": {"interval_ms": INTERVAL_S * 1000, "timeout_ms": 300, "removal_after_ms": 0},
    }


async def test_two_directories_share_the_work_and_either_may_die(tmp_path: Path):
    relay = FakeRelay()
    with postgres() as url:
        async with Server(relay, "127.0.0.1", 0) as server:
            async with directory(tmp_path, name="second", **shared(url)) as (_, second):
                async with directory(tmp_path, name="killed", **shared(url)) as (first_process, first):
                    identity = (await first.post("/v1/relays/register", json=described(server))).json()["id"]
                    await eventually(first, ["Sydney"])
                    await eventually(second, ["Sydney"])
                    relay.asked = 0
                    await asyncio.sleep(4)
                    assert 5 <= relay.asked <= 11  # 8 by one directory; two would ask 16 times
                    await second.post(f"/v1/relays/{identity}/heartbeat", json={"current_connections": 7})
                    async with asyncio.timeout(10):
                        while (await first.get(f"/v1/relays/{identity}/status")).json()["current_connections"] != 7:  # noqa: ASYNC110  another process
                            await asyncio.sleep(0.05)
                    first_process.process.kill()
                relay.asked = 0
                async with asyncio.timeout(10):
                    while relay.asked < 3:  # noqa: ASYNC110  another process
                        await asyncio.sleep(0.05)
                relay.is_well = False
                await eventually(second, [])
            async with directory(tmp_path, name="third", **shared(url)) as (_, third):
                relay.is_well = True
                await third.post("/v1/relays/register", json=described(server))
                await eventually(third, ["Sydney"])


async def test_leases_on_postgresql_change_hands_with_a_higher_token():
    with postgres() as url:
        async with SqlDatabase(url) as one, SqlDatabase(url) as two:
            ours, theirs = SqlLeases(one, SystemClock()), SqlLeases(two, SystemClock())
            await ours.create()
            assert await ours.acquire(["a", "b"], "us", 0.5) == {"a": 1, "b": 1}
            assert await theirs.acquire(["a", "c"], "them", 0.5) == {"c": 1}
            assert await ours.acquire(["a"], "us", 0.5) == {"a": 1}
            await asyncio.sleep(0.6)
            assert await theirs.acquire(["a", "b"], "them", 0.5) == {"a": 2, "b": 2}
            await theirs.release("them")
            assert await ours.acquire(["a"], "us", 0.5) == {"a": 3}
