"""The databases that transcripts may go to, each a real one, for `test_transcript_databases.py`."""

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.e2e.agents import until
from tests.e2e.mariadb import mariadb_server
from tests.e2e.postgres import postgres_server
from vox.agent.transcripts.settings import Transcripts
from vox.agent.transcripts.store import TranscriptStore
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import Metrics

_numbers = count(1)


@dataclass(slots=True)
class TestDatabase:
    """One database under test.

    Attributes:
        execute: runs a statement as the administrator and returns its rows.
        stop: takes the database away.
        start: brings it back, with its data.
        freeze: has it answer nothing any more until it is thawed, which the argument says; None where that cannot be played.
    """

    __test__ = False

    driver: str
    dsn: str
    folder: Path
    execute: Callable[[str], Sequence[tuple[Any, ...]]]
    stop: Callable[[], None]
    start: Callable[[], None]
    freeze: Callable[[bool], None] | None = None

    def table(self) -> str:
        """A name that no test has used."""
        return f"transcripts_{next(_numbers)}"

    def store(self, table: str, metrics: Metrics | None = None, **settings: Any) -> TranscriptStore:
        """A store of this database."""
        given = {"enable": True, "driver": self.driver, "dsn": self.dsn, "table": table, **settings}
        return TranscriptStore(Transcripts.model_validate(given), self.folder, SystemClock(), metrics or Metrics())


@contextmanager
def sqlite_database(folder: Path) -> Generator[TestDatabase]:
    """A file. It is away while another process writes to it."""
    file = folder / "transcripts.db"

    def execute(statement: str) -> Sequence[tuple[Any, ...]]:
        connection = sqlite3.connect(file)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    locks: list[sqlite3.Connection] = []

    def stop() -> None:
        locks.append(sqlite3.connect(file, isolation_level=None))
        locks[-1].execute("BEGIN EXCLUSIVE")

    def start() -> None:
        while locks:
            locks.pop().close()

    yield TestDatabase("sqlite", "transcripts.db", folder, execute, stop, start)


@contextmanager
def postgres_database(folder: Path) -> Generator[TestDatabase]:
    """A server of its own."""
    with postgres_server() as running:

        def execute(statement: str) -> Sequence[tuple[Any, ...]]:
            with psycopg.connect(running.url, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

        def freeze(is_frozen: bool) -> None:
            pid = int((running.folder / "data" / "postmaster.pid").read_text().split()[0])
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                process.suspend() if is_frozen else process.resume()

        dsn = f"postgres://vox:secret@127.0.0.1:{running.port}/postgres?sslmode=disable&pool_max_conns=4"
        yield TestDatabase("postgres", dsn, folder, execute, running.stop, running.start, freeze)


@contextmanager
def mariadb_database(folder: Path) -> Generator[TestDatabase]:
    """A server of its own."""
    with mariadb_server() as running:

        def execute(statement: str) -> Sequence[tuple[Any, ...]]:
            with running.root() as connection, connection.cursor() as cursor:
                cursor.execute("USE vox")
                cursor.execute(statement)
                return list(cursor.fetchall())

        yield TestDatabase("mysql", running.dsn, folder, execute, running.stop, running.start)


DATABASES = {"sqlite": sqlite_database, "postgres": postgres_database, "mariadb": mariadb_database}


def counted(metrics: Metrics, name: str) -> float:
    """A metric's value with its labels written as they are rendered; 0 where it was never counted."""
    lines = metrics.render().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name)


async def written(metrics: Metrics, rows: int) -> None:
    """Waits until so many rows are in the database."""
    await until(lambda: counted(metrics, "vox_agent_transcript_rows_written_total") >= rows)


async def failed(metrics: Metrics) -> None:
    """Waits until one more write has failed."""
    name = "vox_agent_transcript_write_failures_total"
    before = counted(metrics, name)
    await until(lambda: counted(metrics, name) > before)
