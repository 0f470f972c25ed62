"""Ends a statement when its time is over, however the database spends it.

SQLite counts the steps of its virtual machine, but a step may be a comparison of megabytes, so steps are no measure of time: another
thread interrupts the connection. PostgreSQL has a time limit of its own, per statement.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from vox.stores.engines import raw

STEPS: Final = 10_000
"""Steps of SQLite's virtual machine, well below a millisecond, after which the connection looks whether it shall go on."""
_OPEN: Final = "vox_interruptions"


class TimeLimitError(Exception):
    """The statements of a block took too long and were ended."""


class Interruption:
    """Interrupts what a SQLite connection does, but never after its work is over: that would hit the next unit's statement.

    An interrupt ends the statement that runs, and is lost between two statements; therefore the connection also looks for it
    itself, every few thousand steps. Interruptions of one connection may lie within one another.

    Args:
        connection: inside the unit of work.
    """

    def __init__(self, connection: Connection) -> None:
        self._driver: sqlite3.Connection | None = raw(connection)
        self._open: list[Interruption] = connection.info.setdefault(_OPEN, [])
        self._lock = threading.Lock()
        self.has_happened = False
        self._open.append(self)
        raw(connection).set_progress_handler(self._is_over, STEPS)

    def interrupt(self) -> None:
        """Ends the work; may be called on any thread, and does nothing after `finish`."""
        with self._lock:
            if self._driver is not None:
                self.has_happened = True
                self._driver.interrupt()

    def finish(self) -> None:
        """The work is over; on the connection's own thread."""
        with self._lock:
            driver, self._driver = self._driver, None
        self._open.remove(self)
        if driver is not None and not self._open:
            driver.set_progress_handler(None, 0)

    def _is_over(self) -> bool:
        return any(one.has_happened for one in self._open)


@contextmanager
def time_limit(connection: Connection, limit_s: float) -> Generator[None]:
    """Bounds the time of the block's statements: of all together on SQLite, of each on PostgreSQL.

    Args:
        connection: inside the unit of work.
        limit_s: the time.

    Raises:
        TimeLimitError: it is over.
    """
    driver: Any = raw(connection)
    errors: Any = connection.dialect.dbapi
    if connection.dialect.name != "sqlite":
        driver.execute(f"SET LOCAL statement_timeout = {round(limit_s * 1000)}")
        try:
            yield
        except (errors.OperationalError, OperationalError) as error:
            if _state_of(error) != "57014":
                raise
            raise TimeLimitError from error
        return
    interruption = Interruption(connection)
    timer = threading.Timer(limit_s, interruption.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (errors.OperationalError, OperationalError) as error:
        if not interruption.has_happened:
            raise
        raise TimeLimitError from error
    finally:
        timer.cancel()
        interruption.finish()


def _state_of(error: Exception) -> str | None:
    """PostgreSQL's code of an error; 57014 is a statement that was ended."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None)
