"""Outbound calls with everything real but the telephone network: bridge, worker and bot, over each carrier's wire."""

import asyncio
from pathlib import Path

from tests.contract.fleet.bridge.harness import SECRET, world
from tests.e2e.workers import call_worker
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour

GREETING = "Good morning from the bridge"
CARRIERS = ("twilio", "telnyx", "plivo", "exotel")


async def test_a_bot_of_the_bridge_talks_on_a_registered_worker_over_every_carrier_and_its_result_comes_back(
    tmp_path: Path,
):
    async with world(tmp_path, Behaviour(hangs_up_after_s=4.0), slots=0) as bridge:
        await bridge.worker.close()
        bridge.worker.close_link()
        made = await bridge.post("/v1/keys", {"name": "workers", "scopes": ["worker"]})
        await bridge.post("/v1/bots", {"id": "greeter", "config": {"opening_message": GREETING}})
        async with call_worker(
            tmp_path / "worker",
            VOXBRIDGE_URL=bridge.bridge.address,
            VOX_WORKER_TOKEN=made.json()["key"],
            VOX_WORKER_ID="w-1",
            VOXCORE_SECRET=SECRET,
            MAX_CONCURRENT_CALLS="8",
        ):
            async with time_limit():
                while not any(one.worker_id == "w-1" for one in bridge.bridge.dispatcher.fleet().workers):  # noqa: ASYNC110  the fleet has no event
                    await asyncio.sleep(0.05)
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
