"""All recordings of one agent server: begins them, stores them, and brings what an earlier server left behind.

Before changing it: leaving the block first lets every file become whole, then stores as many as the time allows. What is not stored
stays in `.pending`, where the next start finds it.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

from vox.agent.recording import pending
from vox.agent.recording.call_writer import CallWriter
from vox.agent.recording.metrics import ACTIVE, BROKEN, LEFT_OUT
from vox.agent.recording.pending import PendingFiles
from vox.agent.recording.recorder import Recorder
from vox.agent.recording.retention import delete_expired
from vox.agent.recording.settings import Recording, key_of
from vox.agent.recording.uploads import Uploads
from vox.errors import DependencyError, UsageError, VoxError
from vox.media.recording.call_file import CallFile
from vox.media.recording.opus import check_installed
from vox.protocols.media_stream import Encoding
from vox.providers.storage.aws_configuration import s3_options
from vox.providers.storage.contract import FileStorage
from vox.providers.storage.opening import open_driver
from vox.providers.storage.threads import in_thread
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic, supervised

log = get_logger(__name__)

SETTINGS: Final = {
    "bucket": "recording.bucket",
    "endpoint": "AWS_ENDPOINT_URL",
    "region": "AWS_REGION",
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
}
"""What the operator calls the settings of the bucket."""
SWEEP_S: Final = 15.0
"""Between two looks for files that wait: a store that was away gets them this soon."""
FINISH_S: Final = 10.0
"""For the files of calls that end with the server to become whole; one that does not is repaired by the next start."""
RETENTION_S: Final = 3600.0
CHECK_TIMEOUT_S: Final = 10.0
CHECKED_FOR_S: Final = 60.0
"""A store that took something this recently is well: each check stores a small object, which costs money."""
CHECK_AGAIN_S: Final = 5.0
PROBE: Final = ".vox-check"


@dataclass(frozen=True, slots=True)
class Continued:
    """A recording that another server began: the name of its file among those under way, and when, in Unix seconds."""

    part: str
    began_at: float


class Recordings:
    """Records calls. Enter it before the first call.

    Args:
        settings: of recordings.
        folder: where relative paths begin.
        clock: of the calls.
        metrics: where recordings are counted.
        environment: where AWS's variables are looked for.
        shutdown_timeout_s: how long leaving may wait for uploads.
        patience_s: so long a recording without a writer is left to servers that may go on with its call.
    """

    def __init__(
        self,
        settings: Recording,
        folder: Path,
        clock: Clock,
        metrics: Metrics,
        environment: Mapping[str, str],
        *,
        shutdown_timeout_s: float,
        patience_s: float = 0.0,
    ) -> None:
        self.settings = settings
        self._folder = (folder / settings.folder).resolve()
        self._clock = clock
        self._metrics = metrics
        self._environment = environment
        self._shutdown_timeout_s = shutdown_timeout_s
        self._patience_s = patience_s
        self._pending = PendingFiles(self._folder)
        self._executor = ThreadPoolExecutor(1, "recording")
        self._active: set[Recorder] = set()
        self._stack = AsyncExitStack()
        self._store: FileStorage | None = None
        self._uploads: Uploads | None = None
        self._well_at: float | None = None
        self._failure: tuple[float, VoxError] | None = None
        self._checking = asyncio.Lock()

    async def open_store(self) -> None:
        """Opens the bucket or folder and checks it; changes nothing else.

        Raises:
            UsageError: recordings cannot be stored until the operator does something; the message says what.
            DependencyError: the store does not answer.
        """
        if self.settings.format != "wav":
            check_installed()
        self._store = await in_thread(self._opened_store)
        try:
            await self.check()
        except UsageError as error:
            raise UsageError(f"recordings cannot be stored: {error}", code=error.code) from None

    async def __aenter__(self) -> Self:
        """Opens the store, and stores what an earlier server left behind.

        Raises:
            UsageError: as `open_store`. A store that merely does not answer is a warning: recordings wait on the disk for it.
        """
        try:
            await self.open_store()
        except DependencyError as error:
            log.warning("recordings wait on the disk until they can be stored", code=error.code, error=str(error))
        try:
            await self._begin_storing()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for recorder in tuple(self._active):
            recorder.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await asyncio.to_thread(self._executor.shutdown)
        if self._uploads is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._shutdown_timeout_s):
                    await self._uploads.drain()
        await self._stack.aclose()
        if left := len(await in_thread(self._pending.waiting)):
            log.warning(
                "recordings are not stored yet: the next start stores them",
                count=left,
                folder=str(self._pending.folder),
                waited_s=self._shutdown_timeout_s,
            )

    def begin(
        self,
        call_id: str,
        *,
        agent_rate: int,
        agent_encoding: Encoding,
        agent_delay_s: float = 0.0,
        continued: Continued | None = None,
    ) -> Recorder:
        """Begins to record a call in which the agent speaks at this rate, in this encoding, and is heard so much later.

        A recording that another server began is gone on with where it lies in the same folder; else it gets a second file.
        """
        wall, began = self._clock.wall(), self._clock.now()
        part = self._pending.part_named(continued.part) if continued is not None else None
        is_continued = part is not None
        if continued is not None and part is not None:
            began -= wall.timestamp() - continued.began_at
        if part is None:
            name = call_id if continued is None else f"{call_id}-{wall:%H%M%S}"
            part = self._pending.part_for(name, wall)
        file = CallFile(
            part,
            began=began,
            sample_rate=self.settings.rate_for(agent_rate),
            layout=self.settings.layout,
            agent_rate=agent_rate,
            agent_encoding=agent_encoding,
            agent_delay_s=agent_delay_s,
            lock=pending.lock,
            is_continued=is_continued,
        )
        writer = CallWriter(
            call_id,
            file,
            part,
            self._pending,
            self._executor,
            on_whole=self._whole,
            on_broken=lambda code: self._metrics.counter(BROKEN, code).inc(),
            on_left_out=self._metrics.counter(LEFT_OUT).inc,
        )
        name = self._pending.name_of_part(part)
        recorder = Recorder(writer, self._clock, agent_encoding, self._closed, part=name)
        self._active.add(recorder)
        self._metrics.gauge(ACTIVE).set(len(self._active))
        return recorder

    async def check(self) -> None:
        """Returns where recordings can be stored, by what happened lately or by storing a small object.

        Raises:
            VoxError: they cannot; they wait on the disk.
        """
        async with self._checking:
            now = self._clock.now()
            if self._well_at is not None and now - self._well_at < CHECKED_FOR_S:
                return
            if self._failure is not None and now - self._failure[0] < CHECK_AGAIN_S:
                raise self._failure[1]
            try:
                await self._probe()
            except VoxError as error:
                self._failure, self._well_at = (self._clock.now(), error), None
                raise
            self._note_stored()

    async def _begin_storing(self) -> None:
        await self._recover()
        uploads = self._uploads = Uploads(
            self.settings,
            self._pending,
            self._opened,
            self._metrics,
            on_stored=self._note_stored,
            on_failed=self._note_failed,
        )
        await self._stack.enter_async_context(supervised(uploads.run, "store recordings"))
        await uploads.sweep()
        await self._stack.enter_async_context(periodic(SWEEP_S, self._sweep, "look for recordings to store"))
        if self.settings.retention_days and not self.settings.bucket:
            await self._delete_expired()
            await self._stack.enter_async_context(periodic(RETENTION_S, self._delete_expired, "delete old recordings"))

    async def _sweep(self) -> None:
        if self._patience_s:
            await self._recover()
        if self._uploads is not None:
            await self._uploads.sweep()

    async def _recover(self) -> None:
        now_s = self._clock.wall().timestamp()
        await in_thread(lambda: self._pending.recover(now_s, self._patience_s))

    def _opened_store(self) -> FileStorage:
        local = cast("FileStorage", open_driver("local", {"path": str(self._folder), "setting": "recording.folder"}))
        if not self.settings.bucket:
            return local
        options = s3_options(self.settings.bucket, self._environment, Path(self._environment.get("HOME", "")))
        return cast("FileStorage", open_driver("s3", {**options, "retries": 0, "names": SETTINGS}))

    @property
    def _opened(self) -> FileStorage:
        if self._store is None:
            raise UsageError("recordings are used before they are open", code="not_open")
        return self._store

    async def _probe(self) -> None:
        path = key_of(self.settings, "x").rpartition("/")[0]
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._opened.probe(f"{path}/{PROBE}" if path else PROBE)
        except TimeoutError:
            raise DependencyError(
                f"the store of recordings has not answered within {CHECK_TIMEOUT_S:g} s",
                code="storage_failed",
                hint="check the network, AWS_ENDPOINT_URL and AWS_REGION",
                retryable=True,
            ) from None

    def _note_stored(self) -> None:
        self._well_at, self._failure = self._clock.now(), None

    def _note_failed(self) -> None:
        self._well_at = None

    def _closed(self, recorder: Recorder) -> None:
        self._active.discard(recorder)
        self._metrics.gauge(ACTIVE).set(len(self._active))

    def _whole(self, file: Path) -> None:
        if self._uploads is not None:
            self._uploads.add(file)

    async def _delete_expired(self) -> None:
        today = self._clock.wall().date()
        work = partial(delete_expired, self._folder, today, self.settings.retention_days)
        deleted = await in_thread(work)
        if deleted:
            log.info("old recordings deleted", count=len(deleted), days=self.settings.retention_days)
