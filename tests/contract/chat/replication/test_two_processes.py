"""Two chat processes on one database and one Redis act as one server; here both live in the test's process."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import PASSWORD, Gateway, Person, Rig, community
from tests.contract.chat.helpers_people import log_in
from tests.e2e.redis_server import RunningRedis, redis_server
from tests.time_limits import time_limit
from vox.chat.events.permissions import P

"""Within this time another process's sockets must be closed."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@dataclass(slots=True)
class Pair:
    """Two processes of one server."""

    one: Rig
    two: Rig
    redis: RunningRedis

    async def settled(self) -> None:
        """Both have been given everything that either has published."""
        async with time_limit():
            while True:
                buses = [self.one.chat.bus, self.two.chat.bus]
                before = [bus.position for bus in buses]
                if before[0] == before[1] and not any(rig.chat.community.version != v for rig, v in self._versions()):
                    return
                await asyncio.sleep(0.005)

    def _versions(self) -> list[tuple[Rig, int]]:
        newest = max(self.one.chat.community.version, self.two.chat.community.version)
        return [(self.one, newest), (self.two, newest)]


@contextlib.asynccontextmanager
async def running_pair(redis: RunningRedis, database_url: str, folder: Path, **more: Any) -> AsyncGenerator[Pair, None]:
    async with (
        community(database_url, folder, redis_url=redis.url, **more) as one,
        community(database_url, folder, redis_url=redis.url, **more) as two,
    ):
        yield Pair(one, two, redis)


