"""From one engine to the other and back: every row, every id, and nothing where something is in the way."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from tests.contract.chat.data.conftest import EmptyDatabase
from tests.contract.chat.data.filled import at, fill, seen
from tests.contract.chat.harness import community
from vox.chat.database.transfer import stopped
from vox.chat.database.transfer.move import move_database
from vox.errors import DependencyError, UsageError
from vox.stores.sql import SqlDatabase

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def silent(_what: str, _done: int, _total: int) -> None:
    """No progress."""


def other_engine(url: str) -> str:
    return "postgresql" if url.startswith("sqlite") else "sqlite"


def change(url: str, statement: str) -> None:
    database = SqlDatabase(url)
    database.open()
    database.run_sync(lambda connection: connection.exec_driver_sql(statement))
    database.close()


async def test_a_community_moves_to_the_other_engine_and_back(
    database_url: str, tmp_path: Path, empty_database: EmptyDatabase
):
    async with community(database_url, tmp_path) as rig:
        ada, feed_id, _ = await fill(rig)
        before = await seen(ada, feed_id)
    there = empty_database(other_engine(database_url))
    reported: list[tuple[str, int, int]] = []
    moved = move_database(database_url, there, lambda *step: reported.append(step))
    assert {what for what, _, _ in reported} == {"copy", "compare", "search index"}
    assert all(done <= total for _, done, total in reported)
    assert {table.name: table.rows for table in moved}["messages"] == 122
    async with community(there, tmp_path) as rig:
        again = at(ada, rig)
        assert await seen(again, feed_id) == before
        assert (await rig.register("newcomer")).user_id == 4
        await again.ok("POST", f"/feeds/{feed_id}/messages", {"body": "sent over there"})
    back = empty_database("sqlite" if database_url.startswith("sqlite") else "postgresql")
    move_database(there, back, silent)
    async with community(back, tmp_path) as rig:
        found = await at(ada, rig).ok("GET", "/messages/search", query="over there")
        assert [message["body"] for message in found["results"]] == ["sent over there"]


async def test_a_community_in_use_is_not_moved(database_url: str, tmp_path: Path, empty_database: EmptyDatabase):
    target = empty_database(other_engine(database_url))
    async with community(database_url, tmp_path) as rig:
        await rig.register("ada")
        with pytest.raises(UsageError) as refused:
            move_database(database_url, target, silent)
        assert refused.value.code == "database_in_use"
        assert "stop the server" in str(refused.value)
    move_database(database_url, target, silent)


async def test_what_is_written_until_the_tables_are_locked_is_moved_too(
    tmp_path: Path, empty_database: EmptyDatabase, monkeypatch: pytest.MonkeyPatch
):
    source = empty_database("postgresql")
    async with community(source, tmp_path) as rig:
        await fill(rig)
    look = stopped.present_tables

    def written_meanwhile(connection: Connection) -> set[str]:
        found = look(connection)
        with psycopg.connect(source, autocommit=True) as other:
            other.execute("UPDATE users SET bio = 'written at the last moment' WHERE id = 1")
        while connection.exec_driver_sql(SESSIONS).scalar_one():  # a closed session is listed for a moment
            connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
        return found

    monkeypatch.setattr(stopped, "present_tables", written_meanwhile)
    target = tmp_path / "moved.db"
    move_database(source, f"sqlite:///{target}", silent)
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT bio FROM users WHERE id = 1").fetchone() == ("written at the last moment",)


async def test_a_database_that_a_session_writes_to_is_in_use(tmp_path: Path, empty_database: EmptyDatabase):
    source = empty_database("postgresql")
    async with community(source, tmp_path) as rig:
        await fill(rig)
    with psycopg.connect(source) as other:
        other.execute("UPDATE users SET bio = 'not committed yet'")
        with pytest.raises(UsageError) as refused:
            move_database(source, f"sqlite:///{tmp_path / 'moved.db'}", silent)
    assert refused.value.code == "database_in_use"


async def test_nothing_is_moved_over_something_or_half(
    database_url: str, tmp_path: Path, empty_database: EmptyDatabase
):
    async with community(database_url, tmp_path) as rig:
        await fill(rig)
    target = empty_database(other_engine(database_url))

    def cut(what: str, _done: int, _total: int) -> None:
        if what == "compare":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_database(database_url, target, cut)
    move_database(database_url, target, silent)
    with pytest.raises(UsageError) as refused:
        move_database(database_url, target, silent)
    assert refused.value.code == "target_not_empty"
    with pytest.raises(UsageError) as refused:
        move_database(f"sqlite:///{tmp_path / 'absent.db'}", empty_database("postgresql"), silent)
    assert refused.value.code == "database_unusable"
    change(database_url, "UPDATE alembic_version SET version_num = '5d0c3e1f7a42'")
    with pytest.raises(UsageError) as refused:
        move_database(database_url, empty_database("sqlite"), silent)
    assert refused.value.code == "database_outdated"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE users SET bio = 'a' || char(0) || 'b'", "move_refused"),
        ("UPDATE users SET created_at = 'yesterday'", "move_refused"),
        ("UPDATE users SET created_at = 1.5", "move_refused"),
        ("UPDATE users SET bio = x'ff'", "move_differs"),
        ("PRAGMA foreign_keys=OFF; UPDATE messages SET author_id = 99", "move_refused"),
    ],
)
async def test_a_row_that_postgresql_cannot_hold_is_named(
    statement: str, code: str, tmp_path: Path, empty_database: EmptyDatabase
):
    source, target = f"sqlite:///{tmp_path / 'odd.db'}", empty_database("postgresql")
    async with community(source, tmp_path) as rig:
        await fill(rig)
    connection = sqlite3.connect(tmp_path / "odd.db")
    connection.executescript(statement)
    connection.close()
    with pytest.raises((UsageError, DependencyError)) as refused:
        move_database(source, target, silent)
    assert refused.value.code == code
    assert "table" in str(refused.value)
