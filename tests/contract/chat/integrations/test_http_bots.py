"""Bots with an address: signed requests, answers in the response, and users who learn when there is none."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_bots import LOOPBACK, BotPerson, Received, Receiver, call, make_bot, offer, receiver
from tests.contract.chat.helpers_people import outcome
from tests.contract.chat.helpers_spaces import feed, say
from vox.security.webhook_signatures import verify

JSON = {"content-type": "application/json"}


@pytest.fixture
async def chat(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig, None]:
    async with community(database_url, tmp_path, **LOOPBACK) as rig:
        yield rig


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def web() -> AsyncGenerator[Receiver, None]:
    async with receiver() as one:
        yield one


@pytest.fixture
async def bot(alice: Person, web: Receiver) -> BotPerson:
    bot = await make_bot(alice, "web", interaction_url=web.url)
    await offer(bot, "roll")
    return bot


def is_signed(chat: Rig, request: Received, *secrets: str) -> bool:
    header, now_s = request.headers["x-vox-signature"], chat.chat.clock.unix_s()
    return verify(header, secrets, request.body, now_s=now_s)


async def test_the_response_is_the_answer(chat: Rig, alice: Person, web: Receiver, bot: BotPerson):
    general = await feed(alice)
    web.answers = [
        (
            200,
            JSON,
            json.dumps({"body": "Four", "components": [{"type": "button", "label": "x", "custom_id": "x"}]}).encode(),
        )
    ]
    async with alice.gateway() as gateway, bot.gateway() as own:
        interaction_id = await call(alice, general, "/roll 6")
        request = await web.next()
        assert json.loads(request.body) == {
            "id": interaction_id, "type": "slash_command", "command": "roll", "params": {"6": True}, "user_id": alice.user_id,
            "feed_id": general, "dm_id": None,
        }  # fmt: skip
        assert (await own.expect("interaction_create"))["d"] == json.loads(request.body)
        assert (request.headers["x-vox-event"], request.headers["x-vox-delivery"]) == (
            "interaction_create",
            interaction_id,
        )
        assert is_signed(chat, request, bot.secret)
        assert not is_signed(chat, request, "vox_sign_other")
        frame = await gateway.expect("message_create", body="Four")
        assert frame["d"]["author_id"] == bot.user_id
        web.answers = [(200, JSON, json.dumps({"type": "update", "body": "Again"}).encode())]
        press = {"msg_id": frame["d"]["msg_id"], "component_id": "x"}
        assert (await alice.post("/interactions/component", press)).status_code == 204
        assert json.loads((await web.next()).body)["type"] == "button"
        await gateway.expect("message_update", body="Again")
    reply = await bot.post(f"/interactions/{interaction_id}/response", {"body": "late"})
    assert reply.json()["error"]["reason"] == "answered"


async def test_a_bot_may_answer_by_rest_instead(alice: Person, web: Receiver, bot: BotPerson):
    general = await feed(alice)
    for answer in ((204, {}, b""), (202, JSON, b"{}"), (200, {}, b"")):
        web.answers = [answer]
        async with alice.gateway() as gateway:
            interaction_id = await call(alice, general, "/roll")
            await web.next()
            assert (await bot.post(f"/interactions/{interaction_id}/response", {"body": "4"})).status_code == 204
            await gateway.expect("message_create", body="4")


async def test_the_user_learns_that_a_bot_does_not_answer(chat: Rig, alice: Person, web: Receiver, bot: BotPerson):
    general, bob = await feed(alice), await chat.register("bob")
    bad: tuple[Any, ...] = (
        (500, {}, b"oops"), (200, JSON, b"not json"), (200, JSON, b'{"body": 5}'), (200, JSON, b"{}"),
        (302, {"location": "http://127.0.0.1:1/"}, b""), (200, JSON, b"[" * 20_000), (200, JSON, b" " * 300_000),
    )  # fmt: skip
    async with alice.gateway() as gateway, bob.gateway() as others:
        for answer in bad:
            web.answers = [answer]
            await call(alice, general, "/roll")
            await web.next()
            shown = (await gateway.expect("message_create"))["d"]
            assert (shown["author_id"], shown["ephemeral"], shown["feed_id"]) == (None, True, general), answer[:2]
            assert "web did not answer" in shown["body"]
        assert not [event for event in await others.events() if event["type"] == "message_create"]
    assert (await alice.ok("GET", f"/feeds/{general}/messages"))["messages"] == []


async def test_an_address_that_becomes_private_is_not_asked(alice: Person, web: Receiver, bot: BotPerson, chat: Rig):
    """A name may point elsewhere after it was checked: the guard asks again at every request."""
    general = await feed(alice)
    guarded = chat.chat.integration_guard
    chat.chat.integration_guard = chat.chat.outbound
    try:
        async with alice.gateway() as gateway:
            await call(alice, general, "/roll")
            shown = (await gateway.expect("message_create"))["d"]
            assert (shown["author_id"], shown["ephemeral"]) == (None, True)
    finally:
        chat.chat.integration_guard = guarded
    assert web.requests.empty()


async def test_a_rotated_secret_signs_beside_the_old_one(chat: Rig, alice: Person, web: Receiver, bot: BotPerson):
    general = await feed(alice)
    rotated = await alice.ok("POST", f"/bots/{bot.user_id}/signing-secret")
    assert rotated["signing_secret"] != bot.secret
    assert rotated["previous_valid_until"] > chat.chat.clock.unix_s()
    await call(alice, general, "/roll")
    request = await web.next()
    assert is_signed(chat, request, bot.secret)
    assert is_signed(chat, request, rotated["signing_secret"])


async def test_a_bot_without_an_address_is_asked_no_more(alice: Person, web: Receiver, bot: BotPerson):
    general = await feed(alice)
    changed = await alice.ok("PATCH", f"/bots/{bot.user_id}", {"interaction_url": ""})
    assert changed["interaction_url"] is None
    await call(alice, general, "/roll")
    await say(alice, general)
    assert web.requests.empty()


async def test_an_embedded_server_without_a_lifespan_asks_too(database_url: str, tmp_path: Path):
    async with receiver() as web, community(database_url, tmp_path, **LOOPBACK) as chat:
        alice = await chat.register("alice")
        bot = await make_bot(alice, "web", interaction_url=web.url)
        await offer(bot, "roll")
        general = await feed(alice)
        web.answers = [(200, JSON, b'{"body": "4"}')]
        chat.chat.background._loop = None  # pyright: ignore[reportPrivateUsage]  as without a lifespan
        await call(alice, general, "/roll")
        assert [one["body"] for one in (await alice.ok("GET", f"/feeds/{general}/messages"))["messages"]] == ["4"]


async def test_only_the_owner_side_sees_the_address(chat: Rig, alice: Person, web: Receiver, bot: BotPerson):
    bob = await chat.register("bob")
    assert outcome(await bob.get(f"/bots/{bot.user_id}")) == (403, "MISSING_PERMISSIONS")
    assert web.url not in (await bob.get("/bots")).text
    assert (await alice.ok("GET", f"/bots/{bot.user_id}"))["interaction_url"] == web.url
