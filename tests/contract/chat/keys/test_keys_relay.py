"""The relay of MLS messages: to whom, in which order, what waits for devices that are away, and what is refused."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_keys import again, conversation, device, key, packages, prekeys, relayed, waiting
from tests.contract.chat.helpers_people import LateClock, outcome
from vox.chat.features.keys.limits import RELAYS
from vox.chat.features.retention import sweep

DAY_S = 86_400


@pytest.fixture
async def alice(chat: Rig) -> Person:
    alice = await chat.register("alice")
    await device(alice, "a1")
    return alice


@pytest.fixture
async def bob(chat: Rig, alice: Person) -> Person:
    bob = await chat.register("bob")
    await device(bob, "b1")
    return bob


@pytest.fixture
async def dm_id(alice: Person, bob: Person) -> int:
    return await conversation(alice, bob)


def commit(epoch: int, group: bytes = b"g", *, kind: int = 3, by: str = "") -> str:
    """A message in MLS framing that nobody can read."""
    header = b"\0\1\0\2" + bytes([len(group)]) + group + epoch.to_bytes(8) + bytes([kind])
    return base64.b64encode(header + b"ciphertext" + by.encode()).decode()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mls_type": "proposal", "data": commit(0)}, "VALIDATION_ERROR"),  # a commit that would come around the order
    ({"mls_type": "welcome", "data": commit(0)}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": commit(0, kind=1)}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": commit(2**63 - 1)}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "epoch": -1}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "epoch": 2**70}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": {"no": "text"}}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "nul\0"}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "group_id": "g" * 513}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "group_id": "g\0"}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "request_id": "r" * 65}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "device_ids": ["d"] * 101}, "VALIDATION_ERROR"),
    ({"mls_type": "commit", "data": "x", "device_id": "b1"}, "DEVICE_NOT_FOUND"),  # of the other side
    ({"mls_type": "commit", "data": "x" * 16_385}, "PAYLOAD_TOO_LARGE"),
    ({"mls_type": "commit", "data": ["x" * 16_385]}, "PAYLOAD_TOO_LARGE"),
    ({"mls_type": "commit", "data": "x", "dm_id": 99}, "NOT_DM_PARTICIPANT"),
    ({"mls_type": "commit", "data": "x", "dm_id": "x"}, "NOT_DM_PARTICIPANT"),
    ({"mls_type": "commit", "data": "x", "dm_id": -1}, "NOT_DM_PARTICIPANT"),
    ({"mls_type": "commit", "data": "x", "dm_id": 2**80}, "NOT_DM_PARTICIPANT"),
]


async def test_without_a_conversation_the_own_sessions_receive_it_and_nothing_is_kept(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    async with alice.gateway() as one, alice.gateway() as other, bob.gateway() as stranger:
        for kind in ("welcome", "commit", "proposal"):
            assert (await relayed(one, kind, "b3BhcXVl"))["d"] == {"data": "b3BhcXVl"}
            assert (await other.expect(f"mls_{kind}"))["d"] == {"data": "b3BhcXVl"}
        await one.send("mls_relay", {"mls_type": "commit", "data": {"any": ["thing"]}})
        assert (await one.expect("mls_commit"))["d"] == {"data": {"any": ["thing"]}}
        assert not [frame for frame in await stranger.events() if frame["type"].startswith("mls")]
    assert await waiting(alice, "a1") == []


async def test_in_a_conversation_all_devices_receive_it_and_those_away_later(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    mallory = await chat.register("mallory")
    await device(mallory, "m1")
    tablet = await again(chat, alice)
    await device(tablet, "a2")
    async with alice.gateway() as a, mallory.gateway() as m, tablet.gateway() as t, bob.gateway() as b:
        told = (await relayed(a, "proposal", "b25l", dm_id=dm_id, device_id="a1", request_id="r1"))["d"]
        relay_id = told.pop("relay_id")
        assert told == {
            "data": "b25l", "dm_id": dm_id, "sender_id": alice.user_id, "sender_device_id": "a1", "request_id": "r1",
        }  # fmt: skip
        for gateway in (t, b):
            assert (await gateway.expect("mls_proposal"))["d"]["relay_id"] == relay_id
        assert not [frame for frame in await m.events() if frame["type"].startswith("mls")]
    found = await bob.ok("GET", "/keys/mls/b1/messages")
    assert found["has_missed"] is False
    (message,) = found["messages"]
    assert abs(message.pop("created_at") - chat.chat.clock.unix_s()) < 600
    assert message == {
        "relay_id": relay_id, "mls_type": "proposal", "data": "b25l", "dm_id": dm_id, "sender_id": alice.user_id,
        "sender_device_id": "a1", "group_id": None, "epoch": None,
    }  # fmt: skip
    assert (await waiting(alice, "a1"), await waiting(alice, "a2")) == ([], ["b25l"])  # the sender's own has it
    assert outcome(await mallory.get("/keys/mls/b1/messages")) == (404, "DEVICE_NOT_FOUND")


async def test_what_is_acknowledged_waits_no_more_and_all_else_does(alice: Person, bob: Person, dm_id: int) -> None:
    async with alice.gateway() as a:
        for number in range(5):
            await relayed(a, "proposal", key(str(number)), dm_id=dm_id, device_id="a1")
    page = (await bob.ok("GET", "/keys/mls/b1/messages", limit=2))["messages"]
    assert [one["data"] for one in page] == [key("0"), key("1")]
    ids = [one["relay_id"] for one in (await bob.ok("GET", "/keys/mls/b1/messages"))["messages"]]
    assert ids == sorted(ids)
    rest = (await bob.ok("GET", "/keys/mls/b1/messages", after=ids[2]))["messages"]
    assert [one["data"] for one in rest] == [key("3"), key("4")]
    for _ in range(2):  # an answer may be lost
        reply = await bob.post("/keys/mls/b1/messages/ack", {"relay_ids": [ids[1], ids[3], 7]})
        assert reply.status_code == 204
        assert await waiting(bob, "b1") == [key("0"), key("2"), key("4")]
    await alice.ok("POST", "/keys/mls/a1/messages/ack", {"relay_ids": ids})  # not the device that it waits for
    assert await waiting(bob, "b1") == [key("0"), key("2"), key("4")]
    await bob.ok("POST", "/keys/mls/b1/messages/ack", {"relay_ids": ids})
    assert await waiting(bob, "b1") == []


async def test_a_welcome_reaches_the_devices_that_it_is_for(chat: Rig, alice: Person, bob: Person) -> None:
    carol = await chat.register("carol")
    await device(carol, "c1")
    await device(bob, "b2")
    body = {"recipient_ids": [bob.user_id, carol.user_id]}
    dm_id = (await alice.ok("POST", "/dms", body))["dm_id"]
    async with alice.gateway() as a, bob.gateway() as b, carol.gateway() as c:
        await relayed(a, "welcome", "d2VsY29tZQ==", dm_id=dm_id, device_id="a1", device_ids=["b2"])
        await b.expect("mls_welcome")
        assert not [frame for frame in await c.events() if frame["type"].startswith("mls")]
        for devices in (["x"], ["b2", "x"]):
            frame = await relayed(a, "welcome", "eA==", dm_id=dm_id, device_ids=devices, request_id="r")
            assert (frame["d"]["code"], frame["d"]["request_id"]) == ("DEVICE_NOT_FOUND", "r")
    waits = [await waiting(person, one) for person, one in ((bob, "b1"), (bob, "b2"), (carol, "c1"))]
    assert waits == [[], ["d2VsY29tZQ=="], []]


async def test_of_two_commits_of_one_epoch_exactly_one_is_taken(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    async with alice.gateway() as a, bob.gateway() as b:
        for epoch in range(5):
            frames = await asyncio.gather(
                *(relayed(gateway, "commit", commit(epoch, by=name), dm_id=dm_id, device_id=name, request_id=name)
                  for gateway, name in ((a, "a1"), (b, "b1")))
            )  # fmt: skip
            errors = [frame["d"] for frame in frames if frame["type"] == "error"]
            assert [(error["code"], error["epoch"]) for error in errors] == [("MLS_EPOCH_CONFLICT", epoch + 1)]
        for late in (0, 4, 7):
            frame = await relayed(a, "commit", commit(late), dm_id=dm_id)
            assert (frame["type"], frame["d"]["epoch"]) == ("error", 5)
        assert (await relayed(a, "commit", commit(0, b"another group"), dm_id=dm_id))["type"] == "mls_commit"
        assert (await relayed(a, "commit", commit(5), dm_id=dm_id))["d"]["epoch"] == 5
    taken = await bob.ok("GET", "/keys/mls/b1/messages")
    epochs = [one["epoch"] for one in taken["messages"] if one["group_id"] == key("g")]
    assert epochs == sorted(set(epochs))


async def test_the_epoch_of_other_framings_may_stand_beside_the_data(alice: Person, bob: Person, dm_id: int) -> None:
    async with alice.gateway() as a:
        more: dict[str, Any] = {"dm_id": dm_id, "group_id": "own", "epoch": 3}
        assert (await relayed(a, "commit", "own format", **more))["d"]["epoch"] == 3
        assert (await relayed(a, "commit", "own again", **more))["d"]["code"] == "MLS_EPOCH_CONFLICT"
        # What a message says itself counts, whatever stands beside it.
        assert (await relayed(a, "commit", commit(9), **more))["d"]["group_id"] == key("g")
        assert (await relayed(a, "commit", "no order", dm_id=dm_id))["type"] == "mls_commit"
        assert (await relayed(a, "commit", "no order", dm_id=dm_id))["type"] == "mls_commit"


async def test_what_is_refused_is_answered_in_band_and_kept_nowhere(alice: Person, bob: Person, dm_id: int) -> None:
    async with alice.gateway() as a:
        for more, code in REFUSED:
            await a.send("mls_relay", {"dm_id": dm_id, **more})
            assert (await a.expect("error"))["d"]["code"] == code, more
        assert (await relayed(a, "proposal", "YWZ0ZXI=", dm_id=dm_id))["type"] == "mls_proposal"  # the socket is open
    assert await waiting(bob, "b1") == ["YWZ0ZXI="]


async def test_strangers_the_blocked_and_those_who_left_send_nothing(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    mallory = await chat.register("mallory")
    async with mallory.gateway() as m, alice.gateway() as a, bob.gateway() as b:
        assert (await relayed(m, "commit", "eA==", dm_id=dm_id))["d"]["code"] == "NOT_DM_PARTICIPANT"
        await bob.ok("PUT", f"/users/{bob.user_id}/blocks/{alice.user_id}")
        assert (await relayed(a, "commit", "eA==", dm_id=dm_id))["d"]["code"] == "USER_BLOCKED"
        await bob.ok("DELETE", f"/users/{bob.user_id}/blocks/{alice.user_id}")
        await alice.ok("DELETE", f"/dms/{dm_id}")
        assert (await relayed(a, "commit", "eA==", dm_id=dm_id))["d"]["code"] == "NOT_DM_PARTICIPANT"
        assert not [frame for frame in await b.events() if frame["type"].startswith("mls")]
    assert await waiting(bob, "b1") == []


async def test_nothing_waits_for_the_devices_of_a_banned_member(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    await alice.ok("PUT", f"/bans/{bob.user_id}", {})
    async with alice.gateway() as a:
        await relayed(a, "proposal", "eA==", dm_id=dm_id)
    await alice.ok("DELETE", f"/bans/{bob.user_id}")
    back = await again(chat, bob)
    assert await waiting(back, "b1") == []


async def test_the_order_of_one_sender_stays(alice: Person, bob: Person, dm_id: int) -> None:
    async with alice.gateway() as a, bob.gateway() as b:
        for number in range(20):
            await a.send("mls_relay", {"mls_type": "proposal", "data": key(str(number)), "dm_id": dm_id})
        told = [(await b.expect("mls_proposal"))["d"] for _ in range(20)]
    assert [one["data"] for one in told] == [key(str(number)) for number in range(20)]
    assert [one["relay_id"] for one in told] == sorted(one["relay_id"] for one in told)
    assert await waiting(bob, "b1") == [one["data"] for one in told]


async def test_a_queue_is_bounded_the_oldest_goes_and_the_device_is_told(
    alice: Person, bob: Person, dm_id: int, monkeypatch: pytest.MonkeyPatch, chat: Rig
) -> None:
    monkeypatch.setattr("vox.chat.features.keys.relay_queries.MAX_WAITING_OF_DM", 3)
    monkeypatch.setattr("vox.chat.features.keys.relay_queries.MAX_WAITING", 4)
    carol = await chat.register("carol")
    other = await conversation(carol, bob)
    async with alice.gateway() as a, carol.gateway() as c:
        await relayed(c, "commit", "Y2Fyb2w=", dm_id=other)
        for number in range(5):
            await relayed(a, "proposal", key(str(number)), dm_id=dm_id, device_id="a1")
        # One conversation that floods drops its own messages, not those of another.
        assert await waiting(bob, "b1") == ["Y2Fyb2w=", key("2"), key("3"), key("4")]
        await relayed(c, "commit", "YWdhaW4=", dm_id=other)
        assert await waiting(bob, "b1") == ["Y2Fyb2w=", key("3"), key("4"), "YWdhaW4="]
    for _ in range(2):
        assert (await bob.ok("GET", "/keys/mls/b1/messages"))["has_missed"] is True
    await bob.ok("POST", "/keys/mls/b1/messages/ack", {"relay_ids": [], "has_missed": True})
    assert (await bob.ok("GET", "/keys/mls/b1/messages"))["has_missed"] is False


async def test_messages_wait_thirty_days(database_url: str, tmp_path: Path) -> None:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        alice, bob = await rig.register("alice"), await rig.register("bob")
        await device(bob, "b1")
        dm_id = await conversation(alice, bob)
        async with alice.gateway() as a:
            await relayed(a, "proposal", "b2xk", dm_id=dm_id)
            await bob.ok("POST", "/keys/devices/pair", {"device_name": "x", "method": "qr"})
            clock.advance(20 * DAY_S)
            await relayed(a, "proposal", "bmV3", dm_id=dm_id)
        await sweep(rig.chat)
        bob = await again(rig, bob)
        assert await waiting(bob, "b1") == ["b2xk", "bmV3"]
        clock.advance(11 * DAY_S)
        await sweep(rig.chat)
        bob = await again(rig, bob)
        found = await bob.ok("GET", "/keys/mls/b1/messages")
        assert ([one["data"] for one in found["messages"]], found["has_missed"]) == (["bmV3"], True)


async def test_a_member_relays_at_a_bounded_rate(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path, rate_limit_scale=1) as rig:
        alice = await rig.register("alice")
        async with alice.gateway() as a:
            for _ in range(RELAYS.burst):
                assert (await relayed(a, "commit", "eA=="))["type"] == "mls_commit"
            found = [await relayed(a, "commit", "eA==") for _ in range(4)]
            refused = [frame["d"] for frame in found if frame["type"] == "error"]
            assert refused
            assert {frame["code"] for frame in refused} == {"RATE_LIMITED"}
            assert all(frame["retry_after_ms"] > 0 for frame in refused)


async def test_a_conversation_that_goes_takes_its_messages_along(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    async with alice.gateway() as a:
        await relayed(a, "commit", commit(0), dm_id=dm_id)
    await alice.ok("DELETE", f"/dms/{dm_id}")
    await bob.ok("DELETE", f"/dms/{dm_id}")
    assert await waiting(bob, "b1") == []


async def test_a_session_that_resumes_receives_what_it_missed(
    chat: Rig, alice: Person, bob: Person, dm_id: int
) -> None:
    async with bob.gateway() as b:
        session = b.ready["session_id"]
        await b.events()
        last_seq = b.last_seq
    async with alice.gateway() as a:
        await relayed(a, "commit", commit(0), dm_id=dm_id)
    async with chat.socket() as b:
        await b.expect("hello")
        await b.send("resume", {"token": bob.token, "session_id": session, "last_seq": last_seq})
        assert (await b.expect("mls_commit"))["d"]["epoch"] == 0
        await b.expect("resumed")


async def test_ids_come_as_texts_for_javascript_and_may_be_sent_so(alice: Person, bob: Person, dm_id: int) -> None:
    async with alice.gateway(capabilities=["string_ids"]) as a:
        told = (await relayed(a, "proposal", "eA==", dm_id=str(dm_id)))["d"]
        assert (told["dm_id"], told["sender_id"]) == (str(dm_id), str(alice.user_id))
        assert isinstance(told["relay_id"], str)
    reply = await bob.call("GET", "/keys/mls/b1/messages", headers={"x-vox-ids": "string"})
    assert reply.json()["messages"][0]["relay_id"] == told["relay_id"]
    reply = await bob.call(
        "POST", "/keys/mls/b1/messages/ack", json={"relay_ids": [told["relay_id"]]}, headers={"x-vox-ids": "string"}
    )
    assert reply.status_code == 204
    assert await waiting(bob, "b1") == []


async def test_every_key_of_the_api_counts_as_the_category_e2ee(alice: Person) -> None:
    await prekeys(alice, "a1", 1)
    await packages(alice, "a1", 1)
    for path in ("/keys/devices", f"/keys/prekeys/{alice.user_id}", f"/keys/mls/{alice.user_id}/key-packages"):
        assert (await alice.get(path)).headers["x-ratelimit-limit"] == "30"