@pytest.fixture
async def pair(redis: RunningRedis, database_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    redis.flush()
    async with running_pair(redis, database_url, tmp_path) as both:
        yield both


def at(rig: Rig, person: Person) -> Person:
    """The same person, talking to another process."""
    return replace(person, rig=rig)


async def people(pair: Pair) -> tuple[Person, Person]:
    """The administrator, and somebody; both processes know them."""
    alice, bob = await pair.one.register("alice"), await pair.one.register("bob")
    await pair.settled()
    return alice, bob


async def feed_of(alice: Person, name: str = "general") -> int:
    return (await alice.ok("POST", "/feeds", {"name": name, "type": "text"}))["feed_id"]


async def say(person: Person, feed_id: int, body: str) -> None:
    await person.ok("POST", f"/feeds/{feed_id}/messages", {"body": body})


def bodies(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["d"]["body"] for frame in frames if frame["type"] == "message_create"]


async def resumed(rig: Rig, person: Person, old: Gateway, gateway: Gateway) -> list[dict[str, Any]]:
    """Resumes on a fresh socket; what came before `resumed`."""
    await gateway.expect("hello")
    await gateway.send(
        "resume", {"token": person.token, "session_id": old.ready["session_id"], "last_seq": old.last_seq}
    )
    frames: list[dict[str, Any]] = []
    while (frame := await gateway.next())["type"] != "resumed":
        frames.append(frame)
    gateway.ready = old.ready
    gateway.last_seq = frame["d"]["seq"]
    return frames


async def test_what_is_written_in_one_process_arrives_in_the_other(pair: Pair):
    alice, bob = await people(pair)
    async with at(pair.two, bob).gateway() as gateway:
        feed_id = await feed_of(alice)
        await say(alice, feed_id, "hello from one")
        frame = await gateway.expect("message_create")
        assert frame["d"]["body"] == "hello from one"
        history = await at(pair.two, bob).ok("GET", f"/feeds/{feed_id}/messages")
        assert [item["body"] for item in history["messages"]] == ["hello from one"]


async def test_ids_of_two_processes_never_meet(pair: Pair):
    alice, bob = await people(pair)
    feed_id = await feed_of(alice)
    await pair.settled()
    replies = await asyncio.gather(
        *(at(rig, who).ok("POST", f"/feeds/{feed_id}/messages", {"body": "x"})
          for rig, who in ((pair.one, alice), (pair.two, bob)) for _ in range(50))
    )  # fmt: skip
    ids = [reply["msg_id"] for reply in replies]
    assert len(set(ids)) == 100
    assert len({msg_id >> 12 & 1023 for msg_id in ids}) == 2


@pytest.mark.parametrize("how", ["kick", "ban", "logout"])
async def test_sockets_in_the_other_process_close(pair: Pair, how: str):
    alice, bob = await people(pair)
    there = at(pair.two, bob)
    async with there.gateway() as gateway:
        assert (await there.get("/users/@me")).status_code == 200
        if how == "kick":
            await alice.ok("DELETE", f"/members/{bob.user_id}")
        elif how == "ban":
            await alice.ok("PUT", f"/bans/{bob.user_id}", {"reason": "x"})
        else:
            await bob.ok("POST", "/auth/logout")
        assert await gateway.closed() == 4004
        assert (await there.get("/users/@me")).status_code in {401, 403}


async def test_a_changed_name_and_permissions_hold_in_the_other_process(pair: Pair):
    alice, bob = await people(pair)
    await alice.ok("PATCH", "/server", {"name": "Renamed"})
    await alice.ok("PATCH", "/server/limits", {"limits": {"message_body_max": 10}})
    feed_id = await feed_of(alice)
    await pair.settled()
    there = at(pair.two, bob)
    assert (await there.ok("GET", "/server"))["name"] == "Renamed"
    assert (await there.post(f"/feeds/{feed_id}/messages", {"body": "eleven char"})).status_code == 400
    everyone = pair.two.chat.community.everyone_role_id
    deny = {"allow": 0, "deny": int(P.VIEW_SPACE)}
    async with there.gateway() as gateway:
        await alice.ok("PUT", f"/feeds/{feed_id}/permissions/role/{everyone}", deny)
        await say(alice, feed_id, "secret")
        await gateway.expect("feed_delete", feed_id=feed_id)
        await pair.settled()
        assert bodies(await gateway.events()) == []
        assert (await there.get(f"/feeds/{feed_id}/messages")).status_code in {403, 404}


async def test_a_session_goes_on_in_the_other_process_with_exactly_what_it_missed(pair: Pair):
    alice, bob = await people(pair)
    feed_id = await feed_of(alice)
    await pair.settled()
    async with at(pair.two, bob).gateway() as old:
        await say(alice, feed_id, "before")
        await old.expect("message_create")
    await say(alice, feed_id, "missed")
    await say(at(pair.two, alice), feed_id, "missed too")
    async with pair.one.socket() as gateway:
        frames = await resumed(pair.one, bob, old, gateway)
        assert bodies(frames) == ["missed", "missed too"]
        assert [frame["seq"] for frame in frames if "seq" in frame] == list(
            range(old.last_seq + 1, gateway.last_seq + 1)
        )
        await say(alice, feed_id, "after")
        assert (await gateway.expect("message_create"))["d"]["body"] == "after"


async def test_a_session_is_taken_from_a_process_that_still_thinks_it_serves_it(pair: Pair):
    """A phone changes networks: the old socket is half open, and the new one ends up elsewhere."""
    alice, bob = await people(pair)
    feed_id = await feed_of(alice)
    await pair.settled()
    async with at(pair.two, bob).gateway() as old:
        await say(alice, feed_id, "one")
        await old.expect("message_create")
        await asyncio.sleep(1.2)  # a checkpoint is written
        await say(alice, feed_id, "lost on the way")
        await pair.settled()
        async with pair.one.socket() as gateway:
            frames = await resumed(pair.one, bob, old, gateway)
            assert bodies(frames) == ["lost on the way"]
            await old.closed()
            await say(alice, feed_id, "two")
            assert (await gateway.expect("message_create"))["d"]["body"] == "two"


async def test_presence_of_one_process_shows_in_the_other(pair: Pair):
    alice, bob = await people(pair)
    async with alice.gateway() as here:
        async with at(pair.two, bob).gateway() as there:
            await here.expect("presence_update", user_id=bob.user_id, status="online")
            await there.expect("presence_update", user_id=alice.user_id, status="online")
            await there.send("presence_update", {"status": "dnd"})
            await here.expect("presence_update", user_id=bob.user_id, status="dnd")
            feed_id = await feed_of(alice)
            await pair.settled()
            await there.send("typing", {"feed_id": feed_id})
            await here.expect("typing_start", user_id=bob.user_id)
        await here.expect("presence_update", user_id=bob.user_id, status="offline")


async def test_a_missing_change_is_read_from_the_database_before_anything_is_delivered(pair: Pair):
    """Changes of both processes cross: each sees the other's version late."""
    alice, bob = await people(pair)
    first = at(pair.two, alice)
    names = [f"feed-{number}" for number in range(30)]
    await asyncio.gather(*(feed_of(alice if index % 2 else first, name) for index, name in enumerate(names)))
    await pair.settled()
    for rig in (pair.one, pair.two):
        assert {feed.name for feed in rig.chat.community.feeds.values()} >= set(names)
    assert pair.one.chat.community.state == pair.two.chat.community.state
    async with at(pair.two, bob).gateway() as gateway:
        for index in range(10):
            await asyncio.gather(
                feed_of(alice, f"new-{index}"),
                at(pair.two, alice).ok("PATCH", "/users/@me", {"display_name": f"Alice {index}"}),
            )
        await pair.settled()
        frames = await gateway.events()
        created = [frame["d"]["name"] for frame in frames if frame["type"] == "feed_create"]
        assert sorted(created) == sorted(f"new-{index}" for index in range(10))


async def test_a_message_never_overtakes_the_permission_that_was_taken_before_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    """The other process has stored that bob may not read any more, and is slow to say so."""
    alice, bob = await people(pair)
    feed_id = await feed_of(alice)
    await pair.settled()
    async with bob.gateway() as gateway:
        slow = pair.two.chat.bus
        unsaid: list[Any] = []
        with monkeypatch.context() as patched:
            patched.setattr(slow, "publish", unsaid.append)
            mask = {"allow": 0, "deny": int(P.READ_HISTORY)}
            await at(pair.two, alice).ok("PUT", f"/feeds/{feed_id}/permissions/user/{bob.user_id}", mask)
            await say(alice, feed_id, "not for bob")
            await asyncio.sleep(0.1)
        for events in unsaid:
            slow.publish(events)
        await pair.settled()
        assert bodies(await gateway.events()) == []


async def test_a_lost_log_ends_every_session_and_nothing_is_pretended(pair: Pair):
    alice, bob = await people(pair)
    feed_id = await feed_of(alice)
    await pair.settled()
    async with at(pair.two, bob).gateway() as gateway:
        pair.redis.kill()
        await say(alice, feed_id, "while redis is away")
        await alice.ok("PATCH", "/server", {"name": "Changed meanwhile"})
        pair.redis.start()
        assert await gateway.closed() == 4009
    async with time_limit():
        while (await at(pair.two, bob).ok("GET", "/server"))["name"] != "Changed meanwhile":  # noqa: ASYNC110  polled as a client would
            await asyncio.sleep(0.05)
    async with at(pair.two, bob).gateway() as gateway:
        await say(alice, feed_id, "again")
        while (await gateway.expect("message_create"))["d"]["body"] != "again":
            pass


async def test_without_redis_clients_are_told_and_get_what_happens_in_their_own_process(pair: Pair):
    alice, bob = await people(pair)
    feed_id = await feed_of(alice)
    await pair.settled()
    async with bob.gateway() as gateway:
        pair.redis.kill()
        assert (await gateway.expect("delivery_status"))["d"] == {"interrupted": True}
        ready = await pair.one.http.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "degraded", "checks": {"redis": "redis_failed"}})
        await say(alice, feed_id, "one")
        await say(alice, feed_id, "two")
        assert [(await gateway.expect("message_create"))["d"]["body"] for _ in range(2)] == ["one", "two"]
        async with alice.gateway() as late:
            assert (await late.expect("delivery_status"))["d"] == {"interrupted": True}
        pair.redis.start()
        assert await gateway.closed() == 4009
    async with at(pair.two, bob).gateway() as gateway:
        await say(alice, feed_id, "again")
        while (await gateway.expect("message_create"))["d"]["body"] != "again":
            pass
    assert (await pair.one.http.get("/ready")).json() == {"status": "ok"}


