"""Bots, interactions and outgoing webhooks over two processes on one database and one Redis."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_bots import LOOPBACK, BotPerson, call, make_bot, offer, receiver
from tests.contract.chat.helpers_people import outcome
from tests.contract.chat.helpers_spaces import feed, say
from tests.e2e.redis_server import RunningRedis, redis_server
from tests.time_limits import time_limit


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def pair(redis: RunningRedis, database_url: str, tmp_path: Path) -> AsyncGenerator[tuple[Rig, Rig], None]:
    redis.flush()
    async with (
        community(database_url, tmp_path, redis_url=redis.url, **LOOPBACK) as one,
        community(database_url, tmp_path, redis_url=redis.url, **LOOPBACK) as two,
    ):
        yield one, two


def at(rig: Rig, bot: BotPerson) -> BotPerson:
    return replace(bot, rig=rig)


async def settled(*rigs: Rig) -> None:
    """All have been given everything that any of them has published."""
    async with time_limit():
        while True:
            if len({(rig.chat.bus.position, rig.chat.community.version) for rig in rigs}) == 1:
                return
            await asyncio.sleep(0.005)


async def test_a_bot_of_one_process_is_asked_and_answers_at_the_other(pair: tuple[Rig, Rig]):
    one, two = pair
    alice = await one.register("alice")
    bob = await one.register("bob")
    general, bot = await feed(alice), at(two, await make_bot(alice))
    await settled(one, two)
    async with bot.gateway() as own, Person(two, "bob", bob.user_id, bob.token).gateway() as bobs:
        await offer(bot, "roll")
        await settled(one, two)
        interaction_id = await call(alice, general, "/roll")
        assert (await own.expect("interaction_create"))["d"]["id"] == interaction_id
        both = [(rig, {"body": f"{number}"}) for number, rig in enumerate((one, two))]
        replies = await asyncio.gather(
            *(at(rig, bot).post(f"/interactions/{interaction_id}/response", body) for rig, body in both)
        )
        assert sorted(reply.status_code for reply in replies) == [204, 404]
        assert (await bobs.expect("message_create"))["d"]["author_id"] == bot.user_id
        msg_id = await say(at(one, bot), general, "?", components=[{"type": "button", "label": "x", "custom_id": "x"}])
        press = {"msg_id": msg_id, "component_id": "x"}
        assert (
            await Person(two, "bob", bob.user_id, bob.token).post("/interactions/component", press)
        ).status_code == 204
        assert (await own.expect("interaction_create"))["d"]["type"] == "button"


async def test_what_ends_in_one_process_ends_in_the_other(pair: tuple[Rig, Rig]):
    one, two = pair
    alice = await one.register("alice")
    general, bot = await feed(alice), await make_bot(alice)
    await offer(bot, "roll")
    await settled(one, two)
    there = at(two, bot)
    elsewhere = Person(two, "alice", alice.user_id, alice.token)
    assert await call(elsewhere, general, "/roll")
    async with there.gateway() as own:
        await alice.ok("PATCH", f"/bots/{bot.user_id}", {"disabled": True})
        assert await own.closed() == 4004
    await settled(one, two)
    assert outcome(await there.get("/server")) == (403, "BOT_DISABLED")
    assert (await elsewhere.ok("POST", f"/feeds/{general}/messages", {"body": "/roll"}))["interaction_id"] is None
    await alice.ok("DELETE", f"/bots/{bot.user_id}")
    await settled(one, two)
    assert outcome(await there.get("/server")) == (401, "AUTH_EXPIRED")
    assert (await elsewhere.ok("GET", "/bots"))["items"] == []


async def test_two_processes_send_each_event_once_and_in_order(pair: tuple[Rig, Rig]):
    one, two = pair
    alice = await one.register("alice")
    general = await feed(alice)
    elsewhere = Person(two, "alice", alice.user_id, alice.token)
    async with receiver() as web:
        body = {"name": "x", "url": web.url, "events": ["message_create"], "feed_id": general}
        await alice.ok("POST", "/outgoing-webhooks", body)
        await settled(one, two)
        for number in range(10):
            await say(elsewhere if number % 2 else alice, general, f"{number}")
        requests = [await web.next() for _ in range(10)]
        assert [json.loads(request.body)["d"]["body"] for request in requests] == [str(number) for number in range(10)]
        assert web.requests.empty()
        keys = {await rig.chat.signing_key.get(rig.chat.change) for rig in pair}
        assert len(keys) == 1
