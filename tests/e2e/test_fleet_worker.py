"""`vox worker` from outside: exact capacity, slots promised before the media, bots and results of a bridge, true totals."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest

from tests.e2e.agents import VOX, until
from tests.e2e.workers import RunningWorker, call_worker
from tests.fakes.bridge_server import played_bridge
from tests.time_limits import scaled, time_limit
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Step, Wait, WaitForAgent
from vox.http.websocket import UpgradeRefusedError
from vox.protocols.carriers import dialler
from vox.runtime.clock import SystemClock

SECRET = "shared"
GREETED = WaitForAgent(silence_s=0.4, begin_timeout_s=scaled(30))
BOT = {"session_id": "session-1", "opening_message": "Good morning from the bridge", "variables": {"city": "Ulm"}}


async def call(url: str, *steps: Step, seconds: float = 0.3, line: str = "twilio", **parameters: str) -> CallOutcome:
    codec = dialler.Carrier() if line == "dialler" else line
    script = [*steps, HangUp()] if steps else [Wait(seconds), HangUp()]
    return await place_call(url, script, SystemClock(), line=codec, parameters=parameters)


def stream_of(reserved: httpx2.Response) -> tuple[str, str]:
    assert reserved.status_code == 201, reserved.text
    answer = reserved.json()
    return answer["stream_url"], answer["token"]


async def test_of_a_thousand_offers_at_once_exactly_eight_are_accepted(tmp_path: Path):
    async with call_worker(tmp_path, MAX_CONCURRENT_CALLS="8", VOX_WORKER_INBOUND_RESERVE="0") as worker:
        limits = httpx2.Limits(max_connections=50)
        async with httpx2.AsyncClient(limits=limits, timeout=scaled(60)) as http:

            async def offer(number: int) -> httpx2.Response:
                wish = {"call_id": f"call_{number}", "class": "campaign", "ttl_s": 120}
                return await http.post(f"{worker.http}/v1/reservations", json=wish)

            answers = await asyncio.gather(*(offer(number) for number in range(1000)))
        assert Counter(answer.status_code for answer in answers) == {201: 8, 503: 992}
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.json()["error"]["code"] for answer in refused} == {"AT_CAPACITY"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        health = await worker.health()
        assert (health["worker_calls"], health["reserved"], health["worker_max"]) == (0, 8, 8)
        assert health["state"] == "full"
        with pytest.raises(UpgradeRefusedError) as unannounced:
            await call(worker.phone)
        assert unannounced.value.status == 503
        assert int(unannounced.value.headers["retry-after"]) >= 1


async def test_a_promised_slot_is_taken_by_the_stream_with_its_token_only(tmp_path: Path):
    async with call_worker(tmp_path, MAX_CONCURRENT_CALLS="1") as worker:
        reserved = await worker.reserve("call_7", metadata={"name": "Ada"}, **{"class": "outbound"})
        url, token = stream_of(reserved)
        assert (await worker.reserve("call_8")).json()["error"]["code"] == "AT_CAPACITY"
        thief = await call(url, token="wrong")
        assert thief.close_code == 1008
        assert (await worker.health())["reserved"] == 1, "the slot waits for the right stream"
        done = await call(url, token=token)
        assert done.close_code == 1000
        (ended,) = await worker.logged("call ended")
        assert ended["call_id"] == "call_7"
        with pytest.raises(UpgradeRefusedError) as again:
            await call(url, token=token)
        assert again.value.status == 404
        assert (await call(worker.phone)).close_code == 1000, "the slot is free for others"


async def test_reservations_are_renewed_and_freed_over_http(tmp_path: Path):
    async with call_worker(tmp_path, MAX_CONCURRENT_CALLS="1", VOXCORE_SECRET=SECRET) as worker:
        path = f"{worker.http}/v1/reservations"
        async with httpx2.AsyncClient(headers={"X-VoxCore-Secret": SECRET}) as http:
            made = await http.post(path, json={"call_id": "call_1", "ttl_s": 5})
            mine = f"{path}/{made.json()['reservation_id']}"
            assert made.json()["expires_in_s"] == 5
            assert 29 < (await http.put(mine)).json()["expires_in_s"] <= 30
            assert (await http.delete(mine)).status_code == 204
            assert (await http.delete(mine)).status_code == 404
            assert (await http.put(mine)).status_code == 404
            for body in ({}, {"call_id": "a b"}, {"call_id": "c", "class": "vip"}, {"call_id": "c", "ttl_s": 0}):
                assert (await http.post(path, json=body)).status_code == 400
            assert (await http.post(path, content=b"\xff")).status_code == 400
        async with httpx2.AsyncClient(headers={"X-VoxCore-Secret": "other"}) as http:
            for answer in (await http.post(path, json={"call_id": "c"}), await http.put(mine), await http.delete(mine)):
                assert answer.status_code == 403
            assert (await http.post(f"{worker.http}/admin/drain")).status_code == 403


async def test_the_dialler_talks_to_a_bot_of_the_bridge_and_the_result_comes_back(tmp_path: Path):
    async with played_bridge() as bridge:
        bridge.bots = {"tea": BOT, "closed": 503}
        variables: dict[str, Any] = {"VOXBRIDGE_URL": bridge.url, "VOXCORE_SECRET": SECRET}
        async with call_worker(tmp_path, **variables) as worker:
            base = f"ws://127.0.0.1:{worker.port}/ws"
            done = await call(f"{base}/tea", GREETED, line="dialler", userref="42")
            assert done.report.has_answered
            async with time_limit():
                await bridge.has_result.wait()
            (result,) = bridge.results
            assert result["session_id"] == "session-1"
            assert result["bot_id"] == "tea"
            assert result["disconnected_by"] == "customer"
            assert result["transcript"] == [{"role": "bot", "content": "Good morning from the bridge"}]
            assert bridge.secrets == {SECRET}
            (asked,) = bridge.asked
            assert asked["caller_id"] == "+15550100"
            assert json.loads(asked["connected_event"])["userref"] == "42"
            assert json.loads(asked["connected_event"])["callDirection"] == "incoming"
            for bot in ("closed", "unknown"):
                rejected = await call(f"{base}/{bot}", seconds=60.0, line="dialler")
                assert rejected.close_code == 1008
                assert rejected.report.stopped_by_agent, "the dialler is asked to hang up"
            assert len(worker.lines("call rejected")) == 2


async def test_a_result_survives_a_bridge_that_is_away_and_a_worker_that_is_killed(tmp_path: Path):
    async with played_bridge() as bridge:
        bridge.bots["tea"], bridge.takes_results = BOT, False
        variables: dict[str, Any] = {"VOXBRIDGE_URL": bridge.url, "VOX_WORKER_ID": "w-1"}
        async with call_worker(tmp_path, **variables) as worker:
            await call(f"ws://127.0.0.1:{worker.port}/ws/tea", line="dialler")
            await worker.logged("result not delivered; it is tried again")
            worker.process.kill()
        assert len(list((tmp_path / "results" / "w-1").glob("*.json"))) == 1
        bridge.takes_results = True
        async with call_worker(tmp_path, **variables), time_limit():
            await bridge.has_result.wait()
        assert [result["session_id"] for result in bridge.results] == ["session-1"]


async def test_without_a_bridge_the_bots_are_the_agents_of_the_configuration(tmp_path: Path):
    agents = {"agents": {"front": {"greeting": "Front desk"}, "back": {"greeting": "Back office"}}}
    async with call_worker(tmp_path, agents) as worker:
        base = f"ws://127.0.0.1:{worker.port}"
        for url, line in ((f"{base}/ws/back", "dialler"), (f"{base}/exotel/back", "exotel")):
            done = await call(url, GREETED, line=line)
            assert done.report.has_answered
        for path in ("ws", "exotel"):
            with pytest.raises(UpgradeRefusedError) as refused:
                await call(f"{base}/{path}/nowhere", line="dialler")
            assert refused.value.status == 404


async def test_totals_are_those_of_the_workers_that_answer(tmp_path: Path):
    async with call_worker(tmp_path / "a", MAX_CONCURRENT_CALLS="3") as first:
        ports = str(first.port)
        async with call_worker(tmp_path / "b", MAX_CONCURRENT_CALLS="2", VOX_WORKER_PORTS=f"{ports},1") as second:
            await first.reserve("call_1")
            async with httpx2.AsyncClient() as http:
                fleet = (await http.get(f"{second.http}/health/fleet")).json()
            assert (fleet["fleet_calls"], fleet["fleet_max"], fleet["fleet_available"]) == (0, 5, 4)
            by_port = {worker["port"]: worker for worker in fleet["workers"]}
            assert by_port[1] == {"port": 1, "status": "unreachable"}
            assert by_port[first.port]["pid"] == first.process.pid
            health = await second.health()
            assert (health["total_capacity"], health["total_available"]) == (5, 4)
            assert set(health) >= {"status", "worker_calls", "worker_max", "workers", "worker_port", "worker_pid"}
            first.process.kill()
            await first.process.wait()

            async def is_named() -> bool:
                async with httpx2.AsyncClient() as http:
                    fleet = (await http.get(f"{second.http}/health/fleet")).json()
                return {"port": first.port, "status": "unreachable"} in fleet["workers"] and fleet["fleet_max"] == 2

            async with time_limit():
                while not await is_named():  # noqa: ASYNC110  another process has to notice
                    await asyncio.sleep(0.1)


async def attach(worker: RunningWorker, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        body = {"room_name": "room", "bot_id": "bot"}
        return await http.post(f"{worker.http}/attach", json=body, headers=headers)


async def test_rooms_are_refused_as_documented_at_capacity_and_named_as_missing_otherwise(tmp_path: Path):
    async with call_worker(tmp_path, MAX_CONCURRENT_CALLS="1", VOXCORE_SECRET=SECRET) as worker:
        key = {"X-VoxCore-Secret": SECRET}
        assert (await attach(worker)).status_code == 403
        missing = await attach(worker, **key)
        assert missing.status_code == 501
        assert "/v1/reservations" in missing.json()["error"]["message"]
        async with httpx2.AsyncClient(headers=key) as http:
            await http.post(f"{worker.http}/v1/reservations", json={"call_id": "call_1"})
            busy = await attach(worker, **key)
            assert (busy.status_code, busy.json()["detail"]) == (429, "At capacity")
            assert int(busy.headers["retry-after"]) >= 1
            body = {"bot_id": "b", "to_number": "+15550100"}
            assert (await http.post(f"{worker.http}/livekit/dialout", json=body)).status_code == 503
            assert (await http.post(f"{worker.http}/livekit/dialout", json={})).status_code == 400


async def test_a_drain_by_http_takes_no_calls_and_cuts_none_and_keeps_its_promises(tmp_path: Path):
    async with call_worker(tmp_path) as worker, asyncio.TaskGroup() as group:
        url, token = stream_of(await worker.reserve("ringing", **{"class": "outbound", "ttl_s": 120}))
        running = group.create_task(call(worker.phone, seconds=2.0))
        await worker.logged("call started")
        async with httpx2.AsyncClient() as http:
            assert (await http.post(f"{worker.http}/admin/drain?deadline=soon")).status_code == 400
            drained = await http.post(f"{worker.http}/admin/drain?deadline=600")
            assert (drained.status_code, drained.json()["state"], drained.json()["calls"]) == (202, "draining", 1)
            refused = await worker.reserve("call_9")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DRAINING")
            health = await worker.health()
            assert health["state"] == "draining"
            assert 500 < health["drain_deadline"] - health["draining_since"] <= 600
            assert (await http.get(f"{worker.http}/ready")).status_code == 503
        assert (await running).close_code == 1000
        assert worker.process.returncode is None
        assert (await call(url, token=token)).close_code == 1000
        await until(lambda: worker.process.returncode is not None)
        assert worker.process.returncode == 0


async def test_a_full_fleet_answers_a_carriers_webhook_as_busy_and_otherwise_with_a_promised_slot(tmp_path: Path):
    config = {"runner_transport": "twilio", "verify_signatures": False}
    variables: dict[str, Any] = {
        "MAX_CONCURRENT_CALLS": "1",
        "VOX_WORKER_BUSY_ANSWER": "wait",
        "VOX_WORKER_BUSY_WAIT_SECS": "15",
    }
    async with call_worker(tmp_path, config, VOX_WORKER_URL="http://127.0.0.1:9", **variables) as worker:

        async def ask(query: str = "") -> ET.Element:
            form = {"CallSid": "CA1", "From": "+15550100", "To": "+15550199"}
            async with httpx2.AsyncClient() as http:
                answer = await http.post(f"{worker.http}/{query}", data=form)
            assert answer.status_code == 200
            return ET.fromstring(answer.text)  # noqa: S314  our own output

        stream = (await ask())[0][0]
        path = stream.attrib["url"].removeprefix("ws://127.0.0.1:9")
        parameters = {one.attrib["name"]: one.attrib["value"] for one in stream}
        assert [element.tag for element in await ask()] == ["Say", "Pause", "Redirect"]
        assert "vox_waited_s=10" in ((await ask())[2].text or "")
        assert [element.tag for element in await ask("?vox_waited_s=10")] == ["Pause", "Redirect"]
        assert [element.tag for element in await ask("?vox_waited_s=20")] == ["Say", "Hangup"]
        done = await call(f"ws://127.0.0.1:{worker.port}{path}", token=parameters["token"])
        assert done.close_code == 1000


async def test_a_line_of_env_that_is_none_ends_the_start_and_is_named(tmp_path: Path):
    (tmp_path / "broken").write_text("MAX_CONCURRENT_CALLS=8\nVOXCORE_WORKERS 4\n")
    process = await asyncio.create_subprocess_exec(
        VOX, "worker", "--env-file", "broken", cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    async with time_limit():
        _, said = await process.communicate()
    assert process.returncode == 2
    assert b"line 2 of broken is not NAME=value" in said
