"""The database's promises to whoever writes and reads, on SQLite; PostgreSQL's are in tests/contract/chat/test_database.py."""

import asyncio
import sqlite3
import threading
import weakref
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError, UsageError
from vox.stores import engines, sql, sqlite_executor
from vox.stores.engines import raw
from vox.stores.sql import SqlDatabase, sqlite_url
from vox.stores.statements import Statement

ADD = Statement("INSERT INTO t (n) VALUES (:n)")
IN_MEMORY = ["sqlite://", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "sqlite:///:memory:"]


class RefusedError(UsageError):
    pass


@pytest.fixture(params=["file", "memory"])
def database(request: pytest.FixtureRequest, tmp_path: Path):
    it = SqlDatabase("sqlite://" if request.param == "memory" else sqlite_url(tmp_path / "x.db"), synchronous="NORMAL")
    it.open()
    it.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY, of INTEGER REFERENCES t (n))"))
    yield it
    it.close()


def add(n: int):
    return lambda connection: ADD.run(connection, {"n": n}).rowcount


def numbers(connection: Connection) -> list[int]:
    return [n for (n,) in connection.exec_driver_sql("SELECT n FROM t ORDER BY n")]


def blocked(release: threading.Event, started: threading.Event | None = None):
    """A unit that holds the writer until released, so that what follows becomes one batch."""

    def unit(_connection: Connection) -> None:
        if started is not None:
            started.set()
        assert release.wait(WAIT_S)

    return unit


async def test_a_unit_that_fails_after_changes_takes_nobody_with_it(database: SqlDatabase):
    release = threading.Event()

    def half(connection: Connection) -> None:
        ADD.run(connection, {"n": 100})
        raise RefusedError("no", code="no")

    def twice(connection: Connection) -> None:
        ADD.run(connection, {"n": 101})
        ADD.run(connection, {"n": 101})

    def bug(connection: Connection) -> None:
        ADD.run(connection, {"n": 102})
        raise ZeroDivisionError

    first = asyncio.create_task(database.write(blocked(release)))
    await asyncio.sleep(0)
    units = [add(1), half, add(2), twice, add(3), bug, add(4)]
    waiting = [asyncio.create_task(database.write(unit)) for unit in units]
    await asyncio.sleep(0)
    release.set()
    await first
    outcome = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in outcome] == [
        int,
        RefusedError,
        int,
        DependencyError,
        int,
        ZeroDivisionError,
        int,
    ]
    assert isinstance(outcome[3], DependencyError)
    assert outcome[3].code == "database_conflict"
    assert await database.read(numbers) == [1, 2, 3, 4]


async def test_what_follows_a_commit_happens_in_its_order_and_before_the_caller_goes_on(database: SqlDatabase):
    seen: list[str] = []

    async def change(n: int) -> None:
        await database.write(add(n), lambda _: seen.append(f"then {n}"))
        seen.append(f"caller {n}")

    await asyncio.gather(*(change(n) for n in range(1, 50)))
    then = [line for line in seen if line.startswith("then")]
    assert then == [f"then {n}" for n in range(1, 50)]
    assert all(seen.index(f"then {n}") < seen.index(f"caller {n}") for n in range(1, 50))


async def test_what_follows_a_commit_happens_also_where_the_caller_is_gone(database: SqlDatabase):
    release, started, told = threading.Event(), threading.Event(), asyncio.Event()

    def unit(connection: Connection) -> None:
        blocked(release, started)(connection)
        ADD.run(connection, {"n": 1})

    caller = asyncio.create_task(database.write(unit, lambda _: told.set()))
    await asyncio.to_thread(started.wait, WAIT_S)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    release.set()
    async with time_limit():
        await told.wait()
    assert await database.read(numbers) == [1]


def test_what_follows_a_commit_happens_also_where_the_loop_is_closed(database: SqlDatabase):
    release, started, told = threading.Event(), threading.Event(), threading.Event()

    async def leave() -> None:
        writing = asyncio.create_task(database.write(blocked(release, started), lambda _: told.set()))
        await asyncio.to_thread(started.wait, WAIT_S)
        writing.cancel()

    asyncio.run(leave())
    release.set()
    assert told.wait(WAIT_S)


