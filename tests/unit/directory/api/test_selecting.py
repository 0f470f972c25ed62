"""Selection, the signed list and our own client, through the whole application."""

import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from tests.unit.directory.harness import LONDON, SYDNEY, Rig, rig
from vox.clients import directory as directory_client
from vox.clients.directory import DirectoryClient
from vox.directory.app import create_app
from vox.errors import DependencyError, PeerError, UsageError
from vox.security.http_signatures import new_key_pair


def client_of(it: Rig, **options) -> DirectoryClient:
    transport = httpx2.ASGITransport(create_app(it.directory), client=("127.0.0.1", 1))
    return DirectoryClient("http://directory.test", transport=transport, clock=it.directory.clock, **options)


@pytest.mark.parametrize("path", ["/v1/relays/select", "/api/relay/select"])
async def test_select_gives_one_relay_and_what_to_fall_back_on(tmp_path, path: str):
    async with rig(tmp_path) as it:
        await it.register(SYDNEY)
        await it.register(LONDON)
        body = (await it.http.get(f"{path}?lat=-33&lon=150&explain=1")).json()
    assert (body["relay"]["url"], body["relay"]["region"]) == (SYDNEY["url"], "unknown")
    assert [one["name"] for one in body["fallbacks"]] == ["London"]
    assert body["relay"]["latency"] < 20 < body["fallbacks"][0]["latency"]
    assert body["relay"]["explain"]["score_ms"] < body["fallbacks"][0]["explain"]["score_ms"]


async def test_a_burst_does_not_overfill_the_nearest_relay(tmp_path):
    async with rig(tmp_path) as it:
        await it.register({**SYDNEY, "capacity": 10})
        await it.register({**LONDON, "capacity": 1000})
        chosen = [(await it.http.get("/v1/relays/select?lat=-33&lon=150")).json()["relay"]["name"] for _ in range(30)]
    assert 1 <= chosen.count("Sydney") <= 10
    assert chosen.count("London") == 30 - chosen.count("Sydney")


async def test_what_the_client_measured_goes_before_distance(tmp_path):
    async with rig(tmp_path) as it:
        near, far = await it.register(SYDNEY), await it.register(LONDON)
        query = f"lat=-33&lon=150&rtt={near['id']}:400,{far['id']}:30"
        body = (await it.http.get(f"/v1/relays/select?{query}")).json()
    assert (body["relay"]["name"], body["relay"]["latency"]) == ("London", 30.0)


async def test_features_are_conditions_and_regions_wishes(tmp_path):
    async with rig(tmp_path) as it:
        await it.register({**SYDNEY, "features": ["video"]})
        await it.register(LONDON)
        by_feature = (await it.http.get("/v1/relays/select?lat=51&lon=0&features=video")).json()
        by_region = (await it.http.get("/v1/relays/select?lat=-33&lon=150&region=eu-west")).json()
        elsewhere = (await it.http.get("/v1/relays/select?lat=51&lon=0&region=moon")).json()
    assert by_feature["relay"]["name"] == "Sydney"
    assert by_region["relay"]["name"] == "London"
    assert (elsewhere["relay"]["name"], elsewhere["relaxed"]) == ("London", "region")


async def test_with_nothing_to_give_it_says_when_to_come_back(tmp_path):
    async with rig(tmp_path) as it:
        answer = await it.http.get("/v1/relays/select")
    assert (answer.status_code, answer.json()["code"]) == (503, "NO_RELAY_AVAILABLE")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("query", ["policy=best", "rtt=x", "rtt=x:-1", "rtt=x:nan", "lat=1"])
async def test_a_wrong_selection_is_refused(tmp_path, query: str):
    async with rig(tmp_path) as it:
        assert (await it.http.get(f"/v1/relays/select?{query}")).status_code == 400


async def test_the_signed_list_survives_the_directory(tmp_path):
    clock = FakeClock()
    cache = tmp_path / "relays.json"
    async with rig(tmp_path, clock=clock) as it:
        await it.register(SYDNEY)
        async with client_of(it, cache_file=cache) as client:
            assert [relay.name for relay in await client.snapshot()] == ["Sydney"]
        key = it.directory.list_signer.public_key
    gone = httpx2.MockTransport(lambda request: httpx2.Response(502, json={}))
    async with DirectoryClient(
        "http://directory.test", transport=gone, clock=clock, cache_file=cache, snapshot_key=key
    ) as client:
        assert [relay.name for relay in await client.snapshot()] == ["Sydney"]
        clock.advance(90_000)
        with pytest.raises(PeerError, match="expired"):
            await client.snapshot()


