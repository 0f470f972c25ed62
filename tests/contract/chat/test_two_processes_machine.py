"""Random lives of a server of two processes against a reference: no event is lost, repeated or leaked.

The reference is the log itself, as a third, silent process reads it, and the database. Steps come in rounds: within a round
requests run side by side in both processes, after it everything must be as the reference says. A seed makes a failure repeatable,
as far as the order of what runs side by side is.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.contract.chat.rig import Gateway, Person, Rig, community
from tests.contract.chat.test_bus import cut_all_connections
from tests.e2e.redis_server import RunningRedis, redis_server
from vox.chat.bus.contract import Entry
from vox.chat.bus.redis_bus import RedisBus
from vox.chat.community import read_state
from vox.chat.permissions import P
from vox.runtime.clock import SystemClock

READ = int(P.VIEW_SPACE | P.READ_HISTORY)
MASKS = (int(P.VIEW_SPACE), int(P.READ_HISTORY), READ)
PEOPLE = 4
CLIENTS = 8
DEADLINE_S = 10.0


@dataclass(eq=False, slots=True)
class Client:
    """A client as the reference sees it: where it is connected, and what it has taken in."""

    person: Person
    rig: Rig
    gateway: Gateway
    stack: contextlib.AsyncExitStack
    session_id: str
    spaces: set[int]
    seq: int = 1
    unread: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    served: int = 0
    """Of the log's messages, those that it has been served or could not read."""
    is_connected: bool = True

    @property
    def user_id(self) -> int:
        return self.person.user_id


