"""Measures the chat server's dispatch beside ASGI frameworks on the same routes with the same checks. See results/frameworks.md.

Everything runs behind our HTTP server on core 0, with the load generator on core 1. Each framework is asked in turns with
ours, both fresh processes in each round. Before anything is measured, all of them must give the same answers.
"""

import argparse
import asyncio
import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from chat import GET_CONNECTIONS, account
from http_load import CLOCK, Lane, Load, ask
from vox.clients.bench_agent import SERVER_CORE, take_caller_core
from vox.clients.server_process import busy_seconds, free_port, serving

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
PEER_ENVIRONMENT = ROOT / "build" / "frameworks-bench"
CALLERS = 32
PROFILES = 1500
"""More than the 1,024 and 1,200 paths that Litestar and BlackSheep remember the routes of."""
OURS = "Vox"
SERVERS = {
    OURS: "",
    "no framework, no router": "bare",
    "Falcon": "falcon",
    "Falcon, ordinary": "falcon-ordinary",
    "BlackSheep": "blacksheep",
    "BlackSheep, ordinary": "blacksheep-ordinary",
    "Litestar": "litestar",
    "Starlette": "starlette",
}
NOT_REFUSING = "1000"
"""A scale of the rate limits that counts every request and refuses none."""


@dataclass(frozen=True)
class Community:
    """A database with people in it, made once and copied for each server."""

    database: Path
    tokens: list[str]
    users: list[int]


@dataclass(frozen=True)
class Sample:
    """What one server answered to one load, and what it took of its core."""

    answered: int
    seconds: float
    cpu_s: float
    others: float
    best_per_cpu_s: float
    """The rate of the turn that was disturbed least."""

    @property
    def per_s(self) -> float:
        """What the clock says; others on the core lower it."""
        return self.answered / self.seconds

    @property
    def per_cpu_s(self) -> float:
        """The rate of a core that the server has to itself."""
        return self.answered / self.cpu_s


@dataclass(frozen=True)
class Pair:
    """A peer and ours, asked in turns within seconds."""

    round: int
    load: str
    peer: str
    ours: Sample
    theirs: Sample


async def make_community(folder: Path) -> Community:
    async with run_server(OURS, folder, None, None, "0") as (port, _):
        people = [account(port, f"user{number}") for number in range(PROFILES)]
    return Community(folder / "vox.db", [token for _, token in people[:CALLERS]], [one for one, _ in people])


@asynccontextmanager
async def run_server(
    name: str, folder: Path, core: int | None, libraries: Path | None, scale: str
) -> AsyncGenerator[tuple[int, int]]:
    """Yields port and process id."""
    port = free_port()
    environment = {
        **os.environ,
        "VOX_RATE_LIMIT_SCALE": scale,
        "VOX_PASSWORD_MEMORY_KIB": "64",  # only registering, before the measurement, hashes
        "VOX_PASSWORD_PASSES": "1",
        "VOX_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'vox.db'}",
        "VOX_STORAGE_PATH": str(folder / "uploads"),
    }
    command = [str(Path(sys.executable).parent / "vox"), "chat", "--port", str(port)]
    if SERVERS[name]:
        script = str(HERE / "frameworks_peer" / "server.py")
        command = [
            sys.executable,
            script,
            "--framework",
            SERVERS[name],
            "--port",
            str(port),
            "--libraries",
            str(libraries),
        ]
    async with serving(
        command,
        ready_url=f"http://127.0.0.1:{port}/api/v1/gateway",
        clock=CLOCK,
        log=folder / "server.log",
        environment=environment,
        core=core,
    ) as pid:
        yield port, pid


@asynccontextmanager
async def fresh(
    name: str, community: Community, core: int | None, libraries: Path, scale: str
) -> AsyncGenerator[tuple[int, int]]:
    """A server with a database of its own; yields port and process id."""
    with tempfile.TemporaryDirectory(prefix="frameworks-bench-") as place:
        shutil.copy(community.database, Path(place, "vox.db"))
        async with run_server(name, Path(place), core, libraries, scale) as found:
            yield found


