"""Calls through a real TURN server (coturn), with credentials that expire."""

from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCIceServer

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.coturn import turn_server
from tests.e2e.webrtc_client import webrtc_client
from vox.agent.config.webrtc import time_limited
from vox.media.levels import rms

pytestmark = pytest.mark.usefixtures("webrtc_driver")

SECRET = "shared-with-coturn"
CONFIG: dict[str, Any] = {**FAKES, "transport": "both", "greeting": "Hello there.", "webrtc_turn_secret": SECRET}


async def test_a_client_that_only_reaches_the_relay_is_heard_through_it(tmp_path: Path, webrtc_driver: str):
    async with turn_server(tmp_path, SECRET) as address:
        config = {**CONFIG, "webrtc_ice_servers": [{"urls": [f"{address}?transport=udp"]}]}
        async with agent_server(tmp_path, config) as agent, webrtc_client("", is_relay_only=True) as client:
            start = {"enableDefaultIceServers": True}
            started = (await client.http.post(f"{agent.http}/start", json=start)).json()
            (server,) = started["iceConfig"]["iceServers"]
            client.ice_servers = [RTCIceServer(**server)]
            client.offer_url = f"{agent.http}/sessions/{started['sessionId']}/api/offer"
            await client.connect()
            offers_relay = "typ relay" in client.answer
            assert offers_relay == (webrtc_driver == "aiortc"), "the engine itself needs no relay to be reached"
            await client.told("bot-stopped-speaking")
            assert rms(bytes(client.heard)) > 0.05
            assert {one.type for one in client.local_candidates} == {"relay"}
            assert SECRET not in agent.log.read_text()
            assert server["credential"] not in agent.log.read_text()


async def test_credentials_that_have_expired_give_no_relay(tmp_path: Path):
    async with turn_server(tmp_path, SECRET) as address, webrtc_client("", is_relay_only=True) as client:
        username, credential = time_limited(SECRET, 1_000_000_000, "vox")
        client.ice_servers = [RTCIceServer(urls=[address], username=username, credential=credential)]
        await client.make_offer()
        assert client.local_candidates == []
