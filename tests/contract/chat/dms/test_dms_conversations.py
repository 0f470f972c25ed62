"""Conversations: opening, groups, their members, and who refuses whom."""

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_spaces import Row, count, grant, mismatches, refusal, upload, write
from vox.chat.database.schema import dms, files, messages
from vox.chat.events.permissions import P

NOT_IN = (403, "NOT_DM_PARTICIPANT")
INVALID = (422, "VALIDATION_ERROR")
BLOCKED = (403, "USER_BLOCKED")
DENIED = (403, "DM_PERMISSION_DENIED")
NO_USER = (404, "USER_NOT_FOUND")


async def people(chat: Rig, *names: str) -> list[Person]:
    return [await chat.register(name) for name in names]


async def group(caller: Person, *others: Person, **more: object) -> int:
    body = {"recipient_ids": [other.user_id for other in others], **more}
    return (await caller.ok("POST", "/dms", body))["dm_id"]


async def test_a_conversation_of_two_is_opened_once(chat: Rig):
    alice, bob = await people(chat, "alice", "bob")
    async with bob.gateway() as gateway:
        reply = await alice.post("/dms", {"recipient_id": bob.user_id})
        assert reply.status_code == 201
        assert reply.json() == {
            "dm_id": 1, "participant_ids": [alice.user_id, bob.user_id], "is_group": False, "name": None,
            "icon": None,
        }  # fmt: skip
        event = await gateway.expect("dm_create")
        assert event["d"] == {"dm_id": 1, "participant_ids": [alice.user_id, bob.user_id], "is_group": False}
        again = await bob.post("/dms", {"recipient_id": alice.user_id})
        assert (again.status_code, again.json()) == (201, reply.json())
        assert await gateway.events() == []
    assert await count(chat, dms) == 1


