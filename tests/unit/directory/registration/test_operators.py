"""What operators do to relays, and what users of such a relay are told; on virtual time (virtual_loop) where time matters."""

import asyncio
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.directory.api.test_page import payload
from tests.unit.directory.harness import LONDON, SYDNEY, rig
from vox.directory.app import create_app


async def test_maintenance_has_a_reason_and_an_end(tmp_path):
    async with rig(tmp_path) as it:
        path = f"/v1/relays/{(await it.register(SYDNEY))['id']}"
        body = {"maintenance": True, "reason": "new disks", "until": "2026-01-01T02:00:00+01:00"}
        answer = await it.http.post(f"{path}/drain", json=body)
        assert answer.status_code == 200
        assert (answer.json()["draining"], answer.json()["drain"]) == (
            True,
            {"by": "operator", "reason": "new disks", "until": "2026-01-01T01:00:00.000Z", "maintenance": True},
        )
        assert (await it.http.get(f"{path}/status")).json()["drain"]["reason"] == "new disks"
        assert await it.listed() == []
        assert (await it.http.post(f"{path}/heartbeat", json={"draining": False})).json()["command"] == "drain"
        back = (await it.http.post(f"{path}/drain", json={"draining": False})).json()
        assert (back["draining"], "drain" in back) == (False, False)
        assert "command" not in (await it.http.post(f"{path}/heartbeat")).json()
        assert await it.listed() == ["Sydney"]


async def test_maintenance_excuses_failed_probes_and_ends_by_itself(tmp_path, virtual_clock):
    probed = {"health_check": {"interval_ms": 30_000, "timeout_ms": 5000}}
    async with rig(tmp_path, probed, clock=virtual_clock) as it:
        it.internet.answers["https://sydney.example.com/_health"] = (200, b"OK")
        path = f"/v1/relays/{(await it.register(SYDNEY))['id']}"
        await asyncio.sleep(60)
        body = {"maintenance": True, "until": "2026-01-01T00:30:00Z"}
        assert (await it.http.post(f"{path}/drain", json=body)).status_code == 200
        answers, it.internet.answers = it.internet.answers, {}
        await asyncio.sleep(1200)
        assert (await it.http.get(f"{path}/status")).json()["healthy"] is True
        it.internet.answers = answers
        await asyncio.sleep(700)
        assert await it.listed() == ["Sydney"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"until": "2025-12-31T23:59:59Z"}, "until"),
        ({"until": "2026-01-02T00:00:00"}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"maintenance": "yes"}, "maintenance"),
        ({"reason": "x" * 201}, "reason"),
    ],
)
async def test_a_wrong_drain_is_refused_by_field(tmp_path, body: dict[str, Any], path: str):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        answer = await it.http.post(f"/v1/relays/{relay['id']}/drain", json=body)
        assert await it.listed() == ["Sydney"]
    assert (answer.status_code, [one["path"] for one in answer.json()["errors"]]) == (400, [path])


async def test_users_of_a_relay_that_is_drained_are_told_where_to_go(tmp_path, virtual_clock):
    async with rig(tmp_path, clock=virtual_clock) as it:
        sydney, london = await it.register(SYDNEY), await it.register(LONDON)
        events = stream(it).listen()
        payload(await anext(events), "relays")
        drain = f"/v1/relays/{sydney['id']}/drain"
        await it.http.post(drain, json={"reason": "update", "until": "2026-01-01T01:00:00Z"})
        payload(await anext(events), "changes")
        assert payload(await anext(events), "moving") == {
            "id": sydney["id"],
            "reason": "update",
            "until": "2026-01-01T01:00:00.000Z",
            "replacement": {"id": london["id"], "url": LONDON["url"]},
        }
        await it.http.post(f"/v1/relays/{sydney['id']}/heartbeat", json={"current_connections": 3})
        payload(await anext(events), "changes")
        await it.http.post(f"/v1/relays/{london['id']}/heartbeat", json={"draining": True})
        payload(await anext(events), "changes")
        moving = payload(await anext(events), "moving")  # once each, and here with nowhere to go
        assert (moving["id"], moving["replacement"]) == (london["id"], None)
        await events.aclose()


