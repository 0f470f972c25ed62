import asyncio
from typing import Any

import httpx2
import msgspec

from tests.fakes.loop import VirtualClock
from vox.clients.directory import DirectoryClient
from vox.protocols.relay_directory import challenge_message
from vox.relay.service.directory_link import DirectoryLink, Identity
from vox.relay.service.load import Load
from vox.runtime.metrics import Metrics
from vox.security.digests import verify_ed25519
from vox.security.http_signatures import new_key_pair

PAIR = new_key_pair()
IDENTITY = Identity("Sydney", "wss://sydney.example", -33.9, 151.2, "ap", 100, PAIR, "join-me")


class FakeDirectory(httpx2.AsyncBaseTransport):
    """Answers as a directory does, and notes what it is told."""

    def __init__(self) -> None:
        self.is_away = False
        self.forgets = 0
        self.registered: list[dict[str, Any]] = []
        self.beats: list[dict[str, Any]] = []
        self.signed = True

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.is_away:
            raise httpx2.ConnectError("away")
        path, body = request.url.path, await request.aread()
        said: dict[str, Any] = msgspec.json.decode(body) if body else {}
        if path.endswith("/register"):
            self.signed &= "signature" in request.headers
            self.registered.append(said)
            return httpx2.Response(201, json={"id": f"relay-{len(self.registered)}", "state": "pending"})
        if path.endswith("/heartbeat"):
            if self.forgets:
                self.forgets -= 1
                return httpx2.Response(404, json={"error": "Relay not found", "code": "RELAY_NOT_FOUND"})
            self.beats.append(said)
            return httpx2.Response(200, json={"status": "ok"})
        listed = [
            relay("wss://sydney.example", 0),
            relay("wss://perth.example", 3290),
            relay("wss://tokyo.example", 7800),
        ]
        return httpx2.Response(200, json={"relays": listed, "count": 3})


def relay(url: str, distance_km: float) -> dict[str, Any]:
    return {
        "id": url, "name": url, "url": url, "latitude": 0, "longitude": 0, "region": url[6:11], "capacity": 1,
        "current_connections": 0, "public_key": "k", "registered_at": "", "last_seen_at": "", "healthy": True,
        "distance_km": distance_km,
    }  # fmt: skip


def client(transport: FakeDirectory) -> DirectoryClient:
    clock = VirtualClock(asyncio.get_running_loop())
    return DirectoryClient("http://directory.example", key_pair=PAIR, clock=clock, transport=transport)


def link(asking: DirectoryClient, load: Load | None = None) -> DirectoryLink:
    clock = VirtualClock(asyncio.get_running_loop())
    return DirectoryLink(asking, IDENTITY, lambda: load or Load(0, 0, 100), 10, clock, Metrics())


async def test_it_joins_with_its_token_and_says_its_true_load(virtual_loop: None):
    directory = FakeDirectory()
    async with client(directory) as asking:
        joined = link(asking, Load(40, 3, 100, busiest=0.7, egress_bps=9.6))
        async with joined.running():
            await asyncio.sleep(25)
    assert directory.registered[0]["join_token"] == "join-me"
    assert directory.registered[0]["url"] == "wss://sydney.example"
    assert directory.signed
    first = directory.beats[0]
    assert (first["current_connections"], first["capacity"], first["stress"], first["draining"]) == (
        40,
        100,
        0.7,
        False,
    )
    assert len(directory.beats) == 3
    assert [beat["seq"] for beat in directory.beats] == sorted({beat["seq"] for beat in directory.beats})
    assert joined.relay_id == "relay-1"


async def test_a_relay_that_was_forgotten_joins_again(virtual_loop: None):
    directory = FakeDirectory()
    directory.forgets = 1
    async with client(directory) as asking, link(asking).running():
        await asyncio.sleep(5)
    assert len(directory.registered) == 2
    assert directory.beats


async def test_a_directory_that_is_away_is_asked_until_it_is_back(virtual_loop: None):
    directory = FakeDirectory()
    directory.is_away = True
    async with client(directory) as asking:
        joined = link(asking)
        async with joined.running():
            await asyncio.sleep(120)
            assert not joined.relay_id
            directory.is_away = False
            await asyncio.sleep(10)
            assert joined.relay_id


async def test_a_directory_that_is_away_for_a_night_is_asked_until_it_is_back(virtual_loop: None):
    directory = FakeDirectory()
    directory.is_away = True
    async with client(directory) as asking:
        joined = link(asking)
        async with joined.running():
            await asyncio.sleep(12 * 3600)
            directory.is_away = False
            await asyncio.sleep(10)
            assert joined.relay_id


async def test_who_leaves_says_so_and_learns_of_the_others(virtual_loop: None):
    directory = FakeDirectory()
    async with client(directory) as asking:
        joined = link(asking)
        async with joined.running():
            await asyncio.sleep(1)
            regions = await joined.leave()
            await asyncio.sleep(10)
    assert [(one.url, one.distance) for one in regions] == [
        ("wss://perth.example", 3_290_000),
        ("wss://tokyo.example", 7_800_000),
    ]
    assert [beat["draining"] for beat in directory.beats] == [False, True, True]


async def test_who_leaves_while_the_directory_is_away_still_knows_the_others(virtual_loop: None):
    directory = FakeDirectory()
    async with client(directory) as asking:
        joined = link(asking)
        async with joined.running():
            await asyncio.sleep(1)
            directory.is_away = True
            assert len(await joined.leave()) == 2


async def test_the_proof_of_ownership_is_about_its_own_address(virtual_loop: None):
    async with client(FakeDirectory()) as asking:
        proof = link(asking).answer_challenge("nonce")
    verify_ed25519(PAIR.public, proof, challenge_message(IDENTITY.url, "nonce"))
