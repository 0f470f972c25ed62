"""Measures the relay's forwarding beside a LiveKit server: µs of server CPU for each packet delivered. See README.md beside this file.

Server on core 0, the load client (LiveKit's Go SDK) on core 1, both in a network namespace with an address of its own, so that
packets travel over its loopback interface. Servers take turns, a new process for each point.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sdks import servers
from tests.sdks.namespaces import Host, open_network
from tests.sdks.servers import Server, livekit_server, our_relay
from tests.sdks.tokens import KEY, SECRET

ROOT = Path(__file__).parent.parent
LOAD = ROOT / ".make" / "sdks" / "go-load"
SERVER_CORE, CLIENT_CORE = 0, 1
MEDIA_THREADS = "vox-media"
JOIN_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Point:
    """One size of the room."""

    speakers: int
    listeners: int
    loud: int = 0
    """Speakers loud enough to be forwarded by a relay that selects; 0: all, and no selection"""

    @property
    def name(self) -> str:
        """As tables name it."""
        return f"{self.speakers} to {self.listeners}"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server's process has used so far: seconds of CPU, all and its media threads alone, and bytes of memory."""

    cpu_s: float
    media_cpu_s: float
    resident: int


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one server at one point."""

    cpu_us: float
    media_cpu_us: float
    delivered_per_s: float
    loss: float
    p50_ms: float
    p99_ms: float
    core: float
    join_ms: float
    join_media_ms: float
    listener_kb: float
    foreign: int


@dataclass(slots=True)
class Series:
    """All rounds of one server at one point."""

    results: list[Result] = field(default_factory=list[Result])

    def median(self, name: str) -> float:
        """The median of one figure."""
        return statistics.median(getattr(one, name) for one in self.results)

    def spread(self, name: str) -> str:
        """Its median with the least and the most."""
        values = [getattr(one, name) for one in self.results]
        return f"{self.median(name):.2f} ({min(values):.2f}-{max(values):.2f})"


async def measure(kind: str, point: Point, window_s: float, *, single: bool) -> Result:
    """Starts a server, fills a room and measures."""
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
    try:
        async with open_network() as network:
            host = await network.host("bench")
            settings: dict[str, dict[str, Any]] = {
                "media": {"threads": 1, "top_speakers": point.loud},
                "logs": {"level": "error"},
            }
            opening = our_relay(folder, host, settings) if kind == "vox" else livekit_server(folder, host)
            async with opening as server:
                pin(server.process.pid, SERVER_CORE)
                return await load(server, host, point, window_s, single=single)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def load(server: Server, host: Host, point: Point, window_s: float, *, single: bool) -> Result:
    """Fills the room, waits until all hear, and measures one window.

    Raises:
        AssertionError: not all came in, or the client gave up.
    """
    options = [
        f"-url={server.url}", f"-key={KEY}", f"-secret={SECRET}", f"-speakers={point.speakers}", f"-listeners={point.listeners}",
        f"-loud={point.loud}", f"-window={window_s}s", *(["-single"] if single else []),
    ]  # fmt: skip
    client = await asyncio.create_subprocess_exec(
        *host.namespace.command("taskset", "--cpu-list", str(CLIENT_CORE), str(LOAD), *options),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "GOGC": "400"},
    )  # fmt: skip
    assert client.stdin is not None
    empty = used_by(server.process.pid)
    try:
        await told(client, "speaking")
        alone = used_by(server.process.pid)
        subscribed = await told(client, "joined")
        full = used_by(server.process.pid)
        if point.loud == 0:
            assert subscribed["value"] == point.speakers * point.listeners, f"only {subscribed['value']} tracks arrived"
        before = used_by(server.process.pid)
        client.stdin.write(b"go\n")
        await told(client, "ended")
        after = used_by(server.process.pid)
        results = await told(client, "results")
    finally:
        if client.returncode is None:
            client.kill()
        await client.wait()
    delivered = max(int(results["delivered"]), 1)
    spent, media_spent = after.cpu_s - before.cpu_s, after.media_cpu_s - before.media_cpu_s
    joined = point.speakers + point.listeners
    return Result(
        cpu_us=spent * 1e6 / delivered,
        media_cpu_us=media_spent * 1e6 / delivered,
        delivered_per_s=delivered / window_s,
        loss=1 - delivered / results["expected"],
        p50_ms=results["p50_ms"],
        p99_ms=results["p99_ms"],
        core=spent / window_s,
        join_ms=(full.cpu_s - empty.cpu_s) * 1000 / joined,
        join_media_ms=(full.media_cpu_s - empty.media_cpu_s) * 1000 / joined,
        listener_kb=(full.resident - alone.resident) / 1000 / point.listeners,
        foreign=results["foreign"],
    )


async def told(client: asyncio.subprocess.Process, event: str, *, limit_s: float = JOIN_LIMIT_S) -> dict[str, Any]:
    """The next line of that kind from the load client."""
    assert client.stdout is not None
    async with asyncio.timeout(limit_s):
        while line := await client.stdout.readline():
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
    raise AssertionError(f"the load client ended before {event}")


def used_by(pid: int) -> Usage:
    """Run time of all threads by the scheduler's own count, and resident memory."""
    total = media = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent = int((task / "schedstat").read_text().split()[0])
        total += spent
        media += spent if (task / "comm").read_text().startswith(MEDIA_THREADS) else 0
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(total / 1e9, media / 1e9, pages * os.sysconf("SC_PAGESIZE"))


