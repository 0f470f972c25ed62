"""The snapshot in `ready`: everything a client needs to show the community, and nothing its user may not see."""

from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_files import a_feed, create
from tests.contract.chat.helpers_gateway import hide
from vox.chat.events.ids import UserId

VIEW, SEND = 1, 2


async def snapshot(person: Person, *more: str) -> dict[str, Any]:
    async with person.gateway(capabilities=["snapshot", *more]) as gateway:
        return gateway.ready["snapshot"]


async def send(person: Person, feed: int, text: str, **more: Any) -> int:
    return (await person.ok("POST", f"/feeds/{feed}/messages", {"body": text, **more}))["msg_id"]


def mark_of(found: dict[str, Any], place: str, number: int) -> dict[str, Any]:
    return next(one for one in found["marks"] if one.get(place) == number)


async def test_only_who_asks_gets_a_snapshot(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        assert "snapshot" not in gateway.ready
        assert "snapshot" in gateway.ready["capabilities"]


async def test_it_says_what_the_requests_it_replaces_say(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await a_feed(alice)
    await alice.ok("POST", "/rooms", {"name": "talk", "type": "voice"})
    await create(alice, "/emoji", "wave")
    await create(alice, "/stickers", "hello")
    dm = await alice.ok("POST", "/dms", {"recipient_id": bob.user_id})
    found = await snapshot(bob)
    assert found["layout"] == await bob.ok("GET", "/server/layout")
    assert found["roles"] == (await bob.ok("GET", "/roles"))["items"]
    assert found["emoji"] == (await bob.ok("GET", "/emoji"))["items"]
    assert found["stickers"] == (await bob.ok("GET", "/stickers"))["items"]
    assert (found["emoji_cursor"], found["stickers_cursor"], found["has_more_dms"]) == (None, None, False)
    assert found["dms"] == [dm]
    assert found["me"] == await bob.ok("GET", f"/members/{bob.user_id}")
    assert found["settings"] == {"revision": 0, "settings": {}}
    assert found["permissions"] == found["roles"][0]["permissions"]
    assert [one["feed_id"] for one in found["feed_permissions"]] == [one["feed_id"] for one in found["layout"]["feeds"]]
    assert len(found["room_permissions"]) == len(found["layout"]["rooms"]) == 1


async def test_ids_are_texts_for_who_asks_for_texts(chat: Rig):
    alice = await chat.register("alice")
    feed = await a_feed(alice)
    msg_id = await send(alice, feed, "x")
    found = await snapshot(alice, "string_ids")
    assert mark_of(found, "feed_id", str(feed))["last_msg_id"] == str(msg_id)  # pyright: ignore[reportArgumentType]
    assert found["permissions"] == str(int(found["permissions"]))
    assert found["layout"]["feeds"][0]["feed_id"] == str(feed)


async def test_hidden_feeds_are_in_no_part_of_it(chat: Rig):
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    feed = await a_feed(alice, "secret")
    await send(alice, feed, "x", mentions=[bob.user_id])
    before = await snapshot(bob)
    await hide(alice, feed)
    after, of_alice, of_carol = await snapshot(bob), await snapshot(alice), await snapshot(carol)
    for name, part in (("layout", lambda one: one["layout"]["feeds"]), ("marks", lambda one: one["marks"])):
        assert any(one["feed_id"] == feed for one in part(before)), name
        assert not any(one["feed_id"] == feed for one in (*part(after), *part(of_carol))), name
        assert any(one["feed_id"] == feed for one in part(of_alice)), name
    await alice.ok("PUT", f"/feeds/{feed}/permissions/user/{bob.user_id}", {"allow": VIEW, "deny": SEND})
    singled, of_carol = await snapshot(bob), await snapshot(carol)
    rights = next(one["permissions"] for one in singled["feed_permissions"] if one["feed_id"] == feed)
    assert rights & (VIEW | SEND) == VIEW
    assert not any(one["feed_id"] == feed for one in of_carol["layout"]["feeds"]), "the same roles, no override"


async def test_unread_and_mentions_are_counted_from_the_mark(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed, quiet = await a_feed(alice), await a_feed(alice, "quiet")
    assert mark_of(await snapshot(bob), "feed_id", feed) == {
        "feed_id": feed, "last_read_msg_id": None, "last_msg_id": None, "unread": 0, "mentions": 0,
    }  # fmt: skip
    ids = [await send(alice, feed, str(number)) for number in range(4)]
    ids.append(await send(alice, feed, "bob!", mentions=[bob.user_id]))
    ids.append(await send(alice, feed, "all!", mentions=[0]))
    ids.append(await send(alice, feed, "all, and bob!", mentions=[0, bob.user_id]))
    await bob.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": ids[1]})
    assert mark_of(await snapshot(bob), "feed_id", feed) == {
        "feed_id": feed, "last_read_msg_id": ids[1], "last_msg_id": ids[-1], "unread": 5, "mentions": 3,
    }  # fmt: skip
    assert mark_of(await snapshot(alice), "feed_id", feed)["mentions"] == 0, "one's own mention of everyone"
    assert mark_of(await snapshot(bob), "feed_id", quiet)["unread"] == 0
    await alice.ok("DELETE", f"/feeds/{feed}/messages/{ids[-1]}")
    await alice.ok("POST", f"/feeds/{feed}/messages/bulk-delete", {"msg_ids": ids[2:4]})
    left = mark_of(await snapshot(bob), "feed_id", feed)
    assert (left["unread"], left["mentions"], left["last_msg_id"]) == (2, 2, ids[-2])
    await bob.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": ids[0], "unread": True})
    assert mark_of(await snapshot(bob), "feed_id", feed)["unread"] == 3
    await bob.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": ids[-2]})
    assert mark_of(await snapshot(bob), "feed_id", feed)["mentions"] == 0


async def test_counts_are_the_same_whether_from_memory_or_from_the_database(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    thread = (await alice.ok("POST", f"/feeds/{feed}/threads", {"parent_msg_id": 1, "name": "t"}))["thread_id"]
    await snapshot(bob)
    for number in range(3):
        await send(alice, feed, str(number), mentions=[0])
    await alice.ok("POST", f"/feeds/{feed}/threads/{thread}/messages", {"body": "in a thread"})
    from_memory = await snapshot(bob)
    chat.chat.recent.forget()
    assert await snapshot(bob) == from_memory
    assert mark_of(from_memory, "feed_id", feed)["unread"] == 3


async def test_conversations_come_latest_first_with_their_marks(chat: Rig):
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    first = (await bob.ok("POST", "/dms", {"recipient_id": alice.user_id}))["dm_id"]
    second = (await carol.ok("POST", "/dms", {"recipient_id": alice.user_id}))["dm_id"]
    await carol.ok("POST", f"/dms/{second}/messages", {"body": "x"})
    ids = [
        (await bob.ok("POST", f"/dms/{first}/messages", {"body": "x", "mentions": [alice.user_id]}))["msg_id"]
        for _ in range(3)
    ]
    await alice.ok("POST", f"/dms/{first}/read", {"up_to_msg_id": ids[0]})
    found = await snapshot(alice)
    assert [one["dm_id"] for one in found["dms"]] == [first, second]
    assert mark_of(found, "dm_id", first) == {
        "dm_id": first, "last_read_msg_id": ids[0], "last_msg_id": ids[2], "unread": 2, "mentions": 2,
    }  # fmt: skip
    assert mark_of(found, "dm_id", second)["unread"] == 1
    assert (await snapshot(carol))["dms"][0]["dm_id"] == second


async def test_what_is_followed_comes_along(chat: Rig):
    alice = await chat.register("alice")
    feed = await a_feed(alice)
    thread = (await alice.ok("POST", f"/feeds/{feed}/threads", {"parent_msg_id": 1, "name": "t"}))["thread_id"]
    await alice.ok("PUT", f"/feeds/{feed}/subscribers")
    await alice.ok("PUT", f"/feeds/{feed}/threads/{thread}/subscribers")
    assert (await snapshot(alice))["followed"] == {"feed_ids": [feed], "thread_ids": [thread]}


@pytest.mark.parametrize("change", ["role", "emoji", "topic", "category"])
async def test_a_change_is_in_the_next_snapshot(chat: Rig, change: str):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    before = await snapshot(bob)
    match change:
        case "role":
            await alice.ok("POST", "/roles", {"name": "new", "permissions": 0, "position": 5})
        case "emoji":
            await create(alice, "/emoji", "wave")
        case "topic":
            await alice.ok("PATCH", f"/feeds/{feed}", {"topic": "new"})
        case _:
            await alice.ok("POST", "/categories", {"name": "new", "position": 0})
    assert await snapshot(bob) != before


async def test_what_happens_while_it_is_being_read_follows_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    await snapshot(bob)
    snapshots = chat.server.hub._handshake._snapshots  # pyright: ignore[reportPrivateUsage]
    read = snapshots.read

    async def slowly(user_id: UserId) -> object:
        found = await read(user_id)
        await send(alice, feed, "meanwhile")
        return found

    snapshots.read = slowly
    async with bob.gateway(capabilities=["snapshot"]) as gateway:
        event = await gateway.expect("message_create", body="meanwhile")
        mark = mark_of(gateway.ready["snapshot"], "feed_id", feed)
        await send(alice, feed, "later")
        later = await gateway.expect("message_create", body="later")
        frames = await gateway.events()
    assert event["d"]["msg_id"] <= mark["last_msg_id"], "already counted, as the client can tell by the id"
    assert event["seq"] < later["seq"]
    assert not [one for one in frames if one["type"] == "message_create"], "each once"
