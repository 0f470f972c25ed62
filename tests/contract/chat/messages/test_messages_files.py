"""Files on messages: only one's own, only from here, only once; and gone with the message."""

from sqlalchemy import select

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import count, feed, refusal, say, upload, write
from vox.chat.database.schema import files, message_attachments, messages

FORBIDDEN = (403, "FORBIDDEN")
INVALID_ATTACHMENT = (400, "INVALID_ATTACHMENT")


async def states(chat: Rig) -> dict[str, str]:
    query = select(files.c.id, files.c.state)
    return await chat.chat.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})


async def test_files_are_shown_with_their_message_in_the_authors_order(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    ids = [await upload(chat, alice, name, feed_id=1) for name in ("z", "a")]
    async with alice.gateway() as gateway:
        msg_id = (await alice.ok("POST", "/feeds/1/messages", {"attachments": [*ids, "z"]}))["msg_id"]
        told = (await gateway.expect("message_create"))["d"]
    shown = [
        {"file_id": each, "name": f"{each}.png", "size": 3, "mime": "image/png", "url": f"/api/v1/files/{each}"}
        for each in ids
    ]
    assert told["attachments"] == shown
    unknown = {"uploader_id": None, "created_at": None, "width": None, "height": None}
    message = await alice.ok("GET", f"/feeds/1/messages/{msg_id}")
    assert message["attachments"] == [each | unknown for each in shown]
    assert message["body"] is None


async def test_only_own_unattached_files_of_the_same_place_are_attached(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "other")
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    await upload(chat, bob, "bobs", feed_id=1)
    await upload(chat, alice, "elsewhere", feed_id=2)
    await upload(chat, alice, "nowhere")
    await upload(chat, alice, "private", dm_id=dm)
    await upload(chat, alice, "unfinished", feed_id=1, state="uploading")
    await upload(chat, alice, "icon", feed_id=1, purpose="icon")
    await upload(chat, alice, "used", feed_id=1)
    await say(alice, 1, attachments=["used"])
    expected = {
        "bobs": FORBIDDEN, "elsewhere": FORBIDDEN, "nowhere": FORBIDDEN, "private": FORBIDDEN,
        "unfinished": INVALID_ATTACHMENT, "icon": INVALID_ATTACHMENT, "used": INVALID_ATTACHMENT,
        "missing": INVALID_ATTACHMENT,
    }  # fmt: skip
    for file_id, why in expected.items():
        reply = await alice.post("/feeds/1/messages", {"body": "x", "attachments": [file_id]})
        assert refusal(reply) == why, file_id
    in_dm = await alice.post(f"/dms/{dm}/messages", {"body": "x", "attachments": ["nowhere"]})
    assert refusal(in_dm) == FORBIDDEN
    assert await count(chat, messages) == 1
    await write(alice, dm, attachments=["private"])
    assert await count(chat, message_attachments) == 2


async def test_own_file_of_a_feed_may_go_into_a_conversation(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    await upload(chat, alice, "mine", feed_id=1)
    await upload(chat, bob, "bobs", feed_id=1)
    assert refusal(await alice.post(f"/dms/{dm}/messages", {"attachments": ["bobs"]})) == FORBIDDEN
    await write(alice, dm, attachments=["mine"])
    place = await chat.chat.read(
        lambda c: c.execute(select(files.c.feed_id, files.c.dm_id).where(files.c.id == "mine")).one()
    )
    assert tuple(place) == (None, dm)
    assert refusal(await alice.post("/feeds/1/messages", {"attachments": ["mine"]})) == FORBIDDEN


async def test_too_many_files_are_refused(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    body = {"body": "x", "attachments": [f"f{number}" for number in range(33)]}
    assert refusal(await alice.post("/feeds/1/messages", body)) == (422, "VALIDATION_ERROR")


async def test_files_of_deleted_messages_are_out_of_reach_at_once(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    single, bulk, kept = [await upload(chat, alice, name, feed_id=1) for name in ("single", "bulk", "kept")]
    private = await upload(chat, alice, "private", dm_id=dm)
    one, two = await say(alice, 1, attachments=[single]), await say(alice, 1, attachments=[bulk])
    await say(alice, 1, attachments=[kept])
    mine = await write(alice, dm, attachments=[private])
    await alice.ok("DELETE", f"/feeds/1/messages/{one}")
    await alice.ok("POST", "/feeds/1/messages/bulk-delete", {"msg_ids": [two]})
    await alice.ok("DELETE", f"/dms/{dm}/messages/{mine}")
    assert await states(chat) == {
        "single": "uploading", "bulk": "uploading", "kept": "ready", "private": "uploading",
    }  # fmt: skip
    again = await alice.post("/feeds/1/messages", {"body": "x", "attachments": [single]})
    assert refusal(again) == INVALID_ATTACHMENT


async def test_a_deleted_feed_takes_its_files_also_those_on_no_message(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await feed(alice, "other")
    await upload(chat, alice, "loose", feed_id=1)
    await say(alice, 1, attachments=[await upload(chat, alice, "used", feed_id=1)])
    await upload(chat, alice, "other", feed_id=2)
    await alice.ok("DELETE", "/feeds/1")
    assert await states(chat) == {"loose": "uploading", "used": "uploading", "other": "ready"}
