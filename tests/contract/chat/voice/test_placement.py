"""Rooms on the relays of a directory: near those who talk, on one relay at a time, elsewhere when it goes."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_bots import Answer, Received, receiver
from tests.fakes.clock import FakeClock
from tests.fakes.media_server import KEY, MediaServer
from vox.chat.events.ids import RoomId
from vox.chat.features.voice.opening import keeper_of

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
PLACES = {A: (52.5, 13.4), B: (40.7, -74.0)}


@dataclass
class World:
    """A directory with two relays, and an agent server, behind one address: each relay is a path of its own."""

    clock: FakeClock
    address: str = ""
    relays: dict[str, MediaServer] = field(default_factory=dict[str, MediaServer])
    draining: set[str] = field(default_factory=set[str])
    unhealthy: set[str] = field(default_factory=set[str])
    is_away: bool = False
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list[tuple[str, dict[str, list[str]]]])
    invited: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def decide(self, request: Received) -> Answer:
        url = urlsplit(request.path)
        for name, relay in self.relays.items():
            if url.path.startswith(f"/{name}/"):
                return relay.decide(Received(url.path.removeprefix(f"/{name}"), request.headers, request.body))
        if url.path == "/rooms/join":
            self.invited.append(json.loads(request.body))
            return 202, {}, b"{}"
        self.asked.append((url.path, parse_qs(url.query)))
        if self.is_away:
            return 503, {}, b"{}"
        if url.path == "/v1/relays/select":
            return 200, {}, json.dumps({"relay": self.listed(A), "fallbacks": [self.listed(B)]}).encode()
        if url.path == "/v1/relays":
            found = [self.listed(one) for one in (A, B) if one not in self.draining]
            return 200, {}, json.dumps({"relays": found}).encode()
        relay_id = url.path.split("/")[3]
        status = {"id": relay_id, "draining": relay_id in self.draining, "healthy": relay_id not in self.unhealthy}
        return 200, {}, json.dumps(status).encode()

    def listed(self, relay_id: str) -> dict[str, Any]:
        latitude, longitude = PLACES[relay_id]
        return {
            "id": relay_id, "name": relay_id, "url": f"{self.address}/{relay_id}", "latitude": latitude, "longitude": longitude,
            "region": "", "capacity": 100, "current_connections": 0, "public_key": "", "registered_at": "", "last_seen_at": "",
            "healthy": relay_id not in self.unhealthy,
        }  # fmt: skip


@dataclass
class Placed:
    """A community on those relays."""

    rig: Rig
    world: World

    async def join(self, person: Person, **more: Any) -> dict[str, Any]:
        joined = await person.ok("POST", "/rooms/1/voice/join", more)
        self.world.relays[relay_of(joined["media_url"])].connect(joined["media_token"])
        await keeper_of(self.rig.chat).check(RoomId(1))
        return joined

    async def sweep(self, after_s: float = 5) -> None:
        self.world.clock.advance(after_s)
        await keeper_of(self.rig.chat).sweep()


def relay_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
async def placed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Placed, None]:
    clock = FakeClock()
    world = World(clock)
    world.relays = {name: MediaServer(clock.unix) for name in (A, B)}
    async with receiver(world.decide) as server:
        world.address = server.url.removesuffix("/in")
        more: dict[str, Any] = {
            "media_url": "ws://fallback.test",
            "media_key": KEY.key,
            "media_secret": KEY.secret,
            "media_directory_url": world.address,
            "media_networks": ["127.0.0.0/8"],
            "media_agent_url": world.address,
            "media_agent_latitude": 41.0,
            "media_agent_longitude": -75.0,
            **getattr(request, "param", {}),
        }
        async with community(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path, clock=clock, **more) as rig:
            yield Placed(rig, world)


async def two(placed: Placed) -> tuple[Person, Person]:
    alice, bob = await placed.rig.register("alice"), await placed.rig.register("bob")
    await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"})
    return alice, bob


async def test_a_room_is_on_the_relay_that_the_directory_selects_for_the_first(placed: Placed):
    alice, bob = await two(placed)
    joined = await placed.join(alice, latitude=52.0, longitude=13.0, region="eu", rtts={A: 12.5})
    assert joined["media_url"] == f"{placed.world.address.replace('http', 'ws')}/{A}"
    ((path, query),) = placed.world.asked
    assert path == "/v1/relays/select"
    assert query == {"lat": ["52.0"], "lon": ["13.0"], "region": ["eu"], "key": ["vox-1"], "rtt": [f"{A}:12.5"]}
    again = await placed.join(bob, latitude=40.0, longitude=-74.0)
    assert again["media_url"] == joined["media_url"]
    assert len(placed.world.asked) == 1
    assert placed.world.relays[A].everyone() == {"vox-1": ["user-1", "user-2"]}


async def test_an_empty_room_is_put_anew(placed: Placed):
    alice, _ = await two(placed)
    await placed.join(alice)
    await alice.post("/rooms/1/voice/leave")
    await keeper_of(placed.rig.chat).check(RoomId(1))
    placed.world.asked.clear()
    await placed.join(alice)
    assert [path for path, _ in placed.world.asked] == ["/v1/relays/select"]


async def test_with_an_agent_the_sum_of_both_ways_counts(placed: Placed):
    alice, _ = await two(placed)
    await alice.ok("POST", "/rooms/1/voice/agents", {})
    assert relay_of(placed.world.invited[0]["media_url"]) == B  # the agent's server is there
    joined = await placed.join(alice, latitude=52.0, longitude=13.0)
    assert relay_of(joined["media_url"]) == B


@pytest.mark.parametrize("how", ["drains", "is ill", "does not answer"])
async def test_a_room_leaves_a_relay_that_goes(placed: Placed, how: str):
    alice, _ = await two(placed)
    await placed.join(alice)
    await alice.ok("POST", "/rooms/1/voice/agents", {})
    async with alice.gateway() as gateway:
        if how == "drains":
            placed.world.draining.add(A)
            await placed.sweep()
        elif how == "is ill":
            placed.world.unhealthy.add(A)
            await placed.sweep()
        else:
            placed.world.relays[A].fails_with = 503
            for _ in range(3):
                await placed.sweep()
        event = (await gateway.expect("media_token_refresh"))["d"]
    assert (relay_of(event["media_url"]), event["reason"], event["room_id"]) == (B, "relay", 1)
    assert placed.world.relays[B].connect(event["media_token"]) == "user-1"
    assert relay_of(placed.world.invited[-1]["media_url"]) == B
    await placed.sweep()
    assert [one["user_id"] for one in (await alice.ok("GET", "/rooms/1/voice"))["members"]] == [1]
    assert placed.world.relays[B].everyone() == {"vox-1": ["user-1"]}


async def test_without_another_relay_the_room_stays(placed: Placed):
    alice, _ = await two(placed)
    joined = await placed.join(alice)
    placed.world.unhealthy |= {A, B}
    await placed.sweep()
    reply = await alice.ok("POST", "/rooms/1/voice/token-refresh", {})
    assert reply["media_url"] == joined["media_url"]


async def test_while_the_directory_is_away_rooms_go_on_and_new_ones_take_the_fallback(placed: Placed):
    alice, bob = await two(placed)
    await placed.join(alice)
    placed.world.is_away = True
    await placed.sweep()
    assert placed.world.relays[A].everyone() == {"vox-1": ["user-1"]}
    await alice.ok("POST", "/rooms", {"name": "s", "type": "voice"})
    joined = await bob.ok("POST", "/rooms/2/voice/join", {})
    assert joined["media_url"] == "ws://fallback.test"


@pytest.mark.parametrize("placed", [{"media_networks": []}], indirect=True)
async def test_a_relay_in_a_network_that_the_operator_has_not_named_is_not_asked(placed: Placed):
    alice, _ = await two(placed)
    await alice.ok("POST", "/rooms/1/voice/join", {})
    await keeper_of(placed.rig.chat).settle(RoomId(1))
    assert placed.world.relays[A].calls == []
