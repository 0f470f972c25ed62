"""What a visitor's client learns, settings, and members in large numbers."""

from typing import Any

import pytest

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_files import a_feed

ACCOUNT = ["account_events"]


async def test_a_visitor_learns_how_to_begin(database_url, tmp_path):
    overrides: dict[str, Any] = {"server_name": "Ours", "registration": "invite", "agent_url": "https://agents.example"}
    async with community(database_url, tmp_path, signed_media_urls=True, **overrides) as chat:
        info = (await chat.http.get(f"{API}/client")).json()
        assert info["needs_setup"] is True
        assert (info["name"], info["icon"], info["registration"]) == ("Ours", None, "invite")
        assert info["login_methods"] == ["password"]
        assert (info["gateway_url"], info["agent_url"]) == (None, "https://agents.example")
        assert info["features"] == {"signed_media": True, "gifs": False, "metrics": False, "push": None}
        assert {"snapshot", "account_events"} <= set(info["capabilities"])
        assert info["limits"]["message_body_max"] == 4000
        assert "max_total_connections" not in info["limits"]


async def test_a_community_with_an_administrator_needs_no_setup(chat: Rig):
    assert (await chat.http.get(f"{API}/client")).json()["needs_setup"] is True
    await chat.register("alice")
    assert (await chat.http.get(f"{API}/client")).json()["needs_setup"] is False


async def test_settings_are_replaced_only_by_who_has_seen_the_last_ones(chat: Rig):
    alice = await chat.register("alice")
    assert await alice.ok("GET", "/users/@me/settings") == {"revision": 0, "settings": {}}
    first = {
        "theme": "dark",
        "channel_id": 5,
        "notifications": {"level": "all", "places": {"feed:1": {"level": "nothing"}}},
    }
    async with alice.gateway(capabilities=ACCOUNT) as phone, alice.gateway() as plain:
        stored = await alice.ok("PUT", "/users/@me/settings", {"revision": 0, "settings": first})
        assert stored == {"revision": 1, "settings": first}
        late = await alice.put("/users/@me/settings", {"revision": 0, "settings": {}})
        assert (late.status_code, late.json()["error"]["code"], late.json()["error"]["revision"]) == (
            409, "SETTINGS_CONFLICT", 1,
        )  # fmt: skip
        second = await alice.ok("PUT", "/users/@me/settings", {"revision": 1, "settings": {"theme": "light"}})
        assert second["revision"] == 2
        told = [one["d"]["revision"] for one in await phone.events() if one["type"] == "settings_update"]
        assert told == [1, 2]
        assert not [one for one in await plain.events() if one["type"] == "settings_update"]
    reply = await alice.call("GET", "/users/@me/settings", headers={"x-vox-ids": "string"})
    assert reply.json() == {"revision": 2, "settings": {"theme": "light"}}, "what clients wrote stays as it is"


@pytest.mark.parametrize(
    "settings",
    [
        [], "text", None, 5,
        {"notifications": {"level": "loud"}},
        {"notifications": {"places": {"feed:x": {}}}},
        {"notifications": {"places": {"feed:1": {"muted_until": -1}}}},
    ],
)  # fmt: skip
async def test_settings_that_the_server_could_not_read_are_refused(chat: Rig, settings: Any):
    alice = await chat.register("alice")
    assert (await alice.put("/users/@me/settings", {"revision": 0, "settings": settings})).status_code == 422


