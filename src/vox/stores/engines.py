"""How a database is reached: its URL, its driver, its connection settings, and what its errors mean to a caller.

SQLite's driver must not begin transactions by itself (`isolation_level=None`): the writer begins and ends them.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from vox.errors import DependencyError, UsageError, VoxError
from vox.runtime.logging import get_logger

Synchronous = Literal["NORMAL", "FULL"]

OLDEST_SQLITE: Final = (3, 35, 0)
"""RETURNING came with 3.35; FTS5's trigram tokenizer with 3.34."""
BUSY_TIMEOUT_S: Final = 5.0
"""How long one statement waits for another process's lock."""
WAL_ATTEMPTS: Final = 20
"""How often a new file is switched to its write-ahead log, each time after another process's transaction."""

_PRAGMAS: Final = (
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "mmap_size=268435456",
    "cache_size=-32768",  # KiB
    "wal_autocheckpoint=2000",  # pages, 8 MB: a checkpoint is the one moment that waits for the disk
    "journal_size_limit=67108864",
)
_POSTGRES_OPTIONS: Final = "-c statement_timeout=8000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
_POSTGRES_WIRE: Final = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""A server that vanished without a word must not keep a commit waiting, and with it all later outcomes: milliseconds, seconds."""

_POSTGRES_DISK_FULL: Final = "53100"
_log = get_logger(__name__)


def parse_url(url: str) -> URL:
    """The URL with the driver used here, whichever driver it named.

    Raises:
        UsageError: it is neither SQLite nor PostgreSQL (database_url_invalid).
    """
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


def is_in_memory(url: URL) -> bool:
    """Whether the database exists only as long as its one connection."""
    name = url.database or ":memory:"
    return ":memory:" in name or url.query.get("mode") == "memory" or "mode=memory" in name


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
            f"the database's folder {file.parent} cannot be created: {error.strerror}",
            code="database_unusable",
            hint="choose a path that you may write to",
        ) from error
    return URL.create("sqlite", database=str(file)).render_as_string()


def make_engine(
    url: URL,
    *,
    synchronous: Synchronous = "FULL",
    pool_size: int = 1,
    max_overflow: int = 0,
    pool_recycle_s: int = 1800,
) -> Engine:
    """An engine that has connected to nothing yet; the pool's numbers are for PostgreSQL, SQLite's connections are held.

    Raises:
        UsageError: the driver is not installed (missing_dependency), or SQLite is too old (sqlite_too_old).
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, synchronous)
    try:
        return create_engine(
            url,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_recycle=pool_recycle_s,
            pool_timeout=BUSY_TIMEOUT_S,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5, "options": _POSTGRES_OPTIONS, **_POSTGRES_WIRE},
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the database needs the package {error.name}",
            code="missing_dependency",
            hint="install psycopg[binary]",
        ) from error


def raw(connection: Connection) -> Any:
    """The driver's own connection (`sqlite3.Connection` or `psycopg.Connection`), for statements where every microsecond counts.

    It is inside the unit's transaction: never commit, roll back or close it.
    """
    return connection.connection.dbapi_connection


def roll_back(connection: Connection, driver: Any) -> None:
    """Ends SQLite's transaction without its changes, whichever of SQLAlchemy and the driver began it; never fails."""
    with suppress(SQLAlchemyError, sqlite3.Error):
        connection.rollback()
        if driver.in_transaction:
            driver.execute("ROLLBACK")


def caller_error(error: BaseException, engine: Engine) -> BaseException:
    """The error that a caller gets when a unit of work or its commit raised; errors that are not the database's pass unchanged.

    Codes: value_not_storable (as text with NUL on PostgreSQL), database_conflict (a constraint refused the change), database_busy (locked by another process), disk_full, database_failed.
    """
    driver: Any = engine.dialect.loaded_dbapi
    if isinstance(error, VoxError) or not isinstance(error, (SQLAlchemyError, driver.Error)):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(
        cause, driver.IntegrityError
    ):  # two changes met; the caller knows what that means, so it is no log line
        failure = DependencyError("the database refused a change that conflicts with another", code="database_conflict")
        failure.__cause__ = error
        return failure
    if isinstance(
        cause, driver.DataError
    ):  # the caller's own, so the database is not away, and trying again is in vain
        refused = UsageError(
            "The database cannot store a value of the request, such as a text with a NUL character.",
            code="value_not_storable",
        )
        refused.__cause__ = error
        return refused
    if _is_full(cause):
        failure = DependencyError("the database's disk is full", code="disk_full", retryable=True, retry_after_s=60)
    elif is_busy(cause):
        failure = DependencyError("another process keeps the database locked", code="database_busy", retryable=True)
    else:
        failure = DependencyError("the database failed", code="database_failed", retryable=True)
    _log.error("database failed", error=str(cause), kind=type(cause).__name__, code=failure.code)
    failure.__cause__ = error
    return failure


def is_busy(error: BaseException | None) -> bool:
    """Whether SQLite gave up waiting for another process's lock."""
    busy = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return isinstance(error, sqlite3.OperationalError) and _primary_code(error) in busy


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's code; 0 where the driver raised by itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_full(error: BaseException | None) -> bool:
    """Whether the database's disk has no room left."""
    if isinstance(error, sqlite3.OperationalError):
        return _primary_code(error) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == _POSTGRES_DISK_FULL


def _sqlite_engine(url: URL, synchronous: Synchronous) -> Engine:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise UsageError(
            f"SQLite {sqlite3.sqlite_version} is too old",
            code="sqlite_too_old",
            hint=f"Vox needs SQLite {oldest} or later: take a newer Python or use PostgreSQL",
        )
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "timeout": BUSY_TIMEOUT_S,
            "isolation_level": None,
            "check_same_thread": False,
            "cached_statements": 512,
        },
    )

    def prepare(connection: Any, _record: Any) -> None:
        _use_wal(connection)
        for pragma in (*_PRAGMAS, f"synchronous={synchronous}"):
            connection.execute(f"PRAGMA {pragma}").close()

    event.listen(engine, "connect", prepare)
    if not is_in_memory(url):
        event.listen(engine, "do_connect", _make_private)
    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switches a new file to its write-ahead log.

    SQLite waits for other connections' locks, save for this one: where two switch the same new file, one fails at once
    (sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode"). A transaction does wait, so it goes before.
    """
    for _ in range(WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL").close()


def _make_private(_dialect: Any, _record: Any, arguments: Any, _options: Any) -> None:
    """A new database is for its owner only, and so are the files SQLite puts beside it; one that is there stays as it is."""
    file = str(arguments[0]) if arguments else ""
    if file and not file.startswith("file:"):
        with suppress(OSError):  # it is there, or SQLite says better what is wrong
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _bad_url() -> UsageError:
    return UsageError(
        "the database's URL is neither SQLite nor PostgreSQL",
        code="database_url_invalid",
        hint="write postgresql://user:password@host/name",
    )