async def test_relays_are_found_while_the_directory_is_away_also_after_a_restart(tmp_path):
    clock = FakeClock()
    cache = tmp_path / "kept" / "relays.json"
    async with rig(tmp_path, clock=clock) as it, client_of(it, cache_file=cache) as client:
        for relay in (LONDON, SYDNEY):
            await it.register(relay)
        await client.snapshot()
        expected = [(one.name, one.distance_km) for one in await client.relays(latitude=-33, longitude=151)]
    proxys_page = httpx2.MockTransport(lambda request: httpx2.Response(502, text="<h1>Bad Gateway</h1>"))
    options: dict[str, Any] = {"transport": proxys_page, "clock": clock}
    async with DirectoryClient("http://directory.test", cache_file=cache, **options) as client:
        near = await client.relays(latitude=-33, longitude=151)
        assert [(relay.name, relay.distance_km) for relay in near] == expected
        chosen = await client.select(latitude=51, longitude=0)
        assert (chosen.relay.name, [one.name for one in chosen.fallbacks]) == ("London", ["Sydney"])
        with pytest.raises(DependencyError):
            await client.select(features=["video"])
    assert [file.name for file in cache.parent.iterdir()] == ["relays.json"]
    async with DirectoryClient("http://directory.test", cache_file=tmp_path / "none.json", **options) as client:
        with pytest.raises(DependencyError, match="no signed list is kept"):
            await client.relays()


async def test_who_was_believed_once_is_remembered_over_a_restart(tmp_path):
    clock = FakeClock()
    cache = tmp_path / "relays.json"
    async with rig(tmp_path, clock=clock) as it:
        await it.register(SYDNEY)
        old = (await it.http.get("/v1/directory")).json()
        clock.advance(130)
        async with client_of(it, cache_file=cache) as client:
            await client.snapshot()
    replay = httpx2.MockTransport(lambda request: httpx2.Response(200, json=old))
    async with DirectoryClient("http://directory.test", transport=replay, clock=clock, cache_file=cache) as client:
        with pytest.raises(PeerError, match="older"):
            await client.snapshot()
    (tmp_path / "evil").mkdir()
    async with rig(tmp_path / "evil", clock=clock) as it, client_of(it, cache_file=cache) as client:
        with pytest.raises(PeerError, match="signature"):
            await client.snapshot()
    cache.write_bytes(b"torn")
    async with rig(tmp_path, clock=clock) as it, client_of(it, cache_file=cache) as client:
        assert [relay.name for relay in await client.snapshot()] == ["Sydney"]
    assert cache.read_bytes() != b"torn"


async def test_the_loop_goes_on_while_the_list_is_written(tmp_path, monkeypatch):
    threads: list[int] = []
    keep = directory_client._replace

    def noted(file: Path, text: bytes) -> None:
        threads.append(threading.get_ident())
        keep(file, text)

    monkeypatch.setattr(directory_client, "_replace", noted)
    async with rig(tmp_path) as it, client_of(it, cache_file=tmp_path / "relays.json") as client:
        await client.snapshot()
    assert threads
    assert threads[0] != threading.get_ident()


async def test_a_list_that_cannot_be_kept_is_still_good(tmp_path):
    (tmp_path / "file").write_text("in the way")
    async with rig(tmp_path) as it, client_of(it, cache_file=tmp_path / "file" / "relays.json") as client:
        await it.register(SYDNEY)
        assert [relay.name for relay in await client.snapshot()] == ["Sydney"]


async def test_our_client_measures_moves_keys_and_maintains(tmp_path):
    async with rig(tmp_path, {"access": {"mode": "signed"}}) as it:  # noqa: SIM117  the client needs it
        async with client_of(it, key_pair=new_key_pair()) as client:
            relay = await client.register(SYDNEY)
            [plan] = await client.probe_plan(latitude=0, longitude=0, home=relay["id"])
            assert (plan.why, plan.probe_url) == ("home", "https://sydney.example.com/_health")
            await client.report_rtts({relay["id"]: 12.5})
            await client.change_key(relay["id"], new_key_pair())
            until = it.directory.clock.wall() + timedelta(hours=1)
            answer = await client.drain(relay["id"], is_maintenance=True, reason="disks", until=until)
            assert answer["drain"] == {
                "by": "operator", "reason": "disks", "until": "2026-01-01T01:00:00.000Z", "maintenance": True
            }  # fmt: skip
            assert (await client.drain(relay["id"], is_draining=False))["draining"] is False


async def test_a_list_signed_by_somebody_else_is_refused(tmp_path):
    async with rig(tmp_path) as it, client_of(it, snapshot_key=new_key_pair().public) as client:
        with pytest.raises(PeerError) as caught:
            await client.snapshot()
    assert caught.value.code == "snapshot_refused"


