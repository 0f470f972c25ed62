"""Messages and read marks of conversations: for participants only."""

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_spaces import Row, bodies, count, feed, mismatches, say, write
from vox.chat.database.schema import dm_read_state, messages

NO_MESSAGE = (404, "MESSAGE_NOT_FOUND")
INVALID = (422, "VALIDATION_ERROR")
FORBIDDEN = (403, "FORBIDDEN")


async def pair(chat: Rig) -> tuple[Person, Person, int]:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    return alice, bob, (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]


async def test_a_message_reaches_participants_only(chat: Rig):
    alice, bob, dm = await pair(chat)
    carol = await chat.register("carol")
    async with bob.gateway() as gateway, carol.gateway() as stranger:
        reply = await alice.post(f"/dms/{dm}/messages", {"body": "psst", "opaque_blob": "b", "embed": '{"title": "t"}'})
        assert reply.status_code == 201
        sent = reply.json()
        told = (await gateway.expect("message_create"))["d"]
        assert told == {
            "msg_id": sent["msg_id"], "author_id": alice.user_id, "body": "psst", "timestamp": sent["timestamp"],
            "opaque_blob": "b", "dm_id": dm,
        }  # fmt: skip
        await alice.ok("PATCH", f"/dms/{dm}/messages/{sent['msg_id']}", {"body": "more"})
        event = await gateway.expect("message_update")
        assert (event["d"]["dm_id"], event["d"]["body"]) == (dm, "more")
        assert "feed_id" not in event["d"]
        await bob.ok("PUT", f"/dms/{dm}/messages/{sent['msg_id']}/reactions/🎉")
        assert (await gateway.expect("message_reaction_add"))["d"]["emoji"] == "🎉"
        await bob.ok("DELETE", f"/dms/{dm}/messages/{sent['msg_id']}/reactions/🎉")
        assert (await gateway.expect("message_reaction_remove"))["d"]["user_id"] == bob.user_id
        await alice.ok("DELETE", f"/dms/{dm}/messages/{sent['msg_id']}")
        assert (await gateway.expect("message_delete"))["d"] == {"msg_id": sent["msg_id"], "dm_id": dm}
        assert {event["type"] for event in await stranger.events()} <= {"presence_update"}
    assert await count(chat, messages) == 0


async def test_a_blob_alone_is_a_message_and_an_embed_alone_is_none(chat: Rig):
    alice, bob, dm = await pair(chat)
    blob = await alice.ok("POST", f"/dms/{dm}/messages", {"opaque_blob": "secret"})
    message = await bob.ok("GET", f"/dms/{dm}/messages/{blob['msg_id']}")
    assert (message["opaque_blob"], message["body"], message["dm_id"]) == ("secret", None, dm)
    rows: list[Row] = [
        ("POST", f"/dms/{dm}/messages", {}, (400, "EMPTY_MESSAGE")),
        ("POST", f"/dms/{dm}/messages", {"embed": '{"title": "t"}'}, (400, "EMPTY_MESSAGE")),
        ("POST", f"/dms/{dm}/messages", {"body": "x" * 4001}, (400, "MESSAGE_TOO_LARGE")),
        ("POST", f"/dms/{dm}/messages", {"opaque_blob": "x" * 65_537}, (400, "MESSAGE_TOO_LARGE")),
        ("POST", f"/dms/{dm}/messages", {"opaque_blob": "a\0"}, INVALID),
    ]
    assert await mismatches(alice, rows) == []


async def test_only_its_author_changes_a_message_and_only_in_its_conversation(chat: Rig):
    alice, bob, dm = await pair(chat)
    carol = await chat.register("carol")
    other = (await alice.ok("POST", "/dms", {"recipient_id": carol.user_id}))["dm_id"]
    await feed(alice)
    msg_id, in_feed = await write(alice, dm), await say(alice, 1)
    path = f"/dms/{dm}/messages/{msg_id}"
    rows: list[Row] = [("PATCH", path, {"body": "x"}, FORBIDDEN), ("DELETE", path, None, FORBIDDEN)]
    assert await mismatches(bob, rows) == []
    rows = [
        (method, wrong, {"body": "x"} if method == "PATCH" else None, NO_MESSAGE)
        for wrong in (f"/dms/{other}/messages/{msg_id}", f"/dms/{dm}/messages/{in_feed}", f"/feeds/1/messages/{msg_id}")
        for method in ("GET", "PATCH", "DELETE")
    ]
    rows += [
        ("PUT", f"/dms/{other}/messages/{msg_id}/reactions/👍", None, NO_MESSAGE),
        ("PATCH", path, {"body": "x" * 4001}, INVALID),
    ]
    assert await mismatches(alice, rows) == []
    assert await bodies(bob, f"/dms/{dm}/messages") == ["hello"]


async def test_reading_is_told_and_only_moves_forward(chat: Rig):
    alice, bob, dm = await pair(chat)
    first, second = await write(alice, dm), await write(alice, dm)
    async with alice.gateway() as gateway:
        assert (await bob.post(f"/dms/{dm}/read", {"up_to_msg_id": second})).status_code == 204
        event = await gateway.expect("dm_read_notify")
        assert event["d"] == {"dm_id": dm, "user_id": bob.user_id, "up_to_msg_id": second}
        await bob.ok("POST", f"/dms/{dm}/read", {"up_to_msg_id": first})
        assert {event["type"] for event in await gateway.events()} <= {"presence_update"}
    mark = await chat.chat.read(lambda connection: connection.execute(dm_read_state.select()).one())
    assert mark.last_read_msg_id == second


async def test_a_mark_cannot_hide_what_is_not_written_yet(chat: Rig):
    alice, bob, dm = await pair(chat)
    await bob.ok("POST", f"/dms/{dm}/read", {"up_to_msg_id": 2**63 - 1})
    mark = await chat.chat.read(lambda connection: connection.execute(dm_read_state.select()).one())
    later = (await write(alice, dm)) + (120_000 << 22)
    assert mark.last_read_msg_id < later
    rows: list[Row] = [
        ("POST", f"/dms/{dm}/read", body, INVALID) for body in ({}, {"up_to_msg_id": -1}, {"up_to_msg_id": 2**63})
    ]
    assert await mismatches(bob, rows) == []
