"""The documented endpoints: fields, types and codes, as the original's clients expect them; on virtual time (virtual_loop) where something is late."""

import asyncio
import re

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.directory.harness import LONDON, SYDNEY, rig
from tests.unit.http.asgi import request
from vox.directory.app import create_app
from vox.errors import DependencyError

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BOOTSTRAP = {
    "bootstrap_relays": [
        {"id": "relay-us-east-1", "url": "wss://us.example.com", "lat": 40.7128, "lon": -74.006, "region": "us-east", "capacity": 10000, "public_key": "k"}
    ]
}  # fmt: skip
DOCUMENTED = {
    "id": str,
    "name": str,
    "url": str,
    "latitude": float,
    "longitude": float,
    "region": str,
    "capacity": int,
    "current_connections": int,
    "public_key": str,
    "registered_at": str,
    "last_seen_at": str,
    "healthy": bool,
    "failed_checks": int,
}


async def test_health_says_ok_and_the_time(tmp_path):
    async with rig(tmp_path) as it:
        answer = await it.http.get("/_health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "timestamp": "2026-01-01T00:00:00.000Z"}


async def test_a_registered_relay_has_every_documented_field(tmp_path):
    async with rig(tmp_path) as it:
        answer = await it.http.post("/v1/relays/register", json=SYDNEY)
        listed = (await it.http.get("/v1/relays?lat=-34&lon=151")).json()
    relay = answer.json()
    assert answer.status_code == 201
    assert {name: type(relay[name]) for name in DOCUMENTED} == DOCUMENTED
    assert UUID4.fullmatch(relay["id"])
    assert (relay["region"], relay["capacity"], relay["current_connections"]) == ("unknown", 1000, 0)
    assert ISO.fullmatch(relay["registered_at"])
    [shown] = listed["relays"]
    assert listed["count"] == 1
    assert {name: shown[name] for name in DOCUMENTED} == {name: relay[name] for name in DOCUMENTED}
    assert shown["distance_km"] == pytest.approx(24.2, abs=0.5)


async def test_without_coordinates_there_is_no_distance(tmp_path):
    async with rig(tmp_path) as it:
        await it.register(SYDNEY)
        [shown] = (await it.http.get("/v1/relays")).json()["relays"]
    assert set(shown) == set(DOCUMENTED)


async def test_the_nearest_comes_first_and_the_limit_holds(tmp_path):
    async with rig(tmp_path, BOOTSTRAP) as it:
        await it.register(SYDNEY)
        await it.register(LONDON)
        assert await it.listed("?lat=40&lon=-74") == ["relay-us-east-1", "London", "Sydney"]
        assert await it.listed("?lat=-30&lon=150&limit=1") == ["Sydney"]


async def test_ten_relays_are_listed_unless_asked_otherwise(tmp_path):
    async with rig(tmp_path) as it:
        for number in range(12):
            await it.register({**SYDNEY, "url": f"wss://r{number}.example.com", "longitude": 100 + number})
        assert len(await it.listed()) == 10
        assert len(await it.listed("?lat=0&lon=0")) == 10
        assert len(await it.listed("?limit=12")) == 12


async def test_coordinates_of_zero_are_a_place(tmp_path):
    async with rig(tmp_path) as it:
        await it.register({**SYDNEY, "latitude": 0, "longitude": 0})
        [shown] = (await it.http.get("/v1/relays?lat=0&lon=0")).json()["relays"]
    assert shown["distance_km"] == 0


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("lat=NaN&lon=0", "lat"),
        ("lat=inf&lon=0", "lat"),
        ("lat=91&lon=0", "lat"),
        ("lat=0&lon=-180.1", "lon"),
        ("lat=0&lon=east", "lon"),
        ("lat=0", "lon"),
        ("lon=0", "lat"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("lat=1&lat=2&lon=3", "lat"),
    ],
)
async def test_a_wrong_query_is_refused_by_name(tmp_path, query: str, path: str):
    async with rig(tmp_path) as it:
        answer = await it.http.get(f"/v1/relays?{query}")
    assert answer.status_code == 400
    body = answer.json()
    assert (body["error"], body["code"]) == ("Validation failed", "VALIDATION_ERROR")
    assert [one["path"] for one in body["errors"]] == [path]


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"name": ""}, "name", "too_small"),
        ({"name": "x" * 101}, "name", "too_big"),
        ({"name": 7}, "name", "invalid_type"),
        ({"latitude": 90.1}, "latitude", "too_big"),
        ({"latitude": "12"}, "latitude", "invalid_type"),
        ({"longitude": -181}, "longitude", "too_small"),
        ({"public_key": ""}, "public_key", "too_small"),
        ({"region": ""}, "region", "too_small"),
        ({"region": "x" * 51}, "region", "too_big"),
        ({"capacity": 0}, "capacity", "too_small"),
        ({"capacity": 1.5}, "capacity", "invalid_type"),
        ({"url": "relay"}, "url", "invalid_format"),
        ({"url": "ftp://relay.example.com"}, "url", "invalid_format"),
        ({"url": "wss://user:secret@relay.example.com"}, "url", "invalid_format"),
    ],
)
async def test_a_wrong_registration_is_refused_by_field(tmp_path, change, path: str, code: str):
    async with rig(tmp_path) as it:
        answer = await it.http.post("/v1/relays/register", json={**SYDNEY, **change})
        assert len(it.directory.registry) == 0
    assert answer.status_code == 400
    assert [(one["path"], one["code"]) for one in answer.json()["errors"]] == [(path, code)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"name": NaN}'])
