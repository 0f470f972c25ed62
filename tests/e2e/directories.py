"""Starts real directories for tests, and relays for them to probe."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.agents import VOX, RunningAgent
from tests.time_limits import WAIT_S, time_limit
from vox.http.edge import respond
from vox.http.server import Server

QUICK = {"interval_ms": 400, "timeout_ms": 300, "removal_after_ms": 0}
PLACE = ("--lat", "-33.87", "--lon", "151.21")
ADDED = ("register", "--name", "Sydney", "--relay-url", "wss://sydney.example.com", *PLACE, "--public-key", "k")


@contextlib.asynccontextmanager
async def directory(
    folder: Path, *, name: str = "directory", **config: Any
) -> AsyncGenerator[tuple[RunningAgent, httpx2.AsyncClient], None]:
    """A `vox directory` on a free port; left by SIGTERM."""
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    values: dict[str, Any] = {
        "server": {"host": "127.0.0.1", "port": 0},
        "database": {"path": str(folder / "data" / "relays.db")},
        "health_check": QUICK,
        "outbound": {"allowed_private": ["127.0.0.0/8"]},
        "logs": {"level": "info", "json_lines": True},
        **config,
    }
    file.write_text(json.dumps(values))
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(VOX, "directory", "--config", str(file)), stdout=subprocess.DEVNULL, stderr=output, env=dict(os.environ)
        )
    running = RunningAgent(process, log)
    try:
        ready = await running.logged("directory ready", times=1 + len(running.lines("directory ready")))
        running.port = int(ready[-1]["address"].rpartition(":")[2])
        async with httpx2.AsyncClient(base_url=running.http, timeout=WAIT_S) as http:
            yield running, http
        if process.returncode is None and name != "killed":
            running.terminate()
        async with time_limit():
            assert await process.wait() == (-9 if name == "killed" else 0), log.read_text()[-3000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class FakeRelay:
    """Answers `/_health` as documented, until told not to."""

    def __init__(self) -> None:
        self.is_well = True
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.asked += 1
            await respond(send, 200 if self.is_well else 503, b"OK", {"content-type": "text/plain"})


def described(server: Server, **change: Any) -> dict[str, Any]:
    """The registration of a relay that this server answers for."""
    relay = {"name": "Sydney", "latitude": -33.87, "longitude": 151.21, "public_key": "k"}
    return {**relay, "url": f"ws://127.0.0.1:{server.port}", **change}


async def listed(http: httpx2.AsyncClient) -> list[str]:
    """The names in the list that clients get."""
    return [relay["name"] for relay in (await http.get("/v1/relays?lat=0&lon=0")).json()["relays"]]


async def eventually(http: httpx2.AsyncClient, names: list[str]) -> None:
    """Waits until the list has exactly these names, in that order."""
    async with time_limit():
        while await listed(http) != names:  # noqa: ASYNC110  what it waits for happens in another process
            await asyncio.sleep(0.05)


async def vox(running: RunningAgent, *words: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of `vox directory WORDS`."""
    process = await asyncio.create_subprocess_exec(
        *(VOX, "directory", *words, "--url", running.http),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    output, error = await process.communicate()
    return process.returncode or 0, output.decode(), error.decode()
