"""Prekeys and key packages: each is given out once, whoever asks at once; who may ask, how often, and what is left."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_keys import again, conversation, device, key, packages, prekeys
from tests.contract.chat.helpers_people import LateClock, outcome
from vox.chat.features.keys.limits import CLAIMS, MAX_ONE_TIME_KEYS

DAY_S = 86_400
TOO_MUCH: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/keys/prekeys/b1", {"identity_key": "a" * 4097, "signed_prekey": "aa"}),
    ("PUT", "/keys/prekeys/b1", {"identity_key": "", "signed_prekey": "aa"}),
    ("PUT", "/keys/prekeys/b1", {"identity_key": "<script>", "signed_prekey": "aa"}),
    ("PUT", "/keys/prekeys/b1", {"identity_key": "a\0", "signed_prekey": "aa"}),
    ("PUT", "/keys/prekeys/b1", {"identity_key": "aa", "signed_prekey": "aa", "one_time_prekeys": ["aa"] * 101}),
    ("PUT", "/keys/prekeys/b1", {"identity_key": "aa", "signed_prekey": "aa", "one_time_prekeys": [1]}),
    ("POST", "/keys/mls/b1/key-packages", {"key_packages": ["aa"] * 101}),
    ("POST", "/keys/mls/b1/key-packages", {"key_packages": ["a" * 16_385]}),
    ("POST", "/keys/mls/b1/key-packages", {"last_resort": "not base64!"}),
]


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def bob(chat: Rig, alice: Person) -> Person:
    """Has a device."""
    bob = await chat.register("bob")
    await device(bob, "b1")
    return bob


async def fetch(person: Person, target: Person) -> dict[str, Any]:
    return await person.ok("GET", f"/keys/prekeys/{target.user_id}")


async def fetch_packages(person: Person, target: Person) -> list[str]:
    return (await person.ok("GET", f"/keys/mls/{target.user_id}/key-packages"))["key_packages"]


async def test_one_time_keys_are_given_out_in_order_and_then_the_fetcher_is_warned(alice: Person, bob: Person) -> None:
    assert await fetch(alice, bob) == {"user_id": bob.user_id, "devices": [], "prekey_warning": None}
    await prekeys(bob, "b1", 2)
    shape = {"device_id": "b1", "identity_key": key("identity b1"), "signed_prekey": key("signed b1")}
    for number in range(2):
        found = await fetch(alice, bob)
        assert found["devices"] == [shape | {"one_time_prekey": key(f"b1 {number}")}]
        assert found["prekey_warning"] is None
    found = await fetch(alice, bob)
    assert found["devices"] == [shape | {"one_time_prekey": None}]
    assert found["prekey_warning"] == "PREKEY_EXHAUSTED"


async def test_key_packages_are_given_out_in_order_and_then_the_last_resort_stays(alice: Person, bob: Person) -> None:
    assert await fetch_packages(alice, bob) == []
    reply = await bob.post("/keys/mls/b1/key-packages", {"key_packages": [key("one"), key("two")]})
    assert (reply.status_code, reply.json()) == (201, None)
    await bob.ok("POST", "/keys/mls/b1/key-packages", {"last_resort": key("old")})
    await bob.ok("POST", "/keys/mls/b1/key-packages", {"last_resort": key("last")})
    await device(bob, "b2")
    await packages(bob, "b2", 1)
    assert await fetch_packages(alice, bob) == [key("one"), key("b2 package 0")]
    assert await fetch_packages(alice, bob) == [key("two")]
    for _ in range(2):
        found = await alice.ok("GET", f"/keys/mls/{bob.user_id}/key-packages")
        last = {"device_id": "b1", "key_package": key("last"), "is_last_resort": True}
        assert found == {"key_packages": [key("last")], "packages": [last]}


async def test_no_key_is_given_out_twice_however_many_ask_at_once(chat: Rig, alice: Person, bob: Person) -> None:
    await prekeys(bob, "b1", 12)
    await packages(bob, "b1", 12)
    carol = await chat.register("carol")
    askers = [alice, carol] * 8
    found = await asyncio.gather(*(fetch(one, bob) for one in askers))
    keys = [one["devices"][0]["one_time_prekey"] for one in found]
    given = [one for one in keys if one is not None]
    assert sorted(given) == sorted(key(f"b1 {number}") for number in range(12))
    of_packages = await asyncio.gather(*(fetch_packages(one, bob) for one in askers))
    assert sorted(one for given in of_packages for one in given) == sorted(
        key(f"b1 package {number}") for number in range(12)
    )


async def test_an_upload_that_is_repeated_brings_no_key_back(alice: Person, bob: Person) -> None:
    await prekeys(bob, "b1", 3)
    await packages(bob, "b1", 2)
    assert (await fetch(alice, bob))["devices"][0]["one_time_prekey"] == key("b1 0")
    assert await fetch_packages(alice, bob) == [key("b1 package 0")]
    for _ in range(2):  # the answer was lost, so the client sends it again
        await prekeys(bob, "b1", 3)
        await packages(bob, "b1", 2)
    assert [(await fetch(alice, bob))["devices"][0]["one_time_prekey"] for _ in range(3)] == [
        key("b1 1"),
        key("b1 2"),
        None,
    ]
    assert [await fetch_packages(alice, bob) for _ in range(2)] == [[key("b1 package 1")], []]


async def test_a_device_keeps_a_bounded_number_of_keys_the_newest(alice: Person, bob: Person) -> None:
    for start in (0, 100, 200):
        keys = [key(f"k{number}") for number in range(start, start + 100)]
        body = {"identity_key": "aa", "signed_prekey": "bb", "one_time_prekeys": keys}
        await bob.ok("PUT", "/keys/prekeys/b1", body)
    assert (await bob.ok("GET", "/keys/devices"))["devices"][0]["one_time_prekeys"] == MAX_ONE_TIME_KEYS
    assert (await fetch(alice, bob))["devices"][0]["one_time_prekey"] == key("k100")
    await packages(bob, "b1", 100)
    await bob.ok("POST", "/keys/mls/b1/key-packages", {"key_packages": [key("new")], "last_resort": key("last")})
    assert (await bob.ok("GET", "/keys/devices"))["devices"][0]["key_packages"] == 100
    assert await fetch_packages(alice, bob) == [key("b1 package 1")]


async def test_uploads_beyond_the_stated_limits_are_refused(bob: Person) -> None:
    for method, path, body in TOO_MUCH:
        assert outcome(await bob.call(method, path, json=body)) == (422, "VALIDATION_ERROR"), body


async def test_keys_are_for_those_who_may_write_to_the_member(chat: Rig, alice: Person, bob: Person) -> None:
    await prekeys(bob, "b1", 9)
    carol = await chat.register("carol")
    paths = (f"/keys/prekeys/{bob.user_id}", f"/keys/mls/{bob.user_id}/key-packages")
    for path in ("/keys/prekeys/99", "/keys/mls/99/key-packages"):
        assert outcome(await alice.get(path)) == (404, "USER_NOT_FOUND")
    for path in ("/keys/prekeys/x", "/keys/mls/x/key-packages"):
        assert outcome(await alice.get(path)) == (400, "INVALID_USER_ID")
    await bob.ok("PATCH", f"/users/{bob.user_id}/dm-settings", {"dm_permission": "nobody"})
    for path in paths:
        assert outcome(await carol.get(path)) == (403, "DM_PERMISSION_DENIED")
    await bob.ok("PATCH", f"/users/{bob.user_id}/dm-settings", {"dm_permission": "everyone"})
    await conversation(carol, bob)
    await bob.ok("PATCH", f"/users/{bob.user_id}/dm-settings", {"dm_permission": "nobody"})
    for path in paths:
        assert (await carol.get(path)).is_success  # their conversation is open already
    await bob.ok("PUT", f"/users/{bob.user_id}/blocks/{carol.user_id}")
    for path in paths:
        assert outcome(await carol.get(path)) == (403, "USER_BLOCKED")
    await bob.ok("PATCH", f"/users/{bob.user_id}/dm-settings", {"dm_permission": "everyone"})
    ids = [bob.user_id, carol.user_id]
    await bob.ok("DELETE", f"/users/{bob.user_id}/blocks/{carol.user_id}")
    await alice.ok("POST", "/dms", {"recipient_ids": ids, "name": "group"})
    await bob.ok("PUT", f"/users/{bob.user_id}/blocks/{carol.user_id}")
    for path in paths:
        assert (await carol.get(path)).is_success  # a group goes on, so its keys must
    await alice.ok("PUT", f"/bans/{bob.user_id}", {})
    assert outcome(await alice.get(paths[0])) == (404, "USER_NOT_FOUND")


async def test_a_refused_fetch_takes_no_key(chat: Rig, alice: Person, bob: Person) -> None:
    await prekeys(bob, "b1", 1)
    await bob.ok("PUT", f"/users/{bob.user_id}/blocks/{alice.user_id}")
    for _ in range(3):
        assert outcome(await alice.get(f"/keys/prekeys/{bob.user_id}")) == (403, "USER_BLOCKED")
    carol = await chat.register("carol")
    assert (await fetch(carol, bob))["devices"][0]["one_time_prekey"] == key("b1 0")


async def test_one_member_cannot_exhaust_the_keys_of_another(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path, rate_limit_scale=1) as rig:
        alice, bob = await rig.register("alice"), await rig.register("bob")
        await device(bob, "b1")
        await prekeys(bob, "b1", 40)
        await packages(bob, "b1", 40)
        for path in (f"/keys/prekeys/{bob.user_id}", f"/keys/mls/{bob.user_id}/key-packages"):
            replies = [await alice.get(path) for _ in range(CLAIMS.burst + 2)]
            assert [reply.status_code for reply in replies] == [200] * CLAIMS.burst + [429] * 2
            assert replies[-1].json()["error"]["retry_after_ms"] > 0
        left = (await bob.ok("GET", "/keys/devices"))["devices"][0]
        assert (left["one_time_prekeys"], left["key_packages"]) == (30, 30)
        assert (await bob.get(f"/keys/prekeys/{bob.user_id}")).status_code == 200  # one's own are not counted


async def test_many_members_together_leave_the_others_keys_without_one_time_keys(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox.chat.features.keys.routes.CLAIMS_OF_TARGET", type(CLAIMS)("few", 2, 1 / 3600))
    async with community(database_url, tmp_path) as rig:
        bob, *others = [await rig.register(name) for name in ("bob", "alice", "carol", "dora")]
        rig.chat.limits._scale = 1  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]  registrations are not what is asked
        await device(bob, "b1")
        await prekeys(bob, "b1", 5)
        await packages(bob, "b1", 5, "last")
        found = [(await fetch(one, bob))["devices"][0]["one_time_prekey"] for one in others]
        assert found == [key("b1 0"), key("b1 1"), None]
        assert [await fetch_packages(one, bob) for one in others][2] == [key("last")]


async def test_a_device_is_told_when_few_keys_are_left_and_when_none_is(alice: Person, bob: Person) -> None:
    await prekeys(bob, "b1", 12)
    async with bob.gateway() as gateway:
        for _ in range(12):
            await fetch(alice, bob)
        low = [frame["d"] for frame in await gateway.events() if frame["type"] == "one_time_keys_low"]
    assert low == [{"device_id": "b1", "one_time_prekeys": left, "key_packages": 0} for left in (10, 0)]


async def test_contacts_learn_of_first_keys_and_of_another_identity_key(chat: Rig, alice: Person, bob: Person) -> None:
    await conversation(alice, bob)
    carol = await chat.register("carol")
    async with alice.gateway() as contact, carol.gateway() as stranger:
        for identity in ("first", "first", "second"):
            await prekeys(bob, "b1", 1, identity)
        changes = [frame["d"] for frame in await contact.events() if frame["type"] == "device_keys_update"]
        assert changes == [
            {"user_id": bob.user_id, "device_id": "b1", "change": change} for change in ("added", "changed")
        ]
        assert not [frame for frame in await stranger.events() if frame["type"] == "device_keys_update"]


async def test_a_reset_takes_the_keys_and_tells_the_contacts(chat: Rig, alice: Person, bob: Person) -> None:
    await conversation(alice, bob)
    carol = await chat.register("carol")
    await prekeys(bob, "b1", 3)
    await packages(bob, "b1", 3, "last")
    await bob.ok("PUT", "/keys/backup", {"encrypted_blob": "sealed"})
    async with alice.gateway() as contact, carol.gateway() as stranger:
        assert (await bob.post("/keys/reset")).status_code == 204
        assert (await contact.expect("key_reset_notify"))["d"] == {"user_id": bob.user_id}
        assert "key_reset_notify" not in [frame["type"] for frame in await stranger.events()]
    assert (await fetch(alice, bob))["devices"] == []
    assert await fetch_packages(alice, bob) == []
    assert len((await bob.ok("GET", "/keys/devices"))["devices"]) == 1
    assert await bob.ok("GET", "/keys/backup") == {"encrypted_blob": "sealed"}


async def test_a_backup_is_kept_as_it_is_replaced_and_bounded(alice: Person, bob: Person) -> None:
    assert outcome(await alice.get("/keys/backup")) == (404, "KEY_BACKUP_NOT_FOUND")
    for blob in ("first", "x" * 1_000_000):
        assert (await alice.put("/keys/backup", {"encrypted_blob": blob})).status_code == 204
        assert await alice.ok("GET", "/keys/backup") == {"encrypted_blob": blob}
    assert outcome(await alice.put("/keys/backup", {"encrypted_blob": "x" * 1_000_001})) == (422, "VALIDATION_ERROR")
    assert outcome(await alice.put("/keys/backup", {"encrypted_blob": "a\0"})) == (422, "VALIDATION_ERROR")
    assert outcome(await bob.get("/keys/backup")) == (404, "KEY_BACKUP_NOT_FOUND")


async def test_key_packages_past_their_lifetime_are_not_given_out(database_url: str, tmp_path: Path) -> None:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        alice, bob = await rig.register("alice"), await rig.register("bob")
        await device(bob, "b1")
        await packages(bob, "b1", 3, "last")
        clock.advance(91 * DAY_S)
        alice, bob = await again(rig, alice), await again(rig, bob)
        await bob.ok("POST", "/keys/mls/b1/key-packages", {"key_packages": [key("fresh")]})
        assert await fetch_packages(alice, bob) == [key("fresh")]
        assert await fetch_packages(alice, bob) == [key("last")]
