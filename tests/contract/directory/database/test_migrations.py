"""Every way to the directory's tables: from nothing, from a database of before revisions, from the original's, and further on."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from tests.e2e.postgres import postgres
from tests.fakes.clock import FakeClock
from tests.time_limits import scaled
from vox.chat.database.migrations.prepare import prepare as prepare_chat
from vox.chat.database.migrations.revisions import HEAD as CHAT_HEAD
from vox.cli.main import main
from vox.directory.database.migrations.prepare import MIGRATIONS, prepare
from vox.directory.database.schema import metadata
from vox.directory.server import Directory, Parts
from vox.directory.settings import DirectorySettings
from vox.errors import DependencyError, UsageError
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.stores.engines import raw
from vox.stores.file_lock import exclusive_lock
from vox.stores.migrations import BASE, Migrations
from vox.stores.sql import SqlDatabase

BEFORE_REVISIONS = Path(__file__).parent / "before_revisions"
"""The SQL that a directory ran before there were revisions, and rows that it wrote."""
SYDNEY = "892f902b-d23f-4824-928b-2f330c5c7fd0"
LIMA = "81e74ef5-e8e2-4d94-8ed9-04759531985d"
ADDED = """
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    with op.batch_alter_table("relay_details") as details:
        details.add_column(sa.Column("cost", sa.Integer, nullable=False, server_default="5"))
        details.alter_column("version", new_column_name="software")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'relays.db'}"
        return
    server: str = request.getfixturevalue("cluster")
    admin = SqlDatabase(server)
    admin.open()
    admin.run_exclusive(lambda c: _outside_transaction(c, "DROP DATABASE IF EXISTS moved", "CREATE DATABASE moved"))
    yield f"{server.rpartition('/')[0]}/moved"
    admin.run_exclusive(lambda c: _outside_transaction(c, "DROP DATABASE moved WITH (FORCE)"))
    admin.close()


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    it = SqlDatabase(url)
    it.open()
    yield it
    it.close()


@pytest.fixture
def further(tmp_path: Path) -> Migrations:
    """What a later version would have: one revision more."""
    versions = tmp_path / "versions"
    versions.mkdir()
    for file in MIGRATIONS.versions.glob("0*.py"):
        copy(file, versions)
    (versions / "0003_added.py").write_text(ADDED)
    return replace(MIGRATIONS, head="0003", versions=versions)


async def test_an_empty_database_gets_the_tables_that_the_revisions_lead_to(database: SqlDatabase):
    await prepare(database)
    at_once = await database.read(described)
    assert await database.read(mark) == MIGRATIONS.head
    await database.write(drop_everything)
    await database.write_exclusive(replace(MIGRATIONS, revision_of_unmarked=lambda _: BASE).prepare)
    assert await database.read(described) == at_once
    assert await database.read(mark) == MIGRATIONS.head


async def test_a_database_of_before_revisions_has_the_same_tables(url: str, database: SqlDatabase):
    await database.write(make_earlier)
    before = await database.read(described)
    await database.write(drop_everything)
    await prepare(database)
    assert await database.read(described) == before


async def test_a_directory_goes_on_with_a_database_of_before_revisions(url: str, database: SqlDatabase):
    await database.write(make_earlier)
    before = await database.read(rows)
    await prepare(database)
    assert await database.read(rows) == before
    assert await database.read(mark) == MIGRATIONS.head
    async with directory(url) as opened:
        assert {relay.name for relay in opened.registry} == {"Sydney", "Lima", "relay-eu-1"}
        sydney, lima = opened.registry.get(SYDNEY), opened.registry.get(LIMA)
        assert sydney is not None
        assert (sydney.current_connections, sydney.owner, sydney.features) == (7, "key:alice", ("opus", "dtls"))
        assert lima is not None
        assert lima.is_draining
        assert [token.note for token in await opened.join_tokens.waiting()] == ["Oslo"]


async def test_what_an_earlier_directory_did_not_have_yet_is_added(database: SqlDatabase):
    await database.write(make_earlier)
    whole = await database.read(described)
    await database.write(lambda c: [c.exec_driver_sql(f"DROP TABLE {name}") for name in ("join_tokens", "relay_urls")])
    await prepare(database)
    assert await database.read(described) == whole


