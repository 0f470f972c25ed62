"""The worker's units on a real systemd: as many restarts as an operator likes, and every call ends when its caller hangs up."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import FAKES
from tests.e2e.booted_systemd import Systemd, booted_systemd
from tests.e2e.programs import accepts
from tests.time_limits import time_limit
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Step, Wait
from vox.runtime.clock import SystemClock

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Workers:
    """A systemd with the worker's units, and where its workers listen."""

    systemd: Systemd
    base: int
    folder: Path

    def phone(self, number: int) -> str:
        return f"ws://127.0.0.1:{self.base + number}/telephony/ws"

    async def start(self, *numbers: int) -> None:
        await self.systemd.run(f"systemctl start {' '.join(f'voxcore@{each}' for each in numbers)}")

    async def scopes(self) -> list[str]:
        listed = await self.systemd.run("systemctl list-units --type=scope --no-legend --plain 'vox-draining-*'")
        return [line.split()[0] for line in listed.splitlines()]

    async def calls(self, number: int) -> str:
        return await self.systemd.shown(f"voxcore@{number}", "StatusText")

    @contextlib.asynccontextmanager
    async def call(self, number: int) -> AsyncGenerator["Caller"]:
        """A call that lasts until `Caller.hang_up`."""
        caller = Caller()
        async with asyncio.TaskGroup() as tasks:
            caller.task = tasks.create_task(place_call(self.phone(number), caller.script(), SystemClock()))
            await self.answered(number, caller)
            yield caller
            caller.hang_up()

    async def answered(self, number: int, caller: "Caller") -> None:
        async with time_limit():
            while not caller.has_begun:
                assert caller.task is None or not caller.task.done(), number
                await asyncio.sleep(0.02)


class Caller:
    """Speaks to a worker until told to hang up."""

    def __init__(self) -> None:
        self.task: asyncio.Task[CallOutcome] | None = None
        self.has_begun = False
        self._hangs_up = False

    def hang_up(self) -> None:
        self._hangs_up = True

    def script(self):
        while not self._hangs_up:
            yield Wait(0.1)
            self.has_begun = True
        yield HangUp()

    @property
    def outcome(self) -> tuple[int, str]:
        assert self.task is not None
        outcome = self.task.result()
        return outcome.close_code, outcome.close_reason


def free_ports(number: int) -> int:
    """A port behind which so many are free."""
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]) // 10 * 10


def service(folder: Path, base: int) -> str:
    """The worker's unit as it is deployed, but for folders, ports and the user."""
    text = (UNITS / "voxcore@.service").read_text()
    path = os.environ.get("PYTHONPATH")
    for old, new in (
        ("/opt/vox/.venv/bin/vox worker", f"{BIN}/vox agent --config {folder}/config.json"),
        ("/opt/vox/.venv/bin", str(BIN)),
        ("8000", str(base)),
        ("User=vox", "User=root"),
        ("WorkingDirectory=/opt/vox", f"WorkingDirectory={folder}"),
        ("EnvironmentFile=/opt/vox/.env", f"EnvironmentFile={folder}/.env"),
        ("ProtectHome=true", "ProtectHome=read-only"),
        ("[Service]\n", f"DefaultDependencies=no\n[Service]\nStandardError=append:{folder}/%i.log\nReadWritePaths={folder}\n"
         + (f"Environment=PYTHONPATH={path}\n" if path else "")),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextlib.asynccontextmanager
async def workers(folder: Path, **environment: str) -> AsyncGenerator[Workers]:
    base = free_ports(10)
    (folder / "config.json").write_text(json.dumps({"host": "127.0.0.1", "json_logs": True, **FAKES}))
    defaults = {"VOXRAY_DRAIN_CLOSES_PORT": "true", "VOXRAY_DRAIN_TIMEOUT_SECS": "600"}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in {**defaults, **environment}.items()))
    async with booted_systemd(folder, {"voxcore@.service": service(folder, base)}) as systemd:
        yield Workers(systemd, base, folder)


async def test_a_restart_moves_the_call_out_of_the_unit_and_the_port_never_closes(tmp_path: Path):
    async with workers(tmp_path) as fleet:
        await fleet.start(1)
        async with fleet.call(1) as first:
            await fleet.systemd.run("systemctl restart voxcore@1")
            print(await fleet.systemd.run("systemctl status voxcore@1 'vox-draining-*'; systemd-cgls --no-pager | cat"))
            assert len(await fleet.scopes()) == 1
            async with fleet.call(1) as second:
                await fleet.systemd.run("systemctl restart voxcore@1")
                assert len(await fleet.scopes()) == 2
                assert await fleet.systemd.shown("voxcore@1", "ActiveState") == "active"
        assert first.outcome == second.outcome == (1000, "caller hung up")
