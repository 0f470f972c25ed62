"""Several bridges on one PostgreSQL: each call is dialled by one of them; and what happens while the database is away."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

from tests.contract.fleet.bridge.harness import FROM, PlayedWorker, environment_for, running_bridge
from tests.e2e.postgres import RunningPostgres, postgres_server
from tests.fakes.carrier_customer import customer
from tests.time_limits import scaled, time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.server import CarrierSimulator


@pytest.fixture
def server() -> Iterator[RunningPostgres]:
    with postgres_server() as running:
        yield running


async def test_two_bridges_dial_each_call_once_and_go_on_after_the_database_was_away(server: RunningPostgres):
    scenario = Scenario(rules=[Rule("*", Behaviour(hangs_up_after_s=0.3))])
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(CarrierSimulator(scenario, speed=50))
        shop = await stack.enter_async_context(customer(greets=False))
        environment = environment_for(simulator)
        bridges = [await stack.enter_async_context(running_bridge(server.url, environment)) for _ in range(2)]
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=scaled(60)))
        for bridge in bridges:
            worker = PlayedWorker(shop.media, 100)
            worker.connect(bridge)
            stack.push_async_callback(worker.close)
        assert bridges[0].first_key is not None
        assert bridges[1].first_key is None
        headers = {"authorization": f"Bearer {bridges[0].first_key.text}"}
        made = await http.post(f"{bridges[1].address}/v1/bots", json={"id": "helper"}, headers=headers)
        assert made.status_code == 201

        async def place(number: int) -> httpx2.Response:
            body = {"to": f"+1555000{number:04}", "from": FROM, "bot_id": "helper"}
            key = {"idempotency-key": f"call-{number % 20}"}  # each is asked for twice, at different bridges
            body["to"] = f"+1555000{number % 20:04}"
            return await http.post(f"{bridges[number // 20].address}/v1/calls", json=body, headers=headers | key)

        answers = await asyncio.gather(*(place(number) for number in range(40)))
        assert {answer.status_code for answer in answers} == {202}
        placed = {answer.json()["id"] for answer in answers}
        assert len(placed) == 20
        await all_completed(http, bridges[1].address, placed, headers)
        assert set(Counter(call.record.order.to for call in simulator.calls).values()) == {1}
        assert len(list(simulator.calls)) == 20

        await asyncio.to_thread(server.stop)
        away = await http.get(f"{bridges[0].address}/v1/calls", headers=headers)
        assert away.status_code == 503
        assert away.json()["error"]["code"] in {"DATABASE_FAILED", "DATABASE_BUSY"}
        ready = await http.get(f"{bridges[0].address}/ready")
        assert (ready.status_code, ready.json()["checks"]["database"]) != (200, "ok")
        assert (await http.get(f"{bridges[0].address}/health")).status_code == 200
        await asyncio.to_thread(server.start)
        async with time_limit():
            while (await http.get(f"{bridges[0].address}/ready")).status_code != 200:  # noqa: ASYNC110  of another process
                await asyncio.sleep(0.1)
        body = {"to": "+15550009999", "from": FROM, "bot_id": "helper"}
        again = await http.post(f"{bridges[0].address}/v1/calls", json=body, headers=headers)
        await all_completed(http, bridges[0].address, {again.json()["id"]}, headers)


async def all_completed(http: httpx2.AsyncClient, base: str, placed: set[str], headers: dict[str, str]) -> None:
    left = set(placed)
    async with time_limit():
        while left:
            for call_id in list(left):
                answer = await http.get(f"{base}/v1/calls/{call_id}", headers=headers)
                if answer.status_code == 200 and answer.json()["status"] == "completed":
                    left.discard(call_id)
            await asyncio.sleep(0.05)


async def test_a_nul_character_is_the_callers_fault_and_not_the_databases(server: RunningPostgres):
    async with running_bridge(server.url, {}) as bridge, httpx2.AsyncClient(timeout=scaled(60)) as http:
        key = (await bridge.api_keys.create("test", ["admin"])).text
        headers = {"authorization": f"Bearer {key}"}

        async def status(method: str, path: str, json: Any = None) -> int:
            return (await http.request(method, f"{bridge.address}{path}", headers=headers, json=json)).status_code

        for path in ("/v1/calls/a%00", "/v1/campaigns/%00", "/v1/bots/x%00y", "/v1/imports/%00"):
            assert await status("GET", path) == 404, path
        for path in (
            "/v1/calls?to=%00",
            "/v1/calls?bot_id=a%00",
            "/v1/campaigns?state=%00",
            "/v1/campaigns?before=%00",
        ):
            assert await status("GET", path) == 400, path
        assert await status("POST", "/v1/bots", json={"id": "storing"}) == 201
        form = {"name": "spring", "bot_id": "storing", "tenant": "a\0", "caller_ids": ["+12125550100"]}
        assert await status("POST", "/v1/campaigns", json=form) == 400
        assert await status("GET", "/v1/campaigns") == 200
