"""Profiles, presence, friends, blocks and who may write."""

from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_people import outcome

LACKS = (403, "MISSING_PERMISSIONS")


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve")]


async def test_a_profile_has_every_field(people: list[Person]):
    ada, bob, _ = people
    found = await bob.ok("GET", "/users/1")
    assert found == {
        "user_id": 1, "username": "ada", "display_name": "ada", "avatar": None, "bio": None, "roles": [2],
        "created_at": found["created_at"], "federated": False, "home_domain": None,
    }  # fmt: skip
    assert await ada.ok("GET", "/users/@me") == found
    assert outcome(await bob.get("/users/999")) == (404, "USER_NOT_FOUND")
    assert outcome(await bob.get("/users/x")) == (400, "INVALID_USER_ID")
    assert outcome(await bob.get(f"/users/{1 << 70}")) == (400, "INVALID_USER_ID")


async def test_a_change_is_seen_by_all_at_once_and_null_changes_nothing(people: list[Person]):
    ada, bob, _ = people
    await ada.ok("GET", "/users/2")  # so that the old profile is remembered
    async with ada.gateway() as socket:
        change = {"display_name": "Bob!", "avatar": "b.png", "bio": "hi", "username": "hacker"}
        body = await bob.ok("PATCH", "/users/2", change)
        assert (body["display_name"], body["avatar"], body["bio"], body["username"]) == ("Bob!", "b.png", "hi", "bob")
        told = (await socket.expect("user_update"))["d"]
        assert told == {"user_id": 2, "display_name": "Bob!", "avatar": "b.png", "bio": "hi"}
    assert await ada.ok("GET", "/users/2") == body
    assert await bob.ok("PATCH", "/users/@me", {"display_name": None, "bio": None}) == body


@pytest.mark.parametrize(
    "change",
    [
        {"display_name": "a" * 65},
        {"avatar": "a" * 513},
        {"bio": "a" * 257},
        {"bio": "a\0"},
        {"bio": 5},
        {"bio": {"$ne": ""}},
    ],
)
async def test_a_profile_that_is_not_well_formed_is_refused(people: list[Person], change: dict[str, Any]):
    assert outcome(await people[1].patch("/users/2", change)) == (422, "VALIDATION_ERROR")


async def test_others_profiles_are_changed_by_administrators_only(people: list[Person]):
    ada, bob, _ = people
    assert outcome(await bob.patch("/users/1", {"bio": "x"})) == LACKS
    assert (await ada.ok("PATCH", "/users/2", {"bio": "x"}))["bio"] == "x"


async def test_presence_of_who_is_there_and_who_is_not(people: list[Person]):
    ada, bob, _ = people
    offline = {"user_id": 2, "status": "offline", "custom_status": None, "activity": None}
    assert await ada.ok("GET", "/users/2/presence") == offline
    async with bob.gateway():
        assert (await ada.ok("GET", "/users/2/presence"))["status"] == "online"
    assert outcome(await ada.get("/users/999/presence")) == (404, "USER_NOT_FOUND")
    assert outcome(await ada.get("/users/x/presence")) == (422, "VALIDATION_ERROR")


PRIVATE = [
    ("GET", "/users/{}/blocks"),
    ("PUT", "/users/{}/blocks/3"),
    ("DELETE", "/users/{}/blocks/3"),
    ("GET", "/users/{}/friends"),
    ("PUT", "/users/{}/friends/3"),
    ("POST", "/users/{}/friends/3/accept"),
    ("POST", "/users/{}/friends/3/reject"),
    ("DELETE", "/users/{}/friends/3"),
    ("GET", "/users/{}/dm-settings"),
    ("PATCH", "/users/{}/dm-settings"),
]


@pytest.mark.parametrize(("method", "path"), PRIVATE)
async def test_what_is_private_is_for_oneself_and_administrators(people: list[Person], method: str, path: str):
    ada, bob, _ = people
    body: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
    assert outcome(await bob.call(method, path.format(1), **body)) == LACKS
    assert outcome(await bob.call(method, path.format(999), **body)) == LACKS
    assert outcome(await ada.call(method, path.format(999), **body)) == (404, "USER_NOT_FOUND")
    for person, user_id in ((bob, 2), (bob, "@me"), (ada, 2)):
        status, code = outcome(await person.call(method, path.format(user_id), **body))
        assert status in {200, 204} or code == "REQUEST_NOT_FOUND"


@pytest.mark.parametrize("what", ["blocks", "friends"])
async def test_neither_oneself_nor_a_stranger_is_blocked_or_befriended(people: list[Person], what: str):
    bob = people[1]
    assert outcome(await bob.put(f"/users/2/{what}/2")) == (400, "INVALID_TARGET")
    assert outcome(await bob.put(f"/users/2/{what}/999")) == (404, "USER_NOT_FOUND")
    assert outcome(await bob.put(f"/users/2/{what}/x")) == (422, "VALIDATION_ERROR")