async def test_the_originals_relays_are_taken_over(url: str, database: SqlDatabase):
    def original(connection: Connection) -> None:
        [table] = [
            one for one in statements(connection.dialect.name) if one.startswith("CREATE TABLE IF NOT EXISTS relays")
        ]
        connection.exec_driver_sql(table)
        connection.exec_driver_sql(
            "INSERT INTO relays (id, name, url, latitude, longitude, region, capacity, registered_at, last_seen_at)"
            " VALUES ('old', 'Old', 'wss://old.example.com', 1.5, 2.5, 'x', 10, '2026-01-01T00:00:00.000Z',"
            " '2026-01-01T00:00:00.000Z')"
        )

    await database.write(original)
    async with directory(url) as opened:
        [relay] = opened.registry
        assert (relay.id, relay.latitude, relay.capacity) == ("old", 1.5, 10)
        assert opened.registry.at_url("https://OLD.example.com:443") == relay


async def test_relays_of_one_address_become_one_and_the_first_keeps_it(url: str, database: SqlDatabase):
    columns = "id, name, url, latitude, longitude, region, capacity, registered_at, last_seen_at"
    relays = [
        ("second", "wss://old.example.com/~x", "https://old.example.com/~x/", "2026-01-02T00:00:00.000Z"),
        (
            "first",
            "wss://old.example.com/a/../%7Ex?",
            "https://old.example.com/a/../%7Ex/?",
            "2026-01-01T00:00:00.000Z",
        ),
        ("other", "wss://old.example.com/%7ey", "https://old.example.com/%7ey/", "2026-01-03T00:00:00.000Z"),
    ]

    def earlier(connection: Connection) -> None:
        make_earlier(connection)
        for relay_id, address, key, at in relays:
            connection.execute(
                text(f"INSERT INTO relays ({columns}) VALUES (:id, 'x', :url, 1, 2, 'x', 10, :at, :at)"),  # noqa: S608  our names
                {"id": relay_id, "url": address, "at": at},
            )
            connection.execute(text("INSERT INTO relay_urls VALUES (:key, :id)"), {"key": key, "id": relay_id})

    await database.write(earlier)
    await prepare(database)
    found = await database.read(lambda c: c.exec_driver_sql("SELECT url_key, relay_id FROM relay_urls").all())
    ours = {key: relay_id for key, relay_id in found if relay_id in {"first", "second", "other"}}
    assert ours == {"https://old.example.com/~x/": "first", "https://old.example.com/~y/": "other"}
    assert len(found) == 5
    async with directory(url) as opened:
        assert len(opened.registry) == 6


async def test_a_later_revision_changes_columns_and_keeps_rows(database: SqlDatabase, further: Migrations):
    await database.write(make_earlier)
    before = await database.read(rows)
    await prepare(database)
    await database.write_exclusive(further.prepare)
    assert await database.read(mark) == "0003"
    found = await database.read(
        lambda c: c.exec_driver_sql("SELECT software, cost FROM relay_details ORDER BY relay_id DESC").all()
    )
    assert [tuple(row) for row in found] == [("", 5), ("1.2", 5), ("", 5)]
    assert await database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM relay_urls").scalar_one()) == 3
    assert {name: count for name, count in (await database.read(rows)).items() if name != "relay_details"} == {
        name: count for name, count in before.items() if name != "relay_details"
    }
    await database.write_exclusive(further.prepare)  # and again, as at each start
    assert await database.read(mark) == "0003"


async def test_all_revisions_happen_or_none(database: SqlDatabase, further: Migrations):
    await database.write(make_earlier)
    before = await database.read(described)
    (further.versions / "0003_added.py").write_text(ADDED + "    op.drop_table('nowhere')\n")
    with pytest.raises(DependencyError):
        await database.write_exclusive(further.prepare)
    assert await database.read(described) == before
    assert not await database.read(lambda c: inspect(c).has_table(MIGRATIONS.version_table))


async def test_a_database_of_a_later_version_is_refused(url: str, database: SqlDatabase, further: Migrations):
    await prepare(database)
    await database.write_exclusive(further.prepare)
    with pytest.raises(UsageError, match="0003") as caught:
        await prepare(database)
    assert caught.value.code == "database_unknown"
    with pytest.raises(UsageError, match="0003"):
        async with directory(url):
            pass


async def test_tables_that_only_have_the_names_are_refused(database: SqlDatabase):
    await database.write(lambda c: c.exec_driver_sql("CREATE TABLE relays (id TEXT, voltage INTEGER)"))
    with pytest.raises(UsageError) as caught:
        await prepare(database)
    assert caught.value.code == "database_unknown"


