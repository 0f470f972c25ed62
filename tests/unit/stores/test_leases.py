"""The lease contract, for every store of leases that needs no server; PostgreSQL's is in tests/e2e."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError
from vox.stores.leases import STALE_S, Leases, MemoryLeases, SqlLeases, forget_leases
from vox.stores.sql import SqlDatabase, sqlite_url


@asynccontextmanager
async def leases(kind: str, folder, clock: FakeClock) -> AsyncGenerator[Leases, None]:
    if kind == "memory":
        yield MemoryLeases(clock)
        return
    async with SqlDatabase(sqlite_url(folder / "leases.db")) as database:
        stored = SqlLeases(database, clock)
        await stored.create()
        yield stored


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_lease_has_one_holder_until_it_ends(kind: str, tmp_path, clock: FakeClock):
    async with leases(kind, tmp_path, clock) as it:
        assert await it.acquire(["a", "b"], "one", 10) == {"a": 1, "b": 1}
        assert await it.acquire(["b", "c"], "two", 10) == {"c": 1}
        clock.advance(6)
        assert await it.acquire(["a"], "one", 10) == {"a": 1}
        clock.advance(6)
        assert await it.acquire(["a", "b"], "two", 10) == {"b": 2}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_whoever_comes_back_late_has_a_new_token(kind: str, tmp_path, clock: FakeClock):
    async with leases(kind, tmp_path, clock) as it:
        await it.acquire(["a"], "one", 10)
        clock.advance(11)
        assert await it.acquire(["a"], "one", 10) == {"a": 2}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_is_given_back_is_free_at_once(kind: str, tmp_path, clock: FakeClock):
    async with leases(kind, tmp_path, clock) as it:
        await it.acquire(["a"], "one", 10)
        await it.release("one")
        assert await it.acquire(["a"], "two", 10) == {"a": 2}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_is_handed_over_stays_with_its_holder_for_the_rest_of_the_round(
    kind: str, tmp_path, clock: FakeClock
):
    async with leases(kind, tmp_path, clock) as it:
        await it.acquire(["a", "b"], "one", 10)
        assert await it.acquire(["a"], "one", 4) == {"a": 1}
        assert await it.acquire(["a"], "two", 10) == {}
        clock.advance(5)
        assert await it.acquire(["a", "b"], "two", 10) == {"a": 2}
        await it.release("one", 3)
        assert await it.acquire(["b"], "two", 10) == {}
        clock.advance(3.5)
        assert await it.acquire(["b"], "two", 10) == {"b": 2}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_who_shares_the_work_is_known_until_it_stops_saying_so(kind: str, tmp_path, clock: FakeClock):
    async with leases(kind, tmp_path, clock) as it:
        assert await it.join("two", 10) == ["two"]
        clock.advance(6)
        assert await it.join("one", 10) == ["one", "two"]
        clock.advance(6)
        assert await it.join("one", 10) == ["one"]
        await it.release("one")
        assert await it.join("two", 10) == ["two"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_leases_of_what_is_gone_are_forgotten_and_no_others(kind: str, tmp_path, clock: FakeClock):
    async with leases(kind, tmp_path, clock) as it:
        await it.acquire(["gone", "here"], "one", 10)
        clock.advance(10 + STALE_S + 1)
        await it.acquire(["new"], "one", 10)
        assert await it.prune({"here"}) == 1
        assert await it.acquire(["gone", "here", "new"], "two", 10) == {"gone": 1, "here": 2}


async def test_a_lease_can_be_forgotten_with_what_it_was_for(tmp_path, clock: FakeClock):
    async with SqlDatabase(sqlite_url(tmp_path / "leases.db")) as database:
        it = SqlLeases(database, clock)
        await it.create()
        await it.acquire(["a", "b"], "one", 10)
        await database.write(lambda connection: forget_leases(connection, ["a"]))
        assert await it.acquire(["a", "b"], "two", 10) == {"a": 1}


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", ""])
def test_only_sqlite_and_postgresql_are_databases(url: str):
    with pytest.raises(UsageError) as caught:
        SqlDatabase(url)
    assert caught.value.code == "database_url_invalid"


async def test_a_failed_unit_of_work_changes_nothing(tmp_path):
    async with SqlDatabase(sqlite_url(tmp_path / "deep" / "er" / "x.db")) as database:
        await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n INTEGER)"))

        def half(connection):
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

        with pytest.raises(DependencyError) as caught:
            await database.write(half)
        assert caught.value.code == "database_failed"
        count = await database.write(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one()
        )
    assert count == 0
    with pytest.raises(DependencyError):
        await database.write(lambda connection: None)
