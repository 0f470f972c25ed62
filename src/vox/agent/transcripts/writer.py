"""Writes rows behind the calls' backs: a bounded queue, one thread, one transaction for the rows of many calls.

A database that is away costs memory up to the bound, and calls nothing. What exceeds the bound is lost and counted; the rows
that wait are the older ones, so that what is in the table has no gap but the last.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from sqlalchemy.exc import SQLAlchemyError

from vox.agent.transcripts.database import Stored, reason
from vox.agent.transcripts.rows import TranscriptRow
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Gauge, Histogram, Metrics

log = get_logger(__name__)

ROWS_WRITTEN = Counter("vox_agent_transcript_rows_written_total", "Rows of transcripts in the database")
ROWS_LOST = Counter("vox_agent_transcript_rows_lost_total", "Rows of transcripts that were not stored", ("reason",))
ROWS_WAITING = Gauge("vox_agent_transcript_rows_waiting", "Rows of transcripts that wait for the database")
WRITE_FAILURES = Counter(
    "vox_agent_transcript_write_failures_total", "Writes of transcripts that failed and are repeated"
)
WRITE_SECONDS = Histogram("vox_agent_transcript_write_seconds", "Time to write a batch of transcript rows")

MAX_BATCH: Final = 500
GATHER_S: Final = 0.25
"""How long a row waits for those of other calls, to share their transaction."""
FIRST_RETRY_S: Final = 0.25
LAST_RETRY_S: Final = 5.0
WRITE_TIMEOUT_S: Final = 20.0
"""For one write, all time-outs of the drivers included; then its connection is broken."""
ROW_BYTES: Final = 300
"""What a row needs in memory beside its text."""


class RowStore(Protocol):
    """What the writer needs of the database."""

    def store(self, rows: list[TranscriptRow]) -> Stored:
        """Writes rows; blocks."""
        ...

    def interrupt(self) -> None:
        """Ends what hangs."""
        ...


class TranscriptWriter:
    """Takes rows on the event loop and writes them on a thread of its own.

    Args:
        database: where the rows go.
        clock: for the time that a write takes.
        metrics: where rows are counted.
        max_rows: that wait at most.
        max_bytes: that they take at most.
    """

    def __init__(self, database: RowStore, clock: Clock, metrics: Metrics, *, max_rows: int, max_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._rows: deque[TranscriptRow] = deque()
        self._batch: list[TranscriptRow] = []
        self._bytes = 0
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transcripts")
        self._waiting = metrics.gauge(ROWS_WAITING)
        self._failed_since: float | None = None
        self._lost = 0

    def put(self, row: TranscriptRow) -> None:
        """Queues a row; where the bound is reached it is lost, counted, and told once."""
        size = _size(row)
        if len(self._rows) + len(self._batch) >= self._max_rows or self._bytes + size > self._max_bytes:
            self._lose(1)
            return
        self._rows.append(row)
        self._bytes += size
        self._waiting.inc()
        self._idle.clear()
        self._filled.set()

    def waiting(self, session_id: str) -> list[TranscriptRow]:
        """The rows of a session that are not in the database yet, as far as is known."""
        return [row for rows in (self._batch, self._rows) for row in rows if row.session_id == session_id]

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            await self._filled.wait()
            await self._pause(GATHER_S)
            if not self._batch:
                self._batch = [self._rows.popleft() for _ in range(min(MAX_BATCH, len(self._rows)))]
            await self._write_batch()
            self._bytes -= sum(map(_size, self._batch))
            self._batch = []
            self._waiting.set(len(self._rows))
            if not self._rows:
                self._filled.clear()
                self._idle.set()

    async def flush(self, timeout_s: float) -> None:
        """Returns once everything is written, or its time is over; what is left then is lost, and counted."""
        self._hurry.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            left = len(self._batch) + len(self._rows)
            self._rows.clear()
            self._metrics.counter(ROWS_LOST, "shutdown").inc(left)
            log.error("transcript rows are lost", reason="shutdown", rows=left)  # noqa: TRY400  the time-out says nothing more

    def close(self) -> None:
        """Ends the thread, whatever it waits for."""
        self._database.interrupt()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _write_batch(self) -> None:
        """Writes the batch, however often that has to be tried."""
        delay_s = FIRST_RETRY_S
        while True:
            began = self._clock.now()
            try:
                stored = await self._store()
            except (SQLAlchemyError, VoxError) as error:
                self._failed(error)
                await self._pause(delay_s)
                delay_s = min(delay_s * 2, LAST_RETRY_S)
            else:
                self._metrics.histogram(WRITE_SECONDS).observe(self._clock.now() - began)
                self._metrics.counter(ROWS_WRITTEN).inc(stored.written)
                if stored.refused:
                    self._metrics.counter(ROWS_LOST, "refused").inc(stored.refused)
                self._recovered()
                return

    async def _store(self) -> Stored:
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._database.store, self._batch)
        while True:
            done, _ = await asyncio.wait({work}, timeout=WRITE_TIMEOUT_S)
            if done:
                return await work
            self._database.interrupt()

    async def _pause(self, seconds: float) -> None:
        """Waits; at shutdown only as long as it takes to let others run and not to try without end."""
        if self._hurry.is_set():
            await asyncio.sleep(min(seconds, FIRST_RETRY_S))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass

    def _failed(self, error: Exception) -> None:
        self._metrics.counter(WRITE_FAILURES).inc()
        if self._failed_since is None:
            self._failed_since = self._clock.now()
            log.warning("transcripts cannot be written; they wait in memory", error=reason(error))

    def _recovered(self) -> None:
        if self._failed_since is not None:
            seconds = round(self._clock.now() - self._failed_since, 1)
            log.info("transcripts are written again", seconds=seconds, lost=self._lost)
        self._failed_since, self._lost = None, 0

    def _lose(self, rows: int) -> None:
        if not self._lost:
            log.warning("transcript rows are lost", reason="queue_full", waiting=len(self._rows))
        self._lost += rows
        self._metrics.counter(ROWS_LOST, "queue_full").inc(rows)


def _size(row: TranscriptRow) -> int:
    return ROW_BYTES + len(row.text.encode())
