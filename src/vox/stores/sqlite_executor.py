"""SQLite's threads: one that writes, some that read, and some more for reads that may take seconds.

The writer takes everything that waits, runs it in one transaction and commits once (group commit). A unit costs no statement
beyond its own: where one fails after it has changed something, the whole batch is rolled back and run again with a savepoint
each, so that only the failing one is lost. An in-memory database has one connection, so its reads go to the writer, too.
"""

import queue
import sqlite3
import threading
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from vox.errors import DependencyError, VoxError
from vox.stores.engines import caller_error, is_busy, raw, roll_back
from vox.stores.sqlite_readers import SqliteReaders
from vox.stores.time_limits import Interruption
from vox.stores.work_items import WorkItem, deliver

LARGEST_BATCH: Final = 256
"""Units in one transaction: a few milliseconds, so that no unit waits long for the others' commit."""
LOCK_ATTEMPTS: Final = 2
"""How often another process's lock is waited for, each time as long as the busy timeout."""
_SCRATCH: Final = "vox_unit"


class SqliteThreads:
    """The threads of one SQLite database; they start with the first unit and end with `stop`.

    Args:
        engine: makes connections that begin no transaction by themselves.
        readers: how many threads read; 0 sends reads to the writer, as an in-memory database needs it.
        slow_readers: how many threads more there are for slow reads.
    """

    def __init__(self, engine: Engine, readers: int, slow_readers: int = 1) -> None:
        self._engine = engine
        self._readers = (
            {
                "read": SqliteReaders(engine, readers),
                "slow": SqliteReaders(engine, slow_readers, "sql-slow"),
            }
            if readers
            else {}
        )
        self._writes: queue.SimpleQueue[WorkItem | None] = queue.SimpleQueue()
        self._held: WorkItem | None = None
        self._connection: Connection | None = None
        self._starting = threading.Lock()
        self._writer: threading.Thread | None = None

    def waiting(self, pending: WorkItem) -> int:
        """How many units wait where this one would go."""
        readers = self._readers.get(pending.mode)
        return self._writes.qsize() if readers is None else readers.waiting(pending)

    def submit(self, pending: WorkItem) -> None:
        """Queues a unit."""
        if self._writer is None:
            self._start()
        readers = self._readers.get(pending.mode)
        if readers is None:
            self._writes.put(pending)
        else:
            readers.submit(pending)

    def stop(self, timeout_s: float) -> None:
        """Finishes what is queued and ends the threads."""
        with self._starting:
            writer, self._writer = self._writer, None
            if writer is not None:
                self._writes.put(None)
        for readers in self._readers.values():
            readers.stop(timeout_s)
        if writer is not None and writer is not threading.current_thread():
            writer.join(timeout_s)

    def _start(self) -> None:
        """Starts the writer; it is a daemon so that a forgotten database does not keep a process alive."""
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="sql-writer", daemon=True)
                self._writer.start()

    def _write_all(self) -> None:
        while (batch := self._next_batch()) is not None:
            batch = [pending for pending in batch if not pending.is_abandoned]
            if not batch:
                continue
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                if batch[0].mode == "alone":
                    self._run_alone(self._connection, batch[0])
                else:
                    self._commit(self._connection, batch)
            except Exception as error:  # noqa: BLE001  the top of the writer, which must outlive every batch
                self._fail(batch, error)
            deliver(batch)
        if self._connection is not None:
            with suppress(SQLAlchemyError, sqlite3.Error):
                raw(self._connection).execute("PRAGMA optimize")
            self._connection.close()

    def _next_batch(self) -> list[WorkItem] | None:
        """What waits, at least one; a unit that wants to be alone ends a batch and is the next one."""
        first, self._held = self._held or self._writes.get(), None
        if first is None:
            return None
        batch = [first]
        while batch[0].mode != "alone" and len(batch) < LARGEST_BATCH:
            try:
                pending = self._writes.get_nowait()
            except queue.Empty:
                break
            if pending is None:
                self._writes.put(None)
                break
            if pending.mode == "alone":
                self._held = pending
                break
            batch.append(pending)
        return batch

    def _commit(self, connection: Connection, batch: list[WorkItem]) -> None:
        driver = raw(connection)
        _begin(driver)
        if not self._run_plainly(connection, driver, batch):
            roll_back(connection, driver)
            _begin(driver)
            for pending in batch:
                if pending.is_abandoned:
                    pending.error = _given_up()
                else:
                    self._run_in_savepoint(connection, driver, pending)
        connection.commit()  # ends what SQLAlchemy believes to have begun
        if driver.in_transaction:
            driver.execute("COMMIT")

    def _run_plainly(self, connection: Connection, driver: Any, batch: list[WorkItem]) -> bool:
        """Runs all units; False where one failed after changes, so that the batch must be undone."""
        for pending in batch:
            if pending.is_abandoned:  # given up while the others of its batch ran
                pending.error = _given_up()
                continue
            changes = driver.total_changes
            try:
                pending.value = _run(connection, driver, pending)
                pending.error = None
            except VoxError as error:
                pending.error = error
                if driver.total_changes != changes or not driver.in_transaction:
                    return False
            except Exception:  # noqa: BLE001  the top of a unit; it is run once more and fails then
                return False
        return True

    def _run_in_savepoint(self, connection: Connection, driver: Any, pending: WorkItem) -> None:
        driver.execute(f"SAVEPOINT {_SCRATCH}")
        try:
            pending.value, pending.error = _run(connection, driver, pending), None
        except Exception as error:
            if not driver.in_transaction:  # a full disk and the like undo everything
                raise _whole_failure(caller_error(error, self._engine)) from error
            driver.execute(f"ROLLBACK TO {_SCRATCH}")
            pending.error = caller_error(error, self._engine)
        driver.execute(f"RELEASE {_SCRATCH}")

    def _run_alone(self, connection: Connection, pending: WorkItem) -> None:
        driver = raw(connection)
        try:
            pending.value, pending.error = pending.work(connection), None
        except Exception as error:  # noqa: BLE001  the top of a unit: its caller gets the error
            pending.error = caller_error(error, self._engine)
        roll_back(connection, driver)

    def _fail(self, batch: list[WorkItem], error: BaseException) -> None:
        """Nothing of the batch is stored; the next one begins on a fresh connection, except where that would lose the data."""
        failure = caller_error(error, self._engine)
        for pending in batch:
            pending.error = failure
        if self._connection is None:
            return
        if self._readers:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
        else:
            roll_back(self._connection, raw(self._connection))


def _run(connection: Connection, driver: Any, pending: WorkItem) -> Any:
    """Runs a unit; one whose deadline passes meanwhile is interrupted, so that it keeps no other waiting."""
    is_reading = pending.mode != "write"
    if is_reading:
        driver.execute("PRAGMA query_only=1")
    interruption = pending.interruption = Interruption(connection)
    try:
        return pending.work(connection)
    finally:
        interruption.finish()
        if is_reading:
            driver.execute("PRAGMA query_only=0")


def _given_up() -> DependencyError:
    return DependencyError(
        "the request was given up before it reached the database", code="database_busy", retryable=True
    )


def _begin(driver: Any) -> None:
    for attempt in range(LOCK_ATTEMPTS):
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or attempt + 1 == LOCK_ATTEMPTS:
                raise
        else:
            return


def _whole_failure(error: BaseException) -> DependencyError:
    """The error of a transaction that the database has rolled back as a whole."""
    if isinstance(error, DependencyError):
        return error
    return DependencyError("the database rolled back the whole transaction", code="database_failed", retryable=True)
