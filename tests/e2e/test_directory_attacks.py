"""Attacks on `vox directory`, from outside over HTTP: each is refused, and nothing is connected to on the way."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.e2e.directories import FakeRelay, described, directory, listed
from tests.e2e.postgres import postgres
from tests.time_limits import time_limit
from vox.directory.app import create_app
from vox.directory.server import Directory, Parts
from vox.directory.settings import DirectorySettings
from vox.http.server import Server
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.http_signatures import KeyPair, new_key_pair, new_nonce, sign

SIGNED: dict[str, Any] = {"access": {"mode": "signed", "admin_key": "admin-0123456789abcdef"}}
KEYS: dict[str, Any] = {
    "access": {
        "mode": "keys",
        "api_keys": [
            {"name": "alice", "key": "alice-0123456789abcdef"},
            {"name": "eve", "key": "eve-0123456789abcdef"},
        ],
    }
}
ALICE = {"authorization": "Bearer alice-0123456789abcdef"}
EVE = {"authorization": "Bearer eve-0123456789abcdef"}
PUBLIC = "93.184.215.14"  # never connected to: every probe asks for the name's address anew

INTERNAL = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::10.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::]",
    "[fec0::1]",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
]


def signed(
    pair: KeyPair, http: httpx2.AsyncClient, method: str, path: str, body: Any = None, *, authority: str = ""
) -> dict[str, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    headers = sign(
        method,
        path,
        content,
        created=int(datetime.now(UTC).timestamp()),
        nonce=new_nonce(),
        private_key=pair.private,
        authority=authority or f"{http.base_url.host}:{http.base_url.port}",
    )
    return {"method": method, "url": path, "content": content, "headers": headers}


def relay_at(url: str, **change: Any) -> dict[str, Any]:
    return {"name": "x", "url": url, "latitude": 1, "longitude": 2, "public_key": "k", **change}


async def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_internal_addresses_are_not_registered_in_any_notation(tmp_path: Path):
    config: dict[str, Any] = {"outbound": {"allowed_private": []}, "access": {"changes_per_minute": 60_000}}
    async with directory(tmp_path, **config) as (_, http):
        for scheme in ("wss", "ws", "https", "http"):
            for host in INTERNAL:
                answer = await http.post("/v1/relays/register", json=relay_at(f"{scheme}://{host}:8090/x"))
                # What is no host at all is a wrong field; what is one but leads inside is refused.
                assert answer.status_code == 400, f"{scheme}://{host} was registered"
                assert answer.json()["code"] in {"URL_REFUSED", "VALIDATION_ERROR"}
        for url in ("file:///etc/passwd", "gopher://10.0.0.1/", "wss://user:secret@example.com", "wss://a b.example"):
            assert (await http.post("/v1/relays/register", json=relay_at(url))).status_code == 400
        assert (await http.get("/v1/relays")).json()["count"] == 0
        probes = [line for line in (await http.get("/metrics")).text.splitlines() if "probes_total{" in line]
        assert probes == []


@contextlib.asynccontextmanager
async def with_resolver(folder: Path, resolver: Any) -> AsyncGenerator[httpx2.AsyncClient, None]:
    """A directory on a real socket whose names mean what the test says."""
    settings = DirectorySettings.model_validate(
        {
            "database": {"path": str(folder / "relays.db")},
            "health_check": {"interval_ms": 200, "timeout_ms": 150},
        }
    )
    clock = SystemClock()
    opened = Directory(settings, Parts(clock, Metrics(), Lifecycle(clock, 1.0), Random(1)))
    opened.prober.guard._resolver = resolver  # type: ignore[attr-defined]
    async with (
        opened,
        Server(create_app(opened), "127.0.0.1", 0) as server,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http,
    ):
        yield http


async def test_a_name_that_leads_inside_after_its_registration_is_not_followed(tmp_path: Path):
    victim = FakeRelay()
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        if host.startswith("both."):
            return [PUBLIC, "127.0.0.1"]
        return [PUBLIC] if asked.count(host) == 1 else ["127.0.0.1"]

    async with Server(victim, "127.0.0.1", 0) as inside, with_resolver(tmp_path, rebinding) as http:
        both = await http.post("/v1/relays/register", json=relay_at(f"ws://both.example.com:{inside.port}"))
        assert await code(both) == (400, "URL_REFUSED")  # one bad address among good ones is enough
        url = f"ws://rebind.example.com:{inside.port}"
        answer = await http.post("/v1/relays/register", json=relay_at(url))
        assert answer.status_code == 201
        async with time_limit():
            while asked.count("rebind.example.com") < 4:  # noqa: ASYNC110  probes come at their own time
                await asyncio.sleep(0.02)
        assert (await http.get("/v1/relays")).json()["count"] == 0
    assert victim.asked == 0


async def test_a_signature_is_good_for_one_request_to_one_server_across_restarts(tmp_path: Path):
    pair = new_key_pair()
    access: dict[str, Any] = {**SIGNED, "health_check": {"enabled": False}}
    access["server"] = {"host": "127.0.0.1", "port": 0, "public_url": "relays.example.com"}
    at = {"authority": "relays.example.com"}
    async with directory(tmp_path, name="killed", **access) as (running, http):
        body = relay_at("wss://mine.example.com", signing_key=pair.public)
        registered = await http.request(**signed(pair, http, "POST", "/v1/relays/register", body, **at))
        assert registered.status_code == 201, registered.text
        beat = f"/v1/relays/{registered.json()['id']}/heartbeat"
        once = signed(pair, http, "POST", beat, {"current_connections": 5}, **at)
        assert (await http.request(**once)).status_code == 200
        assert await code(await http.request(**once)) == (401, "SIGNATURE_REPLAYED")
        elsewhere = signed(pair, http, "POST", beat, authority="other.example.com")
        assert await code(await http.request(**elsewhere)) == (401, "BAD_SIGNATURE")
        running.process.kill()
    async with directory(tmp_path, **access) as (_, http):
        assert await code(await http.request(**once)) == (401, "SIGNATURE_REPLAYED")
        assert (await http.request(**signed(pair, http, "POST", beat, **at))).status_code == 200


async def test_without_a_public_url_only_requests_to_the_address_itself_are_taken(tmp_path: Path):
    pair = new_key_pair()
    async with directory(tmp_path, **SIGNED, health_check={"enabled": False}) as (running, http):
        assert any("server.public_url is not set" in line for line in running.log.read_text().splitlines())
        body = relay_at("wss://mine.example.com", signing_key=pair.public)
        registered = await http.request(**signed(pair, http, "POST", "/v1/relays/register", body))
        assert registered.status_code == 201, registered.text
        path = f"/v1/relays/{registered.json()['id']}"
        for host in ("directory.evil:443", f"directory.evil:{running.port}", "127.0.0.1"):
            replayed = signed(pair, http, "DELETE", path, authority=host)
            replayed["headers"]["host"] = host
            assert await code(await http.request(**replayed)) == (401, "BAD_SIGNATURE")
        local = signed(pair, http, "DELETE", path, authority=f"localhost:{running.port}")
        local["headers"]["host"] = f"localhost:{running.port}"
        assert (await http.request(**local)).status_code == 200


async def test_a_signature_that_was_used_at_one_directory_is_refused_at_the_other(tmp_path: Path):
    pair = new_key_pair()
    with postgres() as url:
        shared: dict[str, Any] = {
            **SIGNED,
            "database": {"url": url},
            "health_check": {"enabled": False},
            "server": {"host": "127.0.0.1", "port": 0, "public_url": "relays.example.com"},
        }
        async with (
            directory(tmp_path, name="one", **shared) as (_, one),
            directory(tmp_path, name="two", **shared) as (_, two),
        ):
            body = relay_at("wss://mine.example.com", signing_key=pair.public)
            once = signed(pair, one, "POST", "/v1/relays/register", body, authority="relays.example.com")
            assert (await one.request(**once)).status_code == 201
            assert await code(await two.request(**once)) == (401, "SIGNATURE_REPLAYED")


async def test_nobody_speaks_for_or_takes_over_a_relay_that_is_not_theirs(tmp_path: Path):
    relay = FakeRelay()
    async with Server(relay, "127.0.0.1", 0) as server, directory(tmp_path, **KEYS) as (_, http):
        mine = (await http.post("/v1/relays/register", json=described(server), headers=ALICE)).json()
        path = f"/v1/relays/{mine['id']}"
        async with time_limit():
            while await listed(http) != ["Sydney"]:  # noqa: ASYNC110  another process
                await asyncio.sleep(0.05)
        before = (await http.get(f"{path}/status")).json()
        busy = {"current_connections": 1000, "draining": True}
        attempts = [
            (await http.post(f"{path}/heartbeat", json=busy, headers=EVE), (403, "NOT_THE_OWNER")),
            (await http.post(f"{path}/heartbeat", json=busy), (401, "UNAUTHORIZED")),
            (await http.post(f"{path}/drain", headers=EVE), (403, "NOT_THE_OWNER")),
            (await http.delete(path, headers=EVE), (403, "NOT_THE_OWNER")),
            (await http.delete(f"{path}?force=1"), (401, "UNAUTHORIZED")),
        ]
        spellings = (mine["url"], mine["url"] + "/", mine["url"].replace("ws://", "http://"))
        for url in spellings:
            body = described(server, url=url, public_key="evil", id=mine["id"])
            taken = await http.post("/v1/relays/register", json=body, headers=EVE)
            attempts.append((taken, (409, "RELAY_URL_TAKEN")))
        # An id that somebody else has cannot be asked for: it is never the caller's choice.
        other = described(server, url=f"{mine['url']}/elsewhere", id=mine["id"])
        assert (await http.post("/v1/relays/register", json=other, headers=EVE)).json()["id"] != mine["id"]
        for answer, expected in attempts:
            assert await code(answer) == expected
        after = (await http.get(f"{path}/status")).json()
        assert {**after, "last_seen_at": ""} == {**before, "last_seen_at": ""}


@pytest.mark.parametrize("how", ["unsigned", "other key", "admin's name"])
async def test_a_pinned_relay_obeys_its_own_key_only(tmp_path: Path, how: str):
    pair, thief = new_key_pair(), new_key_pair()
    async with directory(tmp_path, **SIGNED, health_check={"enabled": False}) as (_, http):
        body = relay_at("wss://mine.example.com", signing_key=pair.public)
        registered = await http.request(**signed(pair, http, "POST", "/v1/relays/register", body))
        assert registered.status_code == 201, registered.text
        beat = f"/v1/relays/{registered.json()['id']}/heartbeat"
        request: dict[str, Any] = {
            "unsigned": {"method": "POST", "url": beat},
            "other key": signed(thief, http, "POST", beat),
            "admin's name": {"method": "POST", "url": beat, "headers": {"authorization": "Bearer admin"}},
        }[how]
        assert (await http.request(**request)).status_code == 401
        again = relay_at("wss://mine.example.com:443/", signing_key=thief.public)
        taken = await http.request(**signed(thief, http, "POST", "/v1/relays/register", again))
        assert await code(taken) == (409, "RELAY_URL_TAKEN")