async def test_settings_are_bounded_and_private(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    large = await alice.put("/users/@me/settings", {"revision": 0, "settings": {"x": "y" * 70_000}})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    for path in (f"/users/{bob.user_id}/settings", f"/users/{bob.user_id}/push"):
        assert (await alice.put(path, {"revision": 0, "settings": {}})).status_code in {403, 422}
    assert (await alice.get(f"/users/{bob.user_id}/settings")).status_code == 403
    deep = b'{"revision":0,"settings":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}"
    reply = await alice.call("PUT", "/users/@me/settings", content=deep, headers={"content-type": "application/json"})
    assert reply.status_code == 422


async def names(person: Person, prefix: str, **more: Any) -> list[str]:
    found = await person.ok("GET", "/members/find", query=prefix, **more)
    return [one["username"] for one in found["members"]]


async def test_members_are_found_by_the_beginning_of_any_name_whatever_case_and_accents(chat: Rig):
    alice = await chat.register("alice")
    jose, bob = await chat.register("jose"), await chat.register("bob")
    await jose.ok("PATCH", "/users/@me", {"display_name": "José Ángel Núñez"})
    assert await names(alice, "JOSÉ") == await names(alice, "jos") == ["jose"]
    assert await names(alice, "angel") == await names(alice, "NUN") == ["jose"]
    assert await names(alice, "gel") == [], "not in the middle of a word"
    await alice.ok("PATCH", f"/members/{bob.user_id}", {"nickname": "Ännchen"})
    assert await names(alice, "ann") == ["bob"]
    await alice.ok("PATCH", f"/members/{bob.user_id}", {"nickname": ""})
    assert await names(alice, "ann") == []
    await jose.ok("DELETE", "/members/@me")
    assert await names(alice, "jos") == [], "who has left is not offered"
    for number in range(12):
        await chat.register(f"zoe{number:02}")
    assert await names(alice, "zoe", limit=3) == ["zoe00", "zoe01", "zoe02"]
    assert (await alice.get("/members/find", query="")).status_code == 422


async def test_many_members_come_in_one_compact_page(chat: Rig):
    alice = await chat.register("alice")
    people = [await chat.register(f"user{number}") for number in range(5)]
    await people[0].ok("PATCH", "/users/@me", {"display_name": "User Zero"})
    page = await alice.ok("GET", "/members/compact", limit=4)
    assert [one["username"] for one in page["items"]] == ["alice", "user0", "user1", "user2"]
    assert page["items"][2] == {"user_id": people[1].user_id, "username": "user1"}, "nothing that is empty"
    assert page["items"][1]["display_name"] == "User Zero"
    assert page["total"] == 6
    last = await alice.ok("GET", "/members/compact", after=page["cursor"])
    assert ([one["username"] for one in last["items"]], last["cursor"]) == (["user3", "user4"], None)
    assert (await alice.get("/members/compact", limit=1001)).status_code == 422


async def test_users_are_looked_up_by_their_ids_also_those_who_left(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await bob.ok("DELETE", "/members/@me")
    body = {"user_ids": [bob.user_id, 999, alice.user_id, bob.user_id]}
    found = (await alice.ok("POST", "/members/lookup", body))["members"]
    assert [(one["username"], one.get("left", False)) for one in found] == [("bob", True), ("alice", False)]
    assert (await alice.post("/members/lookup", {"user_ids": list(range(501))})).status_code == 422


async def test_at_me_is_the_caller_wherever_a_path_names_a_user(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    for path in ("/users/@me", "/users/@me/presence", "/users/@me/blocks", "/users/@me/friends", "/users/@me/dm-settings",
                 "/users/%40me", "/members/@me", "/users/@me/settings"):  # fmt: skip
        assert (await alice.get(path)).status_code == 200, path
    assert (await alice.put(f"/users/@me/blocks/{bob.user_id}")).status_code == 204
    role = (await alice.ok("POST", "/roles", {"name": "r", "permissions": 0, "position": 5}))["role_id"]
    assert (await alice.put(f"/members/@me/roles/{role}")).status_code == 204
    assert role in (await alice.ok("GET", "/members/@me"))["role_ids"]
    assert (await alice.delete(f"/members/@me/roles/{role}")).status_code == 204
    feed = await a_feed(alice)
    path = f"/feeds/{feed}/permissions/user/@me"
    assert (await alice.put(path, {"allow": 1, "deny": 0})).status_code == 204
    assert (await alice.get(f"/feeds/{feed}")).json()["permission_overrides"][0]["target_id"] == alice.user_id
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.put("/bans/@me")).json()["error"]["code"] == "INVALID_TARGET"