async def test_a_group_is_opened_with_its_caller_in_it(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    async with carol.gateway() as gateway:
        body = {"recipient_ids": [carol.user_id, bob.user_id, bob.user_id, alice.user_id], "name": "us"}
        made = await alice.ok("POST", "/dms", body)
        assert (made["participant_ids"], made["is_group"], made["name"]) == ([1, 2, 3], True, "us")
        event = await gateway.expect("dm_create")
        assert event["d"] == {"dm_id": 1, "participant_ids": [1, 2, 3], "is_group": True, "name": "us"}
    assert (await alice.ok("POST", "/dms", body))["dm_id"] == 2


async def test_what_is_wrong_with_opening_is_refused(chat: Rig):
    alice, bob = await people(chat, "alice", "bob")
    await alice.ok("DELETE", f"/members/{bob.user_id}")
    rows: list[Row] = [
        ("POST", "/dms", {}, (400, "PROTOCOL_VERSION_MISMATCH")),
        ("POST", "/dms", {"recipient_ids": []}, (400, "PROTOCOL_VERSION_MISMATCH")),
        ("POST", "/dms", {"recipient_id": 99}, NO_USER),
        ("POST", "/dms", {"recipient_id": bob.user_id}, NO_USER),
        ("POST", "/dms", {"recipient_ids": [99]}, NO_USER),
        ("POST", "/dms", {"recipient_id": alice.user_id}, (400, "INVALID_TARGET")),
        ("POST", "/dms", {"recipient_ids": list(range(2, 13))}, INVALID),
        ("POST", "/dms", {"recipient_ids": list(range(2, 12))}, (400, "TOO_MANY_RECIPIENTS")),
        ("POST", "/dms", {"recipient_id": "2"}, INVALID),
        ("POST", "/dms", {"recipient_ids": [1], "name": "x" * 65}, INVALID),
    ]
    assert await mismatches(alice, rows) == []
    assert await count(chat, dms) == 0


async def test_settings_decide_who_may_open(chat: Rig):
    alice, bob = await people(chat, "alice", "bob")
    open_dm: Row = ("POST", "/dms", {"recipient_id": alice.user_id}, DENIED)
    open_group: Row = ("POST", "/dms", {"recipient_ids": [alice.user_id]}, DENIED)
    settings = f"/users/{alice.user_id}/dm-settings"
    for wish in ("nobody", "friends_only", "mutual_servers"):
        await alice.ok("PATCH", settings, {"dm_permission": wish})
        assert await mismatches(bob, [open_dm, open_group]) == [], wish
    role = await grant(alice, bob, P.CONNECT)
    assert await mismatches(bob, [open_dm]) == []
    await alice.ok("PUT", f"/members/{alice.user_id}/roles/{role}")
    await bob.ok("POST", "/dms", {"recipient_id": alice.user_id})
    await alice.ok("PATCH", settings, {"dm_permission": "friends_only"})
    await bob.ok("PUT", f"/users/{bob.user_id}/friends/{alice.user_id}")
    assert await mismatches(bob, [open_dm]) == []
    await alice.ok("POST", f"/users/{alice.user_id}/friends/{bob.user_id}/accept")
    await bob.ok("POST", "/dms", {"recipient_id": alice.user_id})


async def test_a_block_stops_opening_adding_and_sending(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    pair = (await bob.ok("POST", "/dms", {"recipient_id": alice.user_id}))["dm_id"]
    own = f"/dms/{pair}/messages/{await write(bob, pair)}"
    trio = await group(bob, carol)
    await alice.ok("PUT", f"/users/{alice.user_id}/blocks/{bob.user_id}")
    rows: list[Row] = [
        ("POST", "/dms", {"recipient_id": alice.user_id}, BLOCKED),
        ("POST", "/dms", {"recipient_ids": [alice.user_id, carol.user_id]}, BLOCKED),
        ("PUT", f"/dms/{trio}/recipients/{alice.user_id}", None, BLOCKED),
        ("POST", f"/dms/{pair}/messages", {"body": "x"}, BLOCKED),
        # What carries a text across another way, or makes a place where the block does not hold.
        ("PATCH", own, {"body": "x"}, BLOCKED),
        ("PUT", f"{own}/reactions/👍", None, BLOCKED),
        ("PATCH", f"/dms/{pair}", {"name": "x"}, BLOCKED),
        ("POST", f"/dms/{pair}/convert-to-group", {}, BLOCKED),
    ]
    assert await mismatches(bob, rows) == []
    await write(alice, pair)
    await alice.ok("DELETE", f"/users/{alice.user_id}/blocks/{bob.user_id}")
    await write(bob, pair)


async def test_a_block_does_not_silence_a_group(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    trio = await group(bob, alice, carol)
    await alice.ok("PUT", f"/users/{alice.user_id}/blocks/{bob.user_id}")
    await write(bob, trio)


async def test_conversations_are_listed_in_pages_and_only_to_participants(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    first = await group(alice, bob)
    await group(bob, carol)
    third = await group(alice, carol)
    page = await alice.ok("GET", "/dms", limit=1)
    assert ([each["dm_id"] for each in page["items"]], page["cursor"]) == ([first], str(first))
    page = await alice.ok("GET", "/dms", limit=1, after=page["cursor"])
    assert [each["participant_ids"] for each in page["items"]] == [[alice.user_id, carol.user_id]]
    assert await alice.ok("GET", "/dms", after=third) == {"items": [], "cursor": None}


async def test_a_stranger_gets_the_same_refusal_whether_or_not_a_conversation_exists(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    dm = await group(alice, bob)
    msg_id = await write(alice, dm)
    for dm_id in (dm, 999):
        path = f"/dms/{dm_id}"
        rows: list[Row] = [
            ("DELETE", path, None, NOT_IN),
            ("PATCH", path, {"name": "x"}, NOT_IN),
            ("PUT", f"{path}/recipients/{carol.user_id}", None, NOT_IN),
            ("DELETE", f"{path}/recipients/{alice.user_id}", None, NOT_IN),
            ("POST", f"{path}/convert-to-group", {}, NOT_IN),
            ("POST", f"{path}/read", {"up_to_msg_id": 1}, NOT_IN),
            ("GET", f"{path}/messages", None, NOT_IN),
            ("POST", f"{path}/messages", {"body": "x"}, NOT_IN),
            ("GET", f"{path}/messages/{msg_id}", None, NOT_IN),
            ("PATCH", f"{path}/messages/{msg_id}", {"body": "x"}, NOT_IN),
            ("DELETE", f"{path}/messages/{msg_id}", None, NOT_IN),
            ("PUT", f"{path}/messages/{msg_id}/reactions/👍", None, NOT_IN),
            ("DELETE", f"{path}/messages/{msg_id}/reactions/👍", None, NOT_IN),
        ]
        assert await mismatches(carol, rows) == []


async def test_a_conversation_is_renamed_and_becomes_a_group(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    await alice.ok("POST", "/dms", {"recipient_id": bob.user_id})
    add = f"/dms/1/recipients/{carol.user_id}"
    assert refusal(await alice.put(add)) == (400, "NOT_GROUP_DM")
    assert refusal(await alice.delete(f"/dms/1/recipients/{bob.user_id}")) == (400, "NOT_GROUP_DM")
    async with bob.gateway() as gateway:
        changed = await alice.ok("PATCH", "/dms/1", {"name": "us", "icon": "i"})
        assert (changed["name"], changed["icon"]) == ("us", "i")
        assert (await gateway.expect("dm_update"))["d"] == {"dm_id": 1, "name": "us", "icon": "i"}
        reply = await alice.post("/dms/1/convert-to-group")
        assert (reply.status_code, reply.json()["is_group"]) == (200, True)
        assert (await gateway.expect("dm_update"))["d"] == {"dm_id": 1, "is_group": True}
        await alice.ok("POST", "/dms/1/convert-to-group")
        assert await gateway.events() == []
    assert (await alice.put(add)).status_code == 204
    assert (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"] == 2
    assert refusal(await alice.patch("/dms/1", {"name": "x" * 65})) == INVALID
    assert refusal(await alice.patch("/dms/1", {"icon": "x" * 513})) == INVALID


async def test_members_of_a_group_come_and_go_with_events(chat: Rig):
    alice, bob, carol = await people(chat, "alice", "bob", "carol")
    dm = await group(alice, bob)
    async with bob.gateway() as old, carol.gateway() as new:
        for _ in range(2):
            assert (await bob.put(f"/dms/{dm}/recipients/{carol.user_id}")).status_code == 204
        assert (await old.expect("dm_recipient_add"))["d"] == {"dm_id": dm, "user_id": carol.user_id}
        assert (await new.expect("dm_recipient_add"))["d"] == {"dm_id": dm, "user_id": carol.user_id}
        assert refusal(await bob.delete(f"/dms/{dm}/recipients/{bob.user_id}")) == (400, "INVALID_OPERATION")
        assert (await bob.delete(f"/dms/{dm}/recipients/{carol.user_id}")).status_code == 204
        assert (await new.expect("dm_recipient_remove"))["d"] == {"dm_id": dm, "user_id": carol.user_id}
        await write(alice, dm)
        assert (await old.expect("message_create"))["d"]["dm_id"] == dm
        assert "message_create" not in [event["type"] for event in await new.events()]
    assert refusal(await carol.get(f"/dms/{dm}/messages")) == NOT_IN
    assert refusal(await alice.put(f"/dms/{dm}/recipients/99")) == NO_USER
    assert refusal(await alice.put(f"/dms/{dm}/recipients/x")) == INVALID


async def test_a_group_has_a_bounded_number_of_members(chat: Rig):
    alice, bob, carol, dave = await people(chat, "alice", "bob", "carol", "dave")
    await alice.ok("PATCH", "/server/limits", {"limits": {"group_dm_recipients_max": 3}})
    dm = await group(alice, bob, carol)
    assert refusal(await alice.put(f"/dms/{dm}/recipients/{dave.user_id}")) == (400, "TOO_MANY_RECIPIENTS")
    assert (await alice.put(f"/dms/{dm}/recipients/{carol.user_id}")).status_code == 204


async def test_who_leaves_is_out_and_the_last_one_takes_everything_along(chat: Rig):
    alice, bob = await people(chat, "alice", "bob")
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    await write(alice, dm, attachments=[await upload(chat, alice, "f", dm_id=dm)])
    async with alice.gateway() as gateway, bob.gateway() as own:
        assert (await bob.delete(f"/dms/{dm}")).status_code == 204
        assert (await gateway.expect("dm_recipient_remove"))["d"] == {"dm_id": dm, "user_id": bob.user_id}
        assert "dm_recipient_remove" not in [event["type"] for event in await own.events()]
    assert refusal(await bob.get(f"/dms/{dm}/messages")) == NOT_IN
    assert (await alice.ok("GET", "/dms"))["items"][0]["participant_ids"] == [alice.user_id]
    assert (await bob.ok("POST", "/dms", {"recipient_id": alice.user_id}))["dm_id"] != dm
    await alice.ok("DELETE", f"/dms/{dm}")
    assert (await count(chat, messages), await count(chat, dms)) == (0, 1)
    state = await chat.chat.read(lambda connection: connection.execute(files.select()).one().state)
    assert state == "uploading"
