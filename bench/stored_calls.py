"""Many calls at once, recorded and transcribed into a real S3 server and PostgreSQL, undisturbed and with both stores away meanwhile.

    .venv/bin/python bench/stored_calls.py [--calls 200] [--seconds 180] [--outage 0 60]

Every call is compared with what its caller said and heard: the recording's length and where each sound stands in both channels,
the transcript word for word. The server's memory is read once a second. Server on core 0, callers and stores on core 1. It needs
a quiet machine, versitygw and PostgreSQL; exit code 1 where something is lost, misplaced or grows. See README.md beside this file.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.e2e.agents import RunningAgent, agent_server
from tests.e2e.postgres import RunningPostgres, postgres_server
from tests.e2e.recorded_audio import stored_in
from tests.e2e.stored_calls import FRAME_S, Comparison, HeardCall, call, compare, config, lag_meter, rows
from tests.fakes.s3_server import S3Server, aws_environment, running_s3

from vox.clients.server_process import pin, usage

SERVER_CORE, CALLER_CORE = 0, 1
SPREAD_S = 15.0
"""Calls begin at random within about the length of one."""
DRAIN_S = 120
MOST_GROWTH = 0.05
"""Of the server's memory, from the second quarter of a run to its last."""


class Callers:
    """Keeps so many calls going for a while, each lane one after the other.

    Args:
        url: of the server's stream.
        lanes: calls at once.
        seconds: after which no call begins any more.
    """

    def __init__(self, url: str, lanes: int, seconds: float) -> None:
        self.heard: list[HeardCall] = []
        self._url = url
        self._lanes = lanes
        self._until = time.monotonic() + seconds
        self._numbers = 0
        self._random = random.Random(1)  # noqa: S311  repeatable start times, nothing secret

    async def run(self) -> None:
        """Returns when the last call is over."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._lane(self._random.uniform(0, SPREAD_S)))

    async def _lane(self, offset_s: float) -> None:
        await asyncio.sleep(offset_s)
        while time.monotonic() < self._until:
            self._numbers += 1
            self.heard.append(await call(self._url, self._numbers))


async def run(calls: int, seconds: float, outage: float) -> bool:
    """One run, reported; whether everything is as it should be."""
    with tempfile.TemporaryDirectory() as name, running_s3() as s3, postgres_server() as database:
        if s3.kind != "versitygw":
            sys.exit("moto forgets its objects when it ends: install versitygw, see tests/fakes/s3_server.py")
        settings = {
            **config(database),
            "vad_type": "silero",
            "shutdown_upload_timeout_secs": DRAIN_S,
            "log_level": "warn",
        }
        folder = Path(name)
        async with agent_server(folder, {**settings, "drain_timeout_secs": 5}, **aws_environment(s3)) as agent:
            pin_threads(agent.process.pid)
            callers = Callers(agent.phone, calls, seconds)
            memory: list[int] = []
            before, cpu = usage(agent.process.pid), time.process_time()
            async with lag_meter() as lag, asyncio.TaskGroup() as others:
                watching = others.create_task(watch_memory(agent, memory))
                away = others.create_task(stop_for(outage, (seconds - outage) / 2, s3, database))
                await callers.run()
                watching.cancel()
                await away
            after, cpu = usage(agent.process.pid), time.process_time() - cpu
            agent.terminate()
            await agent.process.wait()
            log = agent.log.read_text()
        found = compare(callers.heard, await asyncio.to_thread(stored_in, s3), rows(database))
        waiting = len(await asyncio.to_thread(lambda: list(folder.rglob("*.wav*"))))
    talked = sum(one.duration_s for one in callers.heard)
    used = after.cpu_s - before.cpu_s if before and after else 0.0
    print(
        f"  {len(callers.heard)} calls, {talked:.0f} s of them together; server {used / talked * 1e3:.2f} ms CPU a second of call"
    )
    print(f"  callers {cpu / talked * 1e3:.2f} ms, late by {lag[0] * 1e3:.0f} ms at worst")
    return all(verdicts(found, memory, waiting, log))


def verdicts(found: Comparison, memory: Sequence[int], waiting: int, log: str) -> list[bool]:
    """Prints what was found."""
    quarter = len(memory) // 4
    early, late = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
    lost = [line for line in log.splitlines() if "are lost" in line or "queue is full" in line]
    checks = {
        f"lengths within 20 ms: worst {found.worst_length * 1e3:.1f} ms": found.worst_length <= FRAME_S + 1e-6,
        f"sounds in their place: typically {found.typical_edge * 1e3:.1f} ms off, worst {found.worst_edge * 1e3:.1f} ms": (
            found.typical_edge <= FRAME_S and not found.misplaced
        ),
        f"stored completely, transcripts in order: {len(found.faults)} faults": not found.faults,
        f"nothing waits on the disk or was lost: {waiting} files, {len(lost)} warnings": not waiting and not lost,
        f"memory flat: {early / 1e6:.0f} MB, at the end {late / 1e6:.0f} MB, at most {max(memory) / 1e6:.0f} MB": (
            late <= early * (1 + MOST_GROWTH)
        ),
    }
    for check, is_good in checks.items():
        print(f"  {'ok' if is_good else 'NOT'}  {check}")
    for detail in [*found.faults[:5], *found.misplaced[:5], *lost[:5]]:
        print(f"       {detail[:300]}")
    return list(checks.values())


async def watch_memory(agent: RunningAgent, memory: list[int]) -> None:
    while True:
        if (used := await asyncio.to_thread(usage, agent.process.pid)) is not None:
            memory.append(used.rss_bytes)
        await asyncio.sleep(1.0)


async def stop_for(outage: float, after: float, s3: S3Server, database: RunningPostgres) -> None:
    """Both stores away in the middle."""
    if outage:
        await asyncio.sleep(after)
        await asyncio.to_thread(s3.stop)
        await asyncio.to_thread(database.stop)
        await asyncio.sleep(outage)
        await asyncio.to_thread(s3.start)
        await asyncio.to_thread(database.start)


def pin_threads(pid: int) -> None:
    """The server to its core, with the threads that it has started."""
    pin(pid, SERVER_CORE)
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {SERVER_CORE})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="at once")
    parser.add_argument("--seconds", type=float, default=180, help="for which calls begin")
    parser.add_argument(
        "--outage", type=float, nargs="+", default=[0.0, 60.0], help="seconds without stores; a run for each"
    )
    args = parser.parse_args()
    os.sched_setaffinity(0, {CALLER_CORE})
    is_good = True
    for outage in args.outage:
        print(f"{args.calls} calls at once for {args.seconds:.0f} s, both stores away for {outage:.0f} s:")
        is_good &= asyncio.run(run(args.calls, args.seconds, outage))
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
