"""Names, passwords and reactions as people type them: what is the same, what is refused, what is stored."""

import unicodedata

import pytest
from sqlalchemy import update

from tests.contract.chat.harness import PASSWORD, Rig
from tests.contract.chat.helpers_people import anonymous, log_in
from tests.contract.chat.helpers_spaces import feed, refusal, say
from vox.chat.database.schema import users
from vox.chat.database.unit_of_work import Change

INVALID = (422, "VALIDATION_ERROR")
UNUSABLE = ("\u202enimda", "\u200b", "   ", "a\nb", "\u3164", "a" + "\u0301" * 9)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


async def status(chat: Rig, username: str, password: str = PASSWORD) -> int:
    return (await anonymous(chat, "POST", "/auth/register", {"username": username, "password": password})).status_code


async def test_user_names_that_look_the_same_are_one(chat: Rig):
    await chat.register("Zoë")
    await chat.register("bob")
    for name in (nfd("Zoë"), "zoë", "bob ", "BOB", "\uff42ob", "b\u043eb"):
        assert await status(chat, name) == 409, name
    for name in (*UNUSABLE, "bob\ufe0f", "@everyone", "HERE"):
        assert await status(chat, name) == 422, name
    for name in ("Zoë", nfd("Zoë"), "ZOË"):
        assert (await log_in(chat, name, PASSWORD)).status_code == 200, name


async def test_names_from_before_this_rule_still_log_in(chat: Rig):
    bob, _ = await chat.register("bob"), await chat.register("other")

    def rename(connection):
        connection.execute(update(users).where(users.c.username == "other").values(username="Bob", username_key=None))
        return Change(None)

    await chat.chat.change(rename)
    assert (await log_in(chat, "bob", PASSWORD)).json()["user_id"] == bob.user_id
    assert (await log_in(chat, "Bob", PASSWORD)).json()["user_id"] == bob.user_id + 1


async def test_every_name_is_checked_and_stored_in_one_form(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    thread = (await alice.ok("POST", "/feeds/1/threads", {"name": "t", "parent_msg_id": 1}))["thread_id"]
    role = {"permissions": 1, "position": 5}
    places = [
        ("PATCH", "/users/@me", "display_name", {}), ("PATCH", "/members/@me", "nickname", {}), ("PATCH", "/server", "name", {}),
        ("POST", "/feeds", "name", {"type": "text"}), ("PATCH", "/feeds/1", "name", {}), ("POST", "/rooms", "name", {"type": "voice"}),
        ("POST", "/categories", "name", {"position": 0}), ("POST", "/roles", "name", role),
        ("PATCH", f"/threads/{thread}", "name", {}), ("POST", "/feeds/1/threads", "name", {"parent_msg_id": 1}),
    ]  # fmt: skip
    for method, path, field, more in places:
        for name in UNUSABLE:
            reply = await getattr(alice, method.lower())(path, {field: name, **more})
            assert refusal(reply) == INVALID, (path, ascii(name))
        stored = (await alice.ok(method, path, {field: f"  {nfd('Café')}\u00a0 x ", **more}))[field]
        assert stored == "Café x", path
    assert refusal(await alice.post("/roles", {"name": "@Everyone", **role})) == INVALID
    assert refusal(await alice.patch("/users/@me", {"avatar": "javascript:alert(1)"})) == INVALID


async def test_a_password_is_the_same_however_its_letters_are_composed(chat: Rig):
    assert await status(chat, "jurgen", "pässwörter 123") == 201
    for password in (nfd("pässwörter 123"), "pässwörter\u00a0123"):
        assert (await log_in(chat, "jurgen", password)).status_code == 200
    assert (await log_in(chat, "jurgen", "passworter 123")).status_code == 401


async def test_a_password_hashed_as_it_was_typed_still_logs_in_and_is_renewed(chat: Rig):
    await chat.register("old")
    typed = nfd("pässwörter 123")
    raw = chat.chat.logins.passwords._hasher.hash(typed)
    await chat.chat.change(lambda c: Change(c.execute(update(users).values(password_hash=raw)) and None))
    assert (await log_in(chat, "old", "pässwörter 123")).status_code == 401
    assert (await log_in(chat, "old", typed)).status_code == 200
    assert (await log_in(chat, "old", "pässwörter 123")).status_code == 200


async def test_one_emoji_is_one_reaction_and_text_is_none(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    path = f"/feeds/1/messages/{await say(alice, 1)}/reactions"
    await alice.ok("PUT", f"{path}/❤")
    await bob.ok("PUT", f"{path}/❤\ufe0f")
    heart = {"reactions": [{"emoji": "❤\ufe0f", "user_ids": [alice.user_id, bob.user_id]}]}
    assert await alice.ok("GET", path) == heart
    assert await alice.ok("GET", path, emoji="❤") == heart
    for text in ("lol", "a%0Ab", "%20", "😀😀"):
        assert refusal(await alice.put(f"{path}/{text}")) == INVALID, text
    await bob.ok("DELETE", f"{path}/❤")
    assert (await alice.ok("GET", path))["reactions"][0]["user_ids"] == [alice.user_id]


@pytest.mark.parametrize("body", ["\u200b", "\u3164", " \n", "\u2060\u00ad"])
async def test_a_message_that_shows_nothing_is_empty(chat: Rig, body: str):
    alice = await chat.register("alice")
    await feed(alice)
    assert refusal(await alice.post("/feeds/1/messages", {"body": body})) == (400, "EMPTY_MESSAGE")
    msg_id = await say(alice, 1)
    assert refusal(await alice.patch(f"/feeds/1/messages/{msg_id}", {"body": body})) == (400, "EMPTY_MESSAGE")


async def test_the_scheme_of_a_token_has_no_case(chat: Rig):
    alice = await chat.register("alice")
    for scheme in ("bearer", "BEARER"):
        reply = await chat.http.get("/api/v1/users/@me", headers={"authorization": f"{scheme} {alice.token}"})
        assert reply.status_code == 200