async def test_an_older_list_than_the_last_is_refused(tmp_path):
    clock = FakeClock()
    async with rig(tmp_path, clock=clock) as it:
        old = (await it.http.get("/v1/directory")).json()
        clock.advance(100)
        others = (await it.http.get("/v1/directory")).json()
        clock.advance(100)
        new = (await it.http.get("/v1/directory")).json()
    answers = [new, others, old]
    replay = httpx2.MockTransport(lambda request: httpx2.Response(200, json=answers.pop(0)))
    async with DirectoryClient("http://directory.test", transport=replay, clock=clock) as client:
        await client.snapshot()
        await client.snapshot()  # as from another directory on the same database
        with pytest.raises(PeerError, match="older"):
            await client.snapshot()


async def test_the_directory_keeps_its_key_over_a_restart(tmp_path):
    async with rig(tmp_path) as it:
        key = it.directory.list_signer.public_key
    async with rig(tmp_path) as it:
        assert it.directory.list_signer.public_key == key


async def test_our_client_registers_signed_and_lives_a_relays_life(tmp_path):
    async with rig(tmp_path, {"access": {"mode": "signed"}}) as it:  # noqa: SIM117  the client needs it
        async with client_of(it, key_pair=new_key_pair()) as client:
            relay = await client.register(SYDNEY)
            assert (await client.heartbeat(relay["id"], current_connections=3))["status"] == "ok"
            [found] = await client.relays(latitude=-33, longitude=151)
            assert (found.current_connections, round(found.distance_km or 0)) == (3, 99)
            assert (await client.select(latitude=-33, longitude=151)).relay.id == relay["id"]
            assert (await client.drain(relay["id"]))["draining"] is True
            assert await client.relays() == []
            await client.delete(relay["id"], force=True)
            with pytest.raises(UsageError, match="RELAY_NOT_FOUND"):
                await client.status(relay["id"])


async def test_our_client_says_which_field_is_wrong(tmp_path):
    async with rig(tmp_path) as it, client_of(it) as client:
        with pytest.raises(UsageError, match="latitude: "):
            await client.register({**SYDNEY, "latitude": 100})


async def test_our_client_says_that_nobody_answers():
    def fail(request):
        raise httpx2.ConnectError("no")

    async with DirectoryClient("http://directory.test", transport=httpx2.MockTransport(fail)) as client:
        with pytest.raises(DependencyError) as caught:
            await client.relays()
    assert caught.value.code == "directory_unreachable"


async def test_the_api_describes_every_route(tmp_path):
    async with rig(tmp_path) as it:
        document = (await it.http.get("/openapi.json")).json()
        routes = {(route.template, route.method) for route in create_app(it.directory).router.routes}
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    operators = {"/", "/ready", "/metrics", "/openapi.json", "/docs", "/page/{name}", "/v1/events", "/api/relay/select"}
    assert described == {("/v1/relays", "GET"), *(one for one in routes if one[0] not in operators)}


async def test_the_page_of_the_api_names_every_route_and_loads_nothing(tmp_path):
    async with rig(tmp_path) as it:
        page = await it.http.get("/docs")
        paths = (await it.http.get("/openapi.json")).json()["paths"]
        assert [(await it.http.post(path)).status_code for path in ("/docs", "/openapi.json")] == [405, 405]
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert all(f"<code>{path}</code>" in page.text for path in paths)
    assert not re.search(r"<script|https?:|src=", page.text)


async def test_every_operation_has_a_name_of_its_own_a_summary_and_its_errors(tmp_path):
    async with rig(tmp_path) as it:
        document = (await it.http.get("/openapi.json")).json()
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] and one["responses"] for one in operations)
    assert set(document["paths"]["/v1/relays/register"]["post"]["responses"]) >= {"200", "201", "400", "401", "429"}


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("/v1/relays?lat=1&lon=2", "/v1/relays"),
        ("/v1/relays/select?lat=1&lon=2", "/v1/relays/select"),
        ("/v1/relays/probe-plan", "/v1/relays/probe-plan"),
        ("/v1/relays/{id}/status", "/v1/relays/{id}/status"),
        ("/v1/directory", "/v1/directory"),
        ("/_health", "/_health"),
    ],
)
async def test_answers_are_as_the_api_describes_them(tmp_path, path: str, at: str):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        await it.register(LONDON)
        document = (await it.http.get("/openapi.json")).json()
        answer = (await it.http.get(path.replace("{id}", relay["id"]))).json()
    schema = document["paths"][at]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    agree(schema, answer)


def agree(schema: dict[str, Any], found: Any) -> None:
    if schema.get("type") == "array":
        for one in found:
            agree(schema["items"], one)
    elif "properties" in schema:
        assert set(schema["required"]) <= set(found) <= set(schema["properties"])
        for name, value in found.items():
            agree(schema["properties"][name], value)
