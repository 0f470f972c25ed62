"""WebRTC calls at several instances that share a Redis: no stickiness between `/start` and the offer."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.redis_server import redis_server
from tests.e2e.webrtc_client import webrtc_client

pytestmark = pytest.mark.usefixtures("webrtc_driver")

CONFIG: dict[str, Any] = {**FAKES, "transport": "both", "greeting": "Hello {{name}}."}


async def test_the_offer_may_reach_another_instance_than_start_which_is_gone(tmp_path: Path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with redis_server() as redis:
        shared = {"VOXRAY_SESSION_STORE": "redis", "VOXRAY_REDIS_URL": redis.url}
        async with (
            agent_server(tmp_path / "first", CONFIG, **shared) as first,
            agent_server(tmp_path / "second", CONFIG, **shared) as second,
            webrtc_client("", microphone=False) as client,
        ):
            started = (await client.http.post(f"{first.http}/start", json={"body": {"name": "Ann"}})).json()
            first.process.kill()
            await first.process.wait()
            client.offer_url = f"{second.http}/sessions/{started['sessionId']}/api/offer"
            await client.connect()
            await client.told("bot-output", lambda data: data["text"] == "Hello Ann.")

            elsewhere = {"pc_id": "pc_of_another_instance", "candidates": []}
            assert (await client.http.patch(client.offer_url, json=elsewhere)).status_code == 200

            redis.kill()
            client.send("send-text", {"content": "still here"})
            await client.told("bot-llm-stopped")
