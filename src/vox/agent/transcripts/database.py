"""The table of transcripts in PostgreSQL, MySQL or SQLite. Everything here blocks and belongs on a thread.

A transaction may have been committed although its answer was lost: rows that are given again after that are looked for first,
and none is written twice. PostgreSQL's connections take no start-up options and keep no prepared statements, so that PgBouncer
may stand in front of it in transaction mode.
"""

import os
import socket
import ssl
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import psycopg
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, Row, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from vox.agent.transcripts.address import DatabaseAddress
from vox.agent.transcripts.rows import TranscriptRow, portable
from vox.errors import UsageError
from vox.runtime.logging import get_logger
from vox.stores.engines import make_engine, raw, roll_back, sqlite_url

log = get_logger(__name__)

COLUMNS: Final = ("session_id", "role", "text", "seq", "created_at")
STATEMENT_TIMEOUT_S: Final = 8
LOCK_TIMEOUT_S: Final = 5
POOL_TIMEOUT_S: Final = 5.0
POOL_RECYCLE_S: Final = 1800
MAX_RENUMBERED: Final = 10_000
"""Sessions whose numbers are shifted that are remembered."""
CLOCK_SLACK: Final = timedelta(seconds=1)
"""A column without fractions of a second rounds the time of a row."""

_MYSQL_BROKEN_CHECKS = frozenset({3819, 4025})
"""A CHECK of the table is broken, in MySQL's and in MariaDB's number; the driver takes it for a failure of the server."""
_REFUSED_LOGINS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "Name or service not known")
"""What a server or the resolver says about an address that will not become right by waiting."""
_MYSQL_REFUSED_LOGINS = frozenset({1044, 1045, 1049, 1698})
"""Access denied, unknown database."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of some rows."""

    written: int
    refused: int


