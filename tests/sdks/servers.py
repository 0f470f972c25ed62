"""The server that the clients of a test join: our relay, or the LiveKit server that `VOX_TEST_LIVEKIT` names."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from tests.require import require
from tests.sdks.namespaces import Host
from tests.sdks.tokens import KEY, SECRET
from tests.time_limits import time_limit

VOX = Path(sys.executable).parent / "vox"
LIVEKIT = os.environ.get("VOX_TEST_LIVEKIT", "")
HTTP_PORT = 7880
TCP_PORT = 7881
UDP_PORT = 7882


@dataclass(slots=True)
class Server:
    """A running server; `log` is what it printed."""

    host: Host
    process: asyncio.subprocess.Process
    log: Path

    @property
    def address(self) -> str:
        return self.host.address

    @property
    def url(self) -> str:
        return f"ws://{self.address}:{HTTP_PORT}"

    async def kill(self) -> None:
        """Ends it as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def relay_server(
    folder: Path, host: Host, *, settings: Mapping[str, Mapping[str, Any]] | None = None
) -> AsyncGenerator[Server, None]:
    """The server under test on that machine, when it answers; `settings` are of our relay alone, section by section."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    opening = livekit_server(folder, host) if LIVEKIT else our_relay(folder, host, settings or {})
    async with opening as server:
        yield server


@contextlib.asynccontextmanager
async def our_relay(
    folder: Path, host: Host, settings: Mapping[str, Mapping[str, Any]]
) -> AsyncGenerator[Server, None]:
    """A `vox relay` with these settings beside those that every test needs."""
    require(find_spec("vox_native") is not None, "vox_native", "make native (needs cargo)")
    file = folder / "relay.json"
    usual: dict[str, dict[str, Any]] = {
        "listen": {"host": "0.0.0.0", "port": HTTP_PORT, "drain_timeout_ms": 1000},
        "media": {"udp_port": UDP_PORT, "tcp_port": TCP_PORT},
        "keys": {KEY: SECRET},
        "logs": {"level": "debug"},
    }
    sections = usual.keys() | settings.keys()
    file.write_text(json.dumps({name: {**usual.get(name, {}), **settings.get(name, {})} for name in sections}))
    async with _running(folder, host, str(VOX), "relay", "--config", str(file)) as server:
        yield server


@contextlib.asynccontextmanager
async def livekit_server(folder: Path, host: Host) -> AsyncGenerator[Server, None]:
    """The LiveKit server that `VOX_TEST_LIVEKIT` names."""
    require(os.access(LIVEKIT, os.X_OK), "livekit-server", "set VOX_TEST_LIVEKIT to its path")
    file = folder / "livekit.yaml"
    settings = {
        "port": HTTP_PORT, "bind_addresses": ["0.0.0.0"], "keys": {KEY: SECRET}, "logging": {"level": "info"},
        "rtc": {"udp_port": UDP_PORT, "tcp_port": TCP_PORT, "use_external_ip": False, "node_ip": host.address},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(settings))
    async with _running(folder, host, LIVEKIT, "--config", str(file)) as server:
        yield server


@contextlib.asynccontextmanager
async def _running(folder: Path, host: Host, *command: str) -> AsyncGenerator[Server, None]:
    log = folder / "server.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *host.namespace.command(*command),
            cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    server = Server(host, process, log)
    try:
        answering = asyncio.create_task(host.namespace.answers(host.address, HTTP_PORT))
        ending = asyncio.create_task(process.wait())
        await asyncio.wait((answering, ending), return_when=asyncio.FIRST_COMPLETED)
        if process.returncode is not None:
            answering.cancel()
            raise AssertionError(f"the server ended:\n{await asyncio.to_thread(log.read_text)}")
        ending.cancel()
        await answering
        yield server
    finally:
        async with time_limit():
            await server.kill()
