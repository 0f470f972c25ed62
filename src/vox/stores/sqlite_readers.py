"""Threads that read from a SQLite file, each on a connection of its own that can change nothing.

A unit whose deadline passes while it runs is interrupted, so that its thread is free again when its caller has been refused.
"""

import queue
import threading
from typing import Any

from sqlalchemy import Connection, Engine

from vox.stores.engines import caller_error, raw, roll_back
from vox.stores.time_limits import Interruption
from vox.stores.work_items import WorkItem, deliver


class SqliteReaders:
    """Some threads with one queue; they start with the first unit and end with `stop`.

    Args:
        engine: makes connections that begin no transaction by themselves.
        threads: how many units run at the same time.
        name: of the threads.
    """

    def __init__(self, engine: Engine, threads: int, name: str = "sql") -> None:
        self._engine = engine
        self._count = threads
        self._name = name
        self._queue: queue.SimpleQueue[WorkItem | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []

    def waiting(self, pending: WorkItem) -> int:
        """How many units wait."""
        return self._queue.qsize()

    def submit(self, pending: WorkItem) -> None:
        """Queues a unit."""
        if not self._threads:
            self._start()
        self._queue.put(pending)

    def stop(self, timeout_s: float) -> None:
        """Finishes what is queued and ends the threads."""
        with self._starting:
            threads, self._threads = self._threads, []
            for _ in threads:
                self._queue.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout_s)

    def _start(self) -> None:
        """Starts the threads; they are daemons so that a forgotten database does not keep a process alive."""
        with self._starting:
            if not self._threads:
                for number in range(self._count):
                    name = f"{self._name}-{number}"
                    self._threads.append(threading.Thread(target=self._read_all, name=name, daemon=True))
                    self._threads[-1].start()

    def _read_all(self) -> None:
        connection: Connection | None = None
        while (pending := self._queue.get()) is not None:
            if pending.is_abandoned:
                continue
            try:
                if connection is None:
                    connection = self._engine.connect()
                    raw(connection).execute("PRAGMA query_only=1")
                _run(connection, pending)
            except Exception as error:  # noqa: BLE001  the top of a unit: its caller gets the error
                pending.error = caller_error(error, self._engine)
            deliver([pending])
        if connection is not None:
            connection.close()


def _run(connection: Connection, pending: WorkItem) -> None:
    driver: Any = raw(connection)
    driver.execute("BEGIN")
    interruption = pending.interruption = Interruption(connection)
    try:
        if not pending.is_abandoned:  # given up before it could be interrupted
            pending.value = pending.work(connection)
    finally:
        interruption.finish()
        roll_back(connection, driver)
