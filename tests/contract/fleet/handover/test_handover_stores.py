"""What every store of calls to hand over promises: in memory, in a SQLite file and in a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.redis_server import redis_server
from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError
from vox.fleet.handover.contract import ENDED_S, INVITATIONS_S, KEPT_S, MOST_INVITATIONS, HandoverStore, Kept
from vox.fleet.handover.memory import MemoryHandover
from vox.fleet.handover.opening import make_store
from vox.fleet.handover.redis import RedisHandover
from vox.fleet.handover.sqlite import SqliteHandover

CALL, LINE = "call_0123", "twilio:CA1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[HandoverStore]:
    if request.param == "redis":
        with redis_server() as server:
            async with RedisHandover(server.url) as opened:
                yield opened
    else:
        made = (
            MemoryHandover(clock) if request.param == "memory" else SqliteHandover(tmp_path / "h" / "calls.db", clock)
        )
        async with made as opened:
            yield opened


async def test_a_call_is_taken_over_once_and_the_old_owner_can_write_no_more(store: HandoverStore) -> None:
    assert await store.save(CALL, 1, b"first", line=LINE)
    assert await store.save(CALL, 1, b"second")
    assert await store.invite(LINE, "token", ttl_s=30) == Kept(CALL, 1, b"second", 1)
    takers = await asyncio.gather(*(store.claim("token") for _ in range(8)))
    assert [taken for taken in takers if taken is not None] == [Kept(CALL, 2, b"second")]
    assert not await store.save(CALL, 1, b"late")
    assert await store.renew({CALL: 1}) == {CALL}
    assert not await store.finish(CALL, 1)
    assert await store.save(CALL, 2, b"third")
    assert await store.renew({CALL: 2, "call_unknown": 1}) == set()


async def test_a_new_token_makes_the_one_before_it_worthless(store: HandoverStore) -> None:
    await store.save(CALL, 1, b"state", line=LINE)
    await store.invite(CALL, "old", ttl_s=30)
    again = await store.invite(CALL, "new", ttl_s=30)
    assert again is not None
    assert again.offers == 2
    assert await store.claim("old") is None
    assert await store.claim("new") == Kept(CALL, 2, b"state")


async def test_a_token_may_be_withdrawn_until_it_is_used(store: HandoverStore) -> None:
    await store.save(CALL, 1, b"state")
    await store.invite(CALL, "token", ttl_s=30, fence=1)
    assert await store.withdraw(CALL, 1)
    assert await store.claim("token") is None
    await store.invite(CALL, "again", ttl_s=30, fence=1)
    assert await store.claim("again") is not None
    assert not await store.withdraw(CALL, 1)
    assert await store.invite(CALL, "stale", ttl_s=30, fence=1) is None


async def test_an_ended_call_is_offered_to_no_one_and_not_brought_back(store: HandoverStore) -> None:
    await store.save(CALL, 1, b"state", line=LINE)
    await store.invite(LINE, "token", ttl_s=30)
    assert await store.finish(CALL, 1)
    assert await store.claim("token") is None
    assert await store.invite(LINE, "more", ttl_s=30) is None
    assert not await store.save(CALL, 1, b"late")
    assert not await store.finish(CALL, 1)


async def test_streams_that_fail_again_and_again_come_to_an_end(store: HandoverStore) -> None:
    await store.save(CALL, 1, b"state", line=LINE)
    for number in range(MOST_INVITATIONS):
        assert await store.invite(LINE, f"token{number}", ttl_s=30) is not None
    assert await store.invite(LINE, "more", ttl_s=30) is None


async def test_an_unknown_call_is_not_offered(store: HandoverStore) -> None:
    assert await store.invite("twilio:CA9", "token", ttl_s=30) is None
    assert await store.claim("token") is None
    assert not await store.finish("call_unknown", 1)
    await store.check()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_everything_expires(kind: str, tmp_path: Path, clock: FakeClock) -> None:
    """Redis does it by itself: see its own test."""
    async with make_store("memory" if kind == "memory" else "calls.db", tmp_path, clock) as store:
        await store.save(CALL, 1, b"state", line=LINE)
        await store.invite(CALL, "token", ttl_s=10)
        clock.advance(10)
        assert await store.claim("token") is None
        clock.advance(INVITATIONS_S - 15)
        await store.renew({CALL: 1})
        clock.advance(10)
        for number in range(MOST_INVITATIONS):
            assert await store.invite(CALL, f"token{number}", ttl_s=1), "the window begins anew"
        clock.advance(KEPT_S)
        assert await store.invite(CALL, "late", ttl_s=10) is None
        assert await store.save(CALL, 1, b"back"), "an owner that could not reach the store goes on"
        await store.finish(CALL, 1)
        clock.advance(ENDED_S)
        await store.renew({})
        assert await store.save(CALL, 7, b"other"), "the name is free again"


async def test_keys_in_redis_expire() -> None:
    with redis_server() as server:
        async with RedisHandover(server.url) as store:
            await store.save(CALL, 1, b"state", line=LINE)
            await store.invite(LINE, "token", ttl_s=30)
            async with make_store(server.url, Path(), FakeClock()) as other:
                assert await other.claim("token") == Kept(CALL, 2, b"state")
            await store.invite(LINE, "more", ttl_s=30)
            await store.finish(CALL, 2)
            left = await _lives(server.url)
            assert left, "an ended call is remembered"
            assert all(0 < seconds <= max(ENDED_S, INVITATIONS_S) for seconds in left.values()), left


async def _lives(url: str) -> dict[str, int]:
    import redis.asyncio as library

    client = library.from_url(url)
    try:
        return {key.decode(): await client.ttl(key) async for key in client.scan_iter()}
    finally:
        await client.aclose()


async def test_two_processes_share_one_file(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "calls.db"
    async with SqliteHandover(path, clock) as one, SqliteHandover(path, clock) as other:
        await one.save(CALL, 1, b"state", line=LINE)
        await other.invite(LINE, "token", ttl_s=30)
        taken = await asyncio.gather(*(store.claim("token") for store in (one, other) for _ in range(4)))
        assert len([each for each in taken if each is not None]) == 1
    assert path.stat().st_mode & 0o077 == 0, "it holds what was said"


async def test_a_store_that_is_away_says_so(tmp_path: Path, clock: FakeClock) -> None:
    with redis_server() as server:
        async with RedisHandover(server.url) as store:
            await store.check()
            server.kill()
            with pytest.raises(DependencyError, match="handover_store"):
                await store.save(CALL, 1, b"state")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be used"):
        async with SqliteHandover(tmp_path / "folder", clock):
            pass
    with pytest.raises(UsageError, match="names no store"):
        make_store("http://host", tmp_path, clock)
