"""The lease contract, for every store of leases that needs no server; PostgreSQL's is in tests/e2e."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError
from vox.stores.leases import Leases, MemoryLeases, SqlLeases
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


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", ""])
def test_only_sqlite_and_postgresql_are_databases(url: str):
    with pytest.raises(UsageError) as caught:
        SqlDatabase(url)
    assert caught.value.code == "database_url_invalid"


async def test_a_failed_unit_of_work_changes_nothing(tmp_path):
    async with SqlDatabase(sqlite_url(tmp_path / "deep" / "er" / "x.db")) as database:
        await database.run(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n INTEGER)"))

        def half(connection):
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

        with pytest.raises(DependencyError) as caught:
            await database.run(half)
        assert caught.value.code == "database_failed"
        count = await database.run(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one())
    assert count == 0
    with pytest.raises(DependencyError):
        await database.run(lambda connection: None)