class Machine:
    """Two processes, an observer of their log, and clients."""

    def __init__(self, rigs: Sequence[Rig], observer: RedisBus, redis: RunningRedis, seed: int) -> None:
        self.rigs = rigs
        self.observer = observer
        self.redis = redis
        self.chance = random.Random(seed)
        self.clients: list[Client] = []
        self.messages: list[tuple[int, int]] = []
        self.versions: set[int] = set()
        self.people: list[Person] = []
        self.steps = 0
        self.resumes = 0
        self.names = 0
        observer.subscribe(self._observed)

    async def begin(self) -> None:
        self.alice = await self.rigs[0].register("alice")
        self.people = [await self.rigs[0].register(f"person{number}") for number in range(PEOPLE)]
        everyone = self.rigs[0].chat.community.everyone_role_id
        assert everyone is not None
        self.everyone = everyone
        role = await self.alice.ok("POST", "/roles", {"name": "some", "permissions": 0, "position": 5})
        self.role = role["role_id"]
        for _ in range(3):
            await self.make_feed()
        await self.settle()

    async def round(self) -> None:
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.talk, self.talk, self.change, self.cross, self.mix, self.join, self.lose, self.lose,
            self.come_back, self.come_back, self.come_back, self.half_open, self.storm, self.ban, self.shake,
        ]  # fmt: skip
        await self.chance.choice(kinds)()
        await self.settle()
        while len(self.rigs[0].chat.community.feeds) < 2:  # changes that crossed have deleted the others
            await self.make_feed()
            await self.settle()
        self.check_everything()

    # What happens.

    async def talk(self) -> None:
        """Messages from both processes at once: who reads there gets all of them, in one order."""
        start = len(self.messages)
        sent = await self.say(self.chance.randint(1, 12))
        await self.settle(sent)
        new = self.messages[start:]
        for client in self.clients:
            if client.is_connected:
                self.expect(client, new)

    async def change(self) -> None:
        await self.one_change()

    async def cross(self) -> None:
        """Changes of access in both processes at once: each sees the other's version late."""
        await asyncio.gather(*(self.one_change() for _ in range(self.chance.randint(2, 4))))

    async def mix(self) -> None:
        """Messages beside a change of access: nobody gets what he could read neither before nor after."""
        before = self.readable()
        start = len(self.messages)
        sent, _ = await asyncio.gather(self.say(self.chance.randint(2, 8)), self.one_change())
        await self.settle(sent)
        after = self.readable()
        new = self.messages[start:]
        for client in self.clients:
            if client.is_connected:
                always = before[client.user_id] & after[client.user_id]
                ever = before[client.user_id] | after[client.user_id]
                got = self.new_messages(client)
                assert got == [one for one in new if one in got], "repeated, foreign or out of order"
                assert {feed for _, feed in got} <= ever, "leaked"
                assert [one for one in got if one[1] in always] == [one for one in new if one[1] in always], "lost"
                client.served = len(self.messages)

    async def join(self) -> None:
        if len(self.clients) >= CLIENTS:
            return
        person, rig = self.chance.choice(self.people), self.rig()
        if sum(one.person is person for one in self.clients) >= 4:
            return
        stack = contextlib.AsyncExitStack()
        gateway = await stack.enter_async_context(replace(person, rig=rig).gateway())
        visible = set(rig.chat.community.visible_feeds(person.user_id))
        self.clients.append(
            Client(person, rig, gateway, stack, gateway.ready["session_id"], visible, 1, [], len(self.messages))
        )
        self.steps += 1

    async def lose(self) -> None:
        """A connection breaks; of what had come, the client has taken in so much."""
        client = self.some(is_connected=True)
        if client is not None:
            self.stop_reading(client)
            await client.stack.aclose()
            client.is_connected = False
            self.steps += 1

    async def come_back(self) -> None:
        client = self.some(is_connected=False)
        if client is not None:
            await self.resume(client)

    async def half_open(self) -> None:
        """The client comes back while its process still thinks that it is there."""
        client = self.some(is_connected=True)
        if client is not None:
            self.stop_reading(client)
            old = client.stack
            await self.resume(client)
            await old.aclose()

    async def storm(self) -> None:
        """Connections break and come back elsewhere while people talk."""
        bouncing = [one for one in self.clients if one.is_connected and self.chance.random() < 0.5]
        for client in bouncing:
            self.consume(client, len(client.unread))
            client.unread = []
        start = len(self.messages)
        sent, taken_by = await asyncio.gather(
            self.say(10), asyncio.gather(*(self.bounce(client) for client in bouncing))
        )
        await self.settle(sent)
        for client, taken in zip(bouncing, taken_by, strict=True):
            client.served = start
            got = [*taken, *self.new_messages(client)]
            assert got == [one for one in self.messages[start:] if self.reads(client.user_id, one[1])]
            client.served = len(self.messages)
        for client in self.clients:
            if client.is_connected and client not in bouncing:
                self.expect(client, self.messages[start:])

    async def bounce(self, client: Client) -> list[tuple[int, int]]:
        """The messages that it had taken in before it came back."""
        for _ in range(self.chance.randint(0, 60)):
            await asyncio.sleep(0)
        self.take_in(client)
        taken = messages_in(client.unread[: self.consume(client, self.chance.randint(0, len(client.unread)))])
        is_half_open, old = self.chance.random() < 0.5, client.stack
        if not is_half_open:
            await old.aclose()
        await self.reconnect(client)
        if is_half_open:
            await old.aclose()
        return taken

    async def ban(self) -> None:
        person = self.chance.choice(self.people)
        await self.alice_at().ok("PUT", f"/bans/{person.user_id}", {})
        for client in [one for one in self.clients if one.person is person]:
            if client.is_connected:
                assert await client.gateway.closed() == 4004
                await client.stack.aclose()
            self.clients.remove(client)
        await self.settle()
        await self.alice_at().ok("DELETE", f"/bans/{person.user_id}")
        self.steps += 2
        await self.settle()
        if not self.rigs[0].chat.community.users[person.user_id].is_active:
            await replace(person, rig=self.rig()).ok("POST", "/auth/rejoin")

    async def shake(self) -> None:
        """All connections to Redis break, while people talk."""
        if self.chance.random() < 0.3:
            start = len(self.messages)
            sent, _ = await asyncio.gather(self.say(6), cut_all_connections(self.redis))
            await self.settle(sent)
            for client in self.clients:
                if client.is_connected:
                    self.expect(client, self.messages[start:])

    async def one_change(self) -> None:
        self.steps += 1
        alice, community = self.alice_at(), self.rigs[0].chat.community
        feeds = sorted(community.feeds)
        if not feeds:
            await self.make_feed()
            return
        feed_id = self.chance.choice(feeds)
        person = self.chance.choice(self.people)
        match self.chance.randint(0, 6):
            case 0 | 1 | 2:
                target = self.chance.choice([f"role/{self.everyone}", f"role/{self.role}", f"user/{person.user_id}"])
                mask = self.chance.choice(MASKS)
                masks = {"allow": 0, "deny": mask} if self.chance.random() < 0.6 else {"allow": mask, "deny": 0}
                # Changes that cross may find the space gone.
                await alice.put(f"/feeds/{feed_id}/permissions/{target}", masks)
            case 3:
                await alice.delete(f"/feeds/{feed_id}/permissions/role/{self.everyone}")
            case 4:
                verb = alice.put if self.chance.random() < 0.5 else alice.delete
                await verb(f"/members/{person.user_id}/roles/{self.role}")
            case 5 if len(feeds) < 6:
                await self.make_feed()
            case 6 if len(feeds) > 2:
                await alice.delete(f"/feeds/{feed_id}")
            case _:
                await alice.patch(f"/feeds/{feed_id}", {"topic": str(self.steps)})

    async def make_feed(self) -> None:
        self.names += 1
        await self.alice_at().ok("POST", "/feeds", {"name": f"feed{self.names}", "type": "text"})

    async def say(self, count: int) -> list[int]:
        """Messages from both processes side by side; the ids of those that were taken."""
        self.steps += count
        feeds = sorted(self.rigs[0].chat.community.feeds)
        if not feeds:
            return []
        replies = await asyncio.gather(
            *(
                self.alice_at().post(f"/feeds/{self.chance.choice(feeds)}/messages", {"body": str(number)})
                for number in range(count)
            )
        )
        return [reply.json()["msg_id"] for reply in replies if reply.status_code == 201]

    async def resume(self, client: Client) -> None:
        expected = [one for one in self.messages[client.served :] if self.reads(client.user_id, one[1])]
        await self.reconnect(client)
        assert self.new_messages(client) == expected, "the gap is not what was missed"
        client.served = len(self.messages)

    async def reconnect(self, client: Client) -> None:
        """Resumes in any process; what it missed is unread then."""
        rig = self.rig()
        stack = contextlib.AsyncExitStack()
        gateway = await stack.enter_async_context(rig.socket())
        await gateway.expect("hello")
        asked = {"token": client.person.token, "session_id": client.session_id, "last_seq": client.seq}
        await gateway.send("resume", asked)
        client.unread = []
        while (frame := await gateway.next())["type"] != "resumed":
            client.unread.append(frame)
        assert frame["d"]["seq"] == client.seq + len(client.unread), "a number is missing or repeated"
        client.gateway, client.rig, client.stack, client.is_connected = gateway, rig, stack, True
        self.steps += 1
        self.resumes += 1

    # What must hold.

    def expect(self, client: Client, messages: Sequence[tuple[int, int]]) -> None:
        expected = [one for one in messages if self.reads(client.user_id, one[1])]
        assert self.new_messages(client) == expected
        client.served = len(self.messages)

    def check_everything(self) -> None:
        states = [rig.chat.community.state for rig in self.rigs]
        assert states[0] == states[1], "the processes remember differently"
        for client in self.clients:
            if client.is_connected:
                spaces = set(client.spaces)
                for frame in client.unread:
                    follow(spaces, frame)
                assert spaces == set(client.rig.chat.community.visible_feeds(client.user_id))

    def new_messages(self, client: Client) -> list[tuple[int, int]]:
        """The messages that came since the client was served last."""
        known = {message for message, _ in self.messages[client.served :]}
        return [one for one in messages_in(client.unread) if one[0] in known]

    def readable(self) -> dict[int, set[int]]:
        feeds = tuple(self.rigs[0].chat.community.feeds)
        return {one.user_id: {feed for feed in feeds if self.reads(one.user_id, feed)} for one in self.people}

    def reads(self, user_id: int, feed_id: int) -> bool:
        return self.rigs[0].chat.community.may_in(user_id, "feed", feed_id, READ)

    async def settle(self, sent: Sequence[int] = ()) -> None:
        """Everything that was answered has gone through the log and reached the sockets."""
        version = await self.rigs[0].chat.read(lambda c: c.execute(text("SELECT version FROM meta")).scalar_one())
        async with asyncio.timeout(DEADLINE_S):
            while not self._is_settled(version, sent):  # noqa: ASYNC110  it happens in many places
                await asyncio.sleep(0.001)
        for client in self.clients:
            if client.is_connected:
                self.take_in(client)

    def _is_settled(self, version: int, sent: Sequence[int]) -> bool:
        position = self.observer.position
        for rig in self.rigs:
            if rig.chat.bus.position != position or rig.chat.community.version != version:
                return False
        if version not in self.versions and self.versions:
            return False
        known = {message for message, _ in self.messages[-len(sent) * 4 :]}
        return all(message in known for message in sent) and all(
            self._has_all(client) for client in self.clients if client.is_connected
        )

    def _has_all(self, client: Client) -> bool:
        if client.gateway.close_code is not None:
            return True
        hub = client.rig.chat.hub
        for session, connection in tuple(hub.connections.items()):
            if session.session_id == client.session_id:
                assert connection.outlet is not None
                connection.outlet.flush()
                last = client.unread[-1]["seq"] if client.unread else client.seq
                return session.seq == last + client.gateway.inbox.qsize()
        return False

    def _observed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.event.version:
                self.versions.add(entry.event.version)
            if entry.event.type == "message_create":
                self.messages.append((entry.event.payload["msg_id"], entry.event.payload["feed_id"]))

    def stop_reading(self, client: Client) -> None:
        """Takes in a part of what has come; the first frame that is left, if any, is a message."""
        ends = [index for index, frame in enumerate(client.unread) if frame["type"] == "message_create"]
        end = self.chance.choice([*ends, len(client.unread)])
        order = {message: index for index, (message, _) in enumerate(self.messages)}
        client.served = order[client.unread[end]["d"]["msg_id"]] if end < len(client.unread) else len(self.messages)
        self.consume(client, end)
        client.unread = []

    def take_in(self, client: Client) -> None:
        while not client.gateway.inbox.empty():
            frame = client.gateway.inbox.get_nowait()
            if frame is not None and "seq" in frame:
                client.unread.append(frame)

    def consume(self, client: Client, count: int) -> int:
        for frame in client.unread[:count]:
            assert frame["seq"] == client.seq + 1, "a number is missing or repeated"
            client.seq += 1
            follow(client.spaces, frame)
        return count

    def some(self, *, is_connected: bool) -> Client | None:
        found = [one for one in self.clients if one.is_connected == is_connected]
        return self.chance.choice(found) if found else None

    def rig(self) -> Rig:
        return self.chance.choice(self.rigs)

    def alice_at(self) -> Person:
        return replace(self.alice, rig=self.rig())


