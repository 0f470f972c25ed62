"""Starts real agent servers for tests: a process of its own, on a free port, read through its log."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.time_limits import time_limit

VOX = Path(sys.executable).parent / "vox"

FAKES: dict[str, Any] = {
    "stt_provider": "fake",
    "llm_provider": "fake",
    "tts_provider": "fake",
    "turn_detection": "silence",
    "turn_stop_secs": 0.2,
    "adaptive_limit": False,
}
OFFLINE: dict[str, Any] = {
    "stt_provider": "pocketsphinx",
    "tts_provider": "espeak",
    "turn_detection": "silence",
    "turn_stop_secs": 0.4,
    "adaptive_limit": False,
}


@dataclass(slots=True)
class RunningAgent:
    """A server under test; `lines` are its log, one JSON object each."""

    process: asyncio.subprocess.Process
    log: Path
    port: int = 0

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def phone(self) -> str:
        return f"ws://127.0.0.1:{self.port}/telephony/ws"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The log's lines with that message, so far."""
        found: list[dict[str, Any]] = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                fields = json.loads(line)
                if fields.get("msg") == message:
                    found.append(fields)
        return found

    async def logged(self, message: str, *, times: int = 1) -> list[dict[str, Any]]:
        """Waits until the log has that message so many times."""
        await until(lambda: len(self.lines(message)) >= times or self.process.returncode is not None)
        found = self.lines(message)
        assert len(found) >= times, f"no {message!r} in:\n{self.log.read_text()[-4000:]}"
        return found

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextlib.asynccontextmanager
async def agent_server(
    folder: Path, config: dict[str, Any], *arguments: str, command: str = "agent", **environment: str
) -> AsyncGenerator[RunningAgent, None]:
    """A `vox agent` with this configuration, ended when the block is left."""
    file = folder / "config.json"
    file.write_text(json.dumps({"host": "127.0.0.1", "log_level": "info", "json_logs": True, **config}))
    log = folder / "agent.log"
    options = ["--config", str(file)] if command == "agent" else ["--data", str(folder / "data")]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(VOX, command, *options, "--port", "0", *arguments),
            stdout=subprocess.DEVNULL,
            stderr=output,
            env={**os.environ, "VOXRAY_JSON_LOGS": "true", "VOXRAY_LOG_LEVEL": "info", **environment},
        )
    running = RunningAgent(process, log)
    try:
        ready = await running.logged("agent ready")
        running.port = int(ready[0]["address"].rpartition(":")[2])
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        async with time_limit():
            await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Polls a condition; what it waits for happens in another process, so there is nothing to await."""
    async with time_limit():
        while not condition():  # noqa: ASYNC110  see above
            await asyncio.sleep(0.02)
