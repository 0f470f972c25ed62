"""Measures the chat server's REST beside the same routes on FastAPI and aiosqlite, in one run. See README.md beside this file.

Each server has core 0 to itself, the load generator core 1. A bare ASGI application behind our HTTP stack shows what the
generator itself can ask for.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from http_load import CLOCK, Lane, Load, ask, bare_app, percentile_ms
from vox.clients.bench_agent import SERVER_CORE, take_caller_core
from vox.clients.server_process import busy_seconds, free_port, serving, usage
from vox.http.server import Server
from vox.http.server import run as run_loop
from vox.runtime.lifecycle import Lifecycle, run_until_stopped

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
PEER_ENVIRONMENT = ROOT / "build" / "fastapi-bench"
PEOPLE = 32
GET_CONNECTIONS = 16
POST_CONNECTIONS = 64
BODY = "The quick brown fox jumps over the lazy dog, and the dog answers at some length about it."
GOALS = {"GET": 8000, "POST": 3000}


@dataclass
class Result:
    """One load against one server."""

    server: str
    request: str
    per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    core: float
    others: float
    refused: int


@dataclass
class Target:
    """A server that runs, and who talks to it."""

    name: str
    port: int
    pid: int
    tokens: list[str]
    users: list[int]
    feed: int


def account(port: int, name: str) -> tuple[int, str]:
    body = json.dumps({"username": name, "password": "correct horse battery"}).encode()
    asked = Request(f"http://127.0.0.1:{port}/api/v1/auth/register", body, {"content-type": "application/json"})
    with urlopen(asked, timeout=20) as reply:  # noqa: S310  loopback
        found = json.load(reply)
    return found["user_id"], found["token"]


def make_feed(port: int, token: str) -> int:
    body = json.dumps({"name": "general", "type": "text"}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    with urlopen(Request(f"http://127.0.0.1:{port}/api/v1/feeds", body, headers), timeout=20) as reply:
        return json.load(reply)["feed_id"]


@asynccontextmanager
async def vox(folder: Path, core: int | None, synchronous: str) -> AsyncGenerator[Target]:
    port = free_port()
    environment = {
        **os.environ,
        "VOX_RATE_LIMIT_SCALE": "0",
        "VOX_PASSWORD_MEMORY_KIB": "64",  # only registering, before the measurement, hashes
        "VOX_PASSWORD_PASSES": "1",
        "VOX_SQLITE_SYNCHRONOUS": synchronous,
        "VOX_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'vox.db'}",
        "VOX_STORAGE_PATH": str(folder / "uploads"),
    }
    command = (str(Path(sys.executable).parent / "vox"), "chat", "--port", str(port))
    ready = f"http://127.0.0.1:{port}/ready"
    async with serving(
        command, ready_url=ready, clock=CLOCK, log=folder / "vox.log", environment=environment, core=core
    ) as pid:
        people = [account(port, f"user{number}") for number in range(PEOPLE)]
        tokens = [token for _, token in people]
        yield Target(
            f"Vox, SQLite {synchronous}", port, pid, tokens, [one for one, _ in people], make_feed(port, tokens[0])
        )


@asynccontextmanager
async def fastapi(python: Path, folder: Path, core: int | None) -> AsyncGenerator[Target]:
    port = free_port()
    command = (
        str(python),
        str(HERE / "fastapi_peer" / "server.py"),
        "--port",
        str(port),
        "--database",
        str(folder / "peer.db"),
    )
    ready = f"http://127.0.0.1:{port}/openapi.json"
    async with serving(command, ready_url=ready, clock=CLOCK, log=folder / "peer.log", core=core) as pid:
        people = [account(port, f"user{number}") for number in range(PEOPLE)]
        yield Target(
            "FastAPI + aiosqlite, NORMAL", port, pid, [token for _, token in people], [one for one, _ in people], 1
        )


@asynccontextmanager
async def ceiling(folder: Path, core: int | None) -> AsyncGenerator[Target]:
    port = free_port()
    command = (sys.executable, __file__, "--serve-bare", str(port))
    async with serving(
        command, ready_url=f"http://127.0.0.1:{port}/", clock=CLOCK, log=folder / "bare.log", core=core
    ) as pid:
        yield Target("bare ASGI, a constant", port, pid, ["none"], [1], 1)


def gets(target: Target) -> list[bytes]:
    return [
        ask("GET", f"/api/v1/users/{user}", headers={"authorization": f"Bearer {token}"})
        for user, token in zip(target.users[1:] + target.users[:1], target.tokens, strict=True)
    ]


def posts(target: Target) -> list[bytes]:
    body = json.dumps({"body": BODY}).encode()
    return [
        ask("POST", f"/api/v1/feeds/{target.feed}/messages", body, headers={"authorization": f"Bearer {token}"})
        for token in target.tokens
    ]


def measure(target: Target, what: str, requests: Sequence[bytes], connections: int, seconds: float) -> Result:
    lane = Lane(target.port, requests, connections)
    before, busy_before = usage(target.pid), busy_seconds(SERVER_CORE)
    took = Load([lane]).run(seconds)
    after, busy_after = usage(target.pid), busy_seconds(SERVER_CORE)
    spent = after.cpu_s - before.cpu_s if before and after else 0.0
    others = max(0.0, (busy_after - busy_before - spent) / took) if busy_after and busy_before else 0.0
    return Result(
        target.name,
        f"{what}, {connections} connections",
        lane.in_time / seconds,
        percentile_ms(lane.seconds, 0.5),
        percentile_ms(lane.seconds, 0.99),
        percentile_ms(lane.seconds, 1.0),
        spent / took,
        others,
        lane.refused,
    )


async def run(args: argparse.Namespace) -> list[Result]:
    core = take_caller_core(wants_pin=True)
    python = peer_python(args.peer_python)
    results: list[Result] = []
    for name in ("bare", "peer", "NORMAL", "FULL"):
        with tempfile.TemporaryDirectory(prefix="chat-bench-") as place:
            folder = Path(place)
            server = {"bare": lambda: ceiling(folder, core), "peer": lambda: fastapi(python, folder, core)}.get(  # noqa: B023  used at once
                name,
                lambda: vox(folder, core, name),  # noqa: B023  used at once
            )
            async with server() as target:
                results.append(measure(target, "GET /users/{id}", gets(target), GET_CONNECTIONS, args.seconds))
                print(line(results[-1]), flush=True)
                if name != "bare":
                    results.append(measure(target, "POST message", posts(target), POST_CONNECTIONS, args.seconds))
                    print(line(results[-1]), flush=True)
    return results


def line(one: Result) -> str:
    return (
        f"| {one.server} | {one.request} | {one.per_s:,.0f} | {one.p50_ms:.1f} | {one.p99_ms:.1f} | {one.worst_ms:.0f} | {one.core:.0%} "
        f"| {one.others:.0%} | {one.refused} |"
    )


def peer_python(given: Path | None) -> Path:
    python = given or PEER_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        print("Making the peer's environment")
        subprocess.run([sys.executable, "-m", "venv", str(PEER_ENVIRONMENT)], check=True)
        wanted = str(HERE / "fastapi_peer" / "requirements.txt")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", wanted], check=True)
    return python


async def serve_bare(port: int) -> None:
    lifecycle = Lifecycle(CLOCK, 0.1)
    lifecycle.ready()
    async with Server(bare_app, "127.0.0.1", port):
        await run_until_stopped(lifecycle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load")
    parser.add_argument("--peer-python", type=Path, help="an environment that has fastapi_peer/requirements.txt")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--serve-bare", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve_bare:
        run_loop(serve_bare(args.serve_bare))
        return
    print(
        f"{time.strftime('%F %R')}, load average {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, {os.cpu_count()} cores"
    )
    print(
        "| Server | Request | per second | p50 ms | p99 ms | worst ms | core | others | not 2xx |\n|---|---|---|---|---|---|---|---|---|"
    )
    results = asyncio.run(run(args))
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in results], indent=1))


if __name__ == "__main__":
    main()