class TranscriptDatabase:
    """One table of transcripts. A write and several reads may run at once, each on a thread.

    Args:
        address: where the database is.
        table: the table's name; made where it is missing.
    """

    def __init__(self, address: DatabaseAddress, table: str) -> None:
        self._address = address
        self._table = _define(table)
        self._engine = _engine(address)
        self._is_prepared = False
        self._is_in_doubt = False
        self._shifts: OrderedDict[str, int] = OrderedDict()
        self._connections: set[Any] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        event.listen(self._engine, "connect", self._connected)
        event.listen(self._engine, "close", self._closing)

    @property
    def place(self) -> str:
        """Where the database is, without its secrets."""
        return self._address.place

    def prepare(self) -> None:
        """Connects, and makes the table where it is missing.

        Raises:
            UsageError: the database refuses the login or does not exist (transcript_database_refused), or its table lacks a
                column (transcript_table_unsuitable).
            SQLAlchemyError: it cannot be reached.
        """
        try:
            with self._transaction() as connection:
                if not inspect(connection).has_table(self._table.name):
                    self._create(connection)
                self._check_columns(connection)
        except SQLAlchemyError as error:
            if self._is_login_refused(error):
                raise UsageError(
                    f"{self.place} refuses the connection: {reason(error)}",
                    code="transcript_database_refused",
                    hint="correct transcripts.dsn",
                ) from None
            raise
        self._is_prepared = True

    def store(self, rows: Sequence[TranscriptRow]) -> Stored:
        """Writes rows in one transaction; where the database refuses it, each by itself, the others all the same.

        Args:
            rows: in the order in which they were said. After a failure the same rows must be given again, before any others.

        Raises:
            SQLAlchemyError: the database cannot be reached; some rows may be written.
            UsageError: see `prepare`.
        """
        if not self._is_prepared:
            self.prepare()
        try:
            self._write(self._missing(rows) if self._is_in_doubt else [self.renumbered(row) for row in rows])
        except SQLAlchemyError as error:
            if _is_refusal(error):
                return self._store_singly(rows)
            self._is_prepared = False  # the table may be gone with whatever happened
            raise
        return Stored(len(rows), 0)

    def read(self, session_id: str, after: int, limit: int) -> list[TranscriptRow]:
        """The rows of a session behind number `after`, at most `limit`.

        Raises:
            SQLAlchemyError: the database cannot be reached.
        """
        columns = self._table.c
        statement = (
            select(columns.session_id, columns.seq, columns.role, columns.text, columns.created_at)
            .where(columns.session_id == session_id, columns.seq > after)
            .order_by(columns.seq)
            .limit(limit)
        )
        with self._transaction(writes=False) as connection:
            return [_row(found) for found in connection.execute(statement)]

    def ping(self) -> None:
        """Returns once the database has answered.

        Raises:
            SQLAlchemyError: it does not.
        """
        with self._transaction(writes=False) as connection:
            connection.exec_driver_sql("SELECT 1").close()

    def renumbered(self, row: TranscriptRow) -> TranscriptRow:
        """The row with the number it has in the table, where its session's numbers go on behind those of an earlier call."""
        shift = self._shifts.get(row.session_id, 0)
        return replace(row, seq=row.seq + shift) if shift else row

    def interrupt(self) -> None:
        """Breaks all connections, for a server that no longer answers: what waits for one fails. May be called on any thread."""
        with self._lock:  # no connection closes meanwhile, so no descriptor is another file's
            for descriptor in filter(None, map(_descriptor, self._connections)):
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connections, those in use once their work is over."""
        self._is_closed = True
        self._engine.dispose()

    def _create(self, connection: Connection) -> None:
        try:
            connection.execute(CreateTable(self._table, if_not_exists=True))
            connection.commit()
        except SQLAlchemyError:
            connection.rollback()  # another instance may have made it at the same moment
            if not inspect(connection).has_table(self._table.name):
                raise

    def _check_columns(self, connection: Connection) -> None:
        found = {column["name"].lower(): column for column in inspect(connection).get_columns(self._table.name)}
        missing = [name for name in COLUMNS if name not in found]
        if missing:
            raise UsageError(
                f"the table {self._table.name} of {self.place} has no column {', '.join(missing)}",
                code="transcript_table_unsuitable",
                hint="add it, or set transcripts.table_name to another name",
            )
        unfilled = [
            name
            for name, column in found.items()
            if name not in COLUMNS
            and not column["nullable"]
            and column["default"] is None
            and column.get("autoincrement") is not True
            and not column.get("identity")
            and not column.get("computed")
        ]
        if unfilled and connection.dialect.name != "sqlite":  # which fills an INTEGER PRIMARY KEY without saying so
            raise UsageError(
                f"the table {self._table.name} of {self.place} demands a value for {', '.join(unfilled)}",
                code="transcript_table_unsuitable",
                hint="give it a default, or set transcripts.table_name to another name",
            )

    def _store_singly(self, rows: Sequence[TranscriptRow]) -> Stored:
        written = 0
        for row in rows:
            for attempt in (row, replace(row, text=portable(row.text))):
                try:
                    self._write(self._missing([attempt]))
                except SQLAlchemyError as error:
                    if not _is_refusal(error):
                        raise
                    refusal = type(error).__name__
                else:
                    written += 1
                    break
            else:
                log.warning("transcript row refused", session_id=row.session_id, seq=row.seq, error=refusal)
        return Stored(written, len(rows) - written)

    def _write(self, rows: Sequence[TranscriptRow]) -> None:
        if not rows:
            return
        values = [
            {
                "session_id": row.session_id,
                "role": row.role,
                "text": row.text,
                "seq": row.seq,
                "created_at": row.created_at,
            }
            for row in rows
        ]
        with self._transaction() as connection:
            self._is_in_doubt = True
            connection.execute(insert(self._table), values)
        self._is_in_doubt = False

    def _missing(self, rows: Sequence[TranscriptRow]) -> list[TranscriptRow]:
        """The rows that are not in the table yet, numbered behind what an earlier call of the same session left there."""
        there = self._sessions(rows)
        missing: list[TranscriptRow] = []
        for original in rows:
            row = self.renumbered(original)
            session = there.get(row.session_id, {})
            same = session.get(row.seq)
            if same is not None and _is_same(same, row):
                continue
            if same is not None:
                self._shift(row.session_id, max(session) + 1 - original.seq)
            missing.append(self.renumbered(original))
        return missing

    def _sessions(self, rows: Sequence[TranscriptRow]) -> dict[str, dict[int, TranscriptRow]]:
        """What the table has of the sessions of these rows, from the lowest of their numbers on."""
        columns = self._table.c
        lowest = min(self.renumbered(row).seq for row in rows)
        statement = select(columns.session_id, columns.seq, columns.role, columns.text, columns.created_at).where(
            columns.session_id.in_({row.session_id for row in rows}), columns.seq >= lowest
        )
        there: dict[str, dict[int, TranscriptRow]] = {}
        with self._transaction() as connection:
            for found in connection.execute(statement):
                row = _row(found)
                there.setdefault(row.session_id, {})[row.seq] = row
        return there

    def _shift(self, session_id: str, shift: int) -> None:
        self._shifts[session_id] = shift
        if len(self._shifts) > MAX_RENUMBERED:
            self._shifts.popitem(last=False)

    @contextmanager
    def _transaction(self, *, writes: bool = True) -> Generator[Connection]:
        with self._engine.connect() as connection:
            try:
                _begin(connection, self._address, writes=writes)
                yield connection
                connection.commit()
            finally:
                if self._is_closed and not connection.invalidated:
                    connection.invalidate()
                elif connection.dialect.name == "sqlite":
                    roll_back(connection, raw(connection))

    def _connected(self, driver: Any, _record: Any) -> None:
        with self._lock:
            self._connections.add(driver)

    def _closing(self, driver: Any, _record: Any) -> None:
        with self._lock:
            self._connections.discard(driver)

    def _is_login_refused(self, error: SQLAlchemyError) -> bool:
        if self._address.kind == "sqlite":
            return True
        cause: Any = error.orig if isinstance(error, DBAPIError) else error
        if self._address.kind == "mysql" and cause.args and cause.args[0] in _MYSQL_REFUSED_LOGINS:
            return True
        return any(words in str(cause) for words in _REFUSED_LOGINS)


def _is_refusal(error: SQLAlchemyError) -> bool:
    """Whether the database takes this row in no case, so that trying again helps nothing."""
    cause: Any = error.orig if isinstance(error, DBAPIError) else None
    arguments = getattr(cause, "args", ())
    is_broken_check = bool(arguments) and arguments[0] in _MYSQL_BROKEN_CHECKS
    return is_broken_check or isinstance(error, (DataError, IntegrityError))


def reason(error: BaseException) -> str:
    """What went wrong, in one line of the driver's words, which hold neither rows nor secrets where a connection failed."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if not str(cause):
        return type(cause).__name__
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


