"""Measures the relay directory beside a full scan in one run: nearest 10 of 10,000 relays, one core. See README.md beside this file.

Every server runs in a process of its own on core 0, this one on core 1. A bare ASGI application behind the same HTTP stack
shows what the load generator itself can ask for.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import asin, atan2, cos, degrees, radians, sin, sqrt
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs
from urllib.request import urlopen

import msgspec
import numpy as np

from http_load import CLOCK, Lane, Load, ask, bare_app, no_lifespan, percentile_ms
from vox.clients.bench_agent import SERVER_CORE, take_caller_core
from vox.clients.server_process import busy_seconds, free_port, serving, usage
from vox.directory.database import relay_rows
from vox.directory.database.migrations.prepare import prepare
from vox.directory.database.relay_rows import Record
from vox.directory.relays.relay import Relay
from vox.http.edge import read_body, respond
from vox.http.server import Server
from vox.http.server import run as run_loop
from vox.runtime.lifecycle import Lifecycle, run_until_stopped
from vox.stores.sql import SqlDatabase, sqlite_url

ROOT = Path(__file__).parent.parent
GOAL_PER_S = 8000
BEATS_PER_S = 100
CONNECTIONS = 16
BEAT_CONNECTIONS = 4
CAPACITY = 1000
JSON_HEADERS = {"content-type": "application/json"}
EARTH_RADIUS_KM = 6371.0

# Name, latitude, longitude, weight (roughly millions of people). Relays stand where people are.
CITIES = """
Tokyo 35.68 139.69 37|Delhi 28.61 77.21 32|Shanghai 31.23 121.47 28|Sao-Paulo -23.55 -46.63 22|Mexico-City 19.43 -99.13 22
Cairo 30.04 31.24 21|Mumbai 19.08 72.88 21|Beijing 39.90 116.41 21|Dhaka 23.81 90.41 22|Osaka 34.69 135.50 19|New-York 40.71 -74.01 19
Karachi 24.86 67.00 17|Buenos-Aires -34.60 -58.38 15|Istanbul 41.01 28.98 15|Kolkata 22.57 88.36 15|Lagos 6.52 3.38 15|Kinshasa -4.44 15.27 15
Manila 14.60 120.98 14|Rio -22.91 -43.17 13|Guangzhou 23.13 113.26 13|Lahore 31.55 74.34 13|Shenzhen 22.54 114.06 12|Bangalore 12.97 77.59 12
Moscow 55.76 37.62 12|Los-Angeles 34.05 -118.24 12|Bogota 4.71 -74.07 11|Paris 48.86 2.35 11|Jakarta -6.21 106.85 11|Chennai 13.08 80.27 11
Lima -12.05 -77.04 10|Bangkok 13.76 100.50 10|Seoul 37.57 126.98 10|Hyderabad 17.39 78.49 10|London 51.51 -0.13 9|Tehran 35.69 51.39 9
Chicago 41.88 -87.63 8|Ho-Chi-Minh-City 10.82 106.63 8|Luanda -8.84 13.23 8|Hong-Kong 22.32 114.17 7|Kuala-Lumpur 3.14 101.69 8|Riyadh 24.71 46.68 7
Santiago -33.45 -70.67 7|Madrid 40.42 -3.70 6|Toronto 43.65 -79.38 6|Dallas 32.78 -96.80 6|Miami 25.76 -80.19 6|Singapore 1.35 103.82 6
Philadelphia 39.95 -75.17 5|Atlanta 33.75 -84.39 5|Houston 29.76 -95.37 5|Washington 38.91 -77.04 5|Barcelona 41.39 2.17 5|Johannesburg -26.20 28.05 5
Saint-Petersburg 59.93 30.34 5|Melbourne -37.81 144.96 5|Sydney -33.87 151.21 5|Berlin 52.52 13.40 4|Cape-Town -33.92 18.42 4|Nairobi -1.29 36.82 5
Casablanca 33.57 -7.59 3|Rome 41.90 12.50 4|Kyiv 50.45 30.52 3|Montreal 45.50 -73.57 4|Phoenix 33.45 -112.07 4|San-Francisco 37.77 -122.42 4
Seattle 47.61 -122.33 3|Boston 42.36 -71.06 4|Athens 37.98 23.73 3|Lisbon 38.72 -9.14 3|Vancouver 49.28 -123.12 2|Dubai 25.20 55.27 3
Tel-Aviv 32.09 34.78 4|Accra 5.60 -0.19 2|Dakar 14.72 -17.47 3|Addis-Ababa 9.01 38.75 5|Taipei 25.03 121.57 7|Hanoi 21.03 105.85 5
Vienna 48.21 16.37 2|Warsaw 52.23 21.01 2|Budapest 47.50 19.04 2|Prague 50.08 14.44 1|Munich 48.14 11.58 1|Hamburg 53.55 9.99 2|Frankfurt 50.11 8.68 2
Milan 45.46 9.19 3|Amsterdam 52.37 4.90 2|Brussels 50.85 4.35 2|Stockholm 59.33 18.07 2|Oslo 59.91 10.75 1|Helsinki 60.17 24.94 1|Copenhagen 55.68 12.57 1
Dublin 53.35 -6.26 1|Zurich 47.38 8.54 1|Denver 39.74 -104.99 3|Minneapolis 44.98 -93.27 3|Perth -31.95 115.86 2|Brisbane -27.47 153.03 2
Auckland -36.85 174.76 2|Honolulu 21.31 -157.86 1|Anchorage 61.22 -149.90 1|Reykjavik 64.15 -21.94 1|Suva -18.12 178.45 1|Novosibirsk 55.01 82.93 2
"""


@dataclass
class Result:
    """One server at one load; latencies in milliseconds, of paced requests from the moment they were due."""

    server: str
    load: str
    per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float
    core: float
    others_share: float
    beats_due_per_s: float
    beats_per_s: float
    beat_p50_ms: float
    beat_p99_ms: float
    problems: list[str] = field(default_factory=list[str])


def make_relays(count: int, seed: int) -> list[Relay]:
    """Relays within some 20 km of the cities, more where more people are; always the same for a seed."""
    chance = Random(seed)  # noqa: S311  the same for everybody who measures
    cities = [entry.split() for line in CITIES.strip().splitlines() for entry in line.split("|")]
    weights = [int(city[3]) for city in cities]
    relays: list[Relay] = []
    for number, (name, lat, lon, _) in enumerate(chance.choices(cities, weights, k=count)):
        relays.append(
            Relay(
                id=f"{chance.getrandbits(128):032x}",
                name=f"{name} {number}",
                url=f"wss://relay-{number}.example.com",
                latitude=round(float(lat) + chance.gauss(0, 0.2), 4),
                longitude=round((float(lon) + chance.gauss(0, 0.2) + 180) % 360 - 180, 4),
                region=name.lower(),
                capacity=CAPACITY,
                public_key="cHVibGljLWtleS1vZi1hLXJlbGF5LWFzLWJhc2U2NA==",
                registered_at="2026-01-01T00:00:00.000Z",
                last_seen_at="2026-01-01T00:00:00.000Z",
                current_connections=chance.randrange(CAPACITY),
                healthy=True,
                state="healthy",
            )
        )
    return relays


def make_questions(count: int, seed: int) -> list[bytes]:
    """Requests from places spread evenly over the globe, each different."""
    chance = Random(seed)  # noqa: S311  the same for everybody who measures
    return [
        ask(
            "GET",
            f"/v1/relays?lat={degrees(asin(chance.uniform(-1, 1))):.4f}&lon={chance.uniform(-180, 180):.4f}&limit=10",
        )
        for _ in range(count)
    ]


def make_beats(relays: Sequence[Relay], seed: int) -> list[bytes]:
    """A heartbeat of each relay in random order; one in fifty says that it is full, which takes it off the list."""
    chance = Random(seed)  # noqa: S311  the same for everybody who measures
    beats: list[bytes] = []
    for relay in chance.sample(relays, len(relays)):
        connections = CAPACITY if chance.random() < 0.02 else chance.randrange(CAPACITY)
        body = json.dumps({"current_connections": connections}).encode()
        beats.append(ask("POST", f"/v1/relays/{relay.id}/heartbeat", body))
    return beats


@dataclass
class Target:
    """A server that runs."""

    name: str
    port: int
    pid: int
    core: int | None


def measure(target: Target, questions: Sequence[bytes], beats: Sequence[bytes], seconds: float, per_s: float) -> Result:
    """One load against one server; without a rate the most it answers to 16 connections."""
    # Paced requests need connections enough that a pause of the server does not hold back what is due.
    asking = Lane(target.port, questions, CONNECTIONS * (4 if per_s else 1), per_s)
    beating = Lane(target.port, beats, BEAT_CONNECTIONS * 4, BEATS_PER_S) if beats else None
    generator = Load([asking, beating] if beating else [asking])
    before, busy_before = usage(target.pid), busy_seconds(SERVER_CORE)
    took = generator.run(seconds)
    after, busy_after = usage(target.pid), busy_seconds(SERVER_CORE)
    spent = after.cpu_s - before.cpu_s if before and after else 0.0
    others = (busy_after - busy_before - spent) / took if busy_after and busy_before and target.core is not None else 0
    heard = beating.seconds if beating else array("d")
    problems = [
        f"{lane.refused} of {len(lane.seconds)} {what} not answered with 200"
        for lane, what in ((asking, "lists"), (beating, "heartbeats"))
        if lane and lane.refused
    ]
    for lane, what in ((asking, "lists"), (beating, "heartbeats")):
        if lane and lane.per_s and len(lane.seconds) < lane.due:
            problems.append(f"{lane.due - len(lane.seconds)} of {lane.due} due {what} not answered 5 s after the end")
    return Result(
        server=target.name,
        load=f"{per_s:.0f}/s" if per_s else f"{CONNECTIONS} connections",
        per_s=asking.in_time / seconds,
        p50_ms=percentile_ms(asking.seconds, 0.5),
        p99_ms=percentile_ms(asking.seconds, 0.99),
        p999_ms=percentile_ms(asking.seconds, 0.999),
        worst_ms=percentile_ms(asking.seconds, 1),
        core=spent / took,
        others_share=max(others, 0.0),
        beats_due_per_s=beating.due / seconds if beating else 0.0,
        beats_per_s=beating.in_time / seconds if beating else 0.0,
        beat_p50_ms=percentile_ms(heard, 0.5),
        beat_p99_ms=percentile_ms(heard, 0.99),
        problems=problems,
    )


class FullScan:
    """The peer: looks at all relays for each list, as the directory's original does; heartbeats change them in place."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self.relays = {one.id: {name: getattr(one, name) for name in LISTED} for one in relays}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers lists and heartbeats, and nothing else."""
        if scope["type"] == "lifespan":
            await no_lifespan(receive, send)
        elif scope["method"] == "POST":
            beat = msgspec.json.decode(await read_body(scope, receive, max_bytes=16_384))
            moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self.beat(scope["path"].split("/")[3], beat["current_connections"], moment)
            await respond(send, 200, b'{"status":"ok"}', JSON_HEADERS)
        else:
            asked = parse_qs(scope["query_string"].decode())
            where = float(asked.get("lat", ["0"])[0]), float(asked.get("lon", ["0"])[0])
            found = self.nearest(*where, int(asked.get("limit", ["10"])[0]))
            body = msgspec.json.encode({"relays": found, "count": len(found)})
            await respond(send, 200, body, JSON_HEADERS)

    def beat(self, relay_id: str, connections: int, moment: str) -> None:
        """A relay said its load."""
        relay = self.relays[relay_id]
        relay["current_connections"] = connections
        relay["last_seen_at"] = moment

    def nearest(self, lat: float, lon: float, limit: int) -> list[dict[str, Any]]:
        """All relays with room by the documented formula, sorted, cut."""
        found: list[tuple[float, str, dict[str, Any]]] = []
        for one in self.relays.values():
            if not one["healthy"] or one["current_connections"] >= one["capacity"]:
                continue
            north = sin(radians(one["latitude"] - lat) / 2)
            east = sin(radians(one["longitude"] - lon) / 2)
            a = north * north + cos(radians(lat)) * cos(radians(one["latitude"])) * east * east
            found.append((EARTH_RADIUS_KM * 2 * atan2(sqrt(a), sqrt(max(0.0, 1 - a))), one["id"], one))
        found.sort(key=lambda each: each[:2])
        return [{**one, "distance_km": round(km, 3)} for km, _, one in found[:limit]]


