"""Feeds, rooms and categories: who sees them, how they are made, moved and deleted."""

from typing import Any

import pytest
from sqlalchemy import insert

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, count, deny, feed, grant, mismatches, refusal, say
from vox.chat.database.schema import audit_log, feeds, messages, permission_overrides, threads
from vox.chat.database.unit_of_work import Change, UnitOfWork
from vox.chat.events.permissions import EVERYONE_DEFAULT, P
from vox.chat.features.messages.delete import BATCH

MISSING = (403, "MISSING_PERMISSIONS")
NO_SPACE = (404, "SPACE_NOT_FOUND")
INVALID = (422, "VALIDATION_ERROR")


async def test_a_feed_is_made_with_the_documented_shape_and_event(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        reply = await alice.post("/feeds", {"name": "general", "type": "text"})
        assert reply.status_code == 201
        assert reply.json() == {
            "feed_id": 1, "name": "general", "type": "text", "topic": None, "category_id": None, "position": 0,
            "permission_overrides": [],
        }  # fmt: skip
        event = await gateway.expect("feed_create")
        assert event["d"] == {"feed_id": 1, "name": "general", "type": "text"}
    assert await alice.ok("GET", "/feeds/1") == reply.json()
    assert [entry["event_type"] for entry in (await alice.ok("GET", "/audit-log"))["entries"]] == ["feed.create"]


async def test_a_room_is_made_with_the_documented_shape_and_event(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        reply = await alice.post("/rooms", {"name": "talk", "type": "voice"})
        assert reply.status_code == 201
        assert reply.json() == {
            "room_id": 1, "name": "talk", "type": "voice", "category_id": None, "position": 0,
            "permission_overrides": [],
        }  # fmt: skip
        assert (await gateway.expect("room_create"))["d"] == {"room_id": 1, "name": "talk", "type": "voice"}
    assert await alice.ok("GET", "/rooms/1") == reply.json()


async def test_a_feed_is_changed_field_by_field(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    async with alice.gateway() as gateway:
        changed = await alice.ok("PATCH", "/feeds/1", {"topic": "weather", "name": None, "unknown": 1})
        assert (changed["name"], changed["topic"]) == ("general", "weather")
        assert (await gateway.expect("feed_update"))["d"] == {"feed_id": 1, "topic": "weather"}
        await alice.ok("PATCH", "/feeds/1", {})
        assert await gateway.events() == []


async def test_rooms_and_categories_are_changed_and_deleted_with_their_events(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("POST", "/categories", {"name": "top", "position": 0})
    await alice.ok("POST", "/rooms", {"name": "talk", "type": "stage", "category_id": 1})
    async with alice.gateway() as gateway:
        assert (await alice.ok("PATCH", "/rooms/1", {"name": "stage"}))["name"] == "stage"
        assert (await gateway.expect("room_update"))["d"] == {"room_id": 1, "name": "stage"}
        assert (await alice.ok("PATCH", "/categories/1", {"name": "first"}))["name"] == "first"
        assert (await gateway.expect("category_update"))["d"] == {"category_id": 1, "name": "first"}
        assert (await alice.delete("/rooms/1")).status_code == 204
        assert (await gateway.expect("room_delete"))["d"] == {"room_id": 1}
        assert (await alice.delete("/categories/1")).status_code == 204
        assert (await gateway.expect("category_delete"))["d"] == {"category_id": 1}
        created = await alice.ok("POST", "/categories", {"name": "again", "position": 3})
        assert created == {"category_id": 2, "name": "again", "position": 3}
        assert (await gateway.expect("category_create"))["d"] == created
    assert refusal(await alice.get("/rooms/1")) == NO_SPACE


async def test_a_deleted_category_keeps_its_spaces(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("POST", "/categories", {"name": "top", "position": 0})
    await feed(alice, category_id=1)
    await alice.ok("POST", "/rooms", {"name": "talk", "type": "voice", "category_id": 1})
    assert (await alice.ok("GET", "/feeds/1"))["category_id"] == 1
    await alice.ok("DELETE", "/categories/1")
    layout = await alice.ok("GET", "/server/layout")
    assert layout["categories"] == []
    assert (layout["feeds"][0]["category_id"], layout["rooms"][0]["category_id"]) == (None, None)


async def test_layout_does_not_show_what_its_reader_may_not_see(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice, "open")
    await feed(alice, "hidden")
    await alice.ok("POST", "/rooms", {"name": "hidden", "type": "voice"})
    await deny(alice, 2, bob, P.VIEW_SPACE)
    await deny(alice, 1, bob, P.VIEW_SPACE, kind="rooms")
    layout = await bob.ok("GET", "/server/layout")
    assert [space["name"] for space in layout["feeds"]] == ["open"]
    assert layout["rooms"] == []
    assert len((await alice.ok("GET", "/server/layout"))["feeds"]) == 2
    assert refusal(await bob.get("/feeds/2")) == MISSING
    assert refusal(await bob.get("/rooms/1")) == MISSING
    assert refusal(await bob.get("/feeds/2/threads")) == MISSING
    assert refusal(await bob.put("/feeds/2/subscribers")) == MISSING


async def test_events_of_a_hidden_feed_do_not_reach_who_may_not_view_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    overrides = [{"target_type": "role", "target_id": 1, "allow": 0, "deny": int(P.VIEW_SPACE)}]
    async with bob.gateway() as gateway:
        hidden = await feed(alice, "hidden", permission_overrides=overrides)
        await say(alice, hidden)
        await alice.ok("PATCH", f"/feeds/{hidden}", {"topic": "secret"})
        await alice.ok("DELETE", f"/feeds/{hidden}")
        shown = await feed(alice, "shown")
        seen = await gateway.expect("feed_create")
        assert seen["d"]["feed_id"] == shown
        assert await gateway.events() == []


async def test_a_feed_is_born_with_its_overrides(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    overrides = [
        {"target_type": "role", "target_id": 1, "allow": 0, "deny": int(P.VIEW_SPACE)},
        {"target_type": "user", "target_id": bob.user_id, "allow": int(P.VIEW_SPACE), "deny": 0},
    ]
    made = (await alice.post("/feeds", {"name": "f", "type": "text", "permission_overrides": overrides})).json()
    assert made["permission_overrides"] == overrides
    assert (await bob.get("/feeds/1")).status_code == 200
    room = {"name": "r", "type": "voice", "permission_overrides": overrides[:1]}
    assert (await alice.ok("POST", "/rooms", room))["permission_overrides"] == overrides[:1]
    assert refusal(await bob.get("/rooms/1")) == MISSING


async def test_first_overrides_give_nobody_more_than_their_author_holds(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await grant(alice, bob, P.MANAGE_SPACES)
    wrong: list[tuple[dict[str, object], tuple[int, str]]] = [
        ({"target_type": "group", "target_id": 1}, (400, "INVALID_TARGET_TYPE")),
        ({"target_type": "role", "target_id": 99}, NO_SPACE),
        ({"target_type": "user", "target_id": 99}, (404, "USER_NOT_FOUND")),
        ({"target_type": "role", "target_id": 1, "allow": int(P.MANAGE_ROLES)}, MISSING),
        ({"target_type": "role", "target_id": 1, "allow": int(P.ADMINISTRATOR)}, MISSING),
        ({"target_type": "role", "target_id": 1, "deny": int(P.BAN_MEMBERS)}, MISSING),
        ({"target_type": "role", "target_id": 2, "allow": 1}, (403, "ROLE_HIERARCHY")),
        ({"target_type": "user", "target_id": 1, "deny": 1}, (403, "ROLE_HIERARCHY")),
    ]
    rows: list[Row] = []
    for override, expected in wrong:
        body = {"name": "f", "type": "text", "permission_overrides": [{"allow": 0, "deny": 0, **override}]}
        rows += [("POST", "/feeds", body, expected), ("POST", "/rooms", {**body, "type": "voice"}, expected)]
    assert await mismatches(bob, rows) == []
    assert await count(chat, feeds) == 0


async def test_moving_a_feed_numbers_its_category_anew(chat: Rig):
    alice = await chat.register("alice")
    for name in ("a", "b", "c"):
        await feed(alice, name)
    await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"})
    async with alice.gateway() as gateway:
        assert (await alice.ok("PATCH", "/feeds/3", {"position": 0}))["position"] == 0
        assert (await gateway.expect("feed_update"))["d"] == {"feed_id": 3, "position": 0}
    layout = await alice.ok("GET", "/server/layout")
    assert [(each["name"], each["position"]) for each in layout["feeds"]] == [("c", 0), ("a", 1), ("b", 2)]
    assert layout["rooms"][0]["position"] == 3
    assert (await alice.ok("PATCH", "/rooms/1", {"position": 99}))["position"] == 3
    assert (await alice.ok("PATCH", "/rooms/1", {"position": 1}))["position"] == 1
    layout = await alice.ok("GET", "/server/layout")
    assert [each["position"] for each in layout["feeds"]] == [0, 2, 3]


async def test_positions_in_memory_are_those_in_the_database(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("POST", "/categories", {"name": "k", "position": 0})
    for name in ("a", "b", "c"):
        await feed(alice, name)
    await alice.ok("PATCH", "/feeds/1", {"category_id": 1, "position": 5})
    await alice.ok("PATCH", "/feeds/3", {"position": 0})
    before = await alice.ok("GET", "/server/layout")
    await chat.chat.database.write(chat.chat.community.load)
    assert await alice.ok("GET", "/server/layout") == before


async def test_moving_a_category_numbers_all_anew(chat: Rig):
    alice = await chat.register("alice")
    for name, position in (("a", 0), ("b", 1), ("c", 7)):
        await alice.ok("POST", "/categories", {"name": name, "position": position})
    assert (await alice.ok("PATCH", "/categories/3", {"position": 0}))["position"] == 0
    items = (await alice.ok("GET", "/categories"))["items"]
    assert [(item["name"], item["position"]) for item in items] == [("c", 0), ("a", 1), ("b", 2)]


async def test_deleting_a_feed_takes_everything_in_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    doomed, other = await feed(alice, "doomed"), await feed(alice, "other")
    kept = await say(alice, other)
    await deny(alice, doomed, bob, P.SEND_MESSAGES)
    parent = await say(alice, doomed)
    await alice.ok("POST", f"/feeds/{doomed}/threads", {"parent_msg_id": parent, "name": "t"})
    await alice.ok("POST", f"/feeds/{doomed}/threads/1/messages", {"body": "in thread"})
    async with bob.gateway() as gateway:
        await alice.ok("DELETE", f"/feeds/{doomed}")
        assert (await gateway.expect("feed_delete"))["d"] == {"feed_id": doomed}
    assert await count(chat, messages) == 1
    assert await count(chat, threads) == 0
    assert await count(chat, permission_overrides) == 0
    assert refusal(await alice.get(f"/feeds/{doomed}")) == NO_SPACE
    assert refusal(await alice.delete(f"/feeds/{doomed}")) == NO_SPACE
    assert (await alice.ok("GET", f"/feeds/{other}/messages/{kept}"))["msg_id"] == kept


MANAGED: list[tuple[str, str, dict[str, object] | None]] = [
    ("POST", "/feeds", {"name": "x", "type": "text"}),
    ("PATCH", "/feeds/1", {"name": "x"}),
    ("DELETE", "/feeds/1", None),
    ("POST", "/rooms", {"name": "x", "type": "voice"}),
    ("PATCH", "/rooms/1", {"name": "x"}),
    ("DELETE", "/rooms/1", None),
    ("POST", "/categories", {"name": "x", "position": 0}),
    ("PATCH", "/categories/1", {"name": "x"}),
    ("DELETE", "/categories/1", None),
]


async def test_only_who_manages_spaces_changes_them(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"})
    await alice.ok("POST", "/categories", {"name": "k", "position": 0})
    assert await mismatches(bob, [(*row, MISSING) for row in MANAGED]) == []
    await grant(alice, bob, P.MANAGE_SPACES)
    for method, path, body in MANAGED:
        await bob.ok(method, path, body)


async def test_what_is_wrong_is_refused(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    rows: list[Row] = [
        ("POST", "/feeds", {"name": "", "type": "text"}, INVALID),
        ("POST", "/feeds", {"name": "x" * 65, "type": "text"}, INVALID),
        ("POST", "/feeds", {"name": "x", "type": "voice"}, INVALID),
        ("POST", "/feeds", {"name": "x"}, INVALID),
        ("POST", "/feeds", {"name": "a\0b", "type": "text"}, INVALID),
        ("POST", "/feeds", {"name": "x", "type": "text", "category_id": 9}, NO_SPACE),
        ("PATCH", "/feeds/1", {"topic": "x" * 257}, INVALID),
        ("PATCH", "/feeds/1", {"category_id": 9}, NO_SPACE),
        ("PATCH", "/feeds/1", {"position": -1}, INVALID),
        ("PATCH", "/feeds/9", {"name": "x"}, NO_SPACE),
        ("DELETE", "/feeds/9", None, NO_SPACE),
        ("GET", "/feeds/9", None, NO_SPACE),
        ("GET", "/feeds/x", None, INVALID),
        ("GET", f"/feeds/{2**63}", None, INVALID),
        ("POST", "/rooms", {"name": "x", "type": "text"}, INVALID),
        ("PATCH", "/rooms/9", {"name": "x"}, NO_SPACE),
        ("DELETE", "/rooms/9", None, NO_SPACE),
        ("GET", "/rooms/9", None, NO_SPACE),
        ("POST", "/categories", {"name": "x"}, INVALID),
        ("PATCH", "/categories/9", {"name": "x"}, NO_SPACE),
        ("DELETE", "/categories/9", None, NO_SPACE),
        ("GET", "/categories/9", None, NO_SPACE),
    ]
    assert await mismatches(alice, rows) == []


async def test_following_a_feed_twice_is_following_it_once(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    async with alice.gateway() as gateway:
        for _ in range(2):
            assert (await alice.put("/feeds/1/subscribers")).status_code == 204
        for _ in range(2):
            assert (await alice.delete("/feeds/1/subscribers")).status_code == 204
        told = [(event["type"], event["d"]) for event in await gateway.events()]
    who = {"feed_id": 1, "user_id": alice.user_id}
    assert told == [("feed_subscribe", who), ("feed_unsubscribe", who)]
    assert refusal(await alice.put("/feeds/9/subscribers")) == NO_SPACE


async def test_who_may_mention_everyone_learns_how_many_that_are(chat: Rig):
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    await feed(alice)
    assert await alice.ok("GET", "/feeds/1/readers") == {"count": 2}
    await deny(alice, 1, carol, P.READ_HISTORY)
    assert await alice.ok("GET", "/feeds/1/readers") == {"count": 1}
    await deny(alice, 1, bob, P.MENTION_EVERYONE)
    assert refusal(await bob.get("/feeds/1/readers")) == MISSING
    assert refusal(await alice.get("/feeds/9/readers")) == NO_SPACE


async def test_every_change_of_a_space_is_in_the_audit_log(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("POST", "/categories", {"name": "k", "position": 0})
    await alice.ok("PATCH", "/categories/1", {"name": "x"})
    await feed(alice)
    await alice.ok("PATCH", "/feeds/1", {"name": "x"})
    await alice.ok("DELETE", "/feeds/1")
    await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"})
    await alice.ok("PATCH", "/rooms/1", {"name": "x"})
    await alice.ok("DELETE", "/rooms/1")
    entries = (await alice.ok("GET", "/audit-log"))["entries"]
    assert [entry["event_type"] for entry in entries] == [
        "category.create", "category.update", "feed.create", "feed.update", "feed.delete",
        "room.create", "room.update", "room.delete",
    ]  # fmt: skip
    assert {entry["actor_id"] for entry in entries} == {alice.user_id}
    assert await count(chat, audit_log) == 8


async def test_the_default_permissions_suffice_to_read_and_write(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await say(bob, 1)
    assert EVERYONE_DEFAULT & P.SEND_MESSAGES


async def test_a_large_feed_is_emptied_in_batches(chat: Rig):
    alice = await chat.register("alice")
    doomed, other = await feed(alice, "doomed"), await feed(alice, "other")
    await say(alice, other)
    rows = [
        {"id": number, "feed_id": doomed, "author_id": alice.user_id, "body": "x", "timestamp": number}
        for number in range(1, 2 * BATCH + 10)
    ]
    await chat.chat.change(lambda connection: Change(connection.execute(insert(messages), rows).rowcount))
    units = chat.chat.change
    largest = 0

    async def counted(unit: UnitOfWork[Any]) -> Any:
        nonlocal largest
        before = await count(chat, messages)
        value = await units(unit)
        largest = max(largest, before - await count(chat, messages))
        return value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat.chat, "change", counted)
        await alice.ok("DELETE", f"/feeds/{doomed}")
    assert largest == BATCH
    assert await count(chat, messages) == 1
