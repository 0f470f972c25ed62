"""Ends a statement when its time is over, however the database spends it.

SQLite counts the steps of its virtual machine, but a step may be a comparison of megabytes, so steps are no measure of time: another
thread interrupts the connection. PostgreSQL has a time limit of its own, per statement.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from vox.stores.engines import raw


class TimeLimitError(Exception):
    """The statements of a block took too long and were ended."""


class Interruption:
    """Interrupts a SQLite connection, but never after its work is over: that would hit the next unit's statement.

    Args:
        driver: the driver's connection.
    """

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver: sqlite3.Connection | None = driver
        self._lock = threading.Lock()
        self.has_happened = False

    def interrupt(self) -> None:
        """Ends the running statement; may be called on any thread, and does nothing after `finish`."""
        with self._lock:
            if self._driver is not None:
                self.has_happened = True
                self._driver.interrupt()

    def finish(self) -> None:
        """The work is over."""
        with self._lock:
            self._driver = None


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
    interruption = Interruption(driver)
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
