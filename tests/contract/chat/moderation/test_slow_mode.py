"""Slow mode: who waits and for how long, also where messages cross and where several processes take them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_people import LateClock, audited, give_role, outcome
from tests.contract.chat.helpers_spaces import bodies, deny, feed, mismatches, say
from vox.chat.events.permissions import P

SLOW = (429, "SLOW_MODE")


@pytest.fixture
async def clocked(database_url: str, tmp_path: Path) -> AsyncGenerator[tuple[Rig, LateClock], None]:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        yield rig, clock


async def test_an_author_waits_between_two_messages(clocked: tuple[Rig, LateClock]):
    rig, clock = clocked
    ada, bob, eve = [await rig.register(name) for name in ("ada", "bob", "eve")]
    place, other = await feed(ada), await feed(ada, "other")
    thread = (await ada.ok("POST", f"/feeds/{place}/threads", {"parent_msg_id": 1, "name": "t"}))["thread_id"]
    async with eve.gateway() as witness:
        info = await ada.ok("PUT", f"/feeds/{place}/slow-mode", {"seconds": 100})
        assert info == {"feed_id": place, "seconds": 100, "wait_s": 0}
        assert (await witness.expect("feed_slow_mode"))["d"] == {"feed_id": place, "seconds": 100}
    msg_id = await say(bob, place)
    reply = await bob.post(f"/feeds/{place}/messages", {"body": "x"})
    assert outcome(reply) == SLOW
    assert 95 <= int(reply.headers["retry-after"]) <= 100
    assert 95 <= (await bob.ok("GET", f"/feeds/{place}/slow-mode"))["wait_s"] <= 100
    assert outcome(await bob.post(f"/feeds/{place}/threads/{thread}/messages", {"body": "x"})) == SLOW
    await bob.ok("PATCH", f"/feeds/{place}/messages/{msg_id}", {"body": "an edit does not wait"})
    await say(bob, other)
    await say(eve, place)
    clock.advance(101)
    await say(bob, place)
    await give_role(ada, bob, int(P.MANAGE_MESSAGES), 5)
    for _ in range(2):
        await say(bob, place)
        await say(ada, place)
    await ada.ok("PUT", f"/feeds/{place}/slow-mode", {"seconds": 0})
    for _ in range(2):
        await say(eve, place)
    assert [entry["metadata"] for entry in await audited(ada, "feed.slow_mode")] == [{"seconds": 100}, {"seconds": 0}]


async def test_a_message_that_fails_takes_no_turn_and_a_repeated_one_is_answered(clocked: tuple[Rig, LateClock]):
    rig, _ = clocked
    ada, bob = await rig.register("ada"), await rig.register("bob")
    place = await feed(ada)
    await ada.ok("PUT", f"/feeds/{place}/slow-mode", {"seconds": 100})
    wrong = {"body": "x", "attachments": ["none"]}
    assert outcome(await bob.post(f"/feeds/{place}/messages", wrong)) == (400, "INVALID_ATTACHMENT")
    msg_id = await say(bob, place, "once", nonce="n")
    assert await say(bob, place, "once", nonce="n") == msg_id


async def test_of_many_messages_at_once_one_is_taken_over_two_processes(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as first, community(database_url, tmp_path) as second:
        ada, bob = await first.register("ada"), await first.register("bob")
        place = await feed(ada)
        await ada.ok("PUT", f"/feeds/{place}/slow-mode", {"seconds": 100})
        await asyncio.to_thread(second.chat.database.run_sync, second.chat.community.load)
        there = Person(second, "bob", bob.user_id, bob.token)
        replies = await asyncio.gather(
            *(who.post(f"/feeds/{place}/messages", {"body": "x"}) for who in (bob, there) for _ in range(8))
        )
        outcomes = sorted(outcome(reply) for reply in replies)
        assert outcomes == [(201, "")] + [SLOW] * 15
        assert await bodies(ada, f"/feeds/{place}/messages") == ["x"]


async def test_who_sees_and_sets_it(clocked: tuple[Rig, LateClock]):
    rig, _ = clocked
    ada, bob = await rig.register("ada"), await rig.register("bob")
    place, hidden = await feed(ada), await feed(ada, "hidden")
    for each in (place, hidden):
        await ada.ok("PUT", f"/feeds/{each}/slow-mode", {"seconds": 5})
    await deny(ada, hidden, bob, P.VIEW_SPACE)
    listed = (await bob.ok("GET", "/moderation/slow-mode"))["items"]
    assert listed == [{"feed_id": place, "seconds": 5, "wait_s": 0}]
    lacks = (403, "MISSING_PERMISSIONS")
    assert (
        await mismatches(
            bob,
            [
                ("PUT", f"/feeds/{place}/slow-mode", {"seconds": 0}, lacks),
                ("GET", f"/feeds/{hidden}/slow-mode", None, lacks),
            ],
        )
        == []
    )
    assert (
        await mismatches(
            ada,
            [
                ("PUT", f"/feeds/{place}/slow-mode", {"seconds": 21_601}, (422, "VALIDATION_ERROR")),
                ("PUT", f"/feeds/{place}/slow-mode", {"seconds": -1}, (422, "VALIDATION_ERROR")),
                ("PUT", "/feeds/99/slow-mode", {"seconds": 1}, (404, "SPACE_NOT_FOUND")),
            ],
        )
        == []
    )
