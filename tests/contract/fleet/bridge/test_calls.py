"""Outbound calls from the request to the outcome, over simulated carriers."""

from pathlib import Path

from tests.contract.fleet.bridge.harness import world, webhooks_at
from vox.clients.carrier_simulator.behaviour import Behaviour


async def test_a_call_is_placed_answered_talked_on_and_told_of(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.5)) as bridge:
        call_id = await bridge.place(webhook_url=f"{bridge.shop.url}/status/events", metadata={"order": "7"})
        shown = await bridge.until(call_id)
        assert shown["status"] == "completed", shown
        await bridge.shop.until(lambda: len(webhooks_at(bridge.shop)) >= 4)
        talk = bridge.shop.talks[0]
        assert talk.started is not None
        assert talk.started.parameters["token"] == "tok1"
    print(shown)