def loads(community: Community) -> dict[str, list[bytes]]:
    """Requests by name; each caller asks for others' profiles, as bench/chat.py does."""

    def profiles(users: Sequence[int]) -> list[bytes]:
        return [
            ask("GET", f"/api/v1/users/{user}", headers=bearer(community.tokens[at % CALLERS]))
            for at, user in enumerate(users)
        ]

    first, everyone = community.users[1 : CALLERS + 1], community.users[:]
    random.Random(7).shuffle(everyone)  # noqa: S311  an order, not a secret
    pages = [
        ask("GET", f"/api/v1/members?limit=1&after={user}", headers=bearer(token))
        for user, token in zip(first, community.tokens, strict=True)
    ]
    return {
        "32 profiles": profiles(first),
        f"{PROFILES:,} profiles": profiles(everyone),
        "members, with a query": pages,
    }


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def answers(port: int, community: Community) -> list[tuple[str, int, list[tuple[str, str]], str]]:
    """What a server says to requests of every kind: request, status, headers and body, without what depends on the moment."""
    me, other = community.users[0], community.users[1]
    known, second = bearer(community.tokens[0]), bearer(community.tokens[1])
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("GET", f"/api/v1/users/{me}", known),
        ("GET", f"/api/v1/users/{other}", known),
        ("GET", "/api/v1/users/@me", known),
        ("GET", "/api/v1/users/%40me", known),
        ("GET", f"/api/v1/users/{other}", {**known, "x-vox-ids": "string"}),
        ("GET", "/api/v1/members?limit=2&after=0", known),
        ("GET", "/api/v1/members?limit=none", known),
        ("GET", "/api/v1/users/999999999", known),
        ("GET", "/api/v1/users/first", known),
        ("GET", "/api/v1/nothing", known),
        ("GET", "/api/v1/nothing", {}),
        ("DELETE", f"/api/v1/users/{me}", known),
        ("GET", f"/api/v1/users/{me}", {}),
        ("GET", f"/api/v1/users/{me}", bearer("unknown")),
        ("GET", f"/api/v1/users/{me}", {"authorization": "Basic eDp5"}),
        *[("GET", f"/api/v1/users/{me}", second)] * 21,
    ]
    found: list[tuple[str, int, list[tuple[str, str]], str]] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for method, path, headers in asked:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        body = re.sub(r'("retry_after_ms":)\d+', r"\1…", reply.read().decode())
        seen = sorted((k.lower(), "…" if k in {"date", "x-ratelimit-reset"} else v) for k, v in reply.getheaders())
        found.append((f"{method} {path}", reply.status, seen, body))
    connection.close()
    return found


async def assert_equal(community: Community, libraries: Path) -> str:
    """Ends the run where a server answers otherwise than ours; returns what was compared."""
    wanted: list[tuple[str, int, list[tuple[str, str]], str]] = []
    for name in SERVERS:
        async with fresh(name, community, None, libraries, "1") as (port, _):
            found = answers(port, community)
        wanted = wanted or found
        for ours, theirs in zip(wanted, found, strict=True):
            if ours != theirs:
                raise SystemExit(f"{name} answers otherwise:\n  ours   {ours}\n  theirs {theirs}")
    statuses = [status for _, status, _, _ in wanted]
    missing = {200, 401, 404, 405, 422, 429} - {*statuses}
    if missing:
        raise SystemExit(f"the compared answers lack the statuses {missing}")
    counted = ", ".join(f"{statuses.count(status)} of {status}" for status in sorted({*statuses}))
    return f"{len(SERVERS)} servers gave equal status, headers and body to {len(wanted)} requests: {counted}"


