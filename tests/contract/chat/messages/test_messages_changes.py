"""Editing, deleting, reacting to and pinning messages."""

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, allow, bodies, count, deny, feed, mismatches, refusal, say, upload
from vox.chat.database.schema import message_attachments, message_mentions, messages, pins, reactions
from vox.chat.events.permissions import P

MISSING = (403, "MISSING_PERMISSIONS")
NO_SPACE = (404, "SPACE_NOT_FOUND")
NO_MESSAGE = (404, "MESSAGE_NOT_FOUND")
INVALID = (422, "VALIDATION_ERROR")


async def test_an_author_edits_his_message(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    msg_id = await say(alice, 1, "before")
    async with alice.gateway() as gateway:
        edited = await alice.ok("PATCH", f"/feeds/1/messages/{msg_id}", {"body": "after"})
        assert edited.keys() == {"msg_id", "edit_timestamp"}
        event = await gateway.expect("message_update")
    assert event["d"] == {"feed_id": 1, "body": "after", **edited}
    message = await alice.ok("GET", f"/feeds/1/messages/{msg_id}")
    assert (message["body"], message["edit_timestamp"]) == ("after", edited["edit_timestamp"])
    assert message["edit_timestamp"] >= message["timestamp"]


async def test_nobody_edits_what_another_wrote_not_even_an_administrator(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "other")
    msg_id = await say(bob, 1)
    path = f"/feeds/1/messages/{msg_id}"
    rows: list[Row] = [
        ("PATCH", path, {"body": "x"}, (403, "FORBIDDEN")),
        ("PATCH", f"/feeds/2/messages/{msg_id}", {"body": "x"}, NO_MESSAGE),
        ("PATCH", "/feeds/1/messages/1", {"body": "x"}, NO_MESSAGE),
        ("PATCH", "/feeds/9/messages/1", {"body": "x"}, NO_SPACE),
    ]
    assert await mismatches(alice, rows) == []
    mine: list[Row] = [
        ("PATCH", path, {"body": "x" * 4001}, INVALID),
        ("PATCH", path, {"body": "a\0"}, INVALID),
        ("PATCH", path, {}, INVALID),
        ("PATCH", path, {"body": " "}, (400, "EMPTY_MESSAGE")),
    ]
    assert await mismatches(bob, mine) == []
    await deny(alice, 1, bob, P.SEND_MESSAGES)
    assert refusal(await bob.patch(path, {"body": "x"})) == MISSING
    assert await bodies(alice, "/feeds/1/messages") == ["hello"]


async def test_a_message_with_a_file_may_lose_its_text(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    file_id = await upload(chat, alice, "f", feed_id=1)
    msg_id = await say(alice, 1, attachments=[file_id])
    await alice.ok("PATCH", f"/feeds/1/messages/{msg_id}", {"body": ""})
    embedded = await say(alice, 1, embed='{"title": "t"}')
    await alice.ok("PATCH", f"/feeds/1/messages/{embedded}", {"body": " "})


async def test_a_message_is_deleted_by_its_author_or_a_moderator(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    mine, theirs, more = await say(bob, 1), await say(alice, 1), await say(alice, 1)
    async with alice.gateway() as gateway:
        assert (await bob.delete(f"/feeds/1/messages/{mine}")).status_code == 204
        assert (await gateway.expect("message_delete"))["d"] == {"msg_id": mine, "feed_id": 1}
    assert refusal(await bob.delete(f"/feeds/1/messages/{mine}")) == NO_MESSAGE
    assert refusal(await bob.delete(f"/feeds/1/messages/{theirs}")) == MISSING
    await allow(alice, 1, bob, P.MANAGE_MESSAGES)
    await bob.ok("DELETE", f"/feeds/1/messages/{theirs}")
    await deny(alice, 1, bob, P.VIEW_SPACE)
    assert refusal(await bob.delete(f"/feeds/1/messages/{more}")) == MISSING
    assert await count(chat, messages) == 1


async def test_deleting_takes_everything_that_hangs_on_a_message(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    file_id = await upload(chat, alice, "f", feed_id=1)
    msg_id = await say(alice, 1, attachments=[file_id], mentions=[bob.user_id], nonce="n")
    await alice.ok("PUT", f"/feeds/1/messages/{msg_id}/reactions/👍")
    await alice.ok("PUT", f"/feeds/1/pins/{msg_id}")
    await alice.ok("DELETE", f"/feeds/1/messages/{msg_id}")
    for table in (messages, message_attachments, message_mentions, reactions, pins):
        assert await count(chat, table) == 0, table.name
    assert (await alice.ok("GET", "/feeds/1/pins"))["messages"] == []
    assert await say(alice, 1, nonce="n") != msg_id


async def test_bulk_delete_takes_only_messages_of_its_feed(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "other")
    here = [await say(alice, 1, str(number)) for number in range(3)]
    elsewhere = await say(alice, 2, "kept")
    async with alice.gateway() as gateway:
        body = {"msg_ids": [here[2], elsewhere, here[0], here[0], 5]}
        assert (await alice.post("/feeds/1/messages/bulk-delete", body)).status_code == 204
        event = await gateway.expect("message_bulk_delete")
        assert event["d"] == {"feed_id": 1, "msg_ids": [here[0], here[2]]}
        await alice.ok("POST", "/feeds/1/messages/bulk-delete", body)
        assert await gateway.events() == []
    assert await bodies(alice, "/feeds/1/messages") == ["1"]
    assert await bodies(alice, "/feeds/2/messages") == ["kept"]
    await alice.ok("POST", "/feeds/1/messages/bulk-delete", {"msg_ids": list(range(100))})
    assert refusal(await alice.post("/feeds/1/messages/bulk-delete", {"msg_ids": list(range(101))})) == INVALID
    assert refusal(await bob.post("/feeds/1/messages/bulk-delete", {"msg_ids": [here[1]]})) == MISSING


async def test_reactions_are_listed_and_told_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    msg_id = await say(alice, 1)
    path = f"/feeds/1/messages/{msg_id}/reactions"
    async with bob.gateway() as gateway:
        for person in (alice, bob, bob):
            assert (await person.put(f"{path}/%F0%9F%91%8D")).status_code == 204
        added = [event["d"] for event in await gateway.events() if event["type"] == "message_reaction_add"]
        assert added == [{"msg_id": msg_id, "user_id": person.user_id, "emoji": "👍"} for person in (alice, bob)]
        assert await bob.ok("GET", path) == {"reactions": [{"emoji": "👍", "user_ids": [alice.user_id, bob.user_id]}]}
        for _ in range(2):
            assert (await alice.delete(f"{path}/%F0%9F%91%8D")).status_code == 204
        removed = [event for event in await gateway.events() if event["type"] == "message_reaction_remove"]
        assert [event["d"] for event in removed] == [{"msg_id": msg_id, "user_id": alice.user_id, "emoji": "👍"}]
    assert await bob.ok("GET", path) == {"reactions": [{"emoji": "👍", "user_ids": [bob.user_id]}]}


async def test_reactions_are_refused_where_they_do_not_belong(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "other")
    msg_id = await say(alice, 1)
    path = f"/feeds/1/messages/{msg_id}/reactions"
    rows: list[Row] = [
        ("PUT", f"/feeds/2/messages/{msg_id}/reactions/👍", None, NO_MESSAGE),
        ("DELETE", f"/feeds/2/messages/{msg_id}/reactions/👍", None, NO_MESSAGE),
        ("GET", f"/feeds/2/messages/{msg_id}/reactions", None, NO_MESSAGE),
        ("PUT", "/feeds/9/messages/1/reactions/👍", None, NO_SPACE),
        ("PUT", f"{path}/{'x' * 65}", None, INVALID),
        ("PUT", f"{path}/a%00", None, (404, "UNKNOWN")),
    ]
    assert await mismatches(alice, rows) == []
    await deny(alice, 1, bob, P.ADD_REACTIONS)
    assert refusal(await bob.put(f"{path}/x")) == MISSING
    await deny(alice, 1, bob, P.READ_HISTORY)
    rows = [(method, f"{path}/x", None, MISSING) for method in ("PUT", "DELETE")]
    assert await mismatches(bob, [("GET", path, None, MISSING), *rows]) == []


async def test_a_message_takes_a_bounded_number_of_different_reactions(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    path = f"/feeds/1/messages/{await say(alice, 1)}/reactions"
    for number in range(100):
        await alice.ok("PUT", f"{path}/{chr(0x1F400 + number)}")
    assert refusal(await alice.put(f"{path}/🎈")) == (400, "INVALID_OPERATION")
    await bob.ok("PUT", f"{path}/{chr(0x1F407)}")


async def test_pins_are_told_listed_and_taken_away(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    first, second = await say(alice, 1, "first"), await say(alice, 1, "second")
    async with alice.gateway() as gateway:
        for msg_id in (second, first, first):
            assert (await alice.put(f"/feeds/1/pins/{msg_id}")).status_code == 204
        told = [event["d"] for event in await gateway.events() if event["type"] == "message_pin_update"]
        assert told == [{"msg_id": msg_id, "feed_id": 1, "pinned": True} for msg_id in (second, first)]
        listed = (await alice.ok("GET", "/feeds/1/pins"))["messages"]
        assert {message["msg_id"] for message in listed} == {first, second}
        assert all(isinstance(message["pinned_at"], int) for message in listed)
        for _ in range(2):
            assert (await alice.delete(f"/feeds/1/pins/{first}")).status_code == 204
        told = [event["d"] for event in await gateway.events() if event["type"] == "message_pin_update"]
        assert told == [{"msg_id": first, "feed_id": 1, "pinned": False}]
    history = (await alice.ok("GET", "/feeds/1/messages"))["messages"]
    assert [message["pinned_at"] is not None for message in history] == [True, False]


async def test_a_feed_has_a_bounded_number_of_pins(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("PATCH", "/server/limits", {"limits": {"max_pins_per_feed": 2}})
    await feed(alice)
    await feed(alice, "other")
    ids = [await say(alice, 1, str(number)) for number in range(3)]
    for msg_id in ids[:2]:
        await alice.ok("PUT", f"/feeds/1/pins/{msg_id}")
    assert refusal(await alice.put(f"/feeds/1/pins/{ids[2]}")) == (400, "PIN_LIMIT_REACHED")
    assert (await alice.put(f"/feeds/1/pins/{ids[1]}")).status_code == 204
    await alice.ok("PUT", f"/feeds/2/pins/{await say(alice, 2)}")
    await alice.ok("DELETE", f"/feeds/1/pins/{ids[0]}")
    await alice.ok("PUT", f"/feeds/1/pins/{ids[2]}")


async def test_pins_are_for_moderators_and_for_messages_of_the_feed(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "other")
    msg_id = await say(bob, 1)
    rows: list[Row] = [
        ("PUT", f"/feeds/2/pins/{msg_id}", None, NO_MESSAGE),
        ("DELETE", f"/feeds/2/pins/{msg_id}", None, NO_MESSAGE),
        ("PUT", f"/feeds/9/pins/{msg_id}", None, NO_SPACE),
    ]
    assert await mismatches(alice, rows) == []
    for method in ("PUT", "DELETE"):
        assert refusal(await bob.call(method, f"/feeds/1/pins/{msg_id}")) == MISSING
    await deny(alice, 1, bob, P.READ_HISTORY)
    assert refusal(await bob.get("/feeds/1/pins")) == MISSING
