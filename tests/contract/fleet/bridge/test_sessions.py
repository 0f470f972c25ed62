"""Sessions of the operator's pages at the API, and what is shown of calls while they run."""

from pathlib import Path

import httpx2
import pytest

from tests.contract.fleet.bridge.harness import World, world
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.protocols import fleet as wire

OWN = {"sec-fetch-site": "same-origin"}


async def signed_in(bridge: World, **headers: str) -> httpx2.Response:
    link = await bridge.bridge.operator_sessions.create_link()
    return await bridge.http.post(
        f"{bridge.bridge.address}/v1/session", json={"link": link}, headers={**OWN, **headers}
    )


@pytest.mark.parametrize("origin", ["http", "https"])
async def test_a_session_acts_as_an_administrator_from_the_bridges_own_pages_until_it_is_signed_out(
    tmp_path: Path, origin: str
):
    async with world(tmp_path) as bridge:
        base, http = bridge.bridge.address, bridge.http
        made = await signed_in(bridge, origin=f"{origin}://bridge.example")
        assert made.status_code == 200, made.text
        cookie = made.headers["set-cookie"]
        assert ("; Secure" in cookie) == (origin == "https")
        assert "; HttpOnly; SameSite=Strict" in cookie
        http.cookies.clear()
        mine = {"cookie": cookie.partition(";")[0]}
        assert (await http.get(f"{base}/v1/session", headers=mine)).json() == made.json()
        assert (await http.get(f"{base}/v1/keys", headers=mine)).status_code == 200
        bot = {"id": "second", "config": {}}
        for foreign in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            answer = await http.post(f"{base}/v1/bots", json=bot, headers={**mine, **foreign})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN"), foreign
        assert (await http.post(f"{base}/v1/bots", json=bot, headers={**mine, **OWN})).status_code == 201
        out = await http.delete(f"{base}/v1/session", headers={**mine, **OWN})
        assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (204, True)
        over = await http.get(f"{base}/v1/session", headers=mine)
        assert (over.status_code, over.json()["error"]["code"]) == (401, "UNAUTHORIZED")
        assert "vox bridge login" in over.json()["error"]["hint"]


async def test_a_link_is_refused_from_another_site_a_second_time_and_where_it_is_none(tmp_path: Path):
    async with world(tmp_path) as bridge:
        link = await bridge.bridge.operator_sessions.create_link()
        path = f"{bridge.bridge.address}/v1/session"
        foreign = await bridge.http.post(path, json={"link": link}, headers={"sec-fetch-site": "cross-site"})
        assert foreign.status_code == 403
        assert (await bridge.http.post(path, json={"link": link}, headers=OWN)).status_code == 200
        again = await bridge.http.post(path, json={"link": link}, headers=OWN)
        assert (again.status_code, again.json()["error"]["code"]) == (403, "LOGIN_LINK_INVALID")
        assert (await bridge.http.post(path, json={"link": "x" * 200}, headers=OWN)).status_code == 400
        bridge.http.cookies.clear()
        with_key = await bridge.get("/v1/session")
        assert (with_key.status_code, with_key.json()["error"]["code"]) == (404, "SESSION_NOT_FOUND")


async def test_the_page_and_its_files_come_with_a_strict_policy_and_nothing_else_does(tmp_path: Path):
    async with world(tmp_path) as bridge:
        base, http = bridge.bridge.address, bridge.http
        page = await http.get(f"{base}/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        for name in ("main.js", "style.css", "tokens.css"):
            assert (await http.get(f"{base}/page/{name}")).headers["content-security-policy"] == policy
        for name in ("index.html", "..%2Fserver.py", "nothing.js", "%00"):
            assert (await http.get(f"{base}/page/{name}")).status_code == 404, name


async def test_live_calls_their_words_and_the_end_of_an_inbound_one(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=6_000.0)) as bridge:
        placed = await bridge.place()
        await bridge.until(placed, "answered")
        bridge.worker.say(wire.Progress("in-1", wire.STARTED, {"class": "inbound", "since_ms": 1_000}))
        bridge.worker.say(wire.Progress(placed, wire.STARTED, {"class": "outbound", "since_ms": 2_000}))
        await bridge.until(placed, "in_progress")
        live = (await bridge.get("/v1/calls/live")).json()
        assert [one["id"] for one in live["calls"]] == [placed]
        assert live["counts"] == {"in_progress": 1}
        assert live["inbound"] == [{"id": "in-1", "since_ms": 1_000, "worker_id": "worker-1"}]
        assert live["inbound_total"] == 1
        for call_id in (placed, "in-1"):
            path = f"/v1/calls/{call_id}/transcript"
            assert (await bridge.get(path)).json() == {"source": "live", "lines": []}
            line = {"at_ms": 3_000, "role": "user", "text": "Hello?"}
            bridge.worker.say(wire.Progress(call_id, "transcript", line))
            said: list[object] = []
            while not said:
                said = (await bridge.get(path)).json()["lines"]
            assert said == [line]
            assert (await bridge.get(f"{path}?after_ms=3000")).json()["lines"] == []
        assert (await bridge.get("/v1/calls/none/transcript")).json()["source"] == "not_running"
        assert (await bridge.post("/v1/fleet/calls/in-1/hang_up")).status_code == 204
        assert wire.HangUp("in-1") in bridge.worker.commands
        assert (await bridge.post("/v1/fleet/calls/none/hang_up")).status_code == 404
        key = (await bridge.post("/v1/keys", {"name": "bots", "scopes": ["bots:read"]})).json()["key"]
        for path in ("/v1/calls/live", f"/v1/calls/{placed}/transcript"):
            assert (await bridge.get(path, key=key)).status_code == 403
        await bridge.post(f"/v1/calls/{placed}/hang_up")
