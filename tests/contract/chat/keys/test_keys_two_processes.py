"""Keys over two processes that share a database and a Redis: given out once, one commit for an epoch, removed everywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.chat.harness import Gateway, Person, Rig, community
from tests.contract.chat.helpers_keys import again, conversation, device, key, packages, prekeys, relayed, waiting
from tests.e2e.redis_server import RunningRedis, redis_server
from tests.time_limits import time_limit
from vox.chat.events.ids import DmId, UserId

Pair = tuple[Rig, Rig]


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def pair(redis: RunningRedis, database_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    redis.flush()
    async with (
        community(database_url, tmp_path, redis_url=redis.url) as one,
        community(database_url, tmp_path, redis_url=redis.url) as two,
    ):
        yield one, two


def at(rig: Rig, person: Person) -> Person:
    """The same person, talking to another process."""
    return replace(person, rig=rig)


async def until(condition: Callable[[], bool]) -> None:
    """Waits until the memory of a process says so."""
    async with time_limit():
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


async def knows(rig: Rig, *people: Person) -> None:
    """Waits until a process knows these people."""
    await until(lambda: all(one.user_id in rig.chat.community.users for one in people))


async def knows_dm(rig: Rig, person: Person, dm_id: int) -> None:
    """Waits until a process knows a conversation."""
    await until(lambda: rig.chat.community.in_dm(UserId(person.user_id), DmId(dm_id)))


async def own_answer(gateway: Gateway, request_id: str) -> str:
    """What became of a message: its event's type, or `error`."""
    while True:
        frame = await gateway.next()
        if frame["type"] in {"mls_commit", "error"} and frame["d"].get("request_id") == request_id:
            return frame["type"]


async def test_keys_are_given_out_once_by_both_processes_together(pair: Pair) -> None:
    one, two = pair
    alice, bob = await one.register("alice"), await one.register("bob")
    await device(bob, "b1")
    await prekeys(bob, "b1", 10)
    await packages(bob, "b1", 10, "last")
    await knows(two, alice, bob)
    both = [alice, at(two, alice)] * 7
    found = await asyncio.gather(*(person.ok("GET", f"/keys/prekeys/{bob.user_id}") for person in both))
    given = [one["devices"][0]["one_time_prekey"] for one in found]
    assert sorted(one for one in given if one) == sorted(key(f"b1 {number}") for number in range(10))
    found = await asyncio.gather(*(person.ok("GET", f"/keys/mls/{bob.user_id}/key-packages") for person in both))
    given = [one["packages"][0] for one in found]
    once = [one["key_package"] for one in given if not one["is_last_resort"]]
    assert sorted(once) == sorted(key(f"b1 package {number}") for number in range(10))
    assert [one["key_package"] for one in given if one["is_last_resort"]] == [key("last")] * 4


async def test_one_commit_of_an_epoch_is_taken_over_both_processes(pair: Pair) -> None:
    one, two = pair
    alice, bob = await one.register("alice"), await one.register("bob")
    await knows(two, alice, bob)
    dm_id = await conversation(alice, bob)
    await device(bob, "b1")
    await knows_dm(two, bob, dm_id)
    async with alice.gateway() as a, at(two, bob).gateway() as b:
        for epoch in range(4):
            for gateway, name in ((a, "a"), (b, "b")):
                d = {"mls_type": "commit", "data": f"{name} {epoch}", "dm_id": dm_id, "group_id": "g", "epoch": epoch}
                await gateway.send("mls_relay", {**d, "request_id": name})
            answers = await asyncio.gather(own_answer(a, "a"), own_answer(b, "b"))
            assert sorted(answers) == ["error", "mls_commit"], epoch
    found = await bob.ok("GET", "/keys/mls/b1/messages")
    assert [one["epoch"] for one in found["messages"]] == [0, 1, 2, 3]


async def test_a_relay_reaches_the_sessions_of_another_process_and_a_removed_device_none(pair: Pair) -> None:
    one, two = pair
    alice, bob = await one.register("alice"), await one.register("bob")
    lost = at(two, await again(one, bob))
    dm_id = await conversation(alice, bob)
    await device(bob, "b1")
    await knows(two, alice, bob)
    await device(lost, "b2")
    await knows_dm(two, bob, dm_id)
    async with alice.gateway() as a, lost.gateway() as gone:
        await relayed(a, "proposal", "b25l", dm_id=dm_id)
        await gone.expect("mls_proposal", data="b25l")
        await bob.ok("DELETE", "/keys/devices/b2")
        await gone.expect("device_list_update")
        await relayed(a, "proposal", "dHdv", dm_id=dm_id)
        await alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "the other process has come so far"})
        seen = list[str]()
        while "message_create" not in seen:
            seen.append((await gone.next())["type"])
        assert "mls_proposal" not in seen
    assert await waiting(bob, "b1") == ["b25l", "dHdv"]
