"""`vox bench`: how much a machine can hold. `vox bench calls` drives simulated callers against an agent server.

Without `--url` it starts a server of its own with fake drivers for each point. The method and how to read the numbers:
docs/how-to/measure-capacity.md.
"""

import argparse
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vox.clients.load_results import LATE_SHARE_LIMIT, LoadResult, Spread
from vox.errors import UsageError

if TYPE_CHECKING:
    from vox.clients.load import LoadPlan, ServerUnderTest
    from vox.clients.short_calls import ShortCallsResult

EXIT_NOT_CLEAN = 1
_MEGABYTE = 1 << 20


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command to the parser."""
    parser = subparsers.add_parser("bench", help="measure how much this machine can hold")
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    calls = kinds.add_parser(
        "calls",
        help="simulated telephone calls against an agent server",
        description="Drives simulated callers in real time; without --url against a server of its own.",
    )
    calls.add_argument("--url", help="stream address of a running server (ws://HOST:PORT/telephony/ws)")
    calls.add_argument("--pid", type=int, help="that server's process id, to read its CPU and memory")
    calls.add_argument("--calls", type=int, metavar="N", default=100, help="calls at once (default 100)")
    calls.add_argument("--carrier", default="twilio", help="a carrier's name, or protobuf (16 kHz)")
    calls.add_argument(
        "--seconds", type=float, default=20.0, metavar="S", help="measured seconds, after 8 s of warm-up"
    )
    calls.add_argument("--pin", action="store_true", help="server on core 0, callers on core 1, raised priority")
    mode = calls.add_mutually_exclusive_group()
    mode.add_argument(
        "--find-capacity", action="store_true", help="search the most calls with < 1 %% late and none refused"
    )
    mode.add_argument(
        "--overload",
        type=float,
        metavar="X",
        help="offer X times as many calls as the server's limit, which is --calls",
    )
    mode.add_argument(
        "--short-calls", type=int, metavar="N", help="place N calls of 0.2 s, --calls at once, and compare the memory"
    )
    calls.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="set a key of the server that bench starts"
    )
    calls.add_argument("--seed", type=int, default=1, help="seed of the random start times")
    calls.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Measures; 0 when the goal of the mode was met and the measurement is valid, 1 when not."""
    import uvloop

    _check(args)
    return uvloop.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from vox.clients.bench_agent import take_caller_core

    core = take_caller_core(wants_pin=args.pin)
    if args.find_capacity:
        return await _find_capacity(args, core)
    if args.short_calls:
        return await _short_calls(args, core)
    if args.overload:
        return await _overload(args, core)
    result = await _point(args, core, args.calls)
    _print(result, as_json=args.json)
    return 0 if result.is_clean and not result.doubts() else EXIT_NOT_CLEAN


async def _point(args: argparse.Namespace, core: int | None, calls: int) -> LoadResult:
    from vox.clients.load import run_load
    from vox.runtime.clock import SystemClock

    async with _target(args, core, max_calls=calls) as target:
        return await run_load(replace(target.plan, calls=calls), SystemClock(), target.server)


async def _find_capacity(args: argparse.Namespace, core: int | None) -> int:
    from vox.clients.capacity import CapacitySearch, find_capacity

    def note(result: LoadResult) -> None:
        print(_line(result), file=sys.stderr, flush=True)

    async def measure(calls: int) -> LoadResult:
        return await _point(args, core, calls)

    best = await find_capacity(measure, CapacitySearch(start=args.calls), note)
    if best is None:
        print("not even the first point passed; try a smaller --calls", file=sys.stderr)
        return EXIT_NOT_CLEAN
    if not args.json:
        print(f"capacity: {best.calls} calls")
    _print(best, as_json=args.json)
    return EXIT_NOT_CLEAN if best.doubts() else 0


async def _overload(args: argparse.Namespace, core: int | None) -> int:
    from vox.clients.load import run_load
    from vox.runtime.clock import SystemClock

    offered = round(args.calls * args.overload)
    async with _target(args, core, max_calls=args.calls, changes={"adaptive_limit": True}) as target:
        plan = replace(target.plan, calls=offered, redials=True)
        result = await run_load(plan, SystemClock(), target.server)
    verdicts = {
        "holds no more than its limit": result.held <= args.calls,
        "refuses the others with 503 before the upgrade": result.refused > 0,
        "says when to come back (Retry-After)": result.refused_without_retry_after == 0,
        "cuts no call": result.broken == 0,
        "keeps its calls in time": result.frames > 0 and result.late_share < LATE_SHARE_LIMIT,
    }
    if args.json:
        print(json.dumps(result.as_json() | {"verdicts": verdicts}, indent=2))
    else:
        _print(result, as_json=False)
        for name, holds in verdicts.items():
            print(f"{'yes' if holds else 'NO ':<4} {name}")
    return 0 if all(verdicts.values()) and not result.doubts() else EXIT_NOT_CLEAN