def stream(it: Any) -> Any:
    [route] = [one for one in create_app(it.directory).router.routes if one.template == "/v1/events"]
    return route.endpoint.__self__._stream  # type: ignore[attr-defined]


async def test_round_trips_of_neighbours_decide_once_five_networks_agree(tmp_path):
    clock = FakeClock()
    async with rig(tmp_path, clock=clock) as it:
        sydney, london = await it.register(SYDNEY), await it.register(LONDON)

        async def report(peer: str, **rtts: float) -> dict[str, Any]:
            it.http._transport.client = (peer, 1)  # type: ignore[attr-defined]
            body = {"rtts": [{"relay_id": name, "rtt_ms": rtt} for name, rtt in rtts.items()]}
            answer = await it.http.post("/v1/rtt-reports", json=body)
            assert answer.status_code == 200
            return answer.json()

        async def nearest(peer: str, query: str = "lat=-33&lon=150") -> tuple[str, float]:
            it.http._transport.client = (peer, 1)  # type: ignore[attr-defined]
            relay = (await it.http.get(f"/v1/relays/select?{query}")).json()["relay"]
            return relay["name"], relay["latency"]

        for _ in range(20):  # one network, however loud, is one voice
            await report("203.0.1.7", **{london["id"]: 1.0})
        assert (await nearest("203.0.1.7"))[0] == "Sydney"
        for network in range(2, 6):
            answer = await report(f"203.0.{network}.7", **{london["id"]: 3.0 + network, sydney["id"]: 90.0})
            assert answer == {"status": "ok", "accepted": 2}
        assert await nearest("203.0.99.1") == ("London", 6.0)
        assert (await nearest("198.51.100.1"))[0] == "Sydney"  # another part of the world
        assert (await nearest("203.0.99.1", "lat=-33&lon=150&policy=load_aware"))[0] == "Sydney"
        own = f"lat=-33&lon=150&rtt={london['id']}:200,{sydney['id']}:9"
        assert await nearest("203.0.99.1", own) == ("Sydney", 9.0)
        assert (await report("203.0.1.7", nobody=1.0)) == {"status": "ok", "accepted": 0}
        clock.advance(7 * 3600)
        assert (await nearest("203.0.99.1"))[0] == "Sydney"


@pytest.mark.parametrize(
    "body", [{}, {"rtts": []}, {"rtts": [{"relay_id": "a", "rtt_ms": -1}]}, {"rtts": [{"relay_id": "a"}]}]
)
async def test_a_wrong_report_of_round_trips_is_refused(tmp_path, body: dict[str, Any]):
    async with rig(tmp_path) as it:
        answer = await it.http.post("/v1/rtt-reports", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_the_plan_names_home_the_nearest_and_one_to_explore(tmp_path):
    async with rig(tmp_path) as it:
        for number in range(6):
            await it.register(
                {**SYDNEY, "name": f"r{number}", "url": f"wss://r{number}.example.com", "longitude": 20.0 * number}
            )
        home = await it.register(LONDON)
        plan = (await it.http.get(f"/v1/relays/probe-plan?lat=-33&lon=0&home={home['id']}")).json()
        nowhere = (await it.http.get("/v1/relays/probe-plan?home=nobody")).json()
        refused = await it.http.get("/v1/relays/probe-plan?lat=1")
    why = [one["why"] for one in plan["relays"]]
    assert why == ["home", "near", "near", "near", "explore"]
    assert [one["url"] for one in plan["relays"]][:4] == [LONDON["url"], *(f"wss://r{n}.example.com" for n in range(3))]
    assert plan["relays"][0]["probe_url"] == "https://london.example.com/base/_health"
    assert (plan["budget_ms"], plan["report_to"]) == (800, "/v1/rtt-reports")
    assert [one["why"] for one in nowhere["relays"]] == ["near", "near", "near", "explore"]
    assert refused.status_code == 400
