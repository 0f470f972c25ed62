"""Calls to hand over in one SQLite file, for the workers of one machine.

The file holds what is said on calls, so only its owner may read it, and rows go a minute after their calls. A transaction is written
to the log without waiting for the disk: what a power failure loses are calls that it ended anyway.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from vox.errors import UsageError
from vox.fleet.handover.contract import (
    ENDED_S,
    INVITATIONS_S,
    KEPT_S,
    MOST_INVITATIONS,
    TIMEOUT_S,
    Kept,
    digest,
    failed,
)
from vox.runtime.clock import Clock

T = TypeVar("T")

PRIVATE_FILE: Final = 0o600
MOST_WAITING: Final = 2000
"""Operations that may wait for the one thread; what is more is refused."""
BUSY_TIMEOUT_S: Final = 2.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY,
    line TEXT,
    fence INTEGER NOT NULL,
    record BLOB NOT NULL,
    has_ended INTEGER NOT NULL DEFAULT 0,
    expires_at REAL NOT NULL,
    token TEXT,
    token_until REAL NOT NULL DEFAULT 0,
    offers INTEGER NOT NULL DEFAULT 0,
    invitations INTEGER NOT NULL DEFAULT 0,
    invited_since REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_by_line ON calls (line);
CREATE INDEX IF NOT EXISTS calls_by_token ON calls (token);
CREATE INDEX IF NOT EXISTS calls_by_expiry ON calls (expires_at);
"""
_SAVE: Final = """
INSERT INTO calls (call_id, line, fence, record, expires_at) VALUES (:id, NULLIF(:line, ''), :fence, :record, :until)
ON CONFLICT (call_id) DO UPDATE SET record = excluded.record, expires_at = excluded.expires_at
WHERE (calls.fence = excluded.fence AND NOT calls.has_ended)
"""
_INVITE: Final = """
UPDATE calls SET
    token = :token, token_until = :until, offers = offers + 1, expires_at = MAX(expires_at, :kept_until),
    invitations = CASE WHEN :now - invited_since > :window THEN 1 ELSE invitations + 1 END,
    invited_since = CASE WHEN :now - invited_since > :window THEN :now ELSE invited_since END
WHERE call_id = (SELECT call_id FROM calls WHERE (call_id = :name OR line = :name) AND expires_at > :now
                 ORDER BY has_ended LIMIT 1)
    AND NOT has_ended AND (:fence = 0 OR fence = :fence) AND (:now - invited_since > :window OR invitations < :most)
RETURNING call_id, fence, record, offers
"""
_CLAIM: Final = """
UPDATE calls SET fence = fence + 1, token = NULL, offers = 0, expires_at = :until
WHERE token = :token AND token_until > :now AND expires_at > :now AND NOT has_ended
RETURNING call_id, fence, record
"""


class SqliteHandover:
    """Implements `vox.fleet.handover.contract.HandoverStore`.

    Args:
        path: of the file; it and its folder are made.
        clock: for everything that expires; all workers of the machine share it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="handover")
        self._waiting = 0
        self._connection: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        """Opens the file.

        Raises:
            UsageError: it cannot be used (handover_store_invalid).
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except (OSError, sqlite3.Error) as error:
            self._thread.shutdown(wait=False)
            raise UsageError(
                f"handover_store {self._path} cannot be used: {error}",
                code="handover_store_invalid",
                hint="name a SQLite file that this user may write, or redis://HOST:6379/0",
            ) from None
        return self

    async def __aexit__(self, *_error: object) -> None:
        with suppress(sqlite3.Error):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def save(self, call_id: str, fence: int, record: bytes, *, line: str = "") -> bool:
        """See `HandoverStore`."""
        values = {"id": call_id, "line": line, "fence": fence, "record": record, "until": self._now() + KEPT_S}

        def work(connection: sqlite3.Connection) -> bool:
            self._forget_expired(connection, call_id)
            return connection.execute(_SAVE, values).rowcount > 0

        return await self._run(work)

    async def renew(self, calls: Mapping[str, int]) -> Collection[str]:
        """See `HandoverStore`."""
        held, until = dict(calls), self._now() + KEPT_S

        def work(connection: sqlite3.Connection) -> Collection[str]:
            self._forget_expired(connection)
            renewal = "UPDATE calls SET expires_at = ? WHERE call_id = ? AND fence = ? AND NOT has_ended"
            known = "SELECT 1 FROM calls WHERE call_id = ?"
            return {
                call_id
                for call_id, fence in held.items()
                if not connection.execute(renewal, (until, call_id, fence)).rowcount
                and connection.execute(known, (call_id,)).fetchone()
            }

        return await self._run(work)

    async def invite(self, name: str, token: str, *, ttl_s: float, fence: int = 0) -> Kept | None:
        """See `HandoverStore`."""
        now = self._now()
        values = {"name": name, "token": digest(token), "now": now, "until": now + ttl_s, "fence": fence}
        values["kept_until"] = now + min(ttl_s, KEPT_S)
        limits = {"window": INVITATIONS_S, "most": MOST_INVITATIONS}
        return await self._run(lambda connection: _kept(connection.execute(_INVITE, values | limits).fetchall()))

    async def withdraw(self, call_id: str, fence: int) -> bool:
        """See `HandoverStore`."""
        statement = "UPDATE calls SET token = NULL WHERE call_id = ? AND fence = ? AND NOT has_ended"
        return await self._run(lambda connection: connection.execute(statement, (call_id, fence)).rowcount > 0)

    async def claim(self, token: str) -> Kept | None:
        """See `HandoverStore`."""
        now = self._now()
        values = {"token": digest(token), "now": now, "until": now + KEPT_S}
        return await self._run(lambda connection: _kept(connection.execute(_CLAIM, values).fetchall()))

    async def finish(self, call_id: str, fence: int) -> bool:
        """See `HandoverStore`."""
        statement = (
            "UPDATE calls SET has_ended = 1, record = x'', token = NULL, expires_at = ? "
            "WHERE call_id = ? AND fence = ? AND NOT has_ended"
        )
        values = (self._now() + ENDED_S, call_id, fence)
        return await self._run(lambda connection: connection.execute(statement, values).rowcount > 0)

    async def check(self) -> None:
        """Returns once the file was read."""
        await self._run(lambda connection: connection.execute("SELECT 1 FROM calls LIMIT 1").fetchone())

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a transaction in the store's thread; its end is not waited for beyond the deadline."""
        if self._waiting >= MOST_WAITING:
            raise failed(f"{MOST_WAITING} operations wait already")
        self._waiting += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)
        except (sqlite3.Error, OSError, TimeoutError) as error:
            raise failed(str(error) or f"no answer within {TIMEOUT_S:g} s") from None
        finally:
            self._waiting -= 1

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise sqlite3.OperationalError("it is closed")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=FAST"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_SCHEMA)
        self._connection = connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _forget_expired(self, connection: sqlite3.Connection, call_id: str = "") -> None:
        """Deletes what has expired: all of it, or one call of which a late write must not meet an old row."""
        if call_id:
            connection.execute("DELETE FROM calls WHERE call_id = ? AND expires_at <= ?", (call_id, self._now()))
        else:
            connection.execute("DELETE FROM calls WHERE expires_at <= ?", (self._now(),))

    def _now(self) -> float:
        return self._clock.wall().timestamp()


def _kept(rows: list[Any]) -> Kept | None:
    return Kept(*rows[0]) if rows else None
