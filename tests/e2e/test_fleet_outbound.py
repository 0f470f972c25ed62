"""Outbound calls with everything real but the telephone network: bridge, worker and bot, over each carrier's wire."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.contract.fleet.bridge.harness import SECRET, World, world
from tests.e2e.workers import call_worker
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour, Listen, PressKeys

GREETING = "Good morning from the bridge"
CARRIERS = ("twilio", "telnyx", "plivo", "exotel")


@asynccontextmanager
async def real_worker(bridge: World, folder: Path) -> AsyncGenerator[None]:
    """A worker process `w-1` that is registered in place of the played one, and a bot `greeter`."""
    await bridge.worker.close()
    bridge.worker.close_link()
    made = await bridge.post("/v1/keys", {"name": "workers", "scopes": ["worker"]})
    await bridge.post("/v1/bots", {"id": "greeter", "config": {"opening_message": GREETING}})
    async with call_worker(
        folder / "worker",
        VOXBRIDGE_URL=bridge.bridge.address,
        VOX_WORKER_TOKEN=made.json()["key"],
        VOX_WORKER_ID="w-1",
        VOXCORE_SECRET=SECRET,
        MAX_CONCURRENT_CALLS="8",
    ):
        async with time_limit():
            while not any(one.worker_id == "w-1" for one in bridge.bridge.dispatcher.fleet().workers):  # noqa: ASYNC110  the fleet has no event
                await asyncio.sleep(0.05)
        yield


async def test_a_bot_of_the_bridge_talks_on_a_registered_worker_over_every_carrier_and_its_result_comes_back(
    tmp_path: Path,
):
    async with world(tmp_path, Behaviour(hangs_up_after_s=4.0), slots=0) as bridge, real_worker(bridge, tmp_path):
        placed = {carrier: await bridge.place(bot_id="greeter", provider=carrier) for carrier in CARRIERS}
        for carrier, call_id in placed.items():
            shown = await bridge.until(call_id)
            async with time_limit():
                while not shown["results"]:
                    await asyncio.sleep(0.05)
                    shown = await bridge.call(call_id)
            assert (shown["status"], shown["worker_id"]) == ("completed", "w-1"), (carrier, shown)
            assert "in_progress" in [event["status"] for event in shown["events"]], (carrier, shown["events"])
            assert shown["results"][0]["transcript"] == [{"role": "bot", "content": GREETING}], (carrier, shown)
        assert len(bridge.dialled()) == len(CARRIERS)


async def test_a_called_person_opts_out_by_a_key_while_an_operator_reads_along(tmp_path: Path):
    callee = [Listen(silence_s=0.5), PressKeys("9")]
    number = "+4915110000000"
    async with world(tmp_path, Behaviour(callee=callee), slots=0) as bridge, real_worker(bridge, tmp_path):
        rules = {"windows": [{"start": "00:00", "end": "24:00"}]}
        form = {"name": "spring", "bot_id": "greeter", "tenant": "acme", "rules": rules, "caller_ids": ["+12125550100"]}
        made = await bridge.post("/v1/campaigns", form)
        path = f"/v1/campaigns/{made.json()['id']}"
        await bridge.post(f"{path}/recipients", {"recipients": [{"number": number}]})
        assert (await bridge.post(f"{path}/start")).status_code == 200
        calls: list[dict[str, Any]] = []
        lines: list[dict[str, Any]] = []
        scopes: list[str] = []
        async with time_limit():
            while not calls:
                calls = (await bridge.get("/v1/calls")).json()["calls"]
            while len(lines) < 2 or not scopes:
                await asyncio.sleep(0.05)
                lines = (await bridge.get(f"/v1/calls/{calls[0]['id']}/transcript")).json()["lines"]
                found = await bridge.get(f"/v1/do-not-call?number=%2B{number[1:]}&tenant=acme")
                scopes = found.json()["scopes"]
        assert (await bridge.call(calls[0]["id"]))["status"] == "in_progress"
        assert [(line["role"], line["text"]) for line in lines[:2]] == [("assistant", GREETING), ("user", "DTMF: 9")]
        assert scopes == ["tenant"]
        await bridge.post(f"/v1/calls/{calls[0]['id']}/hang_up")
        shown = await bridge.until(calls[0]["id"], "completed")
        async with time_limit():
            while not shown["results"]:
                await asyncio.sleep(0.05)
                shown = await bridge.call(calls[0]["id"])
        assert shown["results"][0]["digits"] == ["9"]
