"""Several chat processes behind one address: started, started again when they die, and stopped together.

The kernel spreads connections over the processes (SO_REUSEPORT), and Redis makes them one server. A process that dies again
within seconds waits longer each time, so that a broken configuration does not burn the machine.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Generator
from typing import Any, Final

from vox.errors import DependencyError
from vox.runtime.lifecycle import owned_signals
from vox.runtime.logging import get_logger

RESTART_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
STABLE_S: Final = 60.0
"""A process that lived this long is started again without waiting longer than before."""
STOP_GRACE_S: Final = 10.0
"""Beyond its drain a process gets this long to end before it is killed."""
WRONG_INPUT: Final = 2
"""The exit code of a process whose configuration is wrong: the next one would say the same."""

_log = get_logger(__name__)


async def supervise(host: str, port: int, workers: int, given: dict[str, Any], *, drain_timeout_s: float) -> int:
    """Runs the processes until SIGTERM or SIGINT; 0 when all ended cleanly.

    Args:
        host: bind address.
        port: bind port; 0 picks one that all share.
        workers: how many processes.
        given: flags of the command line by name, handed on.
        drain_timeout_s: how long a process may send its clients away.

    Raises:
        DependencyError: a process cannot start because of its configuration (worker_failed).
    """
    stopping = asyncio.Event()
    stop_s = drain_timeout_s + STOP_GRACE_S
    with owned_signals(stopping.set), _reserved(host, port) as actual:
        flags = [
            f"--{name.replace('_', '-')}={value}" for name, value in given.items() if name not in {"port", "workers"}
        ]
        command = [sys.executable, "-m", "vox", "chat", *flags, f"--port={actual}", "--workers=1"]
        _log.info("starting workers", workers=workers, port=actual)
        kept = [
            asyncio.create_task(_keep([*command, f"--worker={one}"], one, stopping, stop_s)) for one in range(workers)
        ]
        await asyncio.wait(kept, return_when=asyncio.FIRST_EXCEPTION)
        stopping.set()  # where one cannot start, the others end in order too
        await asyncio.wait(kept)
    return max(task.result() for task in kept)


async def _keep(command: list[str], number: int, stopping: asyncio.Event, stop_s: float) -> int:
    delay_s = RESTART_S
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                return await _end(process, ended, number, stop_s)
        finally:
            stopped.cancel()
            if not ended.done():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await ended
        if loop.time() - began > STABLE_S:
            delay_s = RESTART_S
        elif ended.result() == WRONG_INPUT:
            raise DependencyError(f"worker {number} cannot start", code="worker_failed", hint="see its error above")
        _log.error("worker died", worker=number, exit=ended.result(), restart_in_s=delay_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await stopping.wait()
                return 0
        delay_s = min(delay_s * 2, RESTART_MAX_S)


async def _end(process: asyncio.subprocess.Process, ended: "asyncio.Task[int]", number: int, stop_s: float) -> int:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await asyncio.wait({ended}, timeout=stop_s)
    if not ended.done():
        _log.error("worker does not end and is killed", worker=number)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    status = await ended
    return 0 if status == -signal.SIGTERM else abs(status)  # by the signal itself: it had not yet begun to serve


@contextlib.contextmanager
def _reserved(host: str, port: int) -> Generator[int]:
    """The port all share; it stays bound here, unlistened, so that no other program takes it between two restarts."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((host or "0.0.0.0", port))  # noqa: S104  asked for
        yield one.getsockname()[1]