def messages_in(frames: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Message and feed of each that is told of."""
    return [(frame["d"]["msg_id"], frame["d"]["feed_id"]) for frame in frames if frame["type"] == "message_create"]


def follow(spaces: set[int], frame: dict[str, Any]) -> None:
    """Follows a frame as a client would; what it is told twice is an error."""
    if frame["type"] == "feed_create":
        assert frame["d"]["feed_id"] not in spaces, "told of a feed twice"
        spaces.add(frame["d"]["feed_id"])
    elif frame["type"] == "feed_delete":
        assert frame["d"]["feed_id"] in spaces, "told of the end of an unknown feed"
        spaces.remove(frame["d"]["feed_id"])


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@contextlib.asynccontextmanager
async def machine(redis: RunningRedis, url: str, folder: Path, seed: int) -> AsyncGenerator[Machine]:
    redis.flush()
    more: dict[str, Any] = {"redis_url": redis.url, "connections_per_address": 200}
    observer = RedisBus(redis.url, SystemClock())
    async with community(url, folder, **more) as one, community(url, folder, **more) as two, observer.running():
        found = Machine((one, two), observer, redis, seed)
        await found.begin()
        try:
            yield found
        finally:
            for client in found.clients:
                await client.stack.aclose()


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("database_url", "seed", "steps"),
    [("sqlite", 1, 3200), ("sqlite", 2, 3000), ("sqlite", 3, 3000), ("postgresql", 4, 800)],
    indirect=["database_url"],
)
async def test_nothing_is_lost_repeated_or_leaked_over_two_processes(
    redis: RunningRedis, database_url: str, tmp_path: Path, seed: int, steps: int
):
    async with machine(redis, database_url, tmp_path, seed) as found:
        while found.steps < steps:
            await found.round()
        assert found.resumes > steps / 50
        state = await found.rigs[1].chat.read(read_state)
        assert state == found.rigs[0].chat.community.state, "memory and database differ"
