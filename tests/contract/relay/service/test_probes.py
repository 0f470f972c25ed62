import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from livekit.protocol import models, rtc
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.contract.relay.service.harness import plain, running_relay
from tests.e2e.certificates import certificate
from tests.time_limits import WAIT_S, time_limit


async def test_a_relay_that_is_well_says_ok_in_text():
    async with running_relay() as relay, plain(relay) as http:
        answer = await http.get("/_health")
        assert (answer.status_code, answer.text) == (200, "OK")
        ready = await http.get("/ready")
        assert ready.json() == {"ready": True, "state": "ready", "checks": {"engine": "ok"}}
        assert (await http.get("/health")).json()["status"] == "ok"


async def test_an_engine_that_fails_is_named():
    async with running_relay() as relay, plain(relay) as http:
        good = relay.engine.stats

        def gone() -> dict[str, Any]:
            raise OSError("the media thread is gone")

        relay.engine.stats = gone
        ready = await http.get("/ready")
        relay.engine.stats = good
        assert ready.status_code == 503
        assert ready.json()["checks"] == {"engine": "OSError"}


async def test_metrics_say_what_is_there():
    async with running_relay() as relay, plain(relay) as http, relay.member("lobby", "ada"):
        shown = (await http.get("/metrics")).text
        assert "vox_relay_rooms 1.0" in shown
        assert "vox_relay_participants 1.0" in shown
        assert 'vox_relay_room_events_total{event="participant_joined"} 1.0' in shown


async def test_the_api_documents_itself():
    async with running_relay() as relay, plain(relay) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert sum(path.startswith("/twirp/livekit.RoomService/") for path in paths) == 14
        assert "/rtc/validate" in paths
        assert "CreateRoom" in (await http.get("/docs")).text


async def test_a_path_that_is_not_spoken_is_404_for_sockets_too():
    async with running_relay() as relay:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"{relay.ws}/rtc/v9"):
                pass
        assert caught.value.response.status_code == 404


async def test_a_drain_fails_health_sends_everyone_away_and_lets_nobody_in():
    async with running_relay() as relay, plain(relay) as http, relay.member("lobby", "ada") as ada:
        relay.relay.lifecycle.drain()
        assert (await http.get("/_health")).status_code == 503
        assert (await http.get("/ready")).status_code == 503
        leave = (await ada.until("leave")).leave
        assert leave.action == rtc.LeaveRequest.RECONNECT
        assert leave.reason == models.DisconnectReason.SERVER_SHUTDOWN
        async with time_limit():
            assert await relay.relay.lifecycle.drained()
        token = relay.token("bob", room_join=True, room="lobby")
        refused = await http.get(f"/rtc/validate?access_token={token}")
        assert refused.status_code == 503


async def test_the_certificate_is_served_and_its_end_is_a_metric(tmp_path: Path):
    pair = certificate(tmp_path)
    files: dict[str, Any] = {"listen.tls_cert_file": str(pair.cert), "listen.tls_key_file": str(pair.key)}
    trusting = ssl.create_default_context(cafile=str(pair.cert))
    async with running_relay(**files) as relay, httpx2.AsyncClient(verify=trusting, timeout=WAIT_S) as http:
        assert relay.http.startswith("https")
        assert (await http.get(f"{relay.http}/_health")).text == "OK"
        shown = (await http.get(f"{relay.http}/metrics")).text
        assert "vox_relay_tls_certificate_expires_timestamp_seconds 1" in shown


async def test_idle_waiting_costs_no_task_that_outlives_the_relay():
    before = len(asyncio.all_tasks())
    async with running_relay():
        pass
    assert len(asyncio.all_tasks()) == before