async def test_a_body_that_is_no_object_is_refused(tmp_path, body: bytes):
    async with rig(tmp_path) as it:
        answer = await it.http.post("/v1/relays/register", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_status_has_its_documented_fields_and_no_secrets(tmp_path):
    async with rig(tmp_path, BOOTSTRAP) as it:
        answer = await it.http.get("/v1/relays/relay-us-east-1/status")
    assert answer.status_code == 200
    documented = {"id", "name", "url", "region", "healthy", "current_connections", "capacity", "last_seen_at"}
    assert set(answer.json()) == documented | {"state", "draining"}


async def test_a_heartbeat_without_body_renews_last_seen(tmp_path):
    clock = FakeClock()
    async with rig(tmp_path, BOOTSTRAP, clock=clock) as it:
        clock.advance(30)
        answer = await it.http.post("/v1/relays/relay-us-east-1/heartbeat")
        status = (await it.http.get("/v1/relays/relay-us-east-1/status")).json()
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert status["last_seen_at"] == "2026-01-01T00:00:30.000Z"


async def test_a_heartbeat_carries_load(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(LONDON)
        beat = f"/v1/relays/{relay['id']}/heartbeat"
        await it.http.post(beat, json={"current_connections": 7, "capacity": 30})
        [shown] = (await it.http.get("/v1/relays")).json()["relays"]
        assert (shown["current_connections"], shown["capacity"]) == (7, 30)
        await it.http.post(beat, json={"current_connections": 30})
        assert await it.listed() == []  # full
        await it.http.post(beat, json={"current_connections": 1, "draining": True})
        assert await it.listed() == []


async def test_delete_says_deleted_and_the_relay_is_gone(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        answer = await it.http.delete(f"/v1/relays/{relay['id']}")
        again = await it.http.delete(f"/v1/relays/{relay['id']}")
    assert (answer.status_code, answer.json()) == (200, {"status": "deleted"})
    assert (again.status_code, again.json()) == (404, {"error": "Relay not found", "code": "RELAY_NOT_FOUND"})


async def test_a_relay_in_use_is_deleted_by_force_only(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        path = f"/v1/relays/{relay['id']}"
        await it.http.post(f"{path}/heartbeat", json={"current_connections": 3})
        assert (await it.http.delete(path)).status_code == 409
        assert (await it.http.delete(f"{path}?force=1")).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "status"), ("POST", "heartbeat"), ("DELETE", "")])
async def test_an_unknown_relay_is_404_and_an_impossible_id_400(tmp_path, method: str, path: str):
    async with rig(tmp_path) as it:
        unknown = await it.http.request(method, f"/v1/relays/nobody/{path}".rstrip("/"))
        impossible = await it.http.request(method, f"/v1/relays/a%20b/{path}".rstrip("/"))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "RELAY_NOT_FOUND")
    assert (impossible.status_code, impossible.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_trailing_slashes_are_other_paths(tmp_path):
    async with rig(tmp_path) as it:
        assert (await it.http.get("/v1/relays/")).status_code == 404
        assert (await it.http.get("/_health/")).status_code == 404


async def test_registering_an_address_again_keeps_the_id(tmp_path):
    async with rig(tmp_path) as it:
        first = await it.register(SYDNEY)
        answer = await it.http.post("/v1/relays/register", json={**SYDNEY, "name": "Sydney 2"})
        assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
        assert await it.listed() == ["Sydney 2"]
        assert len(it.directory.registry) == 1


async def test_everything_is_there_after_a_restart(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(LONDON)
        await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json={"current_connections": 5})
        gone = await it.register(SYDNEY)
        await it.http.delete(f"/v1/relays/{gone['id']}")
    async with rig(tmp_path) as it:
        [shown] = (await it.http.get("/v1/relays")).json()["relays"]
        assert (shown["id"], shown["current_connections"]) == (relay["id"], 5)
        back = await it.register(SYDNEY)
    assert back["id"] == gone["id"]  # who returns within a day is the same relay


@pytest.mark.parametrize(("query", "status"), [("?lat=1&lon=2", 200), ("?limit=none", 400)])
async def test_head_has_the_length_of_what_get_sends(tmp_path, query, status):
    async with rig(tmp_path) as it:
        app = create_app(it.directory)
        whole, head = [await request(app, method, f"/v1/relays{query}") for method in ("GET", "HEAD")]
    assert (whole.status, head.status, head.body) == (status, status, b"")
    assert head.headers["content-length"] == str(len(whole.body))


async def test_a_list_that_did_not_change_is_not_sent_again(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        first = await it.http.get("/v1/relays?lat=1&lon=2")
        tag = {"if-none-match": first.headers["etag"]}
        same = await it.http.get("/v1/relays?lat=1&lon=2", headers=tag)
        other = await it.http.get("/v1/relays?lat=1&lon=3", headers=tag)
        await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json={"current_connections": 1})
        later = await it.http.get("/v1/relays?lat=1&lon=2", headers=tag)
    assert [same.status_code, other.status_code, later.status_code] == [304, 200, 200]
    assert same.content == b""
    assert "max-age=5" in first.headers["cache-control"]


async def test_without_coordinates_the_first_place_goes_round(tmp_path):
    async with rig(tmp_path) as it:
        for number in range(8):
            await it.register({**SYDNEY, "name": f"r{number}", "url": f"wss://r{number}.example.com"})
        firsts = {(await it.listed("?limit=1"))[0] for _ in range(60)}
    assert len(firsts) > 4


async def test_metrics_count_relays(tmp_path):
    async with rig(tmp_path, BOOTSTRAP) as it:
        await it.register(SYDNEY)
        text = (await it.http.get("/metrics")).text
    assert 'vox_directory_relays{state="healthy"} 2.0' in text
    assert 'vox_directory_changes_total{kind="register"} 1.0' in text


async def test_metrics_tell_regions_silence_and_the_age_of_the_signed_list(tmp_path):
    clock = FakeClock()
    async with rig(tmp_path, {"access": {"changes_per_minute": 100_000}}, clock=clock) as it:
        relays = [
            await it.register({**SYDNEY, "url": f"wss://r{number}.example.com", "region": f"region-{number % 120}"})
            for number in range(125)
        ]
        await it.http.post(f"/v1/relays/{relays[0]['id']}/heartbeat")
        await it.http.get("/v1/directory")
        clock.advance(90)
        await it.http.post(f"/v1/relays/{relays[1]['id']}/heartbeat")
        text = (await it.http.get("/metrics")).text
    assert 'vox_directory_relays_by_region{region="region-3"} 2.0' in text
    assert 'vox_directory_relays_by_region{region="other"} 20.0' in text
    assert text.count("vox_directory_relays_by_region{") == 101
    assert 'vox_directory_heartbeat_age_seconds{which="oldest"} 90.0' in text
    assert 'vox_directory_heartbeat_age_seconds{which="median"} 45.0' in text
    assert "vox_directory_snapshot_age_seconds 90.0" in text


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "\x7f"])
@pytest.mark.parametrize("field", ["name", "region", "public_key", "version", "reason"])
async def test_control_characters_reach_no_database(tmp_path, field: str, text: str):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        path = {"version": f"{relay['id']}/heartbeat", "reason": f"{relay['id']}/drain"}.get(field, "register")
        answer = await it.http.post(f"/v1/relays/{path}", json={**SYDNEY, field: text})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == field


