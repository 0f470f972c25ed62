import asyncio
import threading
from pathlib import Path

import pytest

from vox.errors import DependencyError
from vox.stores import sql
from vox.stores.sql import Connection, SqlDatabase

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def endless(connection: Connection) -> None:
    connection.exec_driver_sql(ENDLESS).all()


def one(connection: Connection) -> int:
    return connection.exec_driver_sql("SELECT 1").scalar_one()


@pytest.mark.parametrize("way", ["read", "read_slowly", "write"])
async def test_a_thread_is_free_again_when_its_unit_misses_the_deadline(tmp_path: Path, way: str):
    async with SqlDatabase(f"sqlite:///{tmp_path / 'a.db'}", readers=1) as database:
        run = getattr(database, way)
        for _ in range(sql.SLOW_READERS):
            with pytest.raises(DependencyError) as error:
                await run(endless, deadline_s=0.05)
            assert error.value.code == "database_busy"
        assert await run(one) == 1


async def test_a_reader_whose_caller_leaves_is_free_again(tmp_path: Path):
    async with SqlDatabase(f"sqlite:///{tmp_path / 'a.db'}", readers=1) as database:
        began = threading.Event()

        def unit(connection: Connection) -> None:
            began.set()
            endless(connection)

        task = asyncio.ensure_future(database.read(unit))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await database.read(one) == 1


async def test_slow_reads_keep_no_other_waiting_and_their_line_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    release = threading.Event()
    inside = threading.Semaphore(0)

    def slow(connection: Connection) -> int:
        inside.release()
        release.wait()
        return one(connection)

    async with SqlDatabase(f"sqlite:///{tmp_path / 'a.db'}", readers=1) as database:
        running = [asyncio.ensure_future(database.read_slowly(slow)) for _ in range(sql.SLOW_READERS)]
        await asyncio.sleep(0)
        for _ in running:
            await asyncio.to_thread(inside.acquire)
        monkeypatch.setattr(sql, "MAX_SLOW_WAITING", 1)
        waiting = asyncio.ensure_future(database.read_slowly(slow))
        await asyncio.sleep(0)
        with pytest.raises(DependencyError) as error:
            await database.read_slowly(slow)
        assert error.value.code == "database_busy"
        assert await database.read(one) == 1
        assert await database.write(one) == 1
        release.set()
        assert await asyncio.gather(*running, waiting) == [1] * (sql.SLOW_READERS + 1)
