"""Things that happen to one message, thread or feed at the same moment: whichever comes first, what is left makes sense."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx2
from sqlalchemy import delete

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, bodies, count, feed, mismatches, refusal, say, upload
from vox.chat.database.schema import dms, feeds, message_attachments, messages, pins, reactions, threads

ROUNDS = 8
NO_SPACE = (404, "SPACE_NOT_FOUND")
NOT_IN = (403, "NOT_DM_PARTICIPANT")


async def at_once(*requests: Awaitable[httpx2.Response]) -> list[httpx2.Response]:
    """All responses; none may be a failure of the server."""
    replies = await asyncio.gather(*requests)
    assert [reply.text for reply in replies if reply.status_code >= 500] == []
    return list(replies)


async def test_delete_edit_and_react_at_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    for number in range(ROUNDS):
        msg_id = await say(alice, 1, str(number))
        path = f"/feeds/1/messages/{msg_id}"
        replies = await at_once(
            bob.put(f"{path}/reactions/👍"),
            alice.patch(path, {"body": "edited"}),
            alice.delete(path),
            alice.put(f"/feeds/1/pins/{msg_id}"),
            bob.put(f"{path}/reactions/👎"),
            alice.delete(path),
        )
        assert sorted(reply.status_code for reply in (replies[2], replies[5])) == [204, 404]
        for reply in replies:
            assert reply.is_success or refusal(reply) == (404, "MESSAGE_NOT_FOUND")
    for table in (messages, reactions, pins):
        assert await count(chat, table) == 0, table.name


async def test_what_names_a_place_that_has_just_been_deleted_finds_nothing(chat: Rig):
    """The rows are gone, and this process has not heard of it yet."""
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    dm_id = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    await chat.chat.database.write(lambda c: (c.execute(delete(feeds)), c.execute(delete(dms)))[0].rowcount)
    rows: list[Row] = [
        ("POST", "/feeds/1/read", {"up_to_msg_id": 1}, NO_SPACE),
        ("PUT", "/feeds/1/subscribers", None, NO_SPACE),
        ("POST", "/feeds/1/messages", {"body": "x"}, NO_SPACE),
        ("POST", "/feeds/1/threads", {"name": "x", "parent_msg_id": 1}, NO_SPACE),
        ("POST", "/invites", {"feed_id": 1}, NO_SPACE),
        ("PUT", "/feeds/1/pins/1", None, (404, "MESSAGE_NOT_FOUND")),
        ("PATCH", "/feeds/1", {"name": "x"}, NO_SPACE),
        ("DELETE", "/feeds/1", None, NO_SPACE),
        ("PUT", "/feeds/1/permissions/user/2", {"allow": 0, "deny": 1}, NO_SPACE),
        ("POST", f"/dms/{dm_id}/read", {"up_to_msg_id": 1}, NOT_IN),
        ("POST", f"/dms/{dm_id}/messages", {"body": "x"}, NO_SPACE),
        ("PATCH", f"/dms/{dm_id}", {"name": "x"}, NOT_IN),
        ("DELETE", f"/dms/{dm_id}", None, NOT_IN),
    ]
    assert await mismatches(alice, rows) == []


async def test_the_last_event_about_a_deleted_message_is_its_deletion(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    async with alice.gateway() as gateway:
        for _ in range(ROUNDS):
            path = f"/feeds/1/messages/{await say(alice, 1)}"
            await at_once(alice.patch(path, {"body": "y"}), alice.delete(path), alice.put(f"{path}/reactions/👍"))
        of: dict[int, list[str]] = {}
        for event in await gateway.events():
            if "msg_id" in event["d"]:
                of.setdefault(event["d"]["msg_id"], []).append(event["type"])
    assert len(of) == ROUNDS
    for kinds in of.values():
        told = [kind for kind in kinds if kind != "notification_create"]
        assert (told[0], told[-1]) == ("message_create", "message_delete")


async def test_archiving_and_sending_at_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    for number in range(1, ROUNDS + 1):
        await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "t"})
        path = f"/feeds/1/threads/{number}/messages"
        replies = await at_once(
            bob.post(path, {"body": "a"}),
            alice.patch(f"/threads/{number}", {"archived": True}),
            bob.post(path, {"body": "b"}),
        )
        sent = [reply for reply in (replies[0], replies[2]) if reply.is_success]
        for reply in (replies[0], replies[2]):
            assert reply.is_success or refusal(reply) == (403, "THREAD_LOCKED")
        assert len(await bodies(alice, path)) == len(sent)
        assert refusal(await bob.post(path, {"body": "c"})) == (403, "THREAD_LOCKED")


async def test_deleting_a_thread_and_sending_at_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    for number in range(1, ROUNDS + 1):
        await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "t"})
        path = f"/feeds/1/threads/{number}/messages"
        requests: list[Any] = [bob.post(path, {"body": "x"}) for _ in range(4)]
        replies = await at_once(*requests[:2], alice.delete(f"/threads/{number}"), *requests[2:])
        assert replies[2].status_code == 204
        for reply in replies[:2] + replies[3:]:
            assert reply.is_success or refusal(reply) == (404, "SPACE_NOT_FOUND")
    assert (await count(chat, messages), await count(chat, threads)) == (0, 0)


async def test_deleting_a_feed_and_sending_at_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    for number in range(1, ROUNDS + 1):
        await feed(alice)
        path = f"/feeds/{number}/messages"
        replies = await at_once(
            bob.post(path, {"body": "x"}),
            bob.put(f"/feeds/{number}/subscribers"),
            alice.delete(f"/feeds/{number}"),
            bob.post(path, {"body": "x"}),
            bob.post(f"/feeds/{number}/threads", {"parent_msg_id": 1, "name": "t"}),
        )
        for reply in replies:
            assert reply.is_success or refusal(reply) == (404, "SPACE_NOT_FOUND")
    assert (await count(chat, messages), await count(chat, threads)) == (0, 0)


async def test_pins_at_once_do_not_pass_the_cap(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("PATCH", "/server/limits", {"limits": {"max_pins_per_feed": 3}})
    await feed(alice)
    ids = [await say(alice, 1, str(number)) for number in range(8)]
    replies = await at_once(*(alice.put(f"/feeds/1/pins/{msg_id}") for msg_id in ids))
    assert sum(reply.is_success for reply in replies) == 3
    assert {refusal(reply) for reply in replies if reply.is_error} == {(400, "PIN_LIMIT_REACHED")}
    assert await count(chat, pins) == 3


async def test_one_nonce_at_once_stores_one_message(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    for number in range(ROUNDS):
        body = {"body": "x", "nonce": f"n{number}"}
        replies = await at_once(*(alice.post("/feeds/1/messages", body) for _ in range(4)))
        assert {reply.status_code for reply in replies} == {201}
        assert len({reply.json()["msg_id"] for reply in replies}) == 1
    assert await count(chat, messages) == ROUNDS


async def test_one_file_at_once_ends_on_one_message(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    for number in range(ROUNDS):
        files = [await upload(chat, alice, f"{name}{number}", feed_id=1) for name in "ab"]
        requests = [
            alice.post("/feeds/1/messages", {"body": "x", "attachments": order}) for order in (files, files[::-1])
        ]
        replies = await at_once(*requests)
        assert sorted(reply.status_code for reply in replies) == [201, 400]
    assert await count(chat, message_attachments) == 2 * ROUNDS


async def test_two_who_open_a_conversation_at_once_get_the_same(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    carol = await chat.register("carol")
    for one, other in ((alice, bob), (bob, carol), (carol, alice)):
        replies = await at_once(
            one.post("/dms", {"recipient_id": other.user_id}), other.post("/dms", {"recipient_id": one.user_id})
        )
        assert len({reply.json()["dm_id"] for reply in replies}) == 1
    assert await count(chat, dms) == 3


async def test_a_group_does_not_grow_past_its_cap_at_once(chat: Rig):
    alice = await chat.register("alice")
    others = [await chat.register(f"u{number}") for number in range(5)]
    await alice.ok("PATCH", "/server/limits", {"limits": {"group_dm_recipients_max": 3}})
    dm = (await alice.ok("POST", "/dms", {"recipient_ids": [others[0].user_id]}))["dm_id"]
    replies = await at_once(*(alice.put(f"/dms/{dm}/recipients/{other.user_id}") for other in others[1:]))
    assert sorted(reply.status_code for reply in replies) == [204, 400, 400, 400]


async def test_moving_feeds_at_once_leaves_one_order(chat: Rig):
    alice = await chat.register("alice")
    for name in "abcd":
        await feed(alice, name)
    await at_once(*(alice.patch(f"/feeds/{feed_id}", {"position": 0}) for feed_id in (1, 2, 3, 4)))
    layout = await alice.ok("GET", "/server/layout")
    assert [each["position"] for each in layout["feeds"]] == [0, 1, 2, 3]
    await chat.chat.database.write(chat.chat.community.load)
    assert await alice.ok("GET", "/server/layout") == layout