class FullScanInNumpy(FullScan):
    """A stronger peer: the same scan as vectors, and the smallest ten picked instead of sorting all."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        super().__init__(relays)
        self._ids = [one.id for one in relays]
        self._at = {relay_id: number for number, relay_id in enumerate(self._ids)}
        self._lats = np.radians(np.array([one.latitude for one in relays]))
        self._lons = np.radians(np.array([one.longitude for one in relays]))
        self._cosines = np.cos(self._lats)
        self._is_full = np.array([one.current_connections >= one.capacity for one in relays])

    def beat(self, relay_id: str, connections: int, moment: str) -> None:
        """A relay said its load."""
        super().beat(relay_id, connections, moment)
        self._is_full[self._at[relay_id]] = connections >= CAPACITY

    def nearest(self, lat: float, lon: float, limit: int) -> list[dict[str, Any]]:
        """The relays with room and the least haversine."""
        north = np.sin((self._lats - radians(lat)) / 2)
        east = np.sin((self._lons - radians(lon)) / 2)
        a = north * north + cos(radians(lat)) * self._cosines * east * east
        a[self._is_full] = 2
        best = np.argpartition(a, limit)[:limit]
        ordered = sorted((float(a[number]), self._ids[number]) for number in best)
        return [
            {**self.relays[one], "distance_km": round(EARTH_RADIUS_KM * 2 * asin(min(1, sqrt(h))), 3)}
            for h, one in ordered
        ]


LISTED = (
    *("id", "name", "url", "latitude", "longitude", "region", "capacity", "current_connections", "public_key"),
    *("registered_at", "last_seen_at", "healthy", "failed_checks"),
)
PEERS = {"full scan": FullScan, "full scan, numpy": FullScanInNumpy}
BARE = "bare ASGI"


async def serve(name: str, port: int, count: int, seed: int) -> None:
    """Serves the constant or a peer, until told to stop; runs in a process of its own."""
    app: Any = bare_app if name == BARE else PEERS[name](make_relays(count, seed))
    lifecycle = Lifecycle(CLOCK, 1)
    async with Server(app, "127.0.0.1", port):
        lifecycle.ready()
        await run_until_stopped(lifecycle)


@dataclass
class Bench:
    """The settings of one run."""

    core: int | None
    count: int
    seed: int
    folder: Path

    @asynccontextmanager
    async def peer(self, name: str) -> AsyncGenerator[Target]:
        """The constant or a peer in a process of its own."""
        port = free_port()
        own = ("--serve", name, "--port", str(port), "--relays", str(self.count), "--seed", str(self.seed))
        command = (sys.executable, str(Path(__file__)), *own)
        url = f"http://127.0.0.1:{port}/v1/relays"
        log = self.folder / "peer.log"
        async with serving(command, ready_url=url, clock=CLOCK, log=log, core=self.core) as pid:
            yield Target(name, port, pid, self.core)

    @asynccontextmanager
    async def directory(self) -> AsyncGenerator[Target]:
        """`vox directory` on a database that holds the relays; it does not probe them, as they do not exist."""
        path = str(self.folder / "relays.db")
        relays = make_relays(self.count, self.seed)

        def save(connection: Any, some: Sequence[Relay]) -> None:
            for relay in some:
                relay_rows.save(connection, Record(relay, "", 0))

        async with SqlDatabase(sqlite_url(path)) as database:
            await prepare(database)
            for first in range(0, len(relays), 500):  # a unit of work has a deadline
                await database.write(partial(save, some=relays[first : first + 500]))
        port = free_port()
        config = {
            "server": {"host": "127.0.0.1", "port": port},
            "database": {"path": path},
            "health_check": {"enabled": False},
            "logs": {"level": "error"},
        }
        file = self.folder / "directory.json"
        await asyncio.to_thread(file.write_text, json.dumps(config))
        command = (str(Path(sys.executable).with_name("vox")), "directory", "--config", str(file))
        url, log = f"http://127.0.0.1:{port}/ready", self.folder / "directory.log"
        async with serving(command, ready_url=url, clock=CLOCK, log=log, core=self.core) as pid:
            yield Target("Vox directory", port, pid, self.core)


def check_answers(ours: Target, peer: Target, count: int, seed: int) -> None:
    """Compares what both answer, ids and distances, before anything is measured."""
    for question in make_questions(count, seed + 1):
        target = question.split()[1].decode()
        answers: list[list[tuple[str, float]]] = []
        for server in (ours, peer):
            with urlopen(f"http://127.0.0.1:{server.port}{target}", timeout=5) as answer:
                found = json.load(answer)["relays"]
            answers.append([(one["id"], one["distance_km"]) for one in found])
        if [one for one, _ in answers[0]] != [one for one, _ in answers[1]] or any(
            abs(one[1] - other[1]) > 0.01 for one, other in zip(*answers, strict=True)
        ):
            raise SystemExit(f"{ours.name} and {peer.name} answer {target} differently")


async def run(bench: Bench, seconds: float) -> list[Result]:
    """Everything in one run: the constant, ours as fast as it goes and at a fixed rate, the peers."""
    questions = make_questions(50_000, bench.seed)
    beats = make_beats(make_relays(bench.count, bench.seed), bench.seed)
    results: list[Result] = []

    def point(target: Target, *, share: float = 1.0, per_s: float = 0, has_beats: bool = True) -> Result:
        result = measure(target, questions, beats if has_beats else (), seconds * share, per_s)
        results.append(result)
        print(line(result), flush=True)
        return result

    async with bench.peer(BARE) as target:
        measure(target, questions, (), 0.5, 0)
        point(target, share=0.3, has_beats=False)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(bench.directory())
        async with bench.peer("full scan") as peer:
            await asyncio.to_thread(check_answers, ours, peer, 100, bench.seed)
        measure(ours, questions, beats, 3, 0)
        most = point(ours).per_s
        point(ours, per_s=GOAL_PER_S if most > 1.1 * GOAL_PER_S else round(0.8 * most, -2))
    for name in PEERS:
        async with bench.peer(name) as target:
            measure(target, questions, beats, 0.5, 0)
            point(target, share=0.5)
    return results


HEADINGS = (
    *("server", "load", "lists / s", "p50 / p99 / p99.9 / worst (ms)", "CPU of the core", "lists / CPU s"),
    *("heartbeats / s: due, answered", "heartbeat p50 / p99 (ms)", "notes"),
)


def line(result: Result) -> str:
    """A row of the table."""
    notes = list(result.problems)
    if result.others_share > 0.05:
        notes.append(f"other processes took {result.others_share:.0%} of the server's core")
    has_beats = result.beats_due_per_s > 0
    cells = (
        result.server,
        result.load,
        f"{result.per_s:,.0f}",
        f"{result.p50_ms:.2f} / {result.p99_ms:.2f} / {result.p999_ms:.2f} / {result.worst_ms:.1f}",
        f"{result.core:.0%}",
        f"{result.per_s / result.core:,.0f}" if result.core else "-",
        f"{result.beats_due_per_s:.1f}, {result.beats_per_s:.1f}" if has_beats else "none",
        f"{result.beat_p50_ms:.2f} / {result.beat_p99_ms:.2f}" if has_beats else "-",
        "; ".join(notes),
    )
    return f"| {' | '.join(cells)} |"


def header(bench: Bench, load_before: Sequence[float]) -> list[str]:
    """Where, when and on what."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "src", "bench")
    cpu = next((each.split(":", 1)[1].strip() for each in _cpuinfo() if each.startswith("model name")), "?")
    placement = "not pinned" if bench.core is None else "server on core 0, load generator on core 1"
    moment, commit = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", git("rev-parse", "--short", "HEAD") or "unknown"
    machine = f"{os.cpu_count()} x {cpu}, {platform.system()}, Python {platform.python_version()}"
    load = f"load average before {load_before[0]:.2f}, {load_before[1]:.2f}"
    return [
        f"{moment}, commit {commit}{' with changes' if changed else ''}; {machine}; {placement}; {load}",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
    ]


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def verdict(results: Sequence[Result]) -> list[str]:
    """What the run shows, in words."""
    ceiling, most, _, scan, fast_scan = results
    reached = "reached" if most.per_s >= GOAL_PER_S else "NOT reached"
    times = (
        f"{most.per_s / scan.per_s:.0f} times the full scan, {most.per_s / fast_scan.per_s:.1f} times the scan in numpy"
    )
    return [
        "",
        f"Goal of {GOAL_PER_S:,}/s {reached}: {most.per_s:,.0f} lists a second, p99 {most.p99_ms:.2f} ms; {times}.",
        f"The load generator got {ceiling.per_s:,.0f} a second from the constant; the lists are {most.per_s / ceiling.per_s:.2f} of that.",
    ]


async def benchmark(args: argparse.Namespace) -> None:
    """Runs everything and prints it."""
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="vox-bench-") as folder:
        bench = Bench(take_caller_core(wants_pin=not args.no_pin), args.relays, args.seed, Path(folder))
        print("\n".join(header(bench, load_before)), flush=True)
        results = await run(bench, args.seconds)
    print("\n".join(verdict(results)))
    if args.json:
        text = json.dumps(
            {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "results": [asdict(one) for one in results]}
        )
        await asyncio.to_thread(args.json.write_text, text)


def main() -> None:
    """Measures, or with --serve is one of the servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each of the directory's points (10)")
    parser.add_argument("--relays", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as JSON")
    parser.add_argument("--no-pin", action="store_true", help="leave the placement to the system")
    parser.add_argument("--serve", choices=[BARE, *PEERS], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    run_loop(serve(args.serve, args.port, args.relays, args.seed) if args.serve else benchmark(args))


if __name__ == "__main__":
    main()
