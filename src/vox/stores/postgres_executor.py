"""PostgreSQL's threads: each unit of work is a transaction of its own on a pooled connection.

Outcomes of writes return in the order of their commits. A unit takes its turn when its work is done and its locks are held, just
before it commits, so a unit that waited for those locks has a later turn; an outcome is delivered when all earlier turns are over.
"""

import queue
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from sqlalchemy import Connection, Engine

from vox.stores.engines import caller_error, raw
from vox.stores.work_items import WorkItem, deliver

RETRIED: Final = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the database says itself that trying again is the answer."""
_ATTEMPTS: Final = 4
"""An aborted unit may meet the same other one again; each round waits for the deadlock to be noticed, one second."""


class PostgresThreads:
    """The threads of one PostgreSQL database; they start as they are needed and end with `stop`.

    Args:
        engine: its pool has a connection for each thread.
        threads: how many units may run at once.
        slow_readers: how many threads more there are for slow reads.
        name: of the threads.
    """

    def __init__(self, engine: Engine, threads: int, slow_readers: int = 0, name: str = "sql") -> None:
        self._engine = engine
        self._largest = threads
        self._name = name
        self._slow = PostgresThreads(engine, slow_readers, name=f"{name}-slow") if slow_readers else None
        self._queue: queue.SimpleQueue[WorkItem | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._turns = Turns()

    def waiting(self, pending: WorkItem) -> int:
        """How many units wait where this one would go."""
        if self._slow is not None and pending.mode == "slow":
            return self._slow.waiting(pending)
        return self._queue.qsize()

    def submit(self, pending: WorkItem) -> None:
        """Queues a unit."""
        if self._slow is not None and pending.mode == "slow":
            self._slow.submit(pending)
            return
        self._queue.put(pending)
        if len(self._threads) < self._largest and self._queue.qsize() > self._idle:
            with self._starting:
                if len(self._threads) < self._largest:
                    name = f"{self._name}-{len(self._threads)}"
                    self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                    self._threads[-1].start()

    def stop(self, timeout_s: float) -> None:
        """Finishes what is queued and ends the threads."""
        if self._slow is not None:
            self._slow.end_threads(timeout_s)
        self.end_threads(timeout_s)
        self._engine.dispose()

    def end_threads(self, timeout_s: float) -> None:
        """Finishes what is queued and ends the threads; the connections stay."""
        with self._starting:
            threads, self._threads = self._threads, []
            for _ in threads:
                self._queue.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout_s)

    def _serve(self) -> None:
        while True:
            with self._starting:
                self._idle += 1
            pending = self._queue.get()
            with self._starting:
                self._idle -= 1
            if pending is None:
                return
            if pending.is_abandoned:
                continue
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._run(pending)
                    break
                except Exception as error:  # noqa: BLE001  the top of a unit: its caller is told
                    if attempt == _ATTEMPTS or _state_of(error) not in RETRIED:
                        pending.error = caller_error(error, self._engine)
                        deliver([pending])
                        break

    def _run(self, pending: WorkItem) -> None:
        with self._engine.connect() as connection:
            if pending.mode in {"read", "slow"}:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            pending.value = pending.work(connection)
            if pending.mode == "write":
                turn = self._turns.take()
                try:
                    _commit(connection)
                except BaseException:
                    self._turns.finish(turn, None)
                    raise
                self._turns.finish(turn, pending)
                return
            if pending.mode == "alone":
                _commit(connection)
        deliver([pending])


class Turns:
    """Delivers outcomes in the order in which their numbers were taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: Iterator[int] = count()
        self._next = 0
        self._done: dict[int, WorkItem | None] = {}

    def take(self) -> int:
        """The number of a unit that is about to commit."""
        with self._lock:
            return next(self._numbers)

    def finish(self, turn: int, pending: WorkItem | None) -> None:
        """Delivers every outcome whose turn has come; None for a unit that failed.

        Under the lock: a thread that pauses between the two must not be overtaken by the next turn's.
        """
        with self._lock:
            self._done[turn] = pending
            released: list[WorkItem] = []
            while self._next in self._done:
                outcome = self._done.pop(self._next)
                self._next += 1
                if outcome is not None:
                    released.append(outcome)
            deliver(released)


def _commit(connection: Connection) -> None:
    connection.commit()
    raw(connection).commit()  # statements on the driver's connection alone are unknown to SQLAlchemy


def _state_of(error: BaseException) -> Any:
    return getattr(getattr(error, "orig", error), "sqlstate", None)
