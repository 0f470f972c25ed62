"""Carries one recorder's batches to its file, in the thread that writes all calls' files."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from vox.agent.recording.pending import PendingFiles
from vox.media.recording.call_file import Batch, CallFile
from vox.runtime.logging import get_logger
from vox.stores.disk_errors import disk_failure

log = get_logger(__name__)

T = TypeVar("T")


class CallWriter:
    """Implements `vox.agent.recording.recorder.Writer`. The order of the batches is that of the executor's one thread.

    Args:
        call_id: for the log.
        file: what the batches go to; opened with the first of them.
        part: where it lies.
        pending: gives whole files their name.
        executor: with one thread.
        on_whole: called on the loop, with a file that is whole.
        on_broken: called on the loop, once, with the code of what ended the recording early.
        on_left_out: called on the loop, with seconds that are missing.
    """

    def __init__(
        self,
        call_id: str,
        file: CallFile,
        part: Path,
        pending: PendingFiles,
        executor: Executor,
        *,
        on_whole: Callable[[Path], None],
        on_broken: Callable[[str], None],
        on_left_out: Callable[[float], None],
    ) -> None:
        self._call_id = call_id
        self._file = file
        self._part = part
        self._pending = pending
        self._executor = executor
        self._on_whole = on_whole
        self._on_broken = on_broken
        self._on_left_out = on_left_out
        self._loop = asyncio.get_running_loop()
        self._submitted = self._done = 0  # each is written by one thread alone
        self._broken = self._has_warned = False
        executor.submit(self._attempt, file.open)

    @property
    def outstanding(self) -> int:
        """How many batches wait."""
        return self._submitted - self._done

    @property
    def is_broken(self) -> bool:
        """Whether writing has failed for good."""
        return self._broken

    def write(self, batch: Batch) -> None:
        """Writes a batch behind those before it."""
        self._submitted += 1
        self._executor.submit(self._write, batch)

    def finish(self, batch: Batch | None) -> None:
        """Writes the last batch and completes the file."""
        self._executor.submit(self._finish, batch)

    def leave(self, batch: Batch | None, on_left: Callable[[], None]) -> None:
        """Writes the last batch and closes the file as it is; `on_left` is called on the loop then."""
        self._executor.submit(self._leave, batch, on_left)

    def left_out(self, seconds: float) -> None:
        """Takes note that so much of the call is missing; warns once."""
        self._on_left_out(seconds)
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "recording has gaps: the disk does not keep up",
                call_id=self._call_id,
                file=str(self._part),
                hint="put recording.folder on a faster disk, or take fewer calls",
            )

    def _write(self, batch: Batch) -> None:
        self._attempt(lambda: self._file.write(batch))
        self._done += 1

    def _finish(self, batch: Batch | None) -> None:
        if batch is not None:
            self._attempt(lambda: self._file.finish(batch))
        if self._file.left_out_s:
            log.warning(
                "caller's audio came faster than it can have been spoken, and is not recorded in full",
                call_id=self._call_id,
                seconds=round(self._file.left_out_s, 1),
            )
        try:
            length_s = self._file.close()
            if self._file.is_foreign or not self._part.exists():
                return
            if not length_s:
                self._part.unlink()
                return
            whole = self._pending.complete(self._part)
        except OSError as error:
            log.warning("recording is left for the next start to repair", file=str(self._part), error=str(error))
            return
        self._tell(self._on_whole, whole)

    def _leave(self, batch: Batch | None, on_left: Callable[[], None]) -> None:
        if batch is not None:
            self._attempt(lambda: self._file.finish(batch))
        try:
            self._file.close()
        except OSError as error:
            log.warning("recording is left for another process as it is", file=str(self._part), error=str(error))
        self._loop.call_soon_threadsafe(on_left)

    def _attempt(self, work: Callable[[], None]) -> None:
        """Does some of the writing; the first failure ends the recording."""
        if self._broken:
            return
        try:
            work()
        except Exception as error:  # noqa: BLE001  the top of a thread's work: the call must not notice
            self._broken = True
            code, text = "failed", repr(error)
            if isinstance(error, OSError):
                failure = disk_failure(error, f"writing {self._part}")
                code, text = failure.code, str(failure)
            log.warning(
                "recording ended early, the call goes on",
                call_id=self._call_id,
                code=code,
                error=text,
                hint="make room on the disk of recording.folder" if code == "disk_full" else "check recording.folder",
            )
            self._tell(self._on_broken, code)

    def _tell(self, what: Callable[[T], None], argument: T) -> None:
        self._loop.call_soon_threadsafe(what, argument)