def in_turns(
    pids: tuple[int, int], ports: tuple[int, int], requests: Sequence[bytes], args: argparse.Namespace
) -> list[Sample]:
    """Asks two servers in short turns, ours-theirs-theirs-ours, so that what else the machine does meets both alike."""
    answered, took, cpu_s, others, best = [0, 0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    for port in ports:
        ask_each(port, requests)
    for at in range(args.turns):
        for which in (0, 1) if at % 2 == 0 else (1, 0):
            lane = Lane(ports[which], requests, GET_CONNECTIONS)
            before, busy = running_s(pids[which]), busy_seconds(SERVER_CORE)
            seconds = Load([lane]).run(args.turn_seconds)
            spent = running_s(pids[which]) - before
            others[which] += max(0.0, (busy_seconds(SERVER_CORE) or 0.0) - (busy or 0.0) - spent)
            if lane.refused:
                raise SystemExit(f"{lane.refused} requests were refused")
            answered[which] += len(lane.seconds)
            took[which] += seconds
            cpu_s[which] += spent
            best[which] = max(best[which], len(lane.seconds) / spent)
    return [
        Sample(answered[which], took[which], cpu_s[which], others[which] / took[which], best[which]) for which in (0, 1)
    ]


def ask_each(port: int, requests: Sequence[bytes]) -> None:
    """Asks everything once, so that what is read from the database the first time is in memory."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for request in requests:
            connection.sendall(request)
            connection.recv(65536)


def running_s(pid: int) -> float:
    """Seconds for which the threads of a process have run, in nanoseconds' resolution."""
    return sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


async def run(args: argparse.Namespace, libraries: Path) -> list[Pair]:
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory(prefix="frameworks-bench-") as place:
        community = await make_community(Path(place))
        print(await assert_equal(community, libraries), flush=True)
        core = take_caller_core(wants_pin=True)
        peers = args.only or [name for name in SERVERS if name != OURS]
        for number in range(args.rounds):
            for peer in peers if number % 2 == 0 else reversed(peers):
                async with (
                    fresh(OURS, community, core, libraries, NOT_REFUSING) as (our_port, our_pid),
                    fresh(peer, community, core, libraries, NOT_REFUSING) as (port, pid),
                ):
                    for load, requests in loads(community).items():
                        pair = Pair(number, load, peer, *in_turns((our_pid, pid), (our_port, port), requests, args))
                        pairs.append(pair)
                        print(
                            f"{number} {peer}, {load}: {pair.theirs.per_cpu_s:,.0f} to {pair.ours.per_cpu_s:,.0f} per CPU second, "
                            f"{pair.theirs.per_s:,.0f} to {pair.ours.per_s:,.0f} per second; "
                            f"others on the core {pair.theirs.others:.0%} and {pair.ours.others:.0%}",
                            flush=True,
                        )
    return pairs


def spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} [{min(values):{form}}–{max(values):{form}}]"  # noqa: RUF001  a range


def table(pairs: Sequence[Pair]) -> str:
    """For each load and server: the median rate, and its ratio to ours of the same pair, with their spread."""
    lines: list[str] = []
    for load in dict.fromkeys(one.load for one in pairs):
        here = [one for one in pairs if one.load == load]
        lines += [
            "",
            f"### {load}",
            "",
            "| Server | GETs per CPU second | of ours | of ours, best turns | of ours by the clock |",
            "|---|---|---|---|---|",
        ]
        ours = [one.ours.per_cpu_s for one in here]
        rows = [(statistics.median(ours), f"| {OURS} | {spread(ours, ',.0f')} | 1 | 1 | 1 |")]
        for peer in dict.fromkeys(one.peer for one in here):
            mine = [one for one in here if one.peer == peer]
            rates = [one.theirs.per_cpu_s for one in mine]
            by_cpu = [one.theirs.per_cpu_s / one.ours.per_cpu_s for one in mine]
            best = max(one.theirs.best_per_cpu_s for one in mine) / max(one.ours.best_per_cpu_s for one in mine)
            by_clock = [one.theirs.per_s / one.ours.per_s for one in mine]
            row = f"| {peer} | {spread(rates, ',.0f')} | {spread(by_cpu, '.2f')} | {best:.2f} | {spread(by_clock, '.2f')} |"
            rows.append((statistics.median(rates), row))
        lines += [row for _, row in sorted(rows, reverse=True)]
    return "\n".join(lines)


def peer_libraries() -> Path:
    """The site-packages of the peers' environment, which is made where it is missing."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        print("Making the peers' environment")
        subprocess.run([sys.executable, "-m", "venv", str(PEER_ENVIRONMENT)], check=True)
        wanted = str(HERE / "frameworks_peer" / "requirements.txt")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", wanted], check=True)
    return Path(sysconfig.get_path("purelib", vars={"base": str(PEER_ENVIRONMENT)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[name for name in SERVERS if name != OURS], help="these peers")
    parser.add_argument("--turns", type=int, default=4, help="of each server for each load")
    parser.add_argument("--turn-seconds", type=float, default=0.4)
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args()
    libraries = peer_libraries()
    peers = {one.name.lower(): one.version for one in metadata.distributions(path=[str(libraries)])}
    shown = [f"{name} {peers[name]}" for name in ("falcon", "litestar", "blacksheep")]
    shown += [f"{name} {metadata.version(name)}" for name in ("starlette", "uvicorn", "uvloop", "httptools", "msgspec")]
    print(
        f"{time.strftime('%F %R')}, load average {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, "
        f"{os.cpu_count()} cores; {', '.join(shown)}"
    )
    pairs = asyncio.run(run(args, libraries))
    print(table(pairs))
    print(f"\nload average {os.getloadavg()[0]:.1f}")
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in pairs], indent=1))


if __name__ == "__main__":
    main()
