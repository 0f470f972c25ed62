"""Stores whole recordings through a bounded queue and a few workers, away from the calls.

Nothing is lost where storing fails or the queue is full: the file stays on the disk, and `sweep` queues it again later.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vox.agent.recording.metrics import JOBS_ENQUEUED, JOBS_FAILED, JOBS_SUCCEEDED, QUEUE_DEPTH, WAITING
from vox.agent.recording.pending import PendingFiles, claimed
from vox.agent.recording.settings import Recording, key_of
from vox.errors import VoxError
from vox.media.recording.opus import encode_ogg_opus
from vox.providers.storage.contract import FileStorage
from vox.providers.storage.threads import in_thread
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.stores.disk_errors import disk_failure

log = get_logger(__name__)

FIRST_BACKOFF_S: Final = 0.1
CONTENT_TYPES: Final = {"wav": "audio/wav", "opus": "audio/ogg", "ogg": "audio/ogg"}


class Uploads:
    """The queue of recordings to be stored.

    Args:
        settings: where to, and how hard to try.
        pending: the files on this machine.
        store: the bucket or folder.
        metrics: where jobs are counted.
        on_stored: called after each recording that was stored.
        on_failed: called after each that was not, in spite of all tries.
    """

    def __init__(
        self,
        settings: Recording,
        pending: PendingFiles,
        store: FileStorage,
        metrics: Metrics,
        *,
        on_stored: Callable[[], None] = lambda: None,
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._pending = pending
        self._store = store
        self._on_stored = on_stored
        self._on_failed = on_failed
        self._queue: asyncio.Queue[Path] = asyncio.Queue(settings.queue_cap)
        self._known: set[Path] = set()
        self._has_backlog = False
        self._enqueued = metrics.counter(JOBS_ENQUEUED)
        self._succeeded = metrics.counter(JOBS_SUCCEEDED)
        self._failed = metrics.counter(JOBS_FAILED)
        self._depth = metrics.gauge(QUEUE_DEPTH)
        self._waiting = metrics.gauge(WAITING)

    def add(self, file: Path) -> None:
        """Queues a recording; where the queue is full, it waits on the disk for the next `sweep`."""
        if not self._try_add(file):
            self._failed.inc()
            log.warning(
                "recording queue is full: the file waits on the disk and is stored later",
                file=str(file),
                hint="raise recording.worker_count or recording.queue_cap if this goes on",
            )

    async def run(self) -> None:
        """Stores what is queued, for ever."""
        async with asyncio.TaskGroup() as workers:
            for number in range(self._settings.worker_count):
                workers.create_task(self._work(), name=f"store recordings {number}")

    async def sweep(self) -> None:
        """Queues what waits on the disk, as far as there is room."""
        self._has_backlog = False
        files = await in_thread(self._pending.waiting)
        self._waiting.set(len(files))
        for file in files:
            if file not in self._known and not self._try_add(file):
                return

    async def drain(self) -> None:
        """Returns once everything on the disk was stored or has failed now; bounded by the caller's deadline."""
        tried: set[Path] = set()
        while left := [file for file in await in_thread(self._pending.waiting) if file not in tried]:
            for file in left:
                if file in self._known or self._try_add(file):
                    tried.add(file)
            await self._queue.join()

    async def _work(self) -> None:
        while True:
            file = await self._queue.get()
            self._depth.set(self._queue.qsize())
            try:
                is_stored = await self._store_claimed(file)
                if is_stored and self._has_backlog and self._queue.empty():
                    await self.sweep()  # the store is well, so what waits need not wait for the next sweep
            except Exception:  # the top of a worker: the other recordings go on
                self._failed.inc()
                log.exception("storing a recording failed", file=str(file))
            finally:
                self._known.discard(file)
                self._queue.task_done()

    def _try_add(self, file: Path) -> bool:
        if file in self._known:  # by a sweep that saw it before its call told of it
            return True
        try:
            self._queue.put_nowait(file)
        except asyncio.QueueFull:
            self._has_backlog = True
            return False
        self._known.add(file)
        self._enqueued.inc()
        self._depth.set(self._queue.qsize())
        return True

    async def _store_claimed(self, file: Path) -> bool:
        """Stores a file, unless it is gone or another server is about to; whether it did."""
        with claimed(file) as is_ours:
            if not is_ours:
                return False
            is_stored = await self._try_to_store(file)
            if not is_stored:
                self._failed.inc()
            return is_stored

    async def _try_to_store(self, file: Path) -> bool:
        """Tries until the recording is stored or the tries are used up."""
        failures = 0
        while True:
            try:
                await self._store_once(file)
            except VoxError as error:
                if error.code == "not_a_recording":
                    await in_thread(lambda: self._pending.reject(file))
                    log.warning("file is no recording and was put aside", file=str(file), error=str(error))
                    return False
                failures += 1
                if failures > self._settings.max_retries:
                    self._has_backlog = True
                    self._on_failed()
                    log.warning(
                        "recording is not stored: it waits on the disk and is tried again",
                        file=str(file),
                        code=error.code,
                        error=str(error),
                    )
                    return False
            else:
                self._succeeded.inc()
                self._on_stored()
                return True
            await asyncio.sleep(FIRST_BACKOFF_S * 2 ** (failures - 1))

    async def _store_once(self, file: Path) -> None:
        settings = self._settings
        key = key_of(settings, self._pending.name_of(file))
        encoded = file if settings.format == "wav" else file.with_suffix(f".{settings.format}")
        try:
            if encoded is not file:
                await in_thread(lambda: encode_ogg_opus(file, encoded))
            await self._store.put_file(key, encoded, content_type=CONTENT_TYPES[settings.format])
        except OSError as error:
            raise disk_failure(error, f"encoding {file}") from error
        finally:
            if encoded is not file:
                encoded.unlink(missing_ok=True)
        await in_thread(lambda: self._pending.remove(file))
        log.info("recording stored", key=key)
