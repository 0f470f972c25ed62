"""The bridge as a process: killed while calls are at every step, it dials none of them twice and loses no outcome."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.contract.fleet.bridge.harness import FROM, SECRET, environment_for, webhooks_at
from tests.fakes.carrier_customer import customer
from tests.free_ports import free_port
from tests.time_limits import WAIT_S, time_limit
from vox.clients.carrier_simulator.behaviour import ApiFault, Behaviour
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.server import CarrierSimulator
from vox.http.server import Server

WAITING, ASKED, RINGING, TALKING = (f"+1555000000{number}" for number in range(1, 5))
FINAL = {"completed", "no_answer", "busy", "failed", "canceled", "expired"}


class StaticWorker:
    """A worker of `voxcore_fleet`: gives slots over HTTP, but none to the number in `held` while it is set."""

    def __init__(self, media: str) -> None:
        self.held = {WAITING}
        self.asked: list[str] = []
        self._media = media
        self.app = Starlette(
            routes=[
                Route("/health/fleet", self._health),
                Route("/v1/reservations", self._reserve, methods=["POST"]),
                Route("/v1/reservations/{id}", self._change, methods=["PUT", "DELETE"]),
            ]
        )

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "fleet_calls": 0, "fleet_max": 20, "fleet_available": 20, "workers": []})

    async def _reserve(self, request: Request) -> Response:
        assert request.headers["x-voxcore-secret"] == SECRET
        offer = await request.json()
        to = offer["metadata"]["to"]
        self.asked.append(to)
        if to in self.held:
            return JSONResponse({"error": {"code": "AT_CAPACITY"}}, 503, {"retry-after": "1"})
        number = len(self.asked)
        return JSONResponse(
            {"reservation_id": f"rsv_{number}", "token": f"tok{number}", "stream_url": f"{self._media}/call"}, 201
        )

    async def _change(self, _request: Request) -> Response:
        return JSONResponse({})


class BridgeProcess:
    """`vox bridge` in a folder of its own, started and killed as often as a test needs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = ""
        self._folder = folder
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vox", "bridge", "--port", str(self.port)),
            cwd=self._folder,
            env={**os.environ, **self._environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with time_limit(), httpx2.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"{self.url}/ready")).status_code == 200:
                        break
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.05)

    async def first_key(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = (await asyncio.wait_for(self._process.stdout.readline(), WAIT_S)).decode()
        found = re.search(r"vbk_\S+", line)
        assert found is not None, line
        return found[0]

    async def kill(self, number: int = signal.SIGKILL) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), WAIT_S)


@asynccontextmanager
async def bridge_process(folder: Path, environment: dict[str, str]) -> AsyncGenerator[BridgeProcess]:
    process = BridgeProcess(folder, environment)
    try:
        await process.start()
        yield process
    finally:
        assert await process.kill(signal.SIGTERM) == 0


async def test_killed_at_every_step_of_calls_it_dials_none_twice_and_loses_no_outcome(tmp_path: Path):
    rules = [
        Rule(WAITING, Behaviour(hangs_up_after_s=0.2)),
        Rule(ASKED, Behaviour(api=ApiFault.TIMEOUT_AFTER_DIALLING, api_delay_s=5.0, ring_s=45.0, hangs_up_after_s=60)),
        Rule(RINGING, Behaviour(ring_s=50.0, hangs_up_after_s=0.2)),
        Rule(TALKING, Behaviour(hangs_up_after_s=3.0)),
    ]
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(CarrierSimulator(Scenario(rules=rules), speed=10))
        shop = await stack.enter_async_context(customer())
        worker = StaticWorker(shop.media)
        fleet = await stack.enter_async_context(Server(worker.app, "127.0.0.1", 0, close_timeout_s=1.0))
        config = {
            "voxcore_fleet": [fleet.address],
            "carriers": {"twilio": {"calls_per_second": 100.0, "from_number": FROM}},
            "webhooks": {"allowed_private": ["127.0.0.0/8"]},
        }
        (tmp_path / "bridge.json").write_text(json.dumps(config))
        environment = {**environment_for(simulator), "VOXCORE_SECRET": SECRET, "VOX_BRIDGE_LOG_LEVEL": "error"}
        bridge = await stack.enter_async_context(bridge_process(tmp_path, environment))
        headers = {"authorization": f"Bearer {await bridge.first_key()}"}
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=bridge.url, headers=headers))
        assert (await http.post("/v1/bots", json={"id": "helper"})).status_code == 201
        placed: dict[str, str] = {}
        for to in (TALKING, RINGING, ASKED, WAITING):
            body = {"to": to, "bot_id": "helper", "ring_timeout": 60, "webhook_url": f"{shop.url}/status/events"}
            answer = await http.post("/v1/calls", json={**body, "max_attempts": 3})
            assert answer.status_code == 202, answer.text
            placed[to] = answer.json()["id"]

        def at_carrier(to: str) -> list[Any]:
            return [call for call in simulator.calls if call.record.order.to == to]

        async with time_limit():
            while not (at_carrier(ASKED) and at_carrier(RINGING) and shop.talks and WAITING in worker.asked):  # noqa: ASYNC110  no event covers all of it
                await asyncio.sleep(0.02)
        await bridge.kill()
        await asyncio.wait_for(at_carrier(TALKING)[0].is_finished.wait(), WAIT_S)  # its callback finds no bridge
        worker.held.clear()
        await bridge.start()
        outcomes: dict[str, str] = {}
        async with time_limit():
            while len(outcomes) < len(placed):
                for to, call_id in placed.items():
                    shown = (await http.get(f"/v1/calls/{call_id}")).json()
                    if to == ASKED and shown["status"] in {"answered", "in_progress"}:
                        await http.post(f"/v1/calls/{call_id}/hang_up")
                    if shown["status"] in FINAL:
                        outcomes[to] = shown["status"]
                await asyncio.sleep(0.05)
        assert outcomes == dict.fromkeys(placed, "completed")
        assert {to: len(at_carrier(to)) for to in placed} == dict.fromkeys(placed, 1)
        told = dict.fromkeys(placed.values(), "")
        await shop.until(lambda: told_of(webhooks_at(shop), told) == set(placed.values()))
        assert set(told.values()) == {"call.completed"}


def told_of(events: list[dict[str, Any]], told: dict[str, str]) -> set[str]:
    """The calls of whose end an event has come; `told` keeps the last event of each."""
    for event in events:
        told[event["call"]["id"]] = event["type"]
    return {call_id for call_id, last in told.items() if last.removeprefix("call.") in FINAL}