def pin(pid: int, core: int) -> None:
    """Keeps all threads of a process on one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def page(table: dict[str, dict[str, Series]], points: Sequence[Point], arguments: argparse.Namespace) -> str:
    """The results in Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    lines = [
        "# Forwarding of the relay",
        "",
        (
            f"{platform.platform()}, {os.cpu_count()} cores, commit {commit}; {arguments.rounds} rounds of {arguments.window:g} s, servers in turn,"
            f" {'one peer connection' if arguments.single else 'two peer connections'} for each member. Median (least-most)."
        ),
        "",
        "| speakers to listeners | server | delivered/s | µs CPU per delivered packet | of it media threads | loss | delay p50 / p99 ms | core | join CPU ms (media threads) | memory a listener kB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for point in points:
        for kind, series in table[point.name].items():
            lines.append(
                f"| {point.name} | {kind} | {series.median('delivered_per_s'):,.0f} | {series.spread('cpu_us')} | {series.spread('media_cpu_us')}"
                f" | {series.median('loss'):.2%} | {series.median('p50_ms'):.2f} / {series.median('p99_ms'):.2f} | {series.median('core'):.0%}"
                f" | {series.median('join_ms'):.1f} ({series.median('join_media_ms'):.1f}) | {series.median('listener_kb'):.0f} |"
            )
        if {"vox", "livekit"} <= table[point.name].keys():
            vox, livekit = table[point.name]["vox"].median("cpu_us"), table[point.name]["livekit"].median("cpu_us")
            lines.append(f"| | **ratio** | | {livekit / vox:.1f} times | | | | | | |")
    return "\n".join(lines) + "\n"


async def main() -> None:
    """All points, all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, nargs="*", default=[30, 100, 200, 300])
    parser.add_argument("--speakers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window", type=float, default=10, help="seconds")
    parser.add_argument("--single", action="store_true", help="one peer connection for each member")
    parser.add_argument("--livekit", default=os.environ.get("VOX_TEST_LIVEKIT") or shutil.which("livekit-server") or "")
    parser.add_argument("--only", choices=["vox", "livekit"])
    parser.add_argument(
        "--big", action="store_true", help="50 open microphones, 500 listeners, the loudest 3 forwarded"
    )
    parser.add_argument("--write", type=Path, help="file for the results")
    arguments = parser.parse_args()
    servers.LIVEKIT = arguments.livekit
    kinds = [kind for kind in ("livekit", "vox") if arguments.only in (None, kind)]
    if not arguments.livekit and "livekit" in kinds:
        kinds.remove("livekit")
    points = [Point(arguments.speakers, listeners) for listeners in arguments.listeners]
    if arguments.big:
        points, kinds = [Point(50, arguments.listeners[0] if len(arguments.listeners) == 1 else 500, loud=3)], ["vox"]
    table = {point.name: {kind: Series() for kind in kinds} for point in points}
    for number in range(arguments.rounds):
        for point in points:
            for kind in kinds if number % 2 == 0 else kinds[::-1]:
                result = await measure(kind, point, arguments.window, single=arguments.single)
                table[point.name][kind].results.append(result)
                print(f"round {number + 1}, {point.name}, {kind}: {result}", flush=True)
    text = page(table, points, arguments)
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
