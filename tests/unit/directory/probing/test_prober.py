"""Probes from outside in: which relays clients are told of, on virtual time (the fixture virtual_loop, through its clock)."""

import asyncio
from datetime import timedelta

import pytest

from tests.fakes.clock import EPOCH
from tests.unit.directory.harness import HEALTHY, LONDON, PROBED, SYDNEY, SYDNEY_PROBE, rig


async def test_a_relay_is_listed_after_its_first_good_answer(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        relay = await it.register(SYDNEY)
        assert (relay["healthy"], await it.listed()) == (False, [])
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        await asyncio.sleep(60)
        assert await it.listed() == ["Sydney"]


async def test_a_secure_websocket_is_probed_over_https_below_its_path(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        await it.register(LONDON)
        await it.register({**SYDNEY, "url": "ws://plain.example.com:8080"})
        await asyncio.sleep(1)
        assert set(it.internet.asked) == {
            "https://london.example.com/base/_health",
            "http://plain.example.com:8080/_health",
        }


@pytest.mark.parametrize("every_s", [15, 30, 60])
async def test_heartbeats_do_not_hide_a_dead_relay(tmp_path, virtual_clock, every_s: int):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        relay = await it.register(SYDNEY)
        await asyncio.sleep(60)
        assert await it.listed() == ["Sydney"]
        it.internet.answers.clear()
        for _ in range(round(180 / every_s)):
            await asyncio.sleep(every_s)
            await it.http.post(f"/v1/relays/{relay['id']}/heartbeat")
        assert await it.listed() == []
        status = (await it.http.get(f"/v1/relays/{relay['id']}/status")).json()
        assert status["healthy"] is False


async def test_a_dead_relay_is_removed_and_a_bootstrap_relay_never(tmp_path, virtual_clock):
    bootstrap = {"id": "home", "url": "wss://home.example.com", "lat": 1, "lon": 2}
    async with rig(tmp_path, {**PROBED, "bootstrap_relays": [bootstrap]}, clock=virtual_clock) as it:
        relay = await it.register(SYDNEY)
        await asyncio.sleep(1200)
        assert (await it.http.get(f"/v1/relays/{relay['id']}/status")).status_code == 404
        assert (await it.http.get("/v1/relays/home/status")).json()["healthy"] is False
        it.internet.answers["https://home.example.com/_health"] = HEALTHY
        await asyncio.sleep(120)
        assert await it.listed() == ["home"]


@pytest.mark.parametrize("answer", [(500, b""), (302, b""), (404, b"OK")])
async def test_only_a_success_is_healthy(tmp_path, virtual_clock, answer):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = answer
        await it.register(SYDNEY)
        await asyncio.sleep(90)
        assert await it.listed() == []


async def test_when_everything_fails_at_once_the_list_stays(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        for number in range(10):
            it.internet.answers[f"https://r{number}.example.com/_health"] = HEALTHY
            await it.register({**SYDNEY, "url": f"wss://r{number}.example.com"})
        await asyncio.sleep(60)
        assert len(await it.listed()) == 10
        it.internet.answers.clear()
        await asyncio.sleep(900)
        assert len(await it.listed()) == 10
        assert "vox_directory_fail_static 1.0" in (await it.http.get("/metrics")).text


async def test_each_relay_is_probed_about_once_per_interval(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        await it.register(SYDNEY)
        await asyncio.sleep(3000)
        assert 95 <= len(it.internet.asked) <= 106


async def test_health_outlives_a_restart(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        await it.register(SYDNEY)
        await asyncio.sleep(60)
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        assert await it.listed() == ["Sydney"]  # before any new probe
        assert virtual_clock.wall() - EPOCH < timedelta(minutes=2)


async def test_draining_takes_a_relay_out_and_back(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        relay = await it.register(SYDNEY)
        await asyncio.sleep(60)
        drain = f"/v1/relays/{relay['id']}/drain"
        assert (await it.http.post(drain)).json()["draining"] is True
        assert await it.listed() == []
        await it.http.post(drain, json={"draining": False})
        assert await it.listed() == ["Sydney"]