@pytest.mark.parametrize("how", ["logout", "password"])
async def test_a_login_that_ends_without_redis_ends_in_the_other_process_too(pair: Pair, how: str):
    alice, bob = await people(pair)
    there = at(pair.two, bob)
    async with there.gateway() as gateway:
        other = (await log_in(pair.one, "bob", PASSWORD)).json()["token"]
        pair.redis.kill()
        try:
            if how == "logout":
                await bob.ok("POST", "/auth/logout")
            else:
                change = {"current_password": PASSWORD, "new_password": "another battery"}
                await replace(bob, token=other).ok("POST", "/auth/password", change)
            assert await gateway.closed() == 4004
            assert (await there.get("/users/@me")).status_code == 401
            assert (await at(pair.two, alice).get("/users/@me")).status_code == 200
        finally:
            pair.redis.start()


async def test_the_first_client_of_a_fresh_process_gets_what_it_missed(pair: Pair, database_url: str, tmp_path: Path):
    alice = await pair.one.register("alice")
    feed = (await alice.ok("POST", "/feeds", {"name": "general", "type": "text"}))["feed_id"]
    async with alice.gateway() as old:
        await old.events()
    for number in range(3):
        await alice.ok("POST", f"/feeds/{feed}/messages", {"body": str(number)})
    async with community(database_url, tmp_path, redis_url=pair.redis.url) as third, third.socket() as gateway:
        frames = await resumed(third, alice, old, gateway)
    assert [frame["d"]["body"] for frame in frames if frame["type"] == "message_create"] == ["0", "1", "2"]