async def test_blocking_and_unblocking_is_told_to_both_and_to_nobody_else(people: list[Person]):
    ada, bob, eve = people
    async with bob.gateway() as own, eve.gateway() as theirs, ada.gateway() as other:
        for _ in range(2):
            assert outcome(await bob.put("/users/2/blocks/3")) == (204, "")
        assert await bob.ok("GET", "/users/2/blocks") == {"blocked_user_ids": [3]}
        for _ in range(2):
            assert outcome(await bob.delete("/users/2/blocks/3")) == (204, "")
        for socket in (own, theirs):
            events = [frame for frame in await socket.events() if frame["type"].startswith("block")]
            assert [frame["type"] for frame in events] == ["block_add", "block_remove"]
            assert events[0]["d"] == {"user_id": 2, "target_id": 3}
        assert not [frame for frame in await other.events() if frame["type"].startswith("block")]
    assert await bob.ok("GET", "/users/2/blocks") == {"blocked_user_ids": []}


async def test_a_friendship_from_request_to_end(people: list[Person]):
    ada, bob, eve = people
    async with eve.gateway() as socket, ada.gateway() as other:
        for _ in range(2):
            assert outcome(await bob.put("/users/2/friends/3")) == (204, "")
        assert (await socket.expect("friend_request"))["d"] == {"user_id": 2, "target_id": 3}
        pending = {"user_id": 3, "display_name": "eve", "avatar": None, "status": "pending"}
        assert await bob.ok("GET", "/users/2/friends") == {"items": [pending], "cursor": "3"}
        assert (await eve.ok("GET", "/users/3/friends"))["items"] == []
        waiting = {"user_id": 2, "display_name": "bob", "avatar": None, "status": "incoming"}
        assert (await eve.ok("GET", "/users/3/friends", status="incoming"))["items"] == [waiting]
        assert (await bob.ok("GET", "/users/2/friends", status="incoming"))["items"] == []
        assert outcome(await eve.post("/users/3/friends/2/accept")) == (204, "")
        assert (await socket.expect("friend_add"))["d"] == {"user_id": 3, "target_id": 2}
        assert outcome(await bob.put("/users/2/friends/3")) == (204, "")
        for person, friend in ((bob, 3), (eve, 2)):
            rows = (await person.ok("GET", f"/users/{person.user_id}/friends", status="accepted"))["items"]
            assert [row["user_id"] for row in rows] == [friend]
            for status in ("pending", "incoming"):
                assert (await person.ok("GET", f"/users/{person.user_id}/friends", status=status))["items"] == []
        assert outcome(await eve.delete("/users/3/friends/2")) == (204, "")
        assert (await socket.expect("friend_remove"))["d"] == {"user_id": 3, "target_id": 2}
        assert (await bob.ok("GET", "/users/2/friends"))["items"] == []
        assert not [frame for frame in await other.events() if frame["type"].startswith("friend")]


async def test_a_request_is_turned_down_and_only_a_request_is_answered(people: list[Person]):
    _, bob, eve = people
    missing = (404, "REQUEST_NOT_FOUND")
    for answer in ("accept", "reject"):
        assert outcome(await eve.post(f"/users/3/friends/2/{answer}")) == missing
    await bob.ok("PUT", "/users/2/friends/3")
    assert outcome(await bob.post("/users/2/friends/3/accept")) == missing, "users cannot accept their own request"
    async with bob.gateway() as socket:
        assert outcome(await eve.post("/users/3/friends/2/reject")) == (204, "")
        assert (await socket.expect("friend_reject"))["d"] == {"user_id": 3, "target_id": 2}
    assert outcome(await eve.post("/users/3/friends/2/accept")) == missing


async def test_a_request_of_someone_who_is_blocked_does_not_wait(people: list[Person]):
    _, bob, eve = people
    await bob.ok("PUT", "/users/2/friends/3")
    await eve.ok("PUT", "/users/3/blocks/2")
    assert (await eve.ok("GET", "/users/3/friends", status="incoming"))["items"] == []
    await eve.ok("DELETE", "/users/3/blocks/2")
    assert [row["user_id"] for row in (await eve.ok("GET", "/users/3/friends", status="incoming"))["items"]] == [2]


async def test_who_is_blocked_cannot_ask(people: list[Person]):
    _, bob, eve = people
    await eve.ok("PUT", "/users/3/blocks/2")
    assert outcome(await bob.put("/users/2/friends/3")) == (403, "USER_BLOCKED")


async def test_who_may_write(people: list[Person]):
    bob = people[1]
    assert await bob.ok("GET", "/users/2/dm-settings") == {"dm_permission": "everyone"}
    for choice in ("friends_only", "mutual_servers", "nobody", "everyone"):
        assert await bob.ok("PATCH", "/users/2/dm-settings", {"dm_permission": choice}) == {"dm_permission": choice}
    assert await bob.ok("PATCH", "/users/2/dm-settings", {}) == {"dm_permission": "everyone"}
    assert outcome(await bob.patch("/users/2/dm-settings", {"dm_permission": "some"})) == (422, "VALIDATION_ERROR")
