"""What a transcript costs: CPU seconds of the whole process for each turn (two rows), queued, batched and written.

    .venv/bin/python bench/transcripts.py [--database sqlite|postgres|mariadb] [--turns 600] [--calls 200]

The turns of all calls come at the rate that is given, from one event loop, as on a server. CPU time is this process' own: the
database server's is not in it. The second number, "call's path", is the time that the call itself spends on a row.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.e2e.mariadb import mariadb_server
from tests.e2e.postgres import postgres_server

from vox.agent.transcripts.settings import Transcripts
from vox.agent.transcripts.store import TranscriptStore
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import Metrics

QUESTION = "Could I have a table for two people at half past seven tomorrow, please?"
ANSWER = "Of course. I have a table for two at half past seven tomorrow evening. May I have your name, please?"


@contextmanager
def address(kind: str, folder: Path) -> Generator[tuple[str, str]]:
    """Driver and data source name of an empty database."""
    if kind == "sqlite":
        yield "sqlite", str(folder / "transcripts.db")
    elif kind == "postgres":
        with postgres_server() as running:
            yield "postgres", running.url
    else:
        with mariadb_server() as running:
            yield "mysql", running.dsn


async def measure(driver: str, dsn: str, folder: Path, turns: int, calls: int, per_s: float) -> None:
    settings = Transcripts.model_validate({"enable": True, "driver": driver, "dsn": dsn, "flush_timeout_secs": 60})
    async with TranscriptStore(settings, folder, SystemClock(), Metrics()) as store:
        transcripts = [store.begin(f"call_{number}") for number in range(calls)]
        at_rest = time.process_time()
        await asyncio.sleep(1.0)
        rest = time.process_time() - at_rest
        began, cpu, path = time.perf_counter(), time.process_time(), 0.0
        for turn in range(turns):
            before = time.perf_counter()
            transcripts[turn % calls].user(QUESTION)
            transcripts[turn % calls].assistant(ANSWER)
            path += time.perf_counter() - before
            await asyncio.sleep(max(0.0, began + (turn + 1) / per_s - time.perf_counter()))
    seconds = time.perf_counter() - began  # leaving the store has written what was queued
    spent = time.process_time() - cpu - rest * seconds
    print(f"{driver}: {turns} turns of {calls} calls in {seconds:.1f} s ({turns / seconds:.0f} a second)")
    print(f"  CPU a turn, all threads:  {spent / turns * 1e6:8.1f} µs")
    print(f"  of it on the call's path: {path / turns * 1e6:8.1f} µs")
    print(f"  share of a core at 300 calls with 6 turns a minute: {spent / turns * 300 * 6 / 60:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgres", "mariadb"), default="postgres")
    parser.add_argument("--turns", type=int, default=600)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--per-s", type=float, default=30.0, help="turns a second of all calls together")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, address(args.database, Path(name)) as (driver, dsn):
        asyncio.run(measure(driver, dsn, Path(name), args.turns, args.calls, args.per_s))


if __name__ == "__main__":
    main()
