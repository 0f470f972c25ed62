"""Measures dispatch beside reservations over HTTP in one run: slots a second, latency, bursts. See README.md beside this file.

The bridge is this process, on one core; each worker is a process of its own on the other. The same workers are reached in two ways: by the
socket that they register over, and as servers of `voxcore_fleet` that are asked over HTTP, which is what a list without registration has.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from http_load import percentile_ms
from vox.clients.bench_agent import SERVER_CORE, take_caller_core
from vox.clients.server_process import free_port, serving
from vox.fleet.dispatch.bridge_socket import TokenOwner, WorkerEndpoint
from vox.fleet.dispatch.contract import Placed, Placement
from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.dispatch.placement import choose
from vox.fleet.dispatch.registry import Worker
from vox.fleet.dispatch.static_fleet import StaticFleet
from vox.fleet.worker.registration import BridgeRegistration
from vox.http.server import Server
from vox.http.server import run as run_loop
from vox.protocols import fleet as wire
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import NullMetrics

WORKERS = 4
SLOTS = 40
BURST = 200
IN_FLIGHT = 64
CLOCK = SystemClock()
TOKEN = "bench"  # noqa: S105  no secret


class BenchWorker:
    """Counts slots, as a worker does, and carries nothing."""

    def __init__(self, worker_id: str, port: int, limit: int) -> None:
        self.worker_id, self.port, self.limit = worker_id, port, limit
        self.reserved: set[str] = set()
        self.made = 0
        self.most = 0

    def registration(self) -> wire.Register:
        """Who this is."""
        return wire.Register(self.worker_id, 1, url=f"http://127.0.0.1:{self.port}", max_calls=self.limit)

    def status(self) -> wire.Status:
        """Slots of this moment."""
        used = len(self.reserved)
        return wire.Status(0, used, self.limit, self.limit, wire.FULL if used >= self.limit else wire.READY)

    def reserve(self, offer: wire.Offer) -> wire.Accept | wire.Busy:
        """Takes a slot while there is one."""
        if len(self.reserved) >= self.limit:
            return wire.Busy(offer.offer_id, 5.0, "AT_CAPACITY")
        self.made += 1
        reservation_id = f"rsv_{self.worker_id}_{self.made}"
        self.reserved.add(reservation_id)
        self.most = max(self.most, len(self.reserved))
        return wire.Accept(offer.offer_id, reservation_id, "token", f"ws://127.0.0.1:{self.port}/stream")

    def release(self, reservation_id: str) -> None:
        """Gives it back."""
        self.reserved.discard(reservation_id)

    def renew(self, reservation_id: str, ttl_s: float) -> None:
        """Reservations do not expire here."""

    def drain(self, deadline_s: float) -> None:
        """Never drained."""

    def hang_up(self, call_id: str) -> None:
        """Has no calls."""

    def transfer(self, call_id: str, to: str) -> None:
        """Has no calls."""

    def inject(self, call_id: str, text: str) -> None:
        """Has no calls."""


async def run_worker(worker_id: str, port: int, limit: int, bridge: str) -> None:
    """One worker process: HTTP always, registered where a bridge is named."""
    worker = BenchWorker(worker_id, port, limit)

    async def health(_request: Request) -> Response:
        used = len(worker.reserved)
        workers = [{"port": port, "reserved": used, "most": worker.most}]
        return JSONResponse({"fleet_calls": 0, "fleet_max": limit, "fleet_available": limit - used, "workers": workers})

    async def reserve(request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        found = worker.reserve(wire.Offer("o", body["call_id"], body["class"]))
        if isinstance(found, wire.Busy):
            return JSONResponse({}, 503, {"retry-after": "5"})
        granted = {"reservation_id": found.reservation_id, "token": found.token, "stream_url": found.stream_url}
        return JSONResponse(granted, 201)

    async def release(request: Request) -> Response:
        worker.release(request.path_params["id"])
        return Response(status_code=204)

    routes = [
        Route("/health/fleet", health),
        Route("/v1/reservations", reserve, methods=["POST"]),
        Route("/v1/reservations/{id}", release, methods=["DELETE", "PUT"]),
        Route("/ready", lambda _request: PlainTextResponse("ok")),
    ]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Server(Starlette(routes=routes), "127.0.0.1", port))
        if bridge:
            registration = BridgeRegistration([bridge], TOKEN, worker, Random(port), NullMetrics())  # noqa: S311  jitter
            await stack.enter_async_context(registration.running())
        await asyncio.Event().wait()


class Silent:
    """A bridge that listens to nothing."""

    async def on_registered(self, worker_id: str, calls: Sequence[wire.RunningCall]) -> None:
        """Not needed."""

    async def on_ended(self, call_id: str, outcome: str, result: Mapping[str, Any]) -> None:
        """Not needed."""

    async def on_progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Not needed."""

    async def on_lost(self, worker_id: str, call_ids: Sequence[str]) -> None:
        """Not needed."""