@pytest.mark.parametrize("is_earlier", [False, True])
async def test_several_directories_may_start_at_once(url: str, database: SqlDatabase, is_earlier: bool):
    if is_earlier:
        await database.write(make_earlier)
    others = [SqlDatabase(url) for _ in range(6)]
    for one in others:
        one.open()
    try:
        await asyncio.gather(*map(prepare, others))
    finally:
        for one in others:
            await asyncio.to_thread(one.close)
    assert await database.read(mark) == MIGRATIONS.head
    assert set(metadata.tables) <= set(await database.read(lambda c: inspect(c).get_table_names()))


@pytest.mark.parametrize("is_chat_first", [False, True])
async def test_a_directory_may_share_a_database_with_a_chat_server(database: SqlDatabase, is_chat_first: bool):
    if is_chat_first:
        await asyncio.to_thread(prepare_chat, database)
    await prepare(database)
    await asyncio.to_thread(prepare_chat, database)
    await prepare(database)
    assert await database.read(mark) == MIGRATIONS.head
    marked = "SELECT version_num FROM alembic_version"
    assert await database.read(lambda c: c.exec_driver_sql(marked).scalar_one()) == CHAT_HEAD


def test_the_mark_of_a_fresh_database_is_the_last_revision():
    assert ScriptDirectory(str(MIGRATIONS.versions), version_locations=[str(MIGRATIONS.versions)]).get_heads() == [
        MIGRATIONS.head
    ]


def test_a_directory_that_need_not_change_tables_does_not_load_alembic():
    script = (
        "import asyncio, sys\n"
        "from vox.directory.database.migrations.prepare import prepare\n"
        "from vox.stores.sql import SqlDatabase\n"
        "async def main():\n"
        "    async with SqlDatabase('sqlite://') as database:\n"
        "        await prepare(database)\n"
        "        await prepare(database)\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=scaled(30))


def test_the_command_changes_the_tables_unless_a_directory_runs_on_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, path = tmp_path / "directory.json", tmp_path / "relays.db"
    file.write_text(json.dumps({"database": {"path": str(path)}}))
    command = ["directory", "--config", str(file), "migrate"]
    with exclusive_lock(str(path)):
        assert main(command) == 2
    assert "database_in_use" in capsys.readouterr().err
    assert main(command) == 0
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM directory_alembic_version").fetchone() == (MIGRATIONS.head,)
    connection.close()


@asynccontextmanager
async def directory(url: str) -> AsyncGenerator[Directory, None]:
    database = {"path": url.removeprefix("sqlite:///")} if url.startswith("sqlite") else {"url": url}
    settings = DirectorySettings.model_validate({"database": database, "health_check": {"enabled": False}})
    clock = FakeClock()
    async with Directory(settings, Parts(clock, Metrics(), Lifecycle(clock, 1.0), Random(7))) as opened:
        yield opened


def statements(name: str) -> list[str]:
    return [one.strip() for one in (BEFORE_REVISIONS / f"{name}.sql").read_text().split(";\n") if one.strip()]


def make_earlier(connection: Connection) -> None:
    for statement in (*statements(connection.dialect.name), *statements("rows")):
        raw(connection).execute(statement)


def mark(connection: Connection) -> str:
    return connection.exec_driver_sql("SELECT version_num FROM directory_alembic_version").scalar_one()


def rows(connection: Connection) -> dict[str, Any]:
    return {
        name: sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM {name}").all()))  # noqa: S608  our names
        for name in metadata.tables
    }


def drop_everything(connection: Connection) -> None:
    metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {MIGRATIONS.version_table}")


def described(connection: Connection) -> dict[str, Any]:
    """Everything about the directory's tables that matters, without the order in which they were made."""
    found = inspect(connection)
    return {
        name: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], one["default"]) for one in found.get_columns(name)
            ],
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "references": [
                (one["constrained_columns"], one["referred_table"], one["referred_columns"], one.get("options"))
                for one in found.get_foreign_keys(name)
            ],
            "unique": [one["column_names"] for one in found.get_unique_constraints(name)],
            "indexes": sorted((one["name"] or "", one["column_names"]) for one in found.get_indexes(name)),
        }
        for name in found.get_table_names()
        if name in metadata.tables
    }


def _outside_transaction(connection: Connection, *statements: str) -> None:
    driver = raw(connection)
    driver.autocommit = True
    for statement in statements:
        driver.execute(statement)
