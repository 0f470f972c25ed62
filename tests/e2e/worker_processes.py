"""Call workers as plain processes behind a real nginx."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.e2e.agents import FAKES, VOX
from tests.e2e.fleet_workers import free_base
from tests.e2e.programs import accepts
from tests.time_limits import time_limit

SITE: Final = Path(__file__).parents[2] / "deploy" / "nginx" / "voxcore.conf"
SLOTS: Final = 6


class Processes:
    """Workers that a test starts and ends; what drains goes on until its calls are over."""

    def __init__(self, folder: Path, base: int) -> None:
        self.base = base
        self._folder = folder
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self.all: list[asyncio.subprocess.Process] = []

    async def start(self, number: int) -> None:
        """Starts a worker and waits until it takes calls."""
        with (self._folder / f"{number}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                VOX, "worker", "--host", "127.0.0.1", "--port", str(self.base + number), "--config", "config.json",
                cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip
        self._running[number] = process
        self.all.append(process)
        await accepts(self.base + number)

    def terminate(self, number: int) -> asyncio.subprocess.Process:
        """Tells a worker to end."""
        process = self._running.pop(number)
        process.terminate()
        return process

    async def refused(self, number: int) -> None:
        """Waits until a worker has left its port."""
        async with time_limit():
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.base + number)
                except ConnectionRefusedError:
                    return
                writer.close()
                await asyncio.sleep(0.02)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """What all workers have logged with this message."""
        lines = [line for file in self._folder.glob("?.log") for line in file.read_text().splitlines()]
        return [found for line in lines if line.startswith("{") and (found := json.loads(line))["msg"] == message]

    async def health(self, number: int) -> dict[str, object]:
        """What a worker says of itself."""
        async with httpx2.AsyncClient() as http:
            found: dict[str, object] = (await http.get(f"http://127.0.0.1:{self.base + number}/health")).json()
        return found


@contextlib.asynccontextmanager
async def processes(
    folder: Path, *numbers: int, config: Mapping[str, Any] | None = None, **variables: str
) -> AsyncGenerator[Processes]:
    """These workers, ended when the block is left; the variables stand in their `.env`."""
    (folder / "config.json").write_text(json.dumps({"json_logs": True, **FAKES, **(config or {})}))
    lines = {"MAX_CONCURRENT_CALLS": str(SLOTS), "VOXCORE_WORKERS": str(len(numbers)), **variables}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    one = Processes(folder, free_base(9))
    try:
        for number in numbers:
            await one.start(number)
        yield one
    finally:
        for process in one.all:
            if process.returncode is None:
                process.kill()
        async with time_limit():
            for process in one.all:
                await process.wait()


def deployed(base: int, numbers: Sequence[int], port: int) -> str:
    """deploy/nginx/voxcore.conf, whose group is the documented one, with the workers that there are."""
    text = SITE.read_text()
    assert "listen 80;" in text
    kept = [line for line in text.splitlines() if "server 127" not in line or int(line[-2]) in numbers]
    return "\n".join(kept).replace(":800", f":{base // 10}").replace("listen 80;", f"listen 127.0.0.1:{port};")
