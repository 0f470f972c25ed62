import asyncio
from typing import Any

import msgspec

from tests.fakes.loop import VirtualClock
from vox.errors import DependencyError, UsageError
from vox.relay.service.agent_calls import AgentCalls
from vox.relay.service.dispatch import Dispatches
from vox.runtime.metrics import Metrics
from vox.security.outbound import FetchResult
from vox.security.room_tokens import RoomKey, read_room_token

KEY = RoomKey("key", "0123456789abcdef0123456789abcdef")


class AgentServer:
    """Stands for the guard: keeps what the agent server is asked, and answers as told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def fetch(self, method: str, url: str, *, body: bytes, **_more: Any) -> FetchResult:
        assert (method, url) == ("POST", "http://agent.example/rooms/join")
        self.asked.append(msgspec.json.decode(body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return FetchResult(answer, {}, b"", "192.0.2.1", 0.0, url)


class Rooms:
    """Notes who is taken out."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, str]] = []

    def remove(self, room: str, identity: str) -> None:
        self.removed.append((room, identity))


def calls(server: AgentServer, rooms: Rooms, metrics: Metrics, url: str = "http://agent.example"):
    clock = VirtualClock(asyncio.get_running_loop())
    guard: Any = server
    played: Any = rooms
    made = AgentCalls(url, KEY, guard, played, lambda: "wss://relay.example", clock, metrics)
    dispatches = Dispatches(clock)
    dispatches.observe(made.take)
    return made, dispatches


async def test_an_agent_is_asked_for_with_a_token_of_its_own(virtual_loop: None):
    server, metrics = AgentServer(), Metrics()
    made, dispatches = calls(server, Rooms(), metrics)
    async with made.running():
        sent = dispatches.create("lobby", "bistro", metadata="table", attributes={"a": "b"})
        await asyncio.sleep(1)
    [asked] = server.asked
    assert (asked["media_url"], asked["agent"]) == ("wss://relay.example", "bistro")
    claims = read_room_token(asked["token"], {KEY.key: KEY.secret}, now=VirtualClock(asyncio.get_running_loop()).unix())
    assert (claims.sub, claims.kind, claims.metadata, claims.attributes) == (
        f"agent-{sent.id}",
        "agent",
        "table",
        {"a": "b"},
    )
    assert (claims.video.room, claims.video.room_join) == ("lobby", True)
    assert 'vox_relay_agent_calls_total{result="joined"} 1.0' in metrics.render().decode()


async def test_a_server_that_is_away_or_full_is_asked_again(virtual_loop: None):
    server = AgentServer(DependencyError("away", code="fetch_failed"), 503, 429)
    made, dispatches = calls(server, Rooms(), Metrics())
    async with made.running():
        dispatches.create("lobby", "bistro")
        await asyncio.sleep(60)
    assert len(server.asked) == 4


async def test_an_agent_that_does_not_exist_is_asked_for_once(virtual_loop: None):
    server, metrics = AgentServer(404), Metrics()
    made, dispatches = calls(server, Rooms(), metrics)
    async with made.running():
        dispatches.create("lobby", "nemo")
        await asyncio.sleep(60)
    assert len(server.asked) == 1
    assert 'vox_relay_agent_calls_total{result="failed"} 1.0' in metrics.render().decode()


async def test_an_address_that_is_refused_is_not_asked_again(virtual_loop: None):
    server = AgentServer(UsageError("private", code="url_refused"))
    made, dispatches = calls(server, Rooms(), Metrics())
    async with made.running():
        dispatches.create("lobby", "bistro")
        await asyncio.sleep(60)
    assert len(server.asked) == 1


async def test_who_deletes_a_dispatch_takes_its_agent_out(virtual_loop: None):
    server, rooms = AgentServer(*[503] * 9), Rooms()
    made, dispatches = calls(server, rooms, Metrics())
    async with made.running():
        sent = dispatches.create("lobby", "bistro")
        await asyncio.sleep(0.5)
        dispatches.delete("lobby", sent.id)
        await asyncio.sleep(60)
    assert len(server.asked) == 1
    assert rooms.removed == [("lobby", f"agent-{sent.id}")]


async def test_without_an_agent_server_dispatches_are_only_kept(virtual_loop: None):
    server = AgentServer()
    made, dispatches = calls(server, Rooms(), Metrics(), url="")
    async with made.running():
        dispatches.create("lobby", "bistro")
        await asyncio.sleep(1)
    assert not server.asked
    assert len(dispatches.list("lobby")) == 1
