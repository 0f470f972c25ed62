"""Measures what recording costs: CPU of one call in its parts, and calls with and without it on a real server, alternating in one run.

The first half counts CPU seconds of this process and may run on a busy machine. The second (`--calls`) is `vox bench calls` with fake
drivers, server on core 0 and callers on core 1; it needs a quiet machine. See README.md beside this file.
"""

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vox.agent.recording.recorder import Recorder
from vox.agent.recording.recordings import Recordings
from vox.agent.recording.settings import Recording
from vox.media.recording import wav
from vox.media.recording.call_file import Batch
from vox.media.recording.opus import encode_ogg_opus
from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics

FRAMES_PER_S = 50
CALLS = 100
SECONDS = 10
WAYS: dict[str, dict[str, Any]] = {
    "off": {"enable": False},
    "wav, mono": {"enable": True},
    "wav, stereo": {"enable": True, "layout": "stereo"},
}


class SteppedClock(Clock):
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.at

    def wall(self) -> datetime:
        """The same as a date."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.at)


class NoWriter:
    """Takes batches and does nothing, so that what is left is the work for each frame."""

    outstanding = 0
    is_broken = False

    def write(self, batch: Batch) -> None:
        """Nothing."""

    def finish(self, batch: Batch | None) -> None:
        """Nothing."""

    def left_out(self, seconds: float) -> None:
        """Nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=0, help="also run `vox bench calls` with so many calls at once")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of that")
    parser.add_argument("--seconds", type=int, default=30, help="measured seconds of each")
    args = parser.parse_args()
    print("CPU time for one second of a call at 8 kHz:")
    print(f"  on the event loop, 100 frames: {per_frame_us():7.1f} µs")
    for rate in (8000, 24_000):
        print(f"  in all, caller 8 kHz, agent {rate // 1000} kHz: {asyncio.run(in_all_us(rate)):7.1f} µs")
    if find_spec("av") is not None:
        print(f"  Opus, once the call is over:   {opus_us():7.1f} µs")
    if args.calls:
        compare(args.calls, args.rounds, args.seconds)


def per_frame_us() -> float:
    clock = SteppedClock()
    recorders = [Recorder(NoWriter(), clock, "mulaw", lambda _: None) for _ in range(CALLS)]
    return cpu_us(lambda: talk(recorders, clock, SECONDS, bytes(160)))


async def in_all_us(agent_rate: int) -> float:
    clock = SteppedClock()
    frame = os.urandom(160 if agent_rate == 8000 else agent_rate // FRAMES_PER_S * 2)
    with tempfile.TemporaryDirectory() as folder:
        recordings = Recordings(Recording(enable=True), Path(folder), clock, Metrics(), {}, shutdown_timeout_s=60)
        encoding = "mulaw" if agent_rate == 8000 else "s16le"
        recorders = [
            recordings.begin(f"call_{number}", agent_rate=agent_rate, agent_encoding=encoding)
            for number in range(CALLS)
        ]
        began = time.process_time()
        for _ in range(SECONDS):
            talk(recorders, clock, 1, frame)
            await asyncio.to_thread(lambda: recordings._executor.submit(int).result())  # noqa: SLF001  its thread is what is measured
        spent = time.process_time() - began
        for recorder in recorders:
            recorder.close()
        await asyncio.to_thread(recordings._executor.shutdown)  # noqa: SLF001  same
    return spent / CALLS / SECONDS * 1e6


def opus_us() -> float:
    seconds = 60
    samples = array("h", [round(8000 * math.sin(at * 0.2) * math.sin(at * 0.0007)) for at in range(8000 * seconds)])
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "call.wav"), Path(folder, "call.opus")
        source.write_bytes(wav.header(8000, 1, 2 * len(samples)) + samples.tobytes())
        began = time.process_time()
        encode_ogg_opus(source, target)
        return (time.process_time() - began) / seconds * 1e6


def talk(recorders: list[Recorder], clock: SteppedClock, seconds: int, frame: bytes) -> None:
    pcm = os.urandom(320)
    for recorder in recorders:
        recorder.listen(8000)
    for _ in range(seconds * FRAMES_PER_S):
        clock.at += 0.02
        for recorder in recorders:
            recorder.heard(pcm)
            recorder.sent(frame)


def cpu_us(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / CALLS / SECONDS * 1e6


def compare(calls: int, rounds: int, seconds: int) -> None:
    print(f"{calls} calls at once (Twilio, 8 kHz), share of core 0 | answers p99 | late frames | RSS a call:")
    for number in range(rounds):
        for way, settings in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                recording = json.dumps({**settings, "folder": folder})
                command = (
                    "-m",
                    "vox",
                    "bench",
                    "calls",
                    "--calls",
                    str(calls),
                    "--seconds",
                    str(seconds),
                    "--pin",
                    "--json",
                )
                done = subprocess.run(
                    [sys.executable, *command, "--set", f"recording={recording}"],
                    capture_output=True,
                    text=True,
                    check=False,
                )
            result = json.loads(done.stdout)
            server, answers = result["server"], result["response_s"]
            print(
                f"  {number + 1} {way:12} {server['core_share']:6.1%} | {answers['p99'] * 1000:6.1f} ms"
                f" | {result['late_share']:7.3%} | {(result['rss_per_call_bytes'] or 0) / 1e6:.2f} MB"
                f"{'' if result['is_clean'] else '   (' + '; '.join(result['doubts']) + ')'}"
            )


if __name__ == "__main__":
    main()
