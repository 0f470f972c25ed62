"""A worker process as its driver sees it: started, restarted when it dies, and ended with the driver.

Work that would hold the event loop, or a core, for longer than a few milliseconds runs in such a process. What the messages
say is the driver's business; `framing.py` is how they travel, `serving.py` the other end.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

import vox
from vox.providers.workers.framing import Unframer, frame
from vox.runtime.logging import get_logger

MAX_BACKLOG = 16 * 1024 * 1024
"""Bytes that a worker may leave unread before it counts as stuck."""

_READ_BYTES = 65_536
_CLOSE_TIMEOUT_S = 3.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0

_FOREIGN = """\
import runpy, sys, types
vox = types.ModuleType("vox")
vox.__path__ = [sys.argv.pop(1)]
sys.modules["vox"] = vox
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
"""What another Python runs: it finds this package's modules, and none of the packages installed beside it."""

_log = get_logger(__name__)


class WorkerProcess:
    """One worker process and its successors. `run` it in a task; `ready` is set by the driver through `mark_ready`.

    Args:
        module: what `python -m` runs.
        arguments: for it.
        on_message: takes the body of each message; raises ValueError or a msgspec error for one it does not understand.
        on_down: called when a process has ended; what was asked of it will not be answered.
        python: another Python to run it with; the module may then import nothing that is not installed there.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        on_message: Callable[[bytes], None],
        on_down: Callable[[], None],
        python: str = "",
    ) -> None:
        self.ready = asyncio.Event()
        self._command = (sys.executable, "-P", "-m", module, *arguments)
        if python:
            self._command = (python, "-P", "-c", _FOREIGN, str(Path(vox.__path__[0])), module, *arguments)
        self._module = module
        self._on_message = on_message
        self._on_down = on_down
        self._process: Process | None = None
        self._closing = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the process that is running, or ran last."""
        return self._process.pid if self._process else None

    def mark_ready(self) -> None:
        """The process says that it can take work."""
        if not self._closing.is_set():
            self.ready.set()

    def send(self, message: msgspec.Struct) -> None:
        """Sends without waiting; a worker that has stopped reading is ended."""
        if self._process is None or self._process.stdin is None or self._process.stdin.is_closing():
            return
        self._process.stdin.write(frame(message))
        if self._process.stdin.transport.get_write_buffer_size() > MAX_BACKLOG:
            _log.error("worker is stuck", worker=self._module, pid=self._process.pid)
            self.kill()

    def kill(self) -> None:
        """Ends the process at once; `run` starts the next one."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def close(self) -> None:
        """Asks the process to end, after which `run` returns."""
        self._closing.set()
        self.ready.clear()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def run(self) -> None:
        """Keeps a process up until `close`; a dead one is replaced, at once the first time, then ever later."""
        pause_s = 0.0
        while not self._closing.is_set():
            came_up = await self._run_process()
            self.ready.clear()
            self._on_down()
            if self._closing.is_set():
                return
            pause_s = _FIRST_PAUSE_S if came_up else min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
            _log.warning("worker died", worker=self._module, restart_in_s=pause_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._closing.wait()

    async def _run_process(self) -> bool:
        """Runs one process to its end; whether it came up."""
        try:
            process = self._process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE)
        except OSError as error:
            _log.warning("worker does not start", worker=self._module, error=str(error))
            return False
        if self._closing.is_set():
            self.close()
        try:
            await self._read(process)
        finally:
            await self._reap(process)
        return self.ready.is_set()

    async def _read(self, process: Process) -> None:
        if process.stdout is None:
            return
        unframer = Unframer()
        while data := await process.stdout.read(_READ_BYTES):
            try:
                for body in unframer.feed(data):
                    self._on_message(body)
            except (ValueError, msgspec.DecodeError) as error:
                _log.error("worker is not understood", worker=self._module, error=str(error))
                return

    async def _reap(self, process: Process) -> None:
        """Waits for the end of the process, and makes it end when it does not."""
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()
