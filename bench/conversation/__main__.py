"""Measures how the demo restaurant converses: questions, bookings and turn-taking. See ../README.md."""

import argparse
import asyncio
import os
import platform
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import uvloop
from bench.conversation.answers import AnswerTable
from bench.conversation.event_log import EventLog
from bench.conversation.questions import (
    HERE,
    Judge,
    read_bookings,
    read_flow,
    read_questions,
    read_topics,
    read_turn_cases,
)
from bench.conversation.report import Results, booking_details, details, tables, turn_details
from bench.conversation.speakers import RecordingCache
from bench.conversation.turn_taking import take_turns
from bench.conversation.typed import ask_typed, book_typed
from bench.conversation.voice import CallRunner, ask_aloud, book_aloud

from vox.clients.server_process import free_port, serving
from vox.providers.models.catalogue import CATALOGUE
from vox.providers.models.store import FOLDER_VARIABLE, ModelStore, models_folder
from vox.runtime.clock import SystemClock

ROOT = HERE.parents[1]
RESULTS = HERE.parent / "results" / "conversation.md"
STARTS_WITHIN_S = 120.0
"""For the sentence model to learn the examples, on a busy machine."""
AUDIO = Path(tempfile.gettempdir()) / "vox-bench-conversation"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.conversation", description=__doc__)
    parser.add_argument("--typed", action="store_true", help="questions and bookings as text only")
    parser.add_argument("--voice", type=int, nargs="?", const=0, metavar="N", help="spoken questions, N of them")
    parser.add_argument("--bookings", action="store_true", help="spoken bookings")
    parser.add_argument("--turns", action="store_true", help="pauses, barge-ins, coughs")
    parser.add_argument("--half", choices=("tuning", "test", "both"), default="test", help="which questions")
    parser.add_argument("--seed", type=int, default=1, help="which voice asks what")
    parser.add_argument("--calls", type=int, default=4, help="calls at once")
    parser.add_argument(
        "--details", action="store_true", help="print what went wrong; questions of the test half never"
    )
    parser.add_argument("--light", action="store_true", help="without the models that are installed on this machine")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--server", default="up --only agent", help="the vox command to measure (--port is added)")
    args = parser.parse_args()
    if not (args.typed or args.voice is not None or args.bookings or args.turns):
        args.typed = args.bookings = args.turns = True
        args.voice = 0
    return uvloop.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    AUDIO.mkdir(exist_ok=True)
    clock = SystemClock()
    began = clock.now()
    with tempfile.TemporaryDirectory() as folder:
        events, port = Path(folder, "events.jsonl"), free_port()
        command = [
            sys.executable,
            "-m",
            "bench.conversation.server",
            str(events),
            *args.server.split(),
            "--port",
            str(port),
        ]
        models = Path(folder, "models") if args.light else models_folder(os.environ)
        data = {
            "XDG_DATA_HOME": folder,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "VOX_MODELS": "none",
            FOLDER_VARIABLE: str(models),
        }
        ready = f"http://127.0.0.1:{port}/ready"
        log = Path(folder, "server.log")
        async with serving(command, ready_url=ready, clock=clock, log=log, environment={**os.environ, **data}):
            if ModelStore(models).files("minilm") is not None:
                await _until_meanings_are_known(f"http://127.0.0.1:{port}", log)
            results = await _measure(args, f"ws://127.0.0.1:{port}", EventLog(events))
    text = tables(results)
    print(text)
    if args.details:
        shown = (
            details(results)
            if args.half == "tuning"
            else "\n".join([*booking_details(results), *turn_details(results)])
        )
        print(shown)
    print(f"{clock.now() - began:.0f} s")
    if args.write:
        RESULTS.write_text(_heading(args) + text)
    return 0


async def _until_meanings_are_known(address: str, log: Path) -> None:
    """Waits until the sentence model has learned the examples of every agent; until then they are compared by words."""
    async with asyncio.timeout(STARTS_WITHIN_S), httpx2.AsyncClient() as client:
        agents = (await client.get(f"{address}/page/suggestions")).json()["data"]["agents"]
        while _lines_of(log, "flow understands meanings") < len(agents):  # noqa: ASYNC110  a file says nothing when it grows
            await asyncio.sleep(0.2)


def _lines_of(log: Path, event: str) -> int:
    return log.read_text(encoding="utf-8", errors="replace").count(event)


async def _measure(args: argparse.Namespace, address: str, log: EventLog) -> Results:
    judge = Judge(AnswerTable(read_flow()), read_topics())
    today, scripts = read_bookings()
    questions = read_questions(args.half)
    results = Results()
    if args.typed:
        results.asked["typed"] = await ask_typed(address, today, questions, judge, calls=args.calls)
        results.booked["typed"] = await book_typed(address, today, scripts, judge.table)
    if args.voice is None and not args.bookings and not args.turns:
        return results
    recordings = RecordingCache(AUDIO)
    speakers = await recordings.available()
    runner = CallRunner(address, log, recordings, today, args.calls, args.seed)
    if args.voice is not None:
        random.Random(args.seed).shuffle(questions)  # noqa: S311  repeatable, not secret
        results.asked["voice"] = await ask_aloud(runner, questions[: args.voice or None], judge, speakers)
    if args.bookings:
        results.booked["voice"] = await book_aloud(runner, scripts, judge, speakers)
    if args.turns:
        pause_s, cases = read_turn_cases()
        results.turns = await take_turns(runner, cases, pause_s, judge, speakers)
    log.close()
    return results


def _installed() -> list[str]:
    store = ModelStore(models_folder(os.environ))
    return [name for name in CATALOGUE if store.files(name) is not None] or ["no models installed"]


def _heading(args: argparse.Namespace) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return "\n".join(
        [
            "# How the demo converses",
            "",
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip() or 'unknown'}",
            f"- {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
            f"- speech: {'light drivers, no models' if args.light else ', '.join(_installed())}",
            f"- `vox {args.server}`, {args.half} half of the questions, seed {args.seed}, {args.calls} calls at once",
            "- method: [README.md](../README.md)",
            "",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
