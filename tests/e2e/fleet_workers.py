"""Call workers on a booted systemd, under the units of deploy/systemd, and callers who stay until they are told to hang up."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.agents import FAKES, until
from tests.e2e.booted_systemd import Systemd, booted_systemd
from tests.time_limits import time_limit
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Step, Wait
from vox.errors import VoxError
from vox.runtime.clock import SystemClock

UNITS: Final = Path(__file__).parents[2] / "deploy" / "systemd"
BIN: Final = Path(sys.executable).parent
WHOLE: Final = (1000, "caller hung up")
"""How a call ends that nothing but its caller has ended."""


_SHORT_S: Final = 0.6
"""Shorter calls would overdraw what one address may send."""


class Caller:
    """Is on the line until told to hang up."""

    def __init__(self) -> None:
        self.has_begun = False
        self.task: asyncio.Task[CallOutcome] | None = None
        self._hangs_up = False

    def hang_up(self) -> None:
        """Ends the call with its next word."""
        self._hangs_up = True

    def script(self) -> Iterator[Step]:
        """Silence, until `hang_up`."""
        while not self._hangs_up:
            yield Wait(0.1)
            self.has_begun = True
        yield HangUp()

    @property
    def is_on_the_line(self) -> bool:
        """Whether the call has begun and nothing has ended it."""
        return self.has_begun and self.task is not None and not self.task.done()

    @property
    def end(self) -> tuple[int, str]:
        """How the call ended."""
        assert self.task is not None
        outcome = self.task.result()
        return outcome.close_code, outcome.close_reason


@contextlib.asynccontextmanager
async def on_the_line(url: str) -> AsyncGenerator[Caller]:
    """A call that stands when the block begins and that its caller ends when it is left.

    Raises:
        AssertionError: something else has ended it.
        UpgradeRefusedError: it has not come about.
    """
    caller = Caller()
    caller.task = asyncio.create_task(place_call(url, caller.script(), SystemClock()))
    try:
        await until(lambda: caller.has_begun or (caller.task is not None and caller.task.done()))
        if not caller.is_on_the_line:
            raise AssertionError(f"{url}: {caller.end}")
        yield caller
    finally:
        caller.hang_up()
        async with time_limit():
            await asyncio.wait([caller.task])
    assert caller.end == WHOLE, caller.end


@dataclass(slots=True)
class Traffic:
    """Calls that come and go, and what became of them."""

    placed: int = 0
    failures: list[str] = field(default_factory=list[str])


@contextlib.asynccontextmanager
async def traffic(url: str, *, at_once: int = 2) -> AsyncGenerator[Traffic]:
    """Short calls one after another, at least one of them while the block runs and one behind it."""
    counted, is_over = Traffic(), False

    async def keep_calling() -> None:
        while not is_over:
            counted.placed += 1
            try:
                outcome = await place_call(url, [Wait(_SHORT_S), HangUp()], SystemClock(), connect_timeout_s=30.0)
            except VoxError as error:
                counted.failures.append(str(error))
                await asyncio.sleep(0.05)
                continue
            if (outcome.close_code, outcome.close_reason) != WHOLE:
                counted.failures.append(f"{outcome.close_code} {outcome.close_reason}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(keep_calling())
        await until(lambda: counted.placed > at_once)
        yield counted
        so_far = counted.placed
        await until(lambda: counted.placed > so_far + at_once)
        is_over = True


@dataclass(frozen=True, slots=True)
class Workers:
    """A systemd with the worker's units, and where its workers listen."""

    systemd: Systemd
    base: int
    folder: Path

    def phone(self, number: int) -> str:
        """Where a worker's media streams go."""
        return f"ws://127.0.0.1:{self.base + number}/telephony/ws"

    async def run(self, command: str) -> str:
        """A shell command on that machine."""
        return await self.systemd.run(command)

    async def scopes(self) -> list[str]:
        """The workers that drain behind a successor."""
        listed = await self.run("systemctl list-units --type=scope --no-legend --plain 'vox-draining-*'")
        return [line.split()[0] for line in listed.splitlines()]

    async def until(self, unit: str, name: str, holds: Callable[[str], bool]) -> str:
        """Waits until a property of a unit is as expected."""
        async with time_limit():
            while not holds(value := await self.systemd.shown(unit, name)):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.05)
        return value

    async def until_no_scopes(self) -> None:
        """Waits until no worker drains behind a successor."""
        async with time_limit():
            while await self.scopes():  # noqa: ASYNC110  another process
                await asyncio.sleep(0.05)

    async def worker_pid(self, number: int) -> int:
        """The process, in that machine's numbers, that serves a unit."""
        main = await self.systemd.shown(f"voxcore@{number}", "MainPID")
        return int((await self.run(f"cat /proc/{main}/task/{main}/children")).split()[0])