def _define(name: str) -> Table:
    """The documented columns. MySQL needs a length for a key, four bytes a character, and as many digits as we keep."""
    identifier = Text().with_variant(String(255, collation="utf8mb4_bin"), "mysql", "mariadb")
    return Table(
        name,
        MetaData(),
        Column("session_id", identifier, primary_key=True),
        Column("role", Text().with_variant(String(16), "mysql", "mariadb"), nullable=False),
        Column("text", Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column(
            "created_at",
            DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
            nullable=False,
        ),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mariadb_charset="utf8mb4",
    )


def _engine(address: DatabaseAddress) -> Engine:
    if address.kind == "sqlite":
        return make_engine(make_url(sqlite_url(address.arguments["database"])))
    arguments = dict(address.arguments)
    options: dict[str, Any] = {}
    if address.kind == "postgres":
        arguments["prepare_threshold"] = None
        name, options = "postgresql+psycopg", {"use_native_hstore": False}
    else:
        name = "mysql+pymysql"
        arguments["charset"] = "utf8mb4"
        arguments["init_command"] = (
            f"SET time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES', innodb_lock_wait_timeout = {LOCK_TIMEOUT_S}"
        )
        if address.tls == "disabled":
            arguments["ssl_disabled"] = True
        elif address.tls != "preferred":
            arguments["ssl"] = _tls_context(is_verified=address.tls == "verified")
    try:
        return create_engine(
            URL.create(name),
            connect_args=arguments,
            pool_size=address.pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            pool_recycle=POOL_RECYCLE_S,
            pool_pre_ping=True,
            hide_parameters=True,
            **options,
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            f"transcripts.driver {address.kind} needs the package {error.name}",
            code="missing_dependency",
            hint="run `make setup`, or `pip install '.[mysql]'` in a checkout of Vox",
        ) from error


def _tls_context(*, is_verified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _begin(connection: Connection, address: DatabaseAddress, *, writes: bool) -> None:
    """Begins a transaction in UTC and with limits; settings that end with it are all that PgBouncer lets through."""
    if address.kind == "postgres":
        settings = [
            "SET LOCAL TIME ZONE 'UTC'",
            f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'",
            f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'",
        ]
        if address.search_path:
            schemas = ", ".join(f'"{name}"' for name in address.search_path)
            settings.append(f"SET LOCAL search_path TO {schemas}")
        connection.exec_driver_sql("; ".join(settings)).close()
    elif address.kind == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN").close()


def _descriptor(driver: Any) -> int | None:
    """The socket of a driver's connection; None where it has none to tell (PyMySQL has time-outs of its own)."""
    try:
        return int(driver.fileno())
    except (AttributeError, OSError, ValueError, psycopg.Error):  # no socket, or a closed one
        return None


def _row(found: Row[Any, Any, Any, Any, Any]) -> TranscriptRow:
    session_id, seq, role, text, created_at = found
    return TranscriptRow(str(session_id), int(seq), cast("Any", str(role)), str(text), _utc(created_at))


def _utc(value: Any) -> datetime:
    if not isinstance(value, datetime):
        return datetime.fromtimestamp(0, UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _is_same(there: TranscriptRow, row: TranscriptRow) -> bool:
    is_text = there.text in {row.text, portable(row.text)}
    return there.role == row.role and is_text and abs(there.created_at - row.created_at) <= CLOCK_SLACK