async def _short_calls(args: argparse.Namespace, core: int | None) -> int:
    from vox.clients.short_calls import run_short_calls
    from vox.runtime.clock import SystemClock

    async with _target(args, core, max_calls=2 * args.calls) as target:
        result = await run_short_calls(
            target.plan, SystemClock(), calls=args.short_calls, at_once=args.calls, server=target.server
        )
    if args.json:
        print(json.dumps(result.as_json(), indent=2))
    else:
        _print_short_calls(result)
    return 0 if result.is_clean else EXIT_NOT_CLEAN


@dataclass(frozen=True, slots=True)
class _Target:
    """What a run is aimed at."""

    plan: "LoadPlan"
    server: "ServerUnderTest | None"


@asynccontextmanager
async def _target(
    args: argparse.Namespace, core: int | None, *, max_calls: int, changes: dict[str, Any] | None = None
) -> AsyncGenerator[_Target]:
    """The server given by `--url`, or one of our own for as long as the block lasts."""
    from vox.clients.bench_agent import bench_agent
    from vox.clients.load import LoadPlan, ServerUnderTest
    from vox.runtime.clock import SystemClock

    plan = LoadPlan(args.url or "", args.calls, args.carrier, seconds=args.seconds, seed=args.seed)
    if args.url:
        yield _Target(plan, None if args.pid is None else ServerUnderTest(args.pid))
        return
    settings = {**(changes or {}), **dict(_setting(each) for each in args.set)}
    async with bench_agent(SystemClock(), max_calls=max_calls, line=args.carrier, core=core, changes=settings) as agent:
        yield _Target(replace(plan, url=agent.url(args.carrier)), agent.process)


def _check(args: argparse.Namespace) -> None:
    if args.calls < 1 or args.seconds <= 0:
        raise UsageError("--calls and --seconds must be positive", code="bad_bench_arguments")
    if args.url and not args.url.startswith(("ws://", "wss://")):
        raise UsageError(f"{args.url!r} is not a stream address", code="bad_call_url", hint="give ws:// or wss://")
    if args.url and args.find_capacity:
        raise UsageError(
            "--find-capacity starts a fresh server for each point", code="bad_bench_arguments", hint="leave out --url"
        )


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes KEY=VALUE, not {text!r}", code="bad_bench_arguments")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _print(result: LoadResult, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.as_json(), indent=2))
        return
    print(f"calls       {result.held} held of {result.calls}, {result.refused} refused, {result.broken} broken")
    for problem in result.problems:
        print(f"            {problem}")
    late = f", worst {_milliseconds(result.lateness_s.highest)}" if result.late_frames else ""
    print(f"frames      {result.frames}, {result.late_share:.3%} later than a 20 ms buffer{late}")
    print(f"response    {_spread(result.response_s)} over {result.turns} turns, {result.unanswered} unanswered")
    if result.server is not None:
        per_call = result.rss_per_call_bytes
        memory = "" if per_call is None else f", {per_call / _MEGABYTE:.2f} MB per call"
        print(f"server      {result.server.core_share:.1%} of a core{memory}")
    print(f"callers     {result.caller_core_share:.1%} of a core, own send lag {_spread(result.send_lag_s)}")
    for doubt in result.doubts():
        print(f"NOT VALID   {doubt}")


def _print_short_calls(result: "ShortCallsResult") -> None:
    print(f"calls       {result.completed} of {result.calls} whole, {result.refused} refused, {result.broken} broken")
    for problem in result.problems:
        print(f"            {problem}")
    print(f"took        {result.seconds:.0f} s")
    if result.rss_before is not None and result.rss_after is not None:
        before, after = result.rss_before / _MEGABYTE, result.rss_after / _MEGABYTE
        print(f"memory      {before:.1f} MB before, {after:.1f} MB after: {result.rss_growth or 0.0:+.1%}")


def _line(result: LoadResult) -> str:
    verdict = "clean" if result.is_clean else "fails"
    doubts = f"  ({'; '.join(result.doubts())})" if result.doubts() else ""
    return f"{result.calls:>5} calls: {verdict}, {result.late_share:.2%} late, {result.unanswered} unanswered{doubts}"


def _spread(values: Spread) -> str:
    return " / ".join(_milliseconds(value) for value in (values.p50, values.p95, values.p99)) + " (p50/p95/p99)"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