async def test_a_failure_that_undoes_the_whole_transaction_stores_nothing_and_is_survived(database: SqlDatabase):
    release = threading.Event()

    def lose_everything(connection: Connection) -> None:
        raw(connection).execute("ROLLBACK")  # what SQLite does by itself when the disk is full
        raise sqlite3.OperationalError("disk is full")

    first = asyncio.create_task(database.write(blocked(release)))
    units = [add(1), lose_everything, add(2)]
    waiting = [asyncio.create_task(database.write(unit)) for unit in units]
    await asyncio.sleep(0)
    release.set()
    outcome = await asyncio.gather(first, *waiting, return_exceptions=True)
    failed = [result for result in outcome if isinstance(result, DependencyError)]
    assert failed
    assert {error.code for error in failed} == {"database_failed"}
    stored = await database.read(numbers)
    assert stored == [n for n, result in ((1, outcome[1]), (2, outcome[3])) if result == 1]
    assert await database.write(add(3)) == 1


async def test_nothing_follows_a_unit_that_failed(database: SqlDatabase):
    seen: list[object] = []

    def fail(_connection: Connection) -> None:
        raise RefusedError("no", code="no")

    with pytest.raises(RefusedError):
        await database.write(fail, seen.append)
    assert seen == []


async def test_who_gave_up_before_the_unit_began_changes_nothing(database: SqlDatabase):
    release = threading.Event()
    first = asyncio.create_task(database.write(blocked(release)))
    second = asyncio.create_task(database.write(add(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    release.set()
    await first
    assert await database.read(numbers) == []


async def test_a_reader_changes_nothing_and_sees_one_moment(database: SqlDatabase):
    with pytest.raises(DependencyError):
        await database.read(add(1))
    assert await database.read(numbers) == []
    await database.write(add(2))  # the writer may write again after a reader was refused
    assert await database.read(numbers) == [2]


async def test_a_reader_of_a_file_sees_one_moment_while_others_write(tmp_path: Path):
    async with SqlDatabase(sqlite_url(tmp_path / "x.db"), synchronous="NORMAL") as database:
        await database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
        began, written = threading.Event(), threading.Event()

        def look_twice(connection: Connection) -> tuple[list[int], list[int]]:
            first = numbers(connection)
            began.set()
            assert written.wait(WAIT_S)
            return first, numbers(connection)

        reading = asyncio.create_task(database.read(look_twice))
        await asyncio.to_thread(began.wait, WAIT_S)
        await database.write(add(1))
        written.set()
        assert await reading == ([], [])


async def test_references_are_enforced(database: SqlDatabase):
    with pytest.raises(DependencyError) as caught:
        await database.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (1, 99)"))
    assert caught.value.code == "database_conflict"


async def test_more_than_may_wait_is_refused_at_once(database: SqlDatabase, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sql, "MAX_WAITING", 3)
    release, started = threading.Event(), threading.Event()
    first = asyncio.create_task(database.write(blocked(release, started)))
    await asyncio.to_thread(started.wait, WAIT_S)
    waiting = [asyncio.create_task(database.write(add(n))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(DependencyError) as caught:
        await database.write(add(9))
    assert caught.value.code == "database_busy"
    release.set()
    await asyncio.gather(first, *waiting)
    assert await database.read(numbers) == [0, 1, 2]


async def test_nobody_waits_for_ever(database: SqlDatabase):
    release = threading.Event()
    with pytest.raises(DependencyError) as caught:
        await database.write(blocked(release), deadline_s=0.05)
    assert caught.value.code == "database_busy"
    release.set()


async def test_another_process_that_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin, tried = sqlite_executor._begin, threading.Event()

    def begin_and_tell(driver: sqlite3.Connection) -> None:
        tried.set()
        begin(driver)

    file = tmp_path / "x.db"
    async with SqlDatabase(sqlite_url(file)) as database:
        await database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO t VALUES (1)")
        monkeypatch.setattr(sqlite_executor, "_begin", begin_and_tell)
        waiting = asyncio.create_task(database.write(add(2)))
        assert await asyncio.to_thread(tried.wait, WAIT_S)
        assert not waiting.done()
        other.execute("COMMIT")
        other.close()
        assert await waiting == 1
        assert await database.read(numbers) == [1, 2]


async def test_another_process_that_never_ends_is_reported_as_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite_executor, "LOCK_ATTEMPTS", 1)
    monkeypatch.setattr("vox.stores.engines.BUSY_TIMEOUT_S", 0.05)
    file = tmp_path / "x.db"
    async with SqlDatabase(sqlite_url(file)) as database:
        await database.write(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DependencyError) as caught:
            await database.write(add(2))
        assert caught.value.code == "database_busy"
        other.close()
        await database.write(add(2))  # and it recovers


@pytest.mark.parametrize("url", IN_MEMORY)
def test_several_event_loops_share_a_database_in_memory(url: str):
    database = SqlDatabase(url)
    database.open()
    database.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    threads = [threading.Thread(target=lambda n=n: asyncio.run(database.write(add(n)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert asyncio.run(database.read(numbers)) == list(range(8))
    database.close()


def test_two_databases_in_memory_know_nothing_of_each_other():
    one, two = SqlDatabase("sqlite://"), SqlDatabase("sqlite://")
    one.open()
    two.open()
    one.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    with pytest.raises(DependencyError):
        two.run_sync(numbers)
    one.close()
    two.close()


def test_closing_stores_what_was_queued_and_refuses_what_comes_later(tmp_path: Path):
    url = sqlite_url(tmp_path / "x.db")
    database = SqlDatabase(url)
    database.open()
    database.open()
    database.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)"))

    async def leave() -> None:
        writing = asyncio.create_task(database.write(add(1)))
        await asyncio.sleep(0)
        await asyncio.to_thread(database.close)
        assert await writing == 1

    asyncio.run(leave())
    with pytest.raises(DependencyError):
        database.run_sync(add(2))
    database.open()
    assert database.run_sync(numbers) == [1]
    database.close()


def test_a_forgotten_database_leaves_no_threads(tmp_path: Path):
    before = set(threading.enumerate())
    database = SqlDatabase(sqlite_url(tmp_path / "x.db"))
    database.open()
    database.run_sync(lambda c: c.exec_driver_sql("SELECT 1").scalar_one())
    ours = set(threading.enumerate()) - before
    assert len(ours) == 1
    gone = weakref.ref(database)
    del database
    assert gone() is None
    for thread in ours:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_unit_alone_begins_its_own_transaction(database: SqlDatabase):
    def unit(connection: Connection) -> bool:
        assert not raw(connection).in_transaction
        connection.exec_driver_sql("BEGIN")
        ADD.run(connection, {"n": 1})
        return raw(connection).in_transaction

    assert database.run_exclusive(unit)
    assert database.run_sync(numbers) == []  # what it did not commit is gone


def test_an_old_sqlite_is_refused_with_what_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(UsageError) as caught:
        SqlDatabase("sqlite://").open()
    assert caught.value.code == "sqlite_too_old"
    assert "3.35.0" in str(caught.value)


def test_a_new_database_is_for_its_owner_only_and_an_old_one_stays_as_it_is(tmp_path: Path):
    shared = tmp_path / "shared.db"
    shared.touch()
    shared.chmod(0o640)
    for name, mode in (("new.db", 0o600), ("shared.db", 0o640)):
        database = SqlDatabase(sqlite_url(tmp_path / name))
        database.open()
        database.run_sync(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n INTEGER)"))
        files = list(tmp_path.glob(f"{name}*"))
        assert {file.stat().st_mode & 0o777 for file in files} == {mode}
        assert len(files) == 3  # the journal and its index hold the same secrets
        database.close()


def test_a_statement_reads_the_same_for_both_engines():
    statement = Statement("SELECT :a, b::text, :long_name WHERE x LIKE '50%'")
    assert statement._postgresql == "SELECT %(a)s, b::text, %(long_name)s WHERE x LIKE '50%%'"


def test_a_new_file_that_another_process_is_just_writing_opens_as_soon_as_that_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # SQLite does not wait for this one where the journal's mode is to change
    is_busy = engines.is_busy

    def is_done_then(error: BaseException | None) -> bool:
        other.execute("COMMIT")
        return is_busy(error)

    monkeypatch.setattr(engines, "is_busy", is_done_then)
    database = SqlDatabase(sqlite_url(file))
    database.open()
    assert database.run_sync(lambda connection: connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()) == "wal"
    database.close()
    other.close()
