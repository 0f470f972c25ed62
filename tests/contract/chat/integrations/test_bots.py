"""Bots: made and owned by members, with tokens that are shown once and end at once, and commands whose names are theirs alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_bots import BotPerson, call, make_bot, offer
from tests.contract.chat.helpers_people import audited, give_role, outcome
from tests.contract.chat.helpers_spaces import feed
from vox.chat.events.permissions import P


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


async def test_a_bot_speaks_reads_and_is_heard_like_a_member(chat: Rig, alice: Person):
    general = await feed(alice)
    async with alice.gateway() as gateway:
        bot = await make_bot(alice, "helper", display_name="Helper")
        joined = await gateway.expect("member_join", user_id=bot.user_id)
        assert joined["d"]["display_name"] == "Helper"
        async with bot.gateway() as own:
            await bot.ok("POST", f"/feeds/{general}/messages", {"body": "hello"})
            frame = await gateway.expect("message_create")
            assert frame["d"]["author_id"] == bot.user_id
            await own.expect("message_create", body="hello")
    listed = (await alice.ok("GET", "/bots"))["items"]
    assert listed == [
        {
            "user_id": bot.user_id, "username": "helper", "display_name": "Helper", "avatar": None,
            "owner_id": alice.user_id, "disabled": False, "created_at": listed[0]["created_at"],
        }
    ]  # fmt: skip
    shown = await bot.ok("GET", "/bots/@me")
    assert shown["interaction_url"] is None
    assert shown["token_created_at"] is not None


async def test_the_database_has_no_token_and_no_secret(chat: Rig, alice: Person):
    bot = await make_bot(alice)
    general = await feed(alice)
    webhook = await alice.ok("POST", f"/feeds/{general}/webhooks", {"name": "ci"})

    def everything(connection: Any) -> str:
        tables = ("sessions", "bots", "webhooks", "audit_log", "event_log", "config")
        return repr([connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables])  # noqa: S608  our names

    stored = await chat.chat.read(everything)
    for secret in (bot.token, bot.secret, webhook["token"]):
        assert secret not in stored
        assert secret.partition("_")[2] not in stored


async def test_a_rotated_token_ends_at_once_with_its_sockets(alice: Person):
    bot = await make_bot(alice)
    async with bot.gateway() as gateway:
        fresh = (await alice.ok("POST", f"/bots/{bot.user_id}/token"))["token"]
        assert await gateway.closed() == 4004
    assert outcome(await bot.get("/server")) == (401, "AUTH_EXPIRED")
    bot.token = fresh
    assert (await bot.get("/server")).status_code == 200
    assert [entry["target_id"] for entry in await audited(alice, "bot.token_rotate")] == [bot.user_id]


async def test_a_disabled_bot_is_refused_by_name_and_comes_back_with_its_token(alice: Person):
    general, bot = await feed(alice), await make_bot(alice)
    await offer(bot, "roll")
    async with bot.gateway() as gateway:
        await alice.ok("PATCH", f"/bots/{bot.user_id}", {"disabled": True})
        assert await gateway.closed() == 4004
    assert outcome(await bot.get("/server")) == (403, "BOT_DISABLED")
    assert (await alice.ok("GET", "/commands"))["commands"] == []
    sent = await alice.ok("POST", f"/feeds/{general}/messages", {"body": "/roll"})
    assert (sent["msg_id"] != 0, sent["interaction_id"]) == (True, None)
    await alice.ok("PATCH", f"/bots/{bot.user_id}", {"disabled": False})
    assert (await bot.get("/server")).status_code == 200
    assert await call(alice, general, "/roll")


async def test_a_disabled_bots_new_token_stays_refused(alice: Person):
    bot = await make_bot(alice)
    await alice.ok("PATCH", f"/bots/{bot.user_id}", {"disabled": True})
    bot.token = (await alice.ok("POST", f"/bots/{bot.user_id}/token"))["token"]
    assert outcome(await bot.get("/server")) == (403, "BOT_DISABLED")


async def test_of_a_deleted_bot_only_its_messages_stay(alice: Person):
    general, bot = await feed(alice), await make_bot(alice, "helper")
    await give_role(alice, bot, P.MANAGE_MESSAGES, 5)
    await offer(bot, "roll")
    said = await bot.ok("POST", f"/feeds/{general}/messages", {"body": "hello"})
    async with alice.gateway() as gateway, bot.gateway() as own:
        assert (await alice.delete(f"/bots/{bot.user_id}")).status_code == 204
        await gateway.expect("member_leave", user_id=bot.user_id)
        gone = await gateway.expect("bot_commands_delete")
        assert gone["d"] == {"bot_id": bot.user_id, "command_names": ["roll"]}
        assert await own.closed() == 4004
    assert outcome(await bot.get("/server")) == (401, "AUTH_EXPIRED")
    async with alice.rig.socket() as gateway:
        await gateway.expect("hello")
        await gateway.send("identify", {"token": bot.token})
        assert await gateway.closed() == 4004
    message = await alice.ok("GET", f"/feeds/{general}/messages/{said['msg_id']}")
    assert message["author_id"] == bot.user_id
    assert (await alice.ok("GET", "/bots"))["items"] == []
    assert (await alice.ok("GET", "/commands"))["commands"] == []
    again = await make_bot(alice, "helper")
    assert again.user_id != bot.user_id
    await offer(again, "roll")


async def test_a_bot_has_no_part_in_logins(alice: Person):
    bot = await make_bot(alice)
    for method, path, body in (
        ("GET", "/auth/sessions", None),
        ("POST", "/auth/logout", {}),
        ("POST", "/auth/password", {"current_password": "x", "new_password": "long enough password"}),
    ):
        assert outcome(await bot.call(method, path, **({} if body is None else {"json": body}))) == (403, "FORBIDDEN")
    login = await alice.rig.http.post(f"{API}/auth/login", json={"username": "helper", "password": ""})
    assert outcome(login) == (401, "AUTH_FAILED")
    assert (await bot.get("/server")).status_code == 200


async def test_only_owners_and_those_who_may_more_manage_a_bot(chat: Rig, alice: Person):
    bob, carol = await chat.register("bob"), await chat.register("carol")
    assert outcome(await bob.post("/bots", {"username": "x"})) == (403, "MISSING_PERMISSIONS")
    await give_role(alice, bob, P.MANAGE_SERVER, 5, "keeper")
    await give_role(alice, carol, P.MANAGE_SERVER, 6, "junior")
    bot = await make_bot(bob, "bobs")
    for person, expected in ((bob, 200), (alice, 200), (carol, 200)):
        assert (await person.get(f"/bots/{bot.user_id}")).status_code == expected
    await give_role(alice, bot, P.BAN_MEMBERS, 4, "mighty")
    for path, body in (("token", {}), ("signing-secret", {})):
        assert outcome(await carol.post(f"/bots/{bot.user_id}/{path}", body)) == (403, "ROLE_HIERARCHY")
    assert outcome(await carol.delete(f"/bots/{bot.user_id}")) == (403, "ROLE_HIERARCHY")
    assert (await bob.post(f"/bots/{bot.user_id}/token")).status_code == 200
    await chat.register("dave")
    dave = await chat.register("erin")
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/token"), ("POST", "/signing-secret")):
        assert outcome(await dave.call(method, f"/bots/{bot.user_id}{path}", json={})) == (403, "MISSING_PERMISSIONS")
    assert outcome(await alice.get(f"/bots/{dave.user_id}")) == (403, "FORBIDDEN")
    assert outcome(await alice.get("/bots/999")) == (404, "USER_NOT_FOUND")
    assert outcome(await alice.get("/bots/x")) == (400, "INVALID_USER_ID")


async def test_bots_make_no_bots_and_names_are_taken_once(alice: Person):
    bot = await make_bot(alice)
    await give_role(alice, bot, P.ADMINISTRATOR, 5)
    assert outcome(await bot.post("/bots", {"username": "child"})) == (403, "FORBIDDEN")
    assert outcome(await alice.post("/bots", {"username": "helper"})) == (409, "AUTH_FAILED")
    assert outcome(await alice.post("/bots", {"username": "everyone"})) == (422, "VALIDATION_ERROR")


PRIVATE = (
    "http://127.0.0.1/x", "http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/", "http://100.64.0.1/",
    "http://[::ffff:127.0.0.1]/", "http://[2002:7f00:1::]/", "ftp://example.com/", "http://user@example.com/", "http://8.8.8.8:22/",
    "not an address", "http://localhost/",
)  # fmt: skip


async def test_interactions_go_to_public_addresses_only(alice: Person):
    bot = await make_bot(alice)
    for url in PRIVATE:
        assert outcome(await alice.post("/bots", {"username": "x", "interaction_url": url})) == (400, "INVALID_URL"), (
            url
        )
        changed = await alice.patch(f"/bots/{bot.user_id}", {"interaction_url": url})
        assert outcome(changed) == (400, "INVALID_URL"), url


async def test_commands_come_and_go_and_everybody_is_sent_that(chat: Rig, alice: Person):
    bot, bob = await make_bot(alice), await chat.register("bob")
    param = {"name": "sides", "type": "integer", "required": True}
    async with bob.gateway() as gateway:
        body = {"commands": [{"name": "roll", "description": "Rolls", "params": [param]}, {"name": "ping"}]}
        assert await bot.ok("PUT", f"/bots/{bot.user_id}/commands", body) == {"ok": True}
        frame = await gateway.expect("bot_commands_update")
        assert frame["d"]["bot_id"] == bot.user_id
        assert [one["name"] for one in frame["d"]["commands"]] == ["roll", "ping"]
        commands = (await bot.ok("GET", "/bots/@me/commands"))["commands"]
        assert [one["name"] for one in commands] == ["ping", "roll"]
        assert commands[1]["params"][0] == {
            "name": "sides", "description": None, "required": True, "type": "integer", "choices": None, "min": None,
            "max": None,
        }  # fmt: skip
        offered = (await bob.ok("GET", "/commands"))["commands"]
        assert {(one["name"], one["bot_id"]) for one in offered} == {("ping", bot.user_id), ("roll", bot.user_id)}
        reply = await bot.delete("/bots/@me/commands", {"command_names": ["ping"]})
        assert reply.json() == {"ok": True}
        await gateway.expect("bot_commands_delete", command_names=["ping"])
    missing = await bot.delete("/bots/@me/commands", {"command_names": ["roll", "nope"]})
    assert outcome(missing) == (404, "CMD_NOT_FOUND")
    assert [one["name"] for one in (await bot.ok("GET", "/bots/@me/commands"))["commands"]] == ["roll"]
    assert outcome(await bot.delete("/bots/@me/commands")) == (422, "VALIDATION_ERROR")
    kinds = await bob.ok(
        "POST", "/sync", {"since_timestamp": chat.chat.clock.unix_ms() - 60_000, "categories": ["bots"]}
    )
    assert [event["type"] for event in kinds["events"]] == ["bot_commands_update", "bot_commands_delete"]


async def test_a_name_is_one_bots(alice: Person):
    first, second = await make_bot(alice, "first"), await make_bot(alice, "second")
    await offer(first, "roll")
    again = await first.put("/bots/@me/commands", {"commands": [{"name": "fresh"}, {"name": "roll"}]})
    assert outcome(again) == (409, "CMD_ALREADY_REGISTERED")
    for replace in (False, True):
        body = {"commands": [{"name": "ok"}, {"name": "roll"}], "replace": replace}
        assert outcome(await second.put("/bots/@me/commands", body)) == (409, "CMD_ALREADY_REGISTERED")
    twice = {"commands": [{"name": "a"}, {"name": "a"}]}
    assert outcome(await second.put("/bots/@me/commands", twice)) == (409, "CMD_ALREADY_REGISTERED")
    assert [one["name"] for one in (await alice.ok("GET", "/commands"))["commands"]] == ["roll"]


async def test_of_two_bots_that_register_a_name_at_once_one_gets_it(alice: Person):
    bots = [await make_bot(alice, f"bot{number}") for number in range(4)]
    body = {"commands": [{"name": "roll"}]}
    replies = await asyncio.gather(*(bot.put("/bots/@me/commands", body) for bot in bots))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]


async def test_a_bot_can_say_all_its_commands_at_every_start(chat: Rig, alice: Person):
    bot, bob = await make_bot(alice), await chat.register("bob")
    await offer(bot, "old", "same")
    async with bob.gateway() as gateway:
        for _ in range(2):
            body = {"commands": [{"name": "same"}, {"name": "new"}], "replace": True}
            await bot.ok("PUT", "/bots/@me/commands", body)
        await gateway.expect("bot_commands_delete", command_names=["old"])
    assert [one["name"] for one in (await alice.ok("GET", "/commands"))["commands"]] == ["new", "same"]


UNCALLABLE: tuple[dict[str, Any], ...] = (
    {"name": ""}, {"name": "two words"}, {"name": "/roll"}, {"name": "x" * 33}, {"name": "a\x00b"}, {"name": "\u202ex"},
    {"name": "x", "description": "d" * 257},
    {"name": "x", "params": [{"name": "a"}, {"name": "a"}]},
    {"name": "x", "params": [{"name": "a=b"}]},
    {"name": "x", "params": [{"name": "a", "type": "colour"}]},
    {"name": "x", "params": [{"name": "a", "type": "integer", "min": 5, "max": 1}]},
    {"name": "x", "params": [{"name": "a", "type": "integer", "choices": [{"name": "one", "value": "1"}]}]},
)  # fmt: skip


async def test_commands_that_could_not_be_called_are_refused(alice: Person):
    bot = await make_bot(alice)
    for command in UNCALLABLE:
        reply = await bot.put("/bots/@me/commands", {"commands": [command]})
        assert outcome(reply) == (422, "VALIDATION_ERROR"), command


async def test_commands_are_for_bots_and_administrators(chat: Rig, alice: Person):
    bob, bot = await chat.register("bob"), await make_bot(alice)
    body = {"commands": [{"name": "roll"}]}
    assert outcome(await bob.put(f"/bots/{bot.user_id}/commands", body)) == (403, "MISSING_PERMISSIONS")
    assert outcome(await bob.put("/bots/@me/commands", body)) == (403, "FORBIDDEN")
    assert outcome(await bob.get("/bots/@me/commands")) == (403, "FORBIDDEN")
    assert outcome(await bob.delete("/bots/@me/commands", {"command_names": ["roll"]})) == (403, "FORBIDDEN")
    assert (await alice.put(f"/bots/{bot.user_id}/commands", body)).status_code == 200
    assert outcome(await alice.get("/bots/999/commands")) == (404, "USER_NOT_FOUND")


async def test_a_bot_of_an_original_database_works_with_its_login(chat: Rig, alice: Person):
    """There a bot is an account with a password and a row that was inserted by hand."""
    helper = await chat.register("helper")
    values = {"user": helper.user_id, "owner": alice.user_id}
    insertion = text("INSERT INTO bots (user_id, owner_id, created_at) VALUES (:user, :owner, 1)")
    await chat.chat.database.write(lambda c: c.execute(insertion, values) and None)
    chat.chat.database.run_sync(chat.chat.integrations.load)
    await offer(BotPerson(chat, "helper", helper.user_id, helper.token), "roll")
    general = await feed(alice)
    async with helper.gateway() as gateway:
        interaction_id = await call(alice, general, "/roll 6 fast=yes")
        frame = await gateway.expect("interaction_create")
        assert frame["d"]["params"] == {"6": True, "fast": "yes"}
    assert (await helper.post(f"/interactions/{interaction_id}/response", {"body": "4"})).status_code == 204


async def test_memory_of_bots_is_read_at_the_start(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as chat:
        alice = await chat.register("alice")
        bot = await make_bot(alice)
        await offer(bot, "roll")
        general = await feed(alice)
    async with community(database_url, tmp_path) as chat:
        alice.rig = bot.rig = chat
        assert await call(alice, general, "/roll")
        assert (await bot.get("/server")).status_code == 200
