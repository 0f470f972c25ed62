"""Devices: add, rename, list, remove, whose events end, and who is told."""

import asyncio
from typing import Any

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_keys import again, conversation, device, packages, prekeys, relayed
from tests.contract.chat.helpers_people import outcome


async def test_a_device_is_added_once_renamed_by_the_same_id_and_listed(chat: Rig) -> None:
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        reply = await alice.post("/keys/devices", {"device_id": "d1", "device_name": "laptop"})
        assert (reply.status_code, reply.json()) == (201, {"device_id": "d1"})
        told = await gateway.expect("device_list_update")
        assert told["d"] == {"devices": [{"device_id": "d1", "device_name": "laptop"}]}
        await device(alice, "d1", "old laptop")
        await gateway.expect("device_list_update", devices=[{"device_id": "d1", "device_name": "old laptop"}])
        await device(alice, "d1", "old laptop")
        assert "device_list_update" not in [frame["type"] for frame in await gateway.events()]
    (found,) = (await alice.ok("GET", "/keys/devices"))["devices"]
    assert {name: found[name] for name in ("device_id", "device_name", "is_current")} == {
        "device_id": "d1",
        "device_name": "old laptop",
        "is_current": True,
    }
    assert abs(found["created_at"] - chat.chat.clock.unix_s()) < 600
    other = await again(chat, alice)
    assert not (await other.ok("GET", "/keys/devices"))["devices"][0]["is_current"]


async def test_an_account_has_ten_devices_at_most_however_many_are_added_at_once(chat: Rig) -> None:
    alice = await chat.register("alice")
    body = [{"device_id": f"d{number}", "device_name": "x"} for number in range(14)]
    replies = await asyncio.gather(*(alice.post("/keys/devices", one) for one in body))
    refused = [outcome(reply) for reply in replies if not reply.is_success]
    assert refused == [(403, "DEVICE_LIMIT_REACHED")] * 4
    assert len((await alice.ok("GET", "/keys/devices"))["devices"]) == 10


async def test_a_device_id_of_another_account_is_refused_and_stays_theirs(chat: Rig) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await device(alice, "d1")
    reply = await bob.post("/keys/devices", {"device_id": "d1", "device_name": "mine"})
    assert outcome(reply) == (409, "DEVICE_ID_CONFLICT")
    keys: dict[str, Any] = {"identity_key": "aa", "signed_prekey": "aa"}
    for reply in (
        await bob.put("/keys/prekeys/d1", keys),
        await bob.post("/keys/mls/d1/key-packages", {"key_packages": ["aa"]}),
        await bob.get("/keys/mls/d1/messages"),
        await bob.post("/keys/mls/d1/messages/ack", {"relay_ids": []}),
    ):
        assert outcome(reply) == (404, "DEVICE_NOT_FOUND"), reply.url
    assert outcome(await bob.delete("/keys/devices/d1")) == (404, "SPACE_NOT_FOUND")
    assert (await alice.ok("GET", "/keys/devices"))["devices"][0]["device_name"] == "laptop"


async def test_an_id_that_could_not_be_addressed_is_refused(chat: Rig) -> None:
    alice = await chat.register("alice")
    for device_id in ("", "a/b", "..", "pair", "x" * 129, "nul\0", "line\u0007"):
        reply = await alice.post("/keys/devices", {"device_id": device_id, "device_name": "x"})
        assert outcome(reply) == (422, "VALIDATION_ERROR"), device_id


async def test_removing_a_device_tells_the_account_and_contacts_and_takes_its_keys(chat: Rig) -> None:
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    await conversation(alice, bob)
    await device(alice, "d1")
    await prekeys(alice, "d1", 2)
    await packages(alice, "d1", 2, "last")
    async with alice.gateway() as own, bob.gateway() as contact, carol.gateway() as stranger:
        await alice.ok("DELETE", "/keys/devices/d1")
        assert (await own.expect("device_list_update"))["d"] == {"devices": []}
        change = {"user_id": alice.user_id, "device_id": "d1", "change": "removed"}
        assert (await own.expect("device_keys_update"))["d"] == change
        assert (await contact.expect("device_keys_update"))["d"] == change
        assert not [frame for frame in await stranger.events() if frame["type"].startswith("device")]
    assert (await bob.ok("GET", f"/keys/prekeys/{alice.user_id}"))["devices"] == []
    assert (await bob.ok("GET", f"/keys/mls/{alice.user_id}/key-packages"))["key_packages"] == []
    assert outcome(await alice.delete("/keys/devices/d1")) == (404, "SPACE_NOT_FOUND")


async def test_the_sessions_of_a_removed_device_receive_no_events_of_keys(chat: Rig) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    lost = await again(chat, alice)
    dm_id = await conversation(alice, bob)
    await device(alice, "kept")
    await device(lost, "lost")
    async with alice.gateway() as kept, lost.gateway() as gone, bob.gateway() as other:
        await alice.ok("DELETE", "/keys/devices/lost")
        await gone.expect("device_list_update")
        await relayed(other, "commit", "aGVsbG8=", dm_id=dm_id)
        await kept.expect("mls_commit", data="aGVsbG8=")
        await kept.send("cpace_relay", {"cpace_type": "isi", "pair_id": "p", "data": "x"})
        await kept.expect("cpace_isi")
        assert not [one for one in await gone.events() if one["type"].startswith(("mls_", "cpace_"))]
        frame = await relayed(gone, "commit", "eA==")
        assert frame["d"]["code"] == "FORBIDDEN"
        # A session that begins or resumes after it knows it, too.
        session, last_seq = gone.ready["session_id"], gone.last_seq
    async with chat.socket() as resumed:
        await resumed.expect("hello")
        await resumed.send("resume", {"token": lost.token, "session_id": session, "last_seq": last_seq - 1})
        await resumed.expect("resumed")
    async with lost.gateway() as fresh, alice.gateway() as kept:
        await relayed(kept, "proposal", "cHJvcG9zYWw=")
        assert not [one for one in await fresh.events() if one["type"].startswith("mls_")]
        # The login is still good, and registering the device again brings its events back.
        await device(lost, "found")
        await relayed(kept, "proposal", "YWdhaW4=")
        await fresh.expect("mls_proposal", data="YWdhaW4=")


async def test_removing_a_device_can_end_its_login(chat: Rig) -> None:
    alice = await chat.register("alice")
    lost = await again(chat, alice)
    await device(lost, "lost")
    async with lost.gateway() as gone:
        assert (await alice.call("DELETE", "/keys/devices/lost", params={"log_out": "true"})).status_code == 204
        assert await gone.closed() == 4004
    assert outcome(await lost.get("/keys/devices")) == (401, "AUTH_EXPIRED")
    await device(alice, "own")
    assert (await alice.call("DELETE", "/keys/devices/own", params={"log_out": "true"})).status_code == 204
    assert (await alice.get("/keys/devices")).status_code == 200  # never one's own login
