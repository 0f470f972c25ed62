"""Sending messages to feeds: what is stored, told and refused."""

import json

import pytest
from sqlalchemy import update

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, allow, bodies, count, deny, feed, grant, mismatches, refusal, say
from vox.chat.database.schema import message_mentions, message_nonces, messages
from vox.chat.database.unit_of_work import Change
from vox.chat.events.permissions import P
from vox.chat.features.messages.insert import NONCE_LIFE_S, delete_expired_nonces

MISSING = (403, "MISSING_PERMISSIONS")
NO_SPACE = (404, "SPACE_NOT_FOUND")
INVALID = (422, "VALIDATION_ERROR")


async def test_a_message_is_sent_told_and_read_with_the_documented_shapes(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    async with alice.gateway() as gateway:
        reply = await alice.post("/feeds/1/messages", {"body": " *hi* <@1>\n"})
        assert reply.status_code == 201
        sent = reply.json()
        assert sent.keys() == {"msg_id", "timestamp", "interaction_id", "mentions"}
        assert (sent["interaction_id"], sent["mentions"]) == (None, [])
        assert sent["msg_id"] >> 22 == sent["timestamp"]
        event = await gateway.expect("message_create")
    assert event["d"] == {
        "msg_id": sent["msg_id"], "author_id": alice.user_id, "body": " *hi* <@1>\n",
        "timestamp": sent["timestamp"], "feed_id": 1,
    }  # fmt: skip
    assert await alice.ok("GET", f"/feeds/1/messages/{sent['msg_id']}") == {
        "msg_id": sent["msg_id"], "feed_id": 1, "dm_id": None, "thread_id": None, "author_id": alice.user_id,
        "body": " *hi* <@1>\n", "opaque_blob": None, "timestamp": sent["timestamp"], "reply_to": None,
        "attachments": [], "embed": None, "edit_timestamp": None, "federated": False, "author_address": None,
        "pinned_at": None, "webhook_id": None,
    }  # fmt: skip


async def test_every_optional_field_travels_with_the_event(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    first = await say(alice, 1)
    embed = {"title": "t", "fields": [{"name": "n", "value": "v"}]}
    async with alice.gateway() as gateway:
        sent = await alice.ok(
            "POST",
            "/feeds/1/messages",
            {"body": "x", "reply_to": first, "mentions": [bob.user_id, 0], "embed": json.dumps(embed)},
        )
        told = (await gateway.expect("message_create"))["d"]
    assert sent["mentions"] == [bob.user_id, 0]
    assert (told["reply_to"], told["mentions"]) == (first, [bob.user_id, 0])
    assert told["embed"] == {"title": "t", "fields": [{"name": "n", "value": "v", "inline": False}]}
    stored = await alice.ok("GET", f"/feeds/1/messages/{sent['msg_id']}")
    assert stored["reply_to"] == first
    assert (stored["embed"]["title"], stored["embed"]["url"]) == ("t", None)
    assert len(stored["embed"]) == 16


async def test_what_is_wrong_with_a_message_is_refused_in_the_documented_order(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    path = "/feeds/1/messages"
    rows: list[Row] = [
        ("POST", "/feeds/9/messages", {"body": "x"}, NO_SPACE),
        ("POST", path, {}, (400, "EMPTY_MESSAGE")),
        ("POST", path, {"body": " \n"}, (400, "EMPTY_MESSAGE")),
        ("POST", path, {"opaque_blob": "only for conversations"}, (400, "EMPTY_MESSAGE")),
        ("POST", path, {"body": "x" * 4001}, (400, "MESSAGE_TOO_LARGE")),
        ("POST", path, {"body": "x", "embed": "{"}, INVALID),
        ("POST", path, {"body": "x", "embed": {"title": "an object"}}, INVALID),
        ("POST", path, {"body": "x", "embed": '{"title": 1}'}, INVALID),
        ("POST", path, {"body": "a\0b"}, INVALID),
        ("POST", path, {"body": 7}, INVALID),
        ("POST", path, {"body": "x", "mentions": ["1"]}, INVALID),
        ("POST", path, {"body": "x", "mentions": [2**63]}, INVALID),
        ("POST", path, {"body": "x", "reply_to": -1}, INVALID),
        ("POST", path, {"body": "x", "nonce": "n" * 65}, INVALID),
        ("POST", path, {"body": "x", "attachments": ["nothing"]}, (400, "INVALID_ATTACHMENT")),
        ("POST", path, [], INVALID),
    ]
    assert await mismatches(alice, rows) == []
    assert await count(chat, messages) == 0


async def test_a_broken_embed_stores_nothing_where_the_original_failed_after_commit(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    async with alice.gateway() as gateway:
        assert refusal(await alice.post("/feeds/1/messages", {"body": "x", "embed": "no json"})) == INVALID
        assert await gateway.events() == []
    assert await bodies(alice, "/feeds/1/messages") == []


async def test_who_may_not_send_is_refused_before_the_feed_is_looked_for(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await deny(alice, 1, bob, P.SEND_MESSAGES)
    assert refusal(await bob.post("/feeds/1/messages", {"body": "x"})) == MISSING
    await deny(alice, 1, bob, P.VIEW_SPACE)
    assert refusal(await bob.post("/feeds/1/messages", {"body": "x"})) == MISSING
    await alice.ok("PATCH", "/roles/1", {"permissions": int(P.VIEW_SPACE)})
    assert refusal(await bob.post("/feeds/9/messages", {"body": "x"})) == MISSING


async def test_announcements_are_for_who_manages_spaces(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice, type="announcement")
    assert refusal(await bob.post("/feeds/1/messages", {"body": "x"})) == (403, "FORBIDDEN")
    await say(alice, 1)
    role = await grant(alice, bob, P.MANAGE_SPACES)
    path = f"/feeds/1/messages/{await say(bob, 1, 'true')}"
    await bob.ok("PATCH", path, {"body": "still true"})
    await alice.ok("DELETE", f"/members/{bob.user_id}/roles/{role}")
    assert refusal(await bob.patch(path, {"body": "false"})) == (403, "FORBIDDEN")
    assert (await bob.ok("GET", path))["body"] == "still true"
    await bob.ok("DELETE", path)


async def test_an_embed_without_the_permission_is_dropped(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await deny(alice, 1, bob, P.SEND_EMBEDS)
    msg_id = await say(bob, 1, "x", embed='{"title": "t"}')
    assert (await bob.ok("GET", f"/feeds/1/messages/{msg_id}"))["embed"] is None
    assert refusal(await bob.post("/feeds/1/messages", {"embed": '{"title": "t"}'})) == (400, "EMPTY_MESSAGE")
    await allow(alice, 1, bob, P.SEND_EMBEDS)
    msg_id = await say(bob, 1, "x", embed='{"title": "t"}')
    assert (await bob.ok("GET", f"/feeds/1/messages/{msg_id}"))["embed"]["title"] == "t"


async def test_everyone_is_mentioned_only_with_the_permission(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    async with alice.gateway() as gateway:
        sent = await bob.ok("POST", "/feeds/1/messages", {"body": "x", "mentions": [0]})
        assert sent["mentions"] == []
        assert "mentions" not in (await gateway.expect("message_create"))["d"]
        assert "notification_create" not in [event["type"] for event in await gateway.events()]
    await allow(alice, 1, bob, P.MENTION_EVERYONE)
    assert (await bob.ok("POST", "/feeds/1/messages", {"body": "x", "mentions": [0]}))["mentions"] == [0]


async def test_a_mention_of_nobody_is_kept_in_the_answer_only(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    sent = await alice.ok("POST", "/feeds/1/messages", {"body": "x", "mentions": [bob.user_id, 999]})
    assert sent["mentions"] == [bob.user_id, 999]
    assert await count(chat, message_mentions) == 1


async def test_a_reply_may_name_what_is_gone_or_elsewhere(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    secret = await feed(alice, "secret")
    hidden = await say(alice, secret)
    await deny(alice, secret, bob, P.VIEW_SPACE)
    async with alice.gateway() as gateway:
        for reply_to in (hidden, 12345):
            msg_id = await say(bob, 1, "x", reply_to=reply_to)
            assert (await bob.ok("GET", f"/feeds/1/messages/{msg_id}"))["reply_to"] == reply_to
        assert "notification_create" not in [event["type"] for event in await gateway.events()]


async def test_ids_ascend_in_the_order_of_sending(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    ids = [await say(alice, 1, str(number)) for number in range(5)]
    assert ids == sorted(set(ids))


async def test_a_nonce_makes_sending_twice_sending_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    async with bob.gateway() as gateway:
        first = await alice.ok("POST", "/feeds/1/messages", {"body": "x", "nonce": "n", "mentions": [bob.user_id]})
        again = await alice.post("/feeds/1/messages", {"body": "x", "nonce": "n", "mentions": [bob.user_id]})
        assert (again.status_code, again.json()) == (201, first)
        events = [event["type"] for event in await gateway.events()]
    assert events.count("message_create") == 1
    assert events.count("notification_create") == 1
    assert await count(chat, messages) == 1
    other = await bob.ok("POST", "/feeds/1/messages", {"body": "mine", "nonce": "n"})
    assert other["msg_id"] != first["msg_id"]


async def test_a_nonce_counts_for_one_place(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await feed(alice, "other")
    first = await say(alice, 1, nonce="n")
    assert await say(alice, 2, nonce="n") != first
    assert await count(chat, message_nonces) == 1


async def test_a_forum_retry_makes_no_second_thread(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice, type="forum")
    assert await say(alice, 1, "q", nonce="n") == await say(alice, 1, "q", nonce="n")
    assert len((await alice.ok("GET", "/feeds/1/threads"))["items"]) == 1


async def test_messages_do_not_reach_who_may_not_read_them(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "open")
    await deny(alice, 1, bob, P.READ_HISTORY)
    async with bob.gateway() as gateway:
        msg_id = await say(alice, 1, mentions=[bob.user_id, 0])
        await alice.ok("PATCH", f"/feeds/1/messages/{msg_id}", {"body": "y"})
        await alice.ok("PUT", f"/feeds/1/messages/{msg_id}/reactions/👍")
        await alice.ok("PUT", f"/feeds/1/pins/{msg_id}")
        await alice.ok("DELETE", f"/feeds/1/messages/{msg_id}")
        await say(alice, 2, "seen")
        event = await gateway.next()
        assert event["type"] == "message_create"
        assert event["d"]["body"] == "seen"


@pytest.mark.parametrize("name", ["body", "opaque_blob", "embed", "nonce"])
async def test_objects_where_texts_are_expected_are_refused(chat: Rig, name: str):
    alice = await chat.register("alice")
    await feed(alice)
    for value in ({"$ne": ""}, ["x"], 1, True):
        body = {"body": "x", name: value}
        assert refusal(await alice.post("/feeds/1/messages", body)) == INVALID


async def test_a_nonce_counts_for_ten_minutes(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    first = await say(alice, 1, nonce="n")
    old = update(message_nonces).values(created_at=message_nonces.c.created_at - NONCE_LIFE_S - 1)
    await chat.chat.change(lambda connection: Change(connection.execute(old).rowcount))
    second = await say(alice, 1, nonce="n")
    assert second != first
    assert await say(alice, 1, nonce="n") == second
    now_s = chat.chat.clock.unix_s()
    assert await chat.chat.change(lambda connection: Change(delete_expired_nonces(connection, now_s))) == 0
    later = now_s + NONCE_LIFE_S + 1
    assert await chat.chat.change(lambda connection: Change(delete_expired_nonces(connection, later))) == 1