def free_base(number: int) -> int:
    """A port, a multiple of ten, behind which so many are free; below those that the system gives to clients, which callers would take."""
    first, last = 12_000, 31_000
    begin = first + os.getpid() * 10 % (last - first)
    for base in (*range(begin, last, 10), *range(first, begin, 10)):
        if all(_is_free(base + each) for each in range(1, number + 1)):
            return base
    raise AssertionError("no ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def service(folder: Path, base: int, changes: Mapping[str, str] | None = None) -> str:
    """The worker's unit as it is deployed, but for folders, ports and the user.

    Raises:
        AssertionError: the file has no place for one of them any more.
    """
    path = os.environ.get("PYTHONPATH", "")
    extra = f"DefaultDependencies=no\n[Service]\nStandardError=append:{folder}/%i.log\nReadWritePaths={folder}\n"
    text = (UNITS / "voxcore@.service").read_text()
    for old, new in {
        "/opt/vox/.venv/bin/vox worker": f"{BIN}/vox worker --host 127.0.0.1 --config {folder}/config.json",
        "/opt/vox/.venv/bin": str(BIN),
        "8000": str(base),
        "User=vox": "User=root",
        "WorkingDirectory=/opt/vox": f"WorkingDirectory={folder}",
        "EnvironmentFile=/opt/vox/.env": f"EnvironmentFile={folder}/.env",
        "ProtectHome=true": "ProtectHome=read-only",
        "[Service]\n": extra + (f"Environment=PYTHONPATH={path}\n" if path else ""),
        **(changes or {}),
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def port_unit(base: int) -> str:
    """The worker's socket unit as it is deployed, but for the port."""
    text = (UNITS / "voxcore@.socket").read_text().replace("[Socket]", "DefaultDependencies=no\n[Socket]")
    assert "127.0.0.1:800%i" in text
    return text.replace("127.0.0.1:800%i", f"127.0.0.1:{base // 10}%i")


def write_env(folder: Path, **environment: str) -> None:
    """The `.env` of the workers."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))


@contextlib.asynccontextmanager
async def workers(
    folder: Path,
    *,
    changes: Mapping[str, str] | None = None,
    units: Callable[[int], Mapping[str, str]] = lambda _: {},
    mounts: Mapping[str, Path] | None = None,
    **environment: str,
) -> AsyncGenerator[Workers]:
    """A machine on which no worker runs yet.

    Args:
        folder: for everything.
        changes: texts of the worker's unit and what stands there instead.
        units: further units, made for the port before that of the first worker.
        mounts: folders inside `folder` by the paths at which the machine sees them.
        environment: of the workers.
    """
    base = free_base(9)
    (folder / "config.json").write_text(json.dumps({"json_logs": True, **FAKES}))
    write_env(folder, MAX_CONCURRENT_CALLS="10", **environment)
    own = {"voxcore@.service": service(folder, base, changes)}
    async with booted_systemd(folder, {**own, **units(base)}, mounts=mounts) as systemd:
        yield Workers(systemd, base, folder)
