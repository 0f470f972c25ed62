"""Measures telephone calls per core, ours and Pipecat's, in one run; writes results/calls.md. See README.md beside this file."""

import argparse
import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import uvloop

from vox.clients.bench_agent import BenchAgent, bench_agent, take_caller_core
from vox.clients.capacity import CapacitySearch, find_capacity, measure_believably
from vox.clients.load import LoadPlan, ServerUnderTest, run_load
from vox.clients.load_results import LoadResult
from vox.clients.server_process import free_port, serving
from vox.runtime.clock import SystemClock

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "calls.md"
PEER_ENVIRONMENT = ROOT / "build" / "pipecat-bench"
CLOCK = SystemClock()
MEGABYTE = 1 << 20
HEADINGS = (
    "server",
    "point",
    "calls",
    "CPU of one core",
    "% core / call",
    "late > 20 ms",
    "response p50 / p95 / p99 (ms)",
    "added p50 / p99 (ms)",
    "MB / call",
    "callers' lag p99 (ms)",
    "notes",
)
LINES = {"twilio": "8 kHz µ-law, Twilio Media Streams JSON", "protobuf": "16 kHz s16le, protobuf frames"}


# Late frames alone say how many calls are heard cleanly; behind these, answers still come as quickly as to one caller.
RESPONSIVE = {"twilio": (240, 300, 400, 500), "protobuf": (192, 240, 300)}


STRESS_CALLS = 400
EXPLANATION = (
    "A clean maximum counts late frames alone. Before it is reached, the voice detector falls behind and answers begin later; the",
    "*responsive* rows show up to where they do not. The detector's windows of 32 ms fall differently on each call, which alone",
    "spreads answers by one or two windows, also at few calls.",
)


@dataclass(frozen=True)
class Contender:
    """One server that can be started afresh for a number of calls."""

    name: str
    first_guess: int

    def run(self, line: str, calls: int, core: int | None, python: Path) -> AbstractAsyncContextManager[BenchAgent]:
        """A fresh server for as long as the block lasts."""
        if self.name == "Vox":
            return bench_agent(CLOCK, max_calls=calls, line=line, core=core)
        return pipecat(python, core)


VOX = Contender("Vox", first_guess=100)
PIPECAT = Contender("Pipecat", first_guess=8)


@asynccontextmanager
async def pipecat(python: Path, core: int | None) -> AsyncGenerator[BenchAgent]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pipecat-bench-") as folder:
        command = (str(python), str(HERE / "pipecat" / "server.py"), "--port", str(port))
        log = Path(folder, "server.log")
        url = f"http://127.0.0.1:{port}/ready"
        async with serving(command, ready_url=url, clock=CLOCK, log=log, core=core) as pid:
            yield BenchAgent(ServerUnderTest(pid, core), port)


@dataclass(frozen=True)
class Bench:
    """The settings of one run."""

    core: int | None
    python: Path
    seconds: float

    async def measure(self, contender: Contender, line: str, calls: int) -> LoadResult:
        """One attempt at a point."""
        async with contender.run(line, calls, self.core, self.python) as agent:
            plan = LoadPlan(agent.url(line), calls, line, seconds=self.seconds)
            return await run_load(plan, CLOCK, agent.process)

    async def point(self, contender: Contender, line: str, calls: int) -> LoadResult:
        """One point, repeated where it failed in doubt."""
        return await measure_believably(
            partial(self.measure, contender, line), calls, partial(announce, contender.name)
        )

    async def capacity(self, contender: Contender, line: str, limit: int) -> LoadResult | None:
        """The most calls that stay clean."""
        search = CapacitySearch(start=contender.first_guess, limit=limit)
        return await find_capacity(partial(self.measure, contender, line), search, partial(announce, contender.name))


@dataclass(frozen=True)
class LineResults:
    """All points of one wire format."""

    line: str
    rows: Sequence[tuple[str, str, LoadResult]]
    ours: LoadResult | None
    peers: LoadResult | None


async def measure_line(bench: Bench, line: str, *, is_quick: bool) -> LineResults:
    rows = [
        ("Pipecat", "one call", await bench.point(PIPECAT, line, 1)),
        ("Vox", "one call", await bench.point(VOX, line, 1)),
    ]
    if is_quick:
        rows += [
            ("Pipecat", "few", await bench.point(PIPECAT, line, 4)),
            ("Vox", "few", await bench.point(VOX, line, 4)),
        ]
        return LineResults(line, rows, rows[3][2], rows[2][2])
    peers = await bench.capacity(PIPECAT, line, limit=200)
    ours = await bench.capacity(VOX, line, limit=1500)
    if peers is not None:
        rows.append(("Pipecat", "clean maximum", peers))
        rows.append(("Vox", "at Pipecat's maximum", await bench.point(VOX, line, peers.calls)))
        over = await bench.point(PIPECAT, line, round(peers.calls * 1.25))
        rows.append(("Pipecat", "a quarter more", over))
    rows += [("Vox", "responsive", await bench.point(VOX, line, calls)) for calls in RESPONSIVE[line]]
    if ours is not None:
        rows.append(("Vox", "80 % of its maximum", await bench.point(VOX, line, round(ours.calls * 0.8))))
        rows.append(("Vox", "clean maximum", ours))
    return LineResults(line, rows, ours, peers)


