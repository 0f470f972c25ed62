"""Starts real call workers for tests: a process of its own, on a free port, with an `.env` beside it."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.agents import FAKES, VOX, RunningAgent
from tests.time_limits import time_limit


class RunningWorker(RunningAgent):
    """A worker under test."""

    async def reserve(self, call_id: str, **more: Any) -> httpx2.Response:
        """Asks for a slot."""
        async with httpx2.AsyncClient() as http:
            return await http.post(f"{self.http}/v1/reservations", json={"call_id": call_id, **more})

    async def health(self) -> dict[str, Any]:
        """What the worker says about itself."""
        async with httpx2.AsyncClient() as http:
            return (await http.get(f"{self.http}/health")).json()


@contextlib.asynccontextmanager
async def call_worker(
    folder: Path, config: dict[str, Any] | None = None, *, port: int = 0, **variables: str
) -> AsyncGenerator[RunningWorker]:
    """A `vox worker` whose `.env` has these variables, ended when the block is left."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240  of a test
    (folder / "config.json").write_text(json.dumps({"host": "127.0.0.1", **FAKES, **(config or {})}))
    lines = {"VOXRAY_JSON_LOGS": "true", "VOXRAY_LOG_LEVEL": "info", "VOX_WORKER_PORTS": str(port or 1), **variables}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    log = folder / "worker.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(VOX, "worker", "--port", str(port)),
            stdout=subprocess.DEVNULL,
            stderr=output,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name not in lines},
        )
    running = RunningWorker(process, log)
    try:
        ready = await running.logged("worker ready")
        running.port = int(ready[0]["address"].rpartition(":")[2])
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        async with time_limit():
            await process.wait()
