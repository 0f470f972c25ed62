"""Empty databases of either engine, to restore and to move into."""

import itertools
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

EmptyDatabase = Callable[[str], str]

_numbers = itertools.count(1)


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> EmptyDatabase:
    """Makes the URL of an empty database: `empty_database("sqlite")`, `empty_database("postgresql")`."""

    def make(engine: str) -> str:
        number = next(_numbers)
        if engine == "sqlite":
            return f"sqlite+aiosqlite:///{tmp_path / f'empty-{number}.db'}"
        server: str = request.getfixturevalue("postgres_server")
        name = f"vox_empty_{number}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]  our own name
        return f"{server.rpartition('/')[0]}/{name}"

    return make
