"""A SQLite file that is gone, replaced, empty or cut off is noticed, and not replaced by an empty community."""

import sqlite3
from pathlib import Path

import pytest

from vox.errors import DependencyError, UsageError
from vox.stores.sqlite_file import SqliteFile, mark_in_use, refuse_where_lost


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vox.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.close()
    return path


def code_of(file: SqliteFile) -> str:
    with pytest.raises(DependencyError) as raised:
        file.check()
    return raised.value.code


def test_a_whole_file_is_well(path: Path):
    SqliteFile(path).check()


def test_a_file_that_is_gone_or_replaced_is_lost(path: Path):
    file, content = SqliteFile(path), path.read_bytes()
    moved = path.rename(path.with_name("moved.db"))
    assert code_of(file) == "database_lost"
    path.write_bytes(content)
    assert code_of(file) == "database_lost", "the connections still write to the other one"
    moved.rename(path)
    file.check()


@pytest.mark.parametrize("damage", [b"", b"\0" * 200_000, None])
def test_a_file_without_a_header_or_end_is_damaged(path: Path, damage: bytes | None):
    file, content = SqliteFile(path), path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert code_of(file) == "database_damaged"


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_database_that_was_in_use_is_not_begun_anew(path: Path, how: str):
    refuse_where_lost(path)
    mark_in_use(path)
    mark_in_use(path)
    refuse_where_lost(path)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"")
    with pytest.raises(UsageError) as raised:
        refuse_where_lost(path)
    assert raised.value.code == "database_lost"
    assert "vox.db.in-use" in str(raised.value)
    path.with_name("vox.db.in-use").unlink()
    refuse_where_lost(path)


def test_a_log_without_its_database_says_that_there_was_one(tmp_path: Path):
    (tmp_path / "vox.db-wal").write_bytes(b"x")
    with pytest.raises(UsageError):
        refuse_where_lost(tmp_path / "vox.db")
