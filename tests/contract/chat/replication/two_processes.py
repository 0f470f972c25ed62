"""Two processes of one server, clients of them, and what must hold: no event is lost, repeated or leaked.

The reference is the log itself, as a third, silent process reads it, and the database. Each method is one round: what it is given
runs side by side in both processes, afterwards everything must be as the reference says. Before changing: what ran side by side is
judged by what came out, since nobody knows its order.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import redis.asyncio as aioredis
from sqlalchemy import text

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.replication.two_processes_clients import Client, Message
from tests.contract.chat.replication.two_processes_plans import (
    CLIENTS,
    READ,
    Arrival,
    Bounce,
    Break,
    Change,
    Return,
    Word,
)
from tests.e2e.redis_server import RunningRedis, cut_all_connections
from tests.time_limits import time_limit
from vox.chat.bus.contract import Entry
from vox.chat.bus.redis_bus import RedisBus
from vox.chat.community import read_state
from vox.chat.events.ids import FeedId, UserId
from vox.runtime.clock import SystemClock

T = TypeVar("T")
Plan = TypeVar("Plan", Break, Return, Bounce)

PEOPLE = 4
CLIENTS_EACH = 4
FEWEST_FEEDS, MOST_FEEDS = 2, 6
PATIENCE = 25


class PatientClock(SystemClock):
    """Time in which nobody gives up on a process that a busy machine keeps from answering, such as one that serves a session."""

    def now(self) -> float:
        return super().now() / PATIENCE


class TwoProcesses:
    """Two processes, an observer of their log, and clients.

    Args:
        rigs: the processes.
        observer: of the log they share.
        redis: what they share it by.
    """

    def __init__(self, rigs: Sequence[Rig], observer: RedisBus, redis: RunningRedis) -> None:
        self.rigs = rigs
        self.clients: list[Client] = []
        self.steps = 0
        """Connections made, broken and resumed, and changes of what somebody may see."""
        self.resumes = 0
        self._observer = observer
        self._redis = redis
        self._messages: list[Message] = []
        self._versions: set[int] = set()
        self._names = self._looks = self._position = 0
        self._is_in_order = True
        observer.subscribe(self._observed)

    async def begin(self) -> None:
        """Some people, a role without permissions, and feeds."""
        self.alice = await self.rigs[0].register("alice")
        self.people = [await self.rigs[0].register(f"person{number}") for number in range(PEOPLE)]
        everyone = self.rigs[0].chat.community.everyone_role_id
        assert everyone is not None
        self.everyone = everyone
        role = await self.alice.ok("POST", "/roles", {"name": "some", "permissions": 0, "position": 5})
        self.role = role["role_id"]
        await self._make_feed(0)
        await self.after_round()

    # What happens.

    async def talk(self, words: Sequence[Word]) -> None:
        """Messages from both processes at once: who reads there gets all of them, in one order."""
        start = len(self._messages)
        await self._settle(await self._say(words))
        self._expect_all(start)

    async def change(self, changes: Sequence[Change]) -> None:
        """Changes of access in both processes at once: each sees the other's version late."""
        await asyncio.gather(*map(self._change, changes))
        await self._settle()

    async def storm(self, words: Sequence[Word], bounces: Sequence[Bounce], changes: Sequence[Change]) -> None:
        """Connections break and come back elsewhere while people talk, and while at most one change of what they may see is made.

        What one can read neither before nor after he never gets, and what he can read both before and after he gets once.
        """
        before = self._readable()
        bouncing = _meant(self._connected, bounces)
        for client in bouncing:
            client.take_in(len(client.unread))
        start = len(self._messages)
        sent, taken_by, _ = await asyncio.gather(
            self._say(words),
            asyncio.gather(*(self._bounce(client, how) for client, how in bouncing.items())),
            asyncio.gather(*map(self._change, changes)),
        )
        await self._settle(sent)
        after = self._readable()
        taken = dict(zip(bouncing, taken_by, strict=True))
        new = self._messages[start:]
        for client in self._connected:
            always = before[client.user_id] & after[client.user_id]
            ever = before[client.user_id] | after[client.user_id]
            client.served = start
            got = [*taken.get(client, ()), *client.new_messages(self._messages)]
            assert got == [one for one in new if one in got], "repeated, foreign or out of order"
            assert {feed for _, feed in got} <= ever, "leaked"
            assert [one for one in got if one[1] in always] == [one for one in new if one[1] in always], "lost"
            client.served = len(self._messages)

    async def join(self, arrivals: Sequence[Arrival]) -> None:
        """New clients."""
        for how in arrivals:
            person, rig = _at(self.people, how.person), _at(self.rigs, how.process)
            if len(self.clients) < CLIENTS and sum(one.person is person for one in self.clients) < CLIENTS_EACH:
                stack = contextlib.AsyncExitStack()
                gateway = await stack.enter_async_context(replace(person, rig=rig).gateway())
                feeds = set[int](rig.chat.community.visible_feeds(UserId(person.user_id)))
                session_id = gateway.ready["session_id"]
                self.clients.append(Client(person, rig, gateway, stack, session_id, feeds, len(self._messages)))
                self.steps += 1

    async def be_away(
        self, breaks: Sequence[Break], words: Sequence[Word], changes: Sequence[Change], returns: Sequence[Return]
    ) -> None:
        """Connections break, much happens, and clients come back: they get exactly what they missed and may read now."""
        for client, how in _meant(self._connected, breaks).items():
            client.stop_reading(how.taken, self._messages)
            await client.stack.aclose()
            client.is_connected = False
            self.steps += 1
        await self.talk(words)
        await self.change(changes)
        back = _meant([one for one in self.clients if not one.is_connected], returns)
        await asyncio.gather(*(self._resume(client, how.process) for client, how in back.items()))

    async def half_open(self, bounces: Sequence[Bounce]) -> None:
        """Clients come back while their process still thinks that they are there."""
        meant = _meant(self._connected, bounces)
        for client, how in meant.items():
            client.stop_reading(how.taken, self._messages)
        old = [client.stack for client in meant]
        await asyncio.gather(*(self._resume(client, how.process) for client, how in meant.items()))
        for stack in old:
            await stack.aclose()

    async def ban(self, number: int, processes: Sequence[int]) -> None:
        """Somebody is banned, which closes his sockets in both processes, pardoned, and comes back into the community."""
        person = _at(self.people, number)
        await self._alice(processes[0]).ok("PUT", f"/bans/{person.user_id}", {})
        for client in [one for one in self.clients if one.person is person]:
            if client.is_connected:
                assert await client.gateway.closed() == 4004
                await client.stack.aclose()
            self.clients.remove(client)
        await self._settle()
        await self._alice(processes[1]).ok("DELETE", f"/bans/{person.user_id}")
        self.steps += 2
        await self._settle()
        if not self.rigs[0].chat.community.users[UserId(person.user_id)].is_active:
            await replace(person, rig=_at(self.rigs, processes[2])).ok("POST", "/auth/rejoin")

    async def shake(self, words: Sequence[Word]) -> None:
        """All connections to Redis break, while people talk."""
        start = len(self._messages)
        sent, _ = await asyncio.gather(self._say(words), cut_all_connections(self._redis))
        # A process that does not listen yet cannot be asked for a session, which then has to begin anew.
        async with time_limit(), aioredis.from_url(self._redis.url) as asking:
            while len(await asking.client_list(_type="pubsub")) < len(self.rigs) + 1:  # noqa: ASYNC110  Redis tells nobody
                await asyncio.sleep(0.005)
        await self._settle(sent)
        self._expect_all(start)

    # What must hold.

    async def after_round(self) -> None:
        """Both processes remember the same, clients know what their processes do, and REST says so to one of them."""
        await self._settle()
        while len(self.rigs[0].chat.community.feeds) < FEWEST_FEEDS:  # changes that crossed have deleted the others
            await self._make_feed(0)
            await self._settle()
        assert self._is_in_order, "the log was read twice or with a hole"
        states = [rig.chat.community.state for rig in self.rigs]
        assert states[0] == states[1], "the processes remember differently"
        for client in self._connected:
            assert client.known_feeds() == client.rig.chat.community.visible_feeds(UserId(client.user_id))
        self._looks += 1
        asking = _some(self._connected, self._looks)
        if asking is not None:
            await self._ask_rest(asking, [_at(sorted(states[0].feeds), self._looks)])

    async def look(self) -> None:
        """Asks REST everything, and the database what memory holds."""
        for client in self._connected:
            await self._ask_rest(client, tuple(self.rigs[0].chat.community.feeds))
        for rig in self.rigs:
            assert await rig.chat.read(read_state) == rig.chat.community.state, "memory and database differ"

    async def _ask_rest(self, client: Client, feeds: Sequence[int]) -> None:
        """A client knows of the feeds that REST shows it, and is told of messages where REST shows them."""
        here = replace(client.person, rig=client.rig)
        layout = await here.ok("GET", "/server/layout")
        assert client.known_feeds() == {feed["feed_id"] for feed in layout["feeds"]}, "REST shows other feeds"
        for feed in feeds:
            history = await here.get(f"/feeds/{feed}/messages", limit=1)
            assert history.is_success == self._reads(client.user_id, feed), f"REST says {history.status_code}"

    @property
    def _connected(self) -> list[Client]:
        return [one for one in self.clients if one.is_connected]

    async def _change(self, change: Change) -> None:
        self.steps += 1
        alice, kind = self._alice(change.process), change.kind
        feeds = sorted(self.rigs[0].chat.community.feeds)
        feed, user_id = f"/feeds/{_at(feeds, change.feed)}", _at(self.people, change.target).user_id
        if (kind == "make" and len(feeds) >= MOST_FEEDS) or (kind == "delete" and len(feeds) <= FEWEST_FEEDS):
            kind = "rename"
        # No answer is expected: changes that cross may find the feed gone.
        match kind:
            case "override":
                targets = (f"role/{self.everyone}", f"role/{self.role}", f"user/{user_id}")
                masks = {"allow": change.mask, "deny": 0} if change.is_allowed else {"allow": 0, "deny": change.mask}
                await alice.put(f"{feed}/permissions/{_at(targets, change.target)}", masks)
            case "lift":
                await alice.delete(f"{feed}/permissions/role/{self.everyone}")
            case "give":
                await alice.put(f"/members/{user_id}/roles/{self.role}")
            case "take":
                await alice.delete(f"/members/{user_id}/roles/{self.role}")
            case "make":
                await self._make_feed(change.process)
            case "delete":
                await alice.delete(feed)
            case "rename":
                await alice.patch(feed, {"topic": str(self.steps)})

    async def _make_feed(self, process: int) -> None:
        self._names += 1
        await self._alice(process).ok("POST", "/feeds", {"name": f"feed{self._names}", "type": "text"})

    async def _say(self, words: Sequence[Word]) -> list[int]:
        """The ids of those messages that were taken."""
        feeds = sorted(self.rigs[0].chat.community.feeds)
        replies = await asyncio.gather(
            *(
                self._alice(word.process).post(f"/feeds/{_at(feeds, word.feed)}/messages", {"body": str(number)})
                for number, word in enumerate(words)
            )
        )
        return [reply.json()["msg_id"] for reply in replies if reply.status_code == 201]

    async def _bounce(self, client: Client, how: Bounce) -> list[Message]:
        for _ in range(how.pauses):
            await asyncio.sleep(0)
        client.listen()
        taken = client.take_in(how.taken)
        old = client.stack
        if not how.is_half_open:
            await old.aclose()
        await self._reconnect(client, how.process)
        if how.is_half_open:
            await old.aclose()
        self.steps += 1
        return taken

    async def _resume(self, client: Client, process: int) -> None:
        expected = self._readable_since(client.served, client)
        await self._reconnect(client, process)
        assert client.new_messages(self._messages) == expected, "the gap is not what was missed"
        client.served = len(self._messages)

    async def _reconnect(self, client: Client, process: int) -> None:
        """Resumes in a process; what it missed is unread then."""
        rig = _at(self.rigs, process)
        stack = contextlib.AsyncExitStack()
        gateway = await stack.enter_async_context(rig.socket())
        client.gateway, client.rig, client.stack, client.is_connected = gateway, rig, stack, True
        await gateway.expect("hello")
        asked = {"token": client.person.token, "session_id": client.session_id, "last_seq": client.seq}
        await gateway.send("resume", asked)
        client.unread = []
        while (frame := await gateway.next())["type"] != "resumed":
            client.unread.append(frame)
        assert frame["d"]["seq"] == client.seq + len(client.unread), "a number is missing or repeated"
        self.steps += 1
        self.resumes += 1

    def _expect_all(self, start: int) -> None:
        """Who is connected has got what was said since, as far as he may read it."""
        for client in self._connected:
            client.served = start
            assert client.new_messages(self._messages) == self._readable_since(start, client), (
                "lost, repeated or leaked"
            )
            client.served = len(self._messages)

    def _readable_since(self, start: int, client: Client) -> list[Message]:
        return [one for one in self._messages[start:] if self._reads(client.user_id, one[1])]

    def _readable(self) -> dict[int, set[int]]:
        feeds = tuple(self.rigs[0].chat.community.feeds)
        return {one.user_id: {feed for feed in feeds if self._reads(one.user_id, feed)} for one in self.people}

    def _reads(self, user_id: int, feed_id: int) -> bool:
        return self.rigs[0].chat.community.may_in(UserId(user_id), "feed", FeedId(feed_id), READ)

    async def _settle(self, sent: Sequence[int] = ()) -> None:
        """Everything that was answered has gone through the log and reached the sockets."""
        version = await self.rigs[0].chat.read(lambda c: c.execute(text("SELECT version FROM meta")).scalar_one())
        async with time_limit():
            while not self._is_settled(version, sent):  # noqa: ASYNC110  it happens in many places
                await asyncio.sleep(0.001)
        for client in self._connected:
            client.listen()

    def _is_settled(self, version: int, sent: Sequence[int]) -> bool:
        position = self._observer.position
        for rig in self.rigs:
            if rig.chat.bus.position != position or rig.chat.community.version != version:
                return False
        if (
            len(self._versions) < version
        ):  # of changes that crossed, the one with a lower number may enter the log later
            return False
        known = {message for message, _ in self._messages[-len(sent) * 4 :]}
        return all(message in known for message in sent) and all(client.has_all() for client in self._connected)

    def _observed(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.position:
                self._is_in_order &= self._position in {0, entry.position - 1}
                self._position = entry.position
            if entry.event.version:
                self._versions.add(entry.event.version)
            if entry.event.type == "message_create":
                self._messages.append((entry.event.payload["msg_id"], entry.event.payload["feed_id"]))

    def _alice(self, process: int) -> Person:
        return replace(self.alice, rig=_at(self.rigs, process))


@contextlib.asynccontextmanager
async def two_processes(redis: RunningRedis, url: str, folder: Path) -> AsyncGenerator[TwoProcesses]:
    """Two processes on an empty database and an empty Redis."""
    redis.flush()
    more: dict[str, Any] = {"redis_url": redis.url, "connections_per_address": 200, "clock": PatientClock()}
    observer = RedisBus(redis.url, SystemClock())
    async with community(url, folder, **more) as one, community(url, folder, **more) as two, observer.running():
        found = TwoProcesses((one, two), observer, redis)
        await found.begin()
        try:
            yield found
        finally:
            for client in found.clients:
                await client.stack.aclose()


def _at(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


def _some(things: Sequence[T], number: int) -> T | None:
    return _at(things, number) if things else None


def _meant(clients: Sequence[Client], plans: Sequence[Plan]) -> dict[Client, Plan]:
    """Another client for each plan, as far as there are."""
    left = list(clients)
    return {left.pop(plan.client % len(left)): plan for plan in plans[: len(clients)]}