async def test_a_body_that_does_not_arrive_is_the_callers_fault(tmp_path, virtual_clock):
    async with rig(tmp_path, clock=virtual_clock) as it:

        async def trickle():
            yield b"{"
            await asyncio.sleep(60)

        answer = await it.http.post("/v1/relays/register", content=trickle())
    assert (answer.status_code, answer.json()["code"]) == (408, "BODY_TIMEOUT")


async def test_readiness_names_the_database_and_the_life_cycle(tmp_path, monkeypatch):
    async with rig(tmp_path) as it:
        answer = await it.http.get("/ready")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"database": "ok"}})

        async def away(_statement: object) -> None:
            raise DependencyError("secret", code="database_away")

        monkeypatch.setattr(it.directory.database, "write", away)
        answer = await it.http.get("/ready")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "checks": {"database": "database_away"}}
        assert (await it.http.get("/_health")).status_code == 200
        monkeypatch.undo()
        it.directory.lifecycle.drain()
        answer = await it.http.get("/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "draining", "checks": {}})
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "BREW"])
async def test_another_method_is_told_in_a_bare_object(tmp_path, method: str):
    async with rig(tmp_path) as it:
        answer = await it.http.request(method, "/_health")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


async def test_an_escaped_path_is_the_same_path(tmp_path):
    async with rig(tmp_path) as it:
        assert (await it.http.get("/%5fhealth")).status_code == 200


async def test_requests_are_counted_by_the_label_of_their_route(tmp_path):
    async with rig(tmp_path) as it:
        for path in ("/_health", "/v1/relays/nobody/status", "/made/up"):
            await it.http.get(path)
        shown = (await it.http.get("/metrics")).text
    counted = set(re.findall(r"vox_directory_requests_total{([^}]*)}", shown))
    asked = {'route="health",status="200"', 'route="status",status="404"', 'route="other",status="404"'}
    assert asked == {
        one for one in counted if 'route="list"' not in one
    }  # the list's counters are there from the start
