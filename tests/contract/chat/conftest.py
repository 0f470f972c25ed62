"""Every behaviour of the chat server runs on SQLite and on PostgreSQL."""

import itertools
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.contract.chat.harness import Rig, community
from tests.e2e.postgres import postgres
from vox.chat.database.migrations.prepare import prepare
from vox.stores.sql import SqlDatabase

TEMPLATE = "vox_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A cluster whose template database has the tables already."""
    with postgres() as url:
        _execute(url, f"CREATE DATABASE {TEMPLATE}")
        database = SqlDatabase(_named(url, TEMPLATE))
        database.open()
        prepare(database)
        database.close()
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: a file, or a fresh copy of the template."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'vox.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"vox_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield _named(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def chat(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig, None]:
    """A running community."""
    async with community(database_url, tmp_path) as rig:
        yield rig


def _named(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]  the names are ours
