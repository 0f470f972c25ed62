"""A campaign of a real bridge process that is killed in its middle: each person is dialled once, and no outcome is lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from tests.fakes.fleet_worker import FakeWorker
from tests.free_ports import free_port
from tests.time_limits import WAIT_S, time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour, Outcome
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.server import Accounts, CarrierSimulator
from vox.fleet.worker.registration import BridgeRegistration
from vox.runtime.metrics import Metrics

ACCOUNTS = Accounts()
PEOPLE = 40


class BridgeProcess:
    """`vox bridge` on one database and one port, over several lives."""

    def __init__(self, folder: Path, simulator: CarrierSimulator) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "bridge.json"
        config.write_text(
            json.dumps(
                {
                    "listen": {"port": self.port},
                    "storage": {"url": f"sqlite:///{folder / 'bridge.db'}"},
                    "carriers": {"twilio": {"calls_per_second": 15.0, "from_number": "+12125550100"}},
                }
            )
        )
        self._command = [sys.executable, "-m", "vox", "bridge", "--config", str(config)]
        self._log = folder / "bridge.log"
        self._environment = os.environ | {
            "TWILIO_API_BASE": simulator.url,
            "TWILIO_ACCOUNT_SID": ACCOUNTS.twilio_account_sid,
            "TWILIO_AUTH_TOKEN": ACCOUNTS.twilio_auth_token,
        }

    def run(self, *arguments: str) -> str:
        """One of its commands, to its end."""
        return subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=WAIT_S,
        ).stdout.strip()

    @asynccontextmanager
    async def running(self, http: httpx2.AsyncClient) -> AsyncGenerator[asyncio.subprocess.Process]:
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=log, stderr=log
            )
        try:
            await self._until_ready(process, http)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            async with time_limit(WAIT_S):
                await process.wait()

    async def _until_ready(self, process: asyncio.subprocess.Process, http: httpx2.AsyncClient) -> None:
        async with time_limit(WAIT_S):
            while True:
                assert process.returncode is None, self._log.read_text()
                try:
                    if (await http.get(f"{self.url}/ready")).status_code == 200:
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.05)


async def test_a_bridge_that_is_killed_dials_nobody_twice_and_loses_no_outcome(tmp_path: Path):
    scenario = Scenario(rules=[Rule("*", Behaviour(outcome=Outcome.BUSY))])
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(CarrierSimulator(scenario, speed=50, accounts=ACCOUNTS))
        http = await stack.enter_async_context(httpx2.AsyncClient())
        bridge = BridgeProcess(tmp_path, simulator)
        key = bridge.run("key", "create", "--name", "test", "--scopes", "admin,worker")
        worker = BridgeRegistration([bridge.url], key, FakeWorker(limit=200), Random(1), Metrics())
        await stack.enter_async_context(worker.running())
        http.headers["authorization"] = f"Bearer {key}"
        async with bridge.running(http) as process:
            campaign = await _start(http, bridge.url)
            async with time_limit(WAIT_S):
                while len(list(simulator.calls)) < PEOPLE // 4:  # noqa: ASYNC110  the carriers' list has no event to wait for
                    await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
        async with bridge.running(http):
            shown = await _until_over(http, bridge.url, campaign)
        dialled = Counter(call.record.order.to for call in simulator.calls)
        assert set(dialled.values()) == {1}, dialled
        outcomes = shown["progress"]["outcomes"]
        assert outcomes["busy"] == len(dialled), outcomes
        assert sum(outcomes.values()) == PEOPLE


async def _start(http: httpx2.AsyncClient, url: str) -> str:
    made = await http.post(f"{url}/v1/bots", json={"id": "helper", "config": {}})
    assert made.status_code == 201, made.text
    rules: dict[str, Any] = {
        "windows": [{"start": "00:00", "end": "24:00"}],
        "pacing": {"calls_per_s": 20, "max_concurrent": 50},
        "retry": {"busy": None, "failed": None},
        "breaker": {"min_outcomes": 1000},
        "ring_timeout_s": 15,
    }
    made = await http.post(f"{url}/v1/campaigns", json={"name": "spring", "bot_id": "helper", "rules": rules})
    assert made.status_code == 201, made.text
    path = f"{url}/v1/campaigns/{made.json()['id']}"
    numbers = "number\n" + "".join(f"+49151{10_000_000 + one}\n" for one in range(PEOPLE))
    done = await http.put(f"{path}/imports/people", content=numbers.encode(), headers={"content-type": "text/csv"})
    assert done.json()["accepted"] == PEOPLE, done.text
    started = await http.post(f"{path}/start")
    assert started.status_code == 200, started.text
    return made.json()["id"]


async def _until_over(http: httpx2.AsyncClient, url: str, campaign: str) -> dict[str, Any]:
    async with time_limit(4 * WAIT_S):
        while True:
            shown = (await http.get(f"{url}/v1/campaigns/{campaign}")).json()
            if shown["state"] == "completed":
                return shown
            await asyncio.sleep(0.1)
