"""The copy of a SQLite file that is in use."""

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.time_limits import WAIT_S
from vox.errors import DependencyError, UsageError
from vox.stores.backup import copy_sqlite
from vox.stores.sql import SqlDatabase, sqlite_url


def rows(file: Path) -> list[int]:
    with sqlite3.connect(file) as connection:
        found = [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]
    connection.close()
    return found


@pytest.fixture
def database(tmp_path: Path):
    it = SqlDatabase(sqlite_url(tmp_path / "x.db"))
    it.open()
    it.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE t (n INTEGER PRIMARY KEY, fill TEXT)"))
    yield it
    it.close()


def add(database: SqlDatabase, n: int) -> None:
    database.run_sync(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (?, ?)", (n, "x" * 2000)))


def test_a_copy_holds_what_was_committed_and_only_its_owner_reads_it(database: SqlDatabase, tmp_path: Path):
    add(database, 1)
    copy = tmp_path / "copy.db"
    assert copy_sqlite(tmp_path / "x.db", copy) == copy.stat().st_size
    assert copy.stat().st_mode & 0o777 == 0o600
    add(database, 2)
    assert rows(copy) == [1]
    for target in (copy, tmp_path / "nowhere" / "copy.db"):
        with pytest.raises(UsageError) as caught:
            copy_sqlite(tmp_path / "x.db", target)
        assert caught.value.code == "backup_impossible"
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == ["copy.db"]


def test_a_copy_is_one_moment_although_the_database_changes_under_it(
    database: SqlDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vox.stores.backup.PAGES_AT_ONCE", 8)
    for n in range(200):
        add(database, n)
    steps: list[int] = []

    def write_meanwhile(done: int, _total: int) -> None:
        steps.append(done)
        writer = threading.Thread(target=add, args=(database, 1000 + len(steps)))
        writer.start()
        writer.join(WAIT_S)

    copy_sqlite(tmp_path / "x.db", tmp_path / "copy.db", write_meanwhile)
    assert rows(tmp_path / "copy.db") == list(range(200))
    assert len(steps) > 10
    assert steps == sorted(steps)  # it never began again


def test_what_is_no_database_leaves_no_copy(tmp_path: Path):
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DependencyError) as caught:
        copy_sqlite(tmp_path / "x.db", tmp_path / "copy.db")
    assert caught.value.code == "database_failed"
    assert not (tmp_path / "copy.db").exists()
    with pytest.raises(UsageError) as missing:
        copy_sqlite(tmp_path / "y.db", tmp_path / "copy.db")
    assert missing.value.code == "backup_impossible"