def report(results: Sequence[LineResults], bench: Bench) -> list[str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    version = subprocess.run(
        [bench.python, "-c", "from importlib.metadata import version; print(version('pipecat-ai'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    placement = "server and callers not pinned" if bench.core is None else "server on core 0, callers on core 1"
    lines = [
        "# Calls per core: Vox and Pipecat",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip()}{' with changes' if changed.stdout else ''}",
        f"- {machine()}, Python {platform.python_version()}, Pipecat {version}",
        f"- {placement}; fresh server for each point; 8 s warm-up, {bench.seconds:.0f} s counted",
        "- method: [README.md](../README.md); written by `bench/run.py`, not by hand",
        "",
    ]
    for each in results:
        lines += line_report(each)
    return lines


def stress_report(calls: int) -> list[str]:
    """What a full server does to one call too many, and what ten thousand calls leave behind."""
    lines = ["## Overload and wear", ""]
    for what in (["--calls", str(calls), "--overload", "2"], ["--calls", "50", "--short-calls", "10000"]):
        command = [str(Path(sys.executable).with_name("vox")), "bench", "calls", "--pin", *what]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        lines += ["```", f"$ vox bench calls --pin {' '.join(what)}", done.stdout.strip(), "```", ""]
        print(done.stdout, done.stderr, flush=True)
    return lines


def line_report(results: LineResults) -> list[str]:
    floors = [row[2].response_s.p50 for row in results.rows if row[2].calls == 1 and row[2].response_s.p50 is not None]
    floor = min(floors) if floors else 0.0
    lines = [f"## {LINES[results.line]}", ""]
    if results.ours is not None and results.peers is not None:
        lines += comparison(results.ours, results.peers)
    lines += [
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
        *(table_row(name, point, result, floor) for name, point, result in results.rows),
        "",
        f"Floor of the turn settings (lowest median at one call): {floor * 1000:.0f} ms.",
        *EXPLANATION,
        "",
    ]
    return lines


def comparison(ours: LoadResult, peers: LoadResult) -> list[str]:
    lines = [f"**{ours.calls} clean calls against {peers.calls}: {ours.calls / peers.calls:.1f} times as many.**"]
    if ours.server is not None and peers.server is not None:
        cost_ours, cost_peers = ours.server.core_share / ours.calls, peers.server.core_share / peers.calls
        memory_ours, memory_peers = ours.rss_per_call_bytes or 0.0, peers.rss_per_call_bytes or 0.0
        ratio = f", {memory_peers / memory_ours:.0f} times less" if memory_ours > 0 else ""
        lines.append(
            f"A call costs {cost_ours:.2%} of a core against {cost_peers:.2%} ({cost_peers / cost_ours:.1f} times less) and"
            f" {memory_ours / MEGABYTE:.2f} MB against {memory_peers / MEGABYTE:.1f} MB{ratio}."
        )
    return [*lines, ""]


def table_row(name: str, point: str, result: LoadResult, floor: float) -> str:
    response, cost = result.response_s, result.server
    memory = result.rss_per_call_bytes
    notes = [*(["not clean"] if not result.is_clean else []), *result.problems, *result.doubts()]
    if result.unanswered:
        notes.append(f"{result.unanswered} of {result.turns} turns unanswered")
    if result.refused:
        notes.append(f"{result.refused} refused")
    cells = (
        name,
        point,
        f"{result.calls}",
        "-" if cost is None else f"{cost.core_share:.3f}",
        "-" if cost is None else f"{cost.core_share / result.calls:.2%}",
        f"{result.late_share:.2%}",
        " / ".join(milliseconds(value) for value in (response.p50, response.p95, response.p99)),
        " / ".join(milliseconds(None if value is None else value - floor) for value in (response.p50, response.p99)),
        "-" if memory is None else f"{memory / MEGABYTE:.2f}",
        milliseconds(result.send_lag_s.p99),
        "; ".join(notes),
    )
    return f"| {' | '.join(cells)} |"


def milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f}"


def announce(name: str, result: LoadResult) -> None:
    verdict = "clean" if result.is_clean else "fails"
    cpu = "" if result.server is None else f", {result.server.core_share:.2f} of a core"
    doubts = "".join(f"\n    {doubt}" for doubt in result.doubts())
    print(
        f"{name:<8} {result.line:<9} {result.calls:>4} calls: {verdict}, {result.late_share:.2%} late{cpu}{doubts}",
        flush=True,
    )


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} x {model}, {platform.system()}"


def peer_python() -> Path:
    """Builds the peer's environment where it is not there yet; returns its interpreter."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    stamp = PEER_ENVIRONMENT / "requirements.txt"
    wanted = HERE / "pipecat" / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return python
    print(f"building the peer's environment in {PEER_ENVIRONMENT.relative_to(ROOT)} …", flush=True)
    shutil.rmtree(PEER_ENVIRONMENT, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", PEER_ENVIRONMENT], check=True)
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--python", python] if uv.exists() else [python, "-m", "pip", "install"]
    subprocess.run([*install, "--quiet", "--require-hashes", "-r", wanted], check=True)
    shutil.copy(wanted, stamp)
    return python


async def run(args: argparse.Namespace) -> None:
    python = args.peer_python or await asyncio.to_thread(peer_python)
    bench = Bench(take_caller_core(wants_pin=not args.no_pin), python, 6.0 if args.quick else args.seconds)
    results = [await measure_line(bench, line, is_quick=args.quick) for line in args.line or LINES]
    lines = report(results, bench)
    if not args.quick:
        lines += await asyncio.to_thread(stress_report, STRESS_CALLS)
    text = "\n".join(lines)
    if args.quick:
        print(text)
    else:
        RESULTS.write_text(text)
        print(f"written to {RESULTS.relative_to(ROOT)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few calls each, printed and not written")
    parser.add_argument("--line", action="append", choices=LINES, help="only this wire format (may be repeated)")
    parser.add_argument("--seconds", type=float, default=20.0, help="counted seconds of each point")
    parser.add_argument("--no-pin", action="store_true", help="leave the placement to the system")
    parser.add_argument("--peer-python", type=Path, help="interpreter of an environment that has the peer already")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
