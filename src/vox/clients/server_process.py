"""Starts the server under load in its own process and reads what it uses from `/proc`.

On systems without `/proc` the server runs all the same and its cost is unknown. The process is pinned before it has
started threads, because threads inherit the pinning of their parent at birth.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from vox.errors import DependencyError
from vox.runtime.clock import Clock

_PROC = Path("/proc")
_TAIL_BYTES = 2000
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used since they began."""

    cpu_s: float
    rss_bytes: int


@asynccontextmanager
async def serving(
    command: Sequence[str],
    *,
    ready_url: str,
    clock: Clock,
    log: Path,
    environment: Mapping[str, str] | None = None,
    core: int | None = None,
    ready_timeout_s: float = 60.0,
) -> AsyncGenerator[int]:
    """Runs `command` until the block is left; yields its process id once `ready_url` answers 200.

    Its output goes to `log`. `core` pins it (where the system can) and raises its priority (where that is permitted).
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=asyncio.subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        if core is not None:
            pin(process.pid, core)
        await _wait_ready(process, ready_url, clock, clock.now() + ready_timeout_s, log)
        yield process.pid
    finally:
        await _stop(process)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pin(pid: int, core: int, *, niceness: int = -15) -> None:
    """Binds a process to one core and raises its priority; does what the system permits."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, niceness)


def usage(pid: int) -> Usage | None:
    """What the process and its descendants have used; None where the system does not tell."""
    if not _PROC.joinpath(str(pid), "stat").exists():
        return None
    tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
    page = os.sysconf("SC_PAGE_SIZE")
    cpu_s, rss = 0.0, 0
    for each in _family(pid):
        try:
            fields = _stat_fields(each)
            rss += int(_PROC.joinpath(str(each), "statm").read_text().split()[1]) * page
        except (OSError, IndexError):
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) * tick_s
    return Usage(cpu_s, rss)


def busy_seconds(core: int) -> float | None:
    """Seconds for which `core` was busy since boot, whatever the process; None where the system does not tell."""
    try:
        lines = _PROC.joinpath("stat").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, *values = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in values[:8])
            return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return None


def _family(pid: int) -> list[int]:
    """The process and all its descendants."""
    parents = dict[int, int]()
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parents[int(entry.name)] = int(_stat_fields(int(entry.name))[1])
    family = [pid]
    for member in family:
        family.extend(child for child, parent in parents.items() if parent == member)
    return family


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before them may hold blanks and brackets."""
    return _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()


async def _wait_ready(process: asyncio.subprocess.Process, url: str, clock: Clock, deadline: float, log: Path) -> None:
    async with httpx2.AsyncClient(timeout=2.0) as http:
        while True:
            if process.returncode is not None:
                raise _not_ready(f"ended with code {process.returncode} before it was ready", log)
            with contextlib.suppress(httpx2.HTTPError):
                if (await http.get(url)).is_success:
                    return
            if clock.now() > deadline:
                raise _not_ready(f"did not answer {url} in time", log)
            await asyncio.sleep(0.1)


def _not_ready(problem: str, log: Path) -> DependencyError:
    tail = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    return DependencyError(f"the server {problem}", code="server_not_ready", hint=f"its last output: {tail or 'none'}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Asks it to end, then ends it with everything it started."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
