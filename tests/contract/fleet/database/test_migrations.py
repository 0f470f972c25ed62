"""The bridge's tables: made at once, and by the revisions that lead to the same; several bridges may begin together."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from tests.e2e.postgres import postgres
from vox.errors import UsageError
from vox.fleet.database.migrations.prepare import MIGRATIONS, prepare
from vox.fleet.database.schema import metadata
from vox.stores.migrations import BASE
from vox.stores.sql import SqlDatabase


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlDatabase]:
    is_file = request.param == "sqlite"
    made = SqlDatabase(f"sqlite:///{tmp_path / 'bridge.db'}" if is_file else request.getfixturevalue("cluster"))
    made.open()
    made.run_sync(drop_everything)
    yield made
    made.close()


async def test_the_revisions_lead_to_the_tables_that_an_empty_database_gets(database: SqlDatabase):
    await prepare(database)
    at_once = await database.read(described)
    assert await database.read(mark) == MIGRATIONS.head
    await database.write(drop_everything)
    await database.write_exclusive(replace(MIGRATIONS, revision_of_unmarked=lambda _: BASE).prepare)
    assert await database.read(described) == at_once
    assert await database.read(mark) == MIGRATIONS.head


async def test_bridges_that_begin_together_make_the_tables_once(database: SqlDatabase):
    await asyncio.gather(*(prepare(database) for _ in range(4)))
    assert await database.read(mark) == MIGRATIONS.head


async def test_tables_of_another_program_are_left_alone(database: SqlDatabase):
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE bridge_calls (x INTEGER)"))
    with pytest.raises(UsageError) as refused:
        await prepare(database)
    assert refused.value.code == "database_unknown"


def test_the_head_is_the_last_revision():
    scripts = ScriptDirectory(str(MIGRATIONS.versions), version_locations=[str(MIGRATIONS.versions)])
    assert scripts.get_heads() == [MIGRATIONS.head]


def mark(connection: Connection) -> str:
    return connection.exec_driver_sql("SELECT version_num FROM bridge_alembic_version").scalar_one()


def drop_everything(connection: Connection) -> None:
    metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {MIGRATIONS.version_table}")


def described(connection: Connection) -> dict[str, Any]:
    """Everything about the bridge's tables that matters, without the order in which they were made."""
    found = inspect(connection)
    return {
        name: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], one["default"]) for one in found.get_columns(name)
            ],
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "references": [
                (one["constrained_columns"], one["referred_table"], one.get("options"))
                for one in found.get_foreign_keys(name)
            ],
            "indexes": sorted((one["column_names"], one["unique"]) for one in found.get_indexes(name)),
            "unique": sorted(one["column_names"] for one in found.get_unique_constraints(name)),
        }
        for name in metadata.tables
    }
