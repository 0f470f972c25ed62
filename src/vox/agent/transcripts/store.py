"""The transcripts of all calls of one server: opened once, written behind the calls, read by the API."""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from vox.agent.transcripts.call_transcript import CallTranscript
from vox.agent.transcripts.database import TranscriptDatabase, reason
from vox.agent.transcripts.rows import TranscriptRow
from vox.agent.transcripts.settings import Transcripts
from vox.agent.transcripts.writer import TranscriptWriter
from vox.errors import DependencyError, UsageError
from vox.runtime.clock import Clock
from vox.runtime.concurrency import ConcurrencyLimiter
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import supervised

log = get_logger(__name__)

T = TypeVar("T")

OPEN_TIMEOUT_S: Final = 15.0
READ_TIMEOUT_S: Final = 10.0
READERS: Final = 2


class TranscriptStore:
    """Enter it before the first call; leaving writes what is queued, for as long as the settings allow.

    Args:
        settings: transcripts are enabled in them.
        folder: where a relative path to a SQLite file begins.
        clock: for rows and durations.
        metrics: where rows are counted.

    Raises:
        UsageError: the settings do not name a database.
    """

    def __init__(self, settings: Transcripts, folder: Path, clock: Clock, metrics: Metrics) -> None:
        self._database = TranscriptDatabase(settings.address(folder), settings.table_name)
        self._writer = TranscriptWriter(
            self._database, clock, metrics, max_rows=settings.queue_cap, max_bytes=settings.queue_max_bytes
        )
        self._flush_timeout_s = settings.flush_timeout_secs
        self._clock = clock
        self._live: Tally[str] = Tally()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="transcript-reads")
        self._reads = ConcurrencyLimiter(READERS, _unavailable)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connects; a database that does not answer now is waited for while calls go on.

        Raises:
            UsageError: the database refuses the login, or its table does not fit.
        """
        try:
            await self._in_thread(self._database.prepare, OPEN_TIMEOUT_S)
        except UsageError:
            self._close()
            raise
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("the transcript database does not answer yet", place=self._database.place, error=reason(error))
        else:
            log.info("transcripts are stored", place=self._database.place)
        await self._stack.enter_async_context(supervised(self._writer.run, "write transcripts"))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._writer.flush(self._flush_timeout_s)
        await self._stack.aclose()
        self._close()

    def begin(self, session_id: str, redact: Callable[[str], str] | None = None, *, rows: int = 0) -> CallTranscript:
        """The transcript of a call that begins, or that another process has begun and written so many rows of."""
        self._live[session_id] += 1
        return CallTranscript(
            session_id, self._writer.put, self._clock, redact=redact, on_closed=self._ended, rows=rows
        )

    async def read(self, session_id: str, after: int, limit: int) -> list[TranscriptRow] | None:
        """Rows of a session behind number `after`, in order, also those that are not in the database yet.

        None means that there is no such session here or in the database.

        Raises:
            DependencyError: the database does not answer (transcripts_unavailable).
        """
        queued = self._writer.waiting(session_id)  # first: what is written meanwhile is in both
        is_live = session_id in self._live
        async with self._reads.slot():
            rows = await self._ask(lambda: self._database.read(session_id, after, limit))
        found = {row.seq: row for row in map(self._database.renumbered, queued) if row.seq > after}
        found |= {row.seq: row for row in rows}
        if not found and not is_live and (after == 0 or not await self._has_rows(session_id)):
            return None
        return [found[seq] for seq in sorted(found)][:limit]

    async def check(self) -> None:
        """Returns once the database has answered.

        Raises:
            DependencyError: it does not (transcripts_unavailable).
        """
        async with self._reads.slot():
            await self._ask(self._database.ping)

    async def _has_rows(self, session_id: str) -> bool:
        return bool(await self._ask(lambda: self._database.read(session_id, 0, 1)))

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            return await self._in_thread(work, READ_TIMEOUT_S)
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("the transcript database does not answer", error=reason(error))
            raise _unavailable() from None

    async def _in_thread(self, work: Callable[[], T], timeout_s: float) -> T:
        async with asyncio.timeout(timeout_s):
            return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._database.close()

    def _ended(self, transcript: CallTranscript) -> None:
        self._live[transcript.session_id] -= 1
        if self._live[transcript.session_id] <= 0:
            del self._live[transcript.session_id]


def _unavailable(*_: Any) -> DependencyError:
    return DependencyError(
        "the transcript database does not answer",
        code="transcripts_unavailable",
        hint="/ready says whether it does again",
        retryable=True,
        retry_after_s=5,
    )
