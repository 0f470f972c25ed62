"""Relays that answer their probes and fail their clients, over HTTP and on virtual time (virtual_loop)."""

import asyncio
from typing import Any

import pytest

from tests.unit.directory.harness import LONDON, SYDNEY, Rig, rig
from vox.directory.selection import failure_holds

CROWD = [f"20.{number}.1.7" for number in range(40)]


@pytest.fixture
async def it(tmp_path, virtual_clock):
    async with rig(tmp_path, clock=virtual_clock) as made:
        yield made


async def report(it: Rig, relay_id: str, peers: list[str], *, failed: bool = True) -> None:
    for peer in peers:
        it.http._transport.client = (peer, 1)  # type: ignore[attr-defined]
        body = {"sessions": [{"relay_id": relay_id, "failed": failed}]}
        answer = await it.http.post("/v1/session-reports", json=body)
        assert answer.status_code == 200
    it.http._transport.client = ("127.0.0.1", 1)  # type: ignore[attr-defined]


async def chosen(it: Rig) -> list[str]:
    answer = (await it.http.get("/v1/relays/select?lat=-33&lon=150")).json()
    return [answer["relay"]["name"], *(one["name"] for one in answer["fallbacks"])]


async def test_a_relay_that_fails_its_clients_is_held_off_for_ten_minutes(it: Rig):
    relay = await it.register(SYDNEY)
    await it.register(LONDON)
    await report(it, relay["id"], CROWD[:29])
    assert set(await it.listed()) == {"Sydney", "London"}
    await report(it, relay["id"], CROWD[29:30])
    assert await it.listed("?lat=-33&lon=150") == ["London"]
    assert await chosen(it) == ["London"]
    status = (await it.http.get(f"/v1/relays/{relay['id']}/status")).json()
    assert (status["healthy"], status["held_until"]) == (True, "2026-01-01T00:10:00.000Z")
    await it.register(SYDNEY)  # is no way around it
    await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json={"current_connections": 1})
    await asyncio.sleep(failure_holds.HOLD_S - 1)
    assert await it.listed() == ["London"]
    await asyncio.sleep(2)
    assert await it.listed("?lat=-33&lon=150") == ["Sydney", "London"]
    assert await chosen(it) == ["Sydney", "London"]
    assert "held_until" not in (await it.http.get(f"/v1/relays/{relay['id']}/status")).json()
    assert 'vox_directory_client_holds_total{result="held"} 1' in (await it.http.get("/metrics")).text


async def test_clients_that_are_content_keep_a_relay_on_the_list(it: Rig):
    relay = await it.register(SYDNEY)
    await it.register(LONDON)
    await report(it, relay["id"], CROWD[:36], failed=False)
    await report(it, relay["id"], CROWD[36:])
    assert set(await it.listed()) == {"Sydney", "London"}


async def test_what_clients_say_does_not_empty_the_list(it: Rig):
    first, second = await it.register(SYDNEY), await it.register(LONDON)
    await report(it, first["id"], CROWD)
    await report(it, second["id"], CROWD)
    assert await it.listed() == ["London"]
    assert 'vox_directory_client_holds_total{result="spared"} 1' in (await it.http.get("/metrics")).text


async def test_a_relay_that_is_gone_or_not_listed_is_not_spoken_of(it: Rig):
    relay = await it.register(SYDNEY)
    await it.http.post(f"/v1/relays/{relay['id']}/drain")
    body = {"sessions": [{"relay_id": one, "failed": True} for one in (relay["id"], "nobody")]}
    answer = await it.http.post("/v1/session-reports", json=body)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "accepted": 0})


async def test_a_held_relay_that_is_deleted_and_comes_back_is_still_held(it: Rig):
    relay = await it.register(SYDNEY)
    await it.register(LONDON)
    await report(it, relay["id"], CROWD)
    await it.http.delete(f"/v1/relays/{relay['id']}")
    assert (await it.register(SYDNEY))["id"] == relay["id"]
    assert await it.listed() == ["London"]
    await it.http.delete(f"/v1/relays/{relay['id']}")
    await asyncio.sleep(failure_holds.HOLD_S + 1)  # nobody is there to be listed again
    assert await it.listed() == ["London"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sessions": []},
        {"sessions": [{"relay_id": "a"}]},
        {"sessions": [{"relay_id": "a", "failed": 1}]},
        {"sessions": [{"relay_id": "a", "failed": True}] * 33},
    ],
)
async def test_a_wrong_report_of_sessions_is_refused(it: Rig, body: dict[str, Any]):
    answer = await it.http.post("/v1/session-reports", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_reports_are_limited_by_address(tmp_path):
    async with rig(tmp_path, {"access": {"changes_per_minute": 60}}) as it:
        body = {"sessions": [{"relay_id": "nobody", "failed": True}]}
        answers = [await it.http.post("/v1/session-reports", json=body) for _ in range(21)]
    assert [one.status_code for one in answers] == [200] * 20 + [429]
