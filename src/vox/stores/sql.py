"""SQL on SQLite or PostgreSQL: one writer thread, and each unit of work is one hop to it and one transaction.

SQLite allows one writer anyway, and a thread of its own keeps the event loop free of disk waits. Units of work are plain
functions of a connection, so nothing can await while a transaction is open.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from vox.errors import DependencyError, UsageError
from vox.runtime.logging import get_logger

T = TypeVar("T")

MAX_WAITING = 1024
"""Units of work that may wait for the writer; the next is refused rather than queued."""
DEADLINE_S = 10.0

_log = get_logger(__name__)


class SqlDatabase:
    """A database while the block runs.

    Args:
        url: `sqlite:///path` (see `sqlite_url`) or `postgresql://…`; the driver is chosen here.

    Raises:
        UsageError: the URL is none (database_url_invalid), or its driver is not installed (missing_dependency).
    """

    def __init__(self, url: str) -> None:
        self._url = _with_driver(url)
        self._engine: Engine | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._waiting = 0

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self._url.get_backend_name() == "sqlite"

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql")
        try:
            self._engine = _make_engine(self._url)
        except ModuleNotFoundError as error:
            self._thread.shutdown(wait=False)
            raise UsageError(
                f"the database needs the package {error.name}",
                code="missing_dependency",
                hint="install vox-server[postgres]",
            ) from error
        return self

    async def __aexit__(self, *_error: object) -> None:
        thread, self._thread = self._thread, None
        engine, self._engine = self._engine, None
        if thread is None or engine is None:
            return
        closing = asyncio.get_running_loop().run_in_executor(thread, engine.dispose)
        await asyncio.wait({closing}, timeout=DEADLINE_S)
        thread.shutdown(wait=False)

    async def run(self, work: Callable[[Connection], T], *, deadline_s: float = DEADLINE_S) -> T:
        """Runs one unit of work in one transaction on the writer's thread.

        A unit of work that missed its deadline is not undone: it may still be committed later.

        Raises:
            DependencyError: the database failed (database_failed), or too much waits for it (database_busy).
        """
        if self._thread is None or self._engine is None:
            raise DependencyError("the database is closed", code="database_failed", retryable=True)
        if self._waiting >= MAX_WAITING:
            raise DependencyError(
                "too much waits for the database", code="database_busy", retryable=True, retry_after_s=1
            )
        engine = self._engine

        def in_transaction() -> T:
            with engine.begin() as connection:
                return work(connection)

        self._waiting += 1
        hop = asyncio.get_running_loop().run_in_executor(self._thread, in_transaction)
        hop.add_done_callback(self._done)
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.shield(hop)
        except TimeoutError:
            raise DependencyError(
                f"the database did not answer within {deadline_s:g} s", code="database_busy", retryable=True
            ) from None
        except SQLAlchemyError as error:
            _log.error("database failed", error=str(error.__cause__ or error), kind=type(error).__name__)
            raise DependencyError("the database failed", code="database_failed", retryable=True) from error

    def _done(self, hop: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not hop.cancelled():
            hop.exception()  # who waited has been told; a deadline that passed first leaves nobody to tell


def sqlite_url(path: str | Path) -> str:
    """The URL of a SQLite file; its folder is made where it is missing.

    Raises:
        UsageError: the folder cannot be made (database_unusable).
    """
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the database's folder {file.parent} cannot be made: {error.strerror}",
            code="database_unusable",
            hint="choose a path that this user may write",
        ) from error
    return URL.create("sqlite", database=str(file)).render_as_string()


def _with_driver(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise _bad_url() from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    raise _bad_url()


def _bad_url() -> UsageError:
    return UsageError(
        "the database's URL is neither SQLite nor PostgreSQL",
        code="database_url_invalid",
        hint="write postgresql://user:password@host/name",
    )


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        options = "-c statement_timeout=8000 -c lock_timeout=5000"
        return create_engine(
            url,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "options": options},
        )
    engine = create_engine(url, connect_args={"timeout": 5.0})

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", prepare)
    return engine
