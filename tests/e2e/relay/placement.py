"""A directory and relays, each on a machine of its own, and the application that asks it where to go."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.sdks.namespaces import Host, Network
from tests.sdks.servers import HTTP_PORT, VOX, Server, our_relay
from tests.time_limits import WAIT_S, time_limit

DIRECTORY_PORT = 8090
BEAT_MS = 1000
PROBING = {"interval_ms": 400, "timeout_ms": 300, "removal_after_ms": 0}


class Place:
    """A directory with its relays by name."""

    def __init__(self, directory: Host, process: asyncio.subprocess.Process, relays: Mapping[str, Server]) -> None:
        self._directory = directory
        self.process = process
        self.relays = relays

    async def ask(self, machine: Host, path: str) -> Any:
        """What the directory answers that machine.

        Raises:
            AssertionError: it is not reached, or refuses.
        """
        url = f"http://{self._directory.address}:{DIRECTORY_PORT}{path}"
        process = await asyncio.create_subprocess_exec(
            *machine.namespace.command("curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "5", url),
            stdout=subprocess.PIPE,
        )
        async with time_limit():
            answer, _ = await process.communicate()
        assert process.returncode == 0, f"{url}: {answer.decode()}"
        return json.loads(answer)

    async def listed(self, machine: Host) -> dict[str, dict[str, Any]]:
        """The relays that clients are sent to, by name."""
        return {one["name"]: one for one in (await self.ask(machine, "/v1/relays"))["relays"]}

    async def until_listed(self, machine: Host, *names: str) -> None:
        """Waits until those are the relays that clients are sent to."""
        async with time_limit():
            while {*await self.listed(machine)} != {*names}:  # noqa: ASYNC110  it happens in other processes
                await asyncio.sleep(0.05)

    async def choose(self, machine: Host) -> list[str]:
        """The application of that machine measures how far the relays are and asks the directory; addresses, best first.

        A relay that does not answer is left out: it may have died since the directory last looked.
        """
        found = await self.listed(machine)
        distances = await asyncio.gather(*(_round_trip_ms(machine, one["url"]) for one in found.values()))
        near = {
            one["id"]: distance for one, distance in zip(found.values(), distances, strict=True) if distance is not None
        }
        rtts = ",".join(f"{relay}:{distance:.1f}" for relay, distance in near.items())
        chosen = await self.ask(machine, f"/v1/relays/select?rtt={rtts}")
        best = [chosen["relay"], *chosen["fallbacks"]]
        return [one["url"] for one in best if one["id"] in near]


@contextlib.asynccontextmanager
async def open_place(folder: Path, network: Network, names: list[str]) -> AsyncGenerator[Place, None]:
    """A directory and relays of these names that have joined it."""
    directory = await network.host("directory")
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(_directory(folder, directory))
        relays: dict[str, Server] = {}
        for name in names:
            host = await network.host(name)
            (folder / name).mkdir()
            link = {
                "url": f"http://{directory.address}:{DIRECTORY_PORT}", "key_file": str(folder / name / "relay.key"),
                "name": name, "region": name, "heartbeat_ms": BEAT_MS,
            }  # fmt: skip
            settings = {"listen": {"public_url": f"ws://{host.address}:{HTTP_PORT}"}, "directory": link}
            relays[name] = await stack.enter_async_context(our_relay(folder / name, host, settings))
        place = Place(directory, process, relays)
        await place.until_listed(directory, *names)
        yield place


@contextlib.asynccontextmanager
async def _directory(folder: Path, host: Host) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    values: dict[str, Any] = {
        "server": {"host": "0.0.0.0", "port": DIRECTORY_PORT},
        "database": {"path": str(folder / "relays.db")},
        "health_check": PROBING,
        "outbound": {"allowed_private": ["10.77.0.0/16"]},
    }
    file = folder / "directory.json"
    file.write_text(json.dumps(values))
    with (folder / "directory.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *host.namespace.command(str(VOX), "directory", "--config", str(file)),
            stdout=log,
            stderr=log,
            env=dict(os.environ),
        )
    try:
        await host.namespace.answers(host.address, DIRECTORY_PORT)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        async with time_limit():
            await process.wait()


async def _round_trip_ms(machine: Host, url: str) -> float | None:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    best = WAIT_S * 1000
    for _ in range(2):
        began = loop.time()
        try:
            (await machine.namespace.connect(str(parts.hostname), int(parts.port or 0))).close()
        except OSError:
            return None
        best = min(best, (loop.time() - began) * 1000)
    return best