class OneToken:
    """Lets every worker in that has the token."""

    async def owner_of(self, token: str) -> TokenOwner | None:
        """One token for all."""
        return TokenOwner(None) if token == TOKEN else None


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls placed and released as fast as `IN_FLIGHT` of them allow."""

    way: str
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    refused: int


@dataclass(frozen=True, slots=True)
class Bursts:
    """200 calls at once over four workers of 40."""

    way: str
    bursts: int
    placed: int
    refused: int
    unanswered: int
    slowest_s: float
    most_at_a_worker: int


@asynccontextmanager
async def fleet(way: str) -> AsyncGenerator[tuple[FleetDispatcher, list[int]]]:
    """A dispatcher with its worker processes, reached by `socket` or by `http`."""
    dispatcher = FleetDispatcher(Silent(), CLOCK, Random(1), NullMetrics())  # noqa: S311  the same in every run
    endpoint = WorkerEndpoint(dispatcher, OneToken())

    async def connect(websocket: WebSocket) -> None:
        await endpoint(websocket)

    app = Starlette(routes=[WebSocketRoute(wire.CONNECT_PATH, connect)])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(dispatcher.running())
        server = await stack.enter_async_context(Server(app, "127.0.0.1", 0, close_timeout_s=1))
        ports = [free_port() for _ in range(WORKERS)]
        for number, port in enumerate(ports):
            bridge = server.address if way == "socket" else ""
            command = [sys.executable, __file__, "--worker", f"w-{number}", str(port), str(SLOTS), bridge]
            await stack.enter_async_context(
                serving(
                    command,
                    ready_url=f"http://127.0.0.1:{port}/ready",
                    clock=CLOCK,
                    log=Path(os.devnull),
                    core=SERVER_CORE,
                )
            )
        if way == "http":
            http = await stack.enter_async_context(httpx2.AsyncClient(limits=httpx2.Limits(max_connections=BURST)))
            static = StaticFleet(dispatcher, http, "", NullMetrics())
            await static.use([f"http://127.0.0.1:{port}" for port in ports])
            await stack.enter_async_context(static.running())
        while dispatcher.fleet().available < WORKERS * SLOTS:  # noqa: ASYNC110  the processes start
            await asyncio.sleep(0.05)
        yield dispatcher, ports


async def measure_rate(way: str, seconds: float) -> Rate:
    async with fleet(way) as (dispatcher, _):
        times: list[float] = []
        refused = 0
        end = CLOCK.now() + seconds

        async def place_again_and_again(lane: int) -> None:
            nonlocal refused
            number = 0
            while CLOCK.now() < end:
                number += 1
                began = CLOCK.now()
                found = await dispatcher.place(Placement(f"call_{lane}_{number}", "outbound", "bot"))
                times.append(CLOCK.now() - began)
                if isinstance(found, Placed):
                    await dispatcher.release(found)
                else:
                    refused += 1

        cpu_before = cpu_seconds()
        await asyncio.gather(*(place_again_and_again(lane) for lane in range(IN_FLIGHT)))
        cpu_us = (cpu_seconds() - cpu_before) / len(times) * 1e6
        p50_ms, p99_ms = percentile_ms(times, 0.5), percentile_ms(times, 0.99)
        return Rate(way, len(times) / seconds, p50_ms, p99_ms, cpu_us, refused)


async def measure_bursts(way: str, bursts: int) -> Bursts:
    async with fleet(way) as (dispatcher, ports), httpx2.AsyncClient() as http:
        slowest, counts = 0.0, Counter[str]()
        for burst in range(bursts):
            calls = [Placement(f"call_{burst}_{number}", "outbound", "bot") for number in range(BURST)]
            began = CLOCK.now()
            found = await asyncio.gather(*(dispatcher.place(call) for call in calls))
            slowest = max(slowest, CLOCK.now() - began)
            counts.update("placed" if isinstance(one, Placed) else one.reason for one in found)
            for one in found:
                if isinstance(one, Placed):
                    await dispatcher.release(one)
            while dispatcher.fleet().available < WORKERS * SLOTS:  # noqa: ASYNC110  the slots come back
                await asyncio.sleep(0.05)
        most = 0
        for port in ports:
            report = (await http.get(f"http://127.0.0.1:{port}/health/fleet")).json()
            most = max(most, report["workers"][0]["most"])
        unanswered = counts["NO_ANSWER"]
        refused = counts.total() - counts["placed"] - unanswered
        return Bursts(way, bursts, counts["placed"], refused, unanswered, slowest, most)


def measure_choice(workers: int, rounds: int = 2_000) -> float:
    """CPU microseconds to choose among so many workers."""
    known = [Worker(f"w-{n}", 1, 0.0, limit=SLOTS, max_calls=SLOTS, state=wire.READY) for n in range(workers)]
    call, random = Placement("call", "outbound", "bot", region="eu-west"), Random(1)  # noqa: S311  the same in every run
    before = cpu_seconds()
    for _ in range(rounds):
        choose(call, known, (), random)
    return (cpu_seconds() - before) / rounds * 1e6


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(arguments: argparse.Namespace) -> None:
    take_caller_core(wants_pin=True)
    rates = [await measure_rate(way, arguments.seconds) for way in ("socket", "http")]
    bursts = [await measure_bursts(way, arguments.bursts) for way in ("socket", "http")]
    choices = {count: measure_choice(count) for count in (4, 100, 1_000)}
    print(f"{WORKERS} workers of {SLOTS}, {IN_FLIGHT} calls in flight, {arguments.seconds:g} s each\n")
    print("| way | calls placed / s | p50 / p99 (ms) | bridge's CPU (µs a call) | refused |\n|---|---|---|---|---|")
    for one in rates:
        print(
            f"| {one.way} | {one.per_s:,.0f} | {one.p50_ms:.2f} / {one.p99_ms:.2f} | {one.cpu_us:.0f} | {one.refused} |"
        )
    print(f"\n{BURST} calls at once\n")
    print(
        "| way | bursts | placed | refused | no answer | slowest burst (s) | most at one worker |\n|---|---|---|---|---|---|---|"
    )
    for burst in bursts:
        print("|", " | ".join(str(value) for value in (*list(asdict(burst).values())[:5],)), end="")
        print(f" | {burst.slowest_s:.3f} | {burst.most_at_a_worker} |")
    print("\nChoosing among workers:", ", ".join(f"{count}: {us:.0f} µs" for count, us in choices.items()))
    print(f"Memory of the bridge: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if arguments.json:
        found = {
            "rates": [asdict(one) for one in rates],
            "bursts": [asdict(one) for one in bursts],
            "choice_us": choices,
        }
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    for burst in bursts:
        assert burst.most_at_a_worker <= SLOTS
        assert burst.placed + burst.refused + burst.unanswered == burst.bursts * BURST
    assert bursts[0].slowest_s <= 2.0, "a burst was not answered within two seconds"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each rate is measured")
    parser.add_argument("--bursts", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    parser.add_argument("--worker", nargs=4, metavar=("ID", "PORT", "SLOTS", "BRIDGE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        name, at, slots, to = given.worker
        run_loop(run_worker(name, int(at), int(slots), to))
    else:
        run_loop(main(given))
