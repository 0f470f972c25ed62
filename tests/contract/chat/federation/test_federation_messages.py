"""Messages, typing, read marks, presence and files between two servers, on both databases."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_federation import (
    Internet,
    federation_of,
    messages_of,
    server,
    until_empty,
    until_messages,
    write_to,
)
from tests.contract.chat.helpers_people import outcome

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c489".replace(" ", "")
    + "0000000d49444154789c626001000000050001 0d0a2db4".replace(" ", "")
    + "0000000049454e44ae426082"
)


@dataclass(slots=True)
class Pair:
    """Two servers and a person on each."""

    internet: Internet
    here: Rig
    there: Rig
    alice: Person
    bob: Person


@pytest.fixture
async def pair(database_url: str, tmp_path: Path) -> AsyncGenerator[Pair, None]:
    internet = Internet()
    async with (
        server(internet, "here.example", database_url, tmp_path / "here") as here,
        server(internet, "there.example", f"sqlite:///{tmp_path / 'there.db'}", tmp_path / "there") as there,
    ):
        alice, bob = await here.register("alice"), await there.register("bob")
        yield Pair(internet, here, there, alice, bob)


async def test_two_people_of_two_servers_write_to_each_other(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    async with pair.bob.gateway() as bob_hears:
        await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "hello bob"})
        event = await bob_hears.expect("message_create", body="hello bob")
    [message] = await until_messages(pair.bob, 1)
    assert (message["body"], message["federated"], message["author_address"]) == (
        "hello bob",
        True,
        "alice@here.example",
    )
    assert event["d"]["msg_id"] == message["msg_id"]
    author = await pair.bob.ok("GET", f"/users/{message['author_id']}")
    assert (author["username"], author["federated"], author["home_domain"]) == (
        "alice@here.example",
        True,
        "here.example",
    )
    await pair.bob.ok("POST", f"/dms/{message['dm_id']}/messages", {"body": "hello alice"})
    answers = await until_messages(pair.alice, 2)
    assert [one["body"] for one in answers] == ["hello bob", "hello alice"]
    await until_empty(pair.here)


async def test_an_encrypted_message_arrives_as_it_was_sent_and_live(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    async with pair.bob.gateway() as bob_hears:
        await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"opaque_blob": "c2VjcmV0"})
        event = await bob_hears.expect("message_create")
    assert event["d"]["opaque_blob"] == "c2VjcmV0"
    [message] = await until_messages(pair.bob, 1)
    assert (message["opaque_blob"], message["body"]) == ("c2VjcmV0", None)


async def test_a_conversation_keeps_its_order_and_repeats_nothing_while_answers_are_lost(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    await until_empty(pair.here)
    pair.internet.loses_answers = 7
    bodies = [f"message {number}" for number in range(20)]
    for body in bodies:
        await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": body})
    await until_empty(pair.here)
    assert [one["body"] for one in await messages_of(pair.bob)] == bodies


async def test_messages_wait_for_a_server_that_is_away(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    pair.internet.away.add("there.example")
    for number in range(5):
        await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": str(number)})
    waiting = (await pair.alice.ok("GET", "/federation/deliveries"))["items"]
    assert [one["state"] for one in waiting] == ["pending"] * 5
    pair.internet.away.clear()
    assert [one["body"] for one in await until_messages(pair.bob, 5)] == ["0", "1", "2", "3", "4"]
    await until_empty(pair.here)
    assert (await pair.alice.ok("GET", "/federation/deliveries"))["items"] == []


async def test_typing_reaches_the_other_server(pair: Pair):
    remote_id, dm_id = await write_to(pair.alice, "bob@there.example")
    await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "hi"})
    [message] = await until_messages(pair.bob, 1)
    async with pair.alice.gateway() as alice, pair.bob.gateway() as bob:
        await bob.send("typing", {"dm_id": message["dm_id"]})
        await alice.expect("typing_start", dm_id=dm_id, user_id=remote_id)


async def test_a_read_mark_names_the_readers_message_at_its_own_server(pair: Pair):
    remote_id, dm_id = await write_to(pair.alice, "bob@there.example")
    sent = await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "read me"})
    [message] = await until_messages(pair.bob, 1)
    async with pair.alice.gateway() as alice:
        await pair.bob.ok("POST", f"/dms/{message['dm_id']}/read", {"up_to_msg_id": message["msg_id"]})
        await alice.expect("dm_read_notify", dm_id=dm_id, user_id=remote_id, up_to_msg_id=sent["msg_id"])


async def test_presence_is_told_to_those_who_write_with_a_user_and_to_no_one_else(pair: Pair):
    remote_id, dm_id = await write_to(pair.alice, "bob@there.example")
    stranger = await pair.here.register("stranger")
    await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "hi"})
    await until_messages(pair.bob, 1)
    await until_empty(pair.here)
    async with pair.alice.gateway() as alice, stranger.gateway() as other, pair.bob.gateway() as bob:
        await bob.send("presence_update", {"status": "dnd", "activity": {"name": "chess"}})
        shown = await alice.expect("presence_update", user_id=remote_id, status="dnd")
        assert shown["d"]["activity"] == {"name": "chess"}
        assert all(event["d"].get("user_id") != remote_id for event in await other.events())


async def test_a_file_comes_with_its_message(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    files = {"file": ("notes.txt", b"twelve bytes", "text/plain")}
    up = (await pair.alice.call("POST", f"/dms/{dm_id}/files", files=files)).json()
    await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "see", "attachments": [up["file_id"]]})
    [message] = await until_messages(pair.bob, 1)
    [file] = message["attachments"]
    assert (file["name"], file["size"], file["mime"]) == ("notes.txt", 12, "text/plain")
    got = await pair.bob.get(file["url"].removeprefix("/api/v1"))
    assert got.content == b"twelve bytes"


async def test_a_file_beyond_the_budget_is_left_out_and_its_message_comes(database_url: str, tmp_path: Path):
    internet = Internet()
    async with (
        server(internet, "here.example", f"sqlite:///{tmp_path / 'here.db'}", tmp_path / "here") as here,
        server(internet, "there.example", database_url, tmp_path / "there", federation_peer_bytes=20) as there,
    ):
        alice, bob = await here.register("alice"), await there.register("bob")
        _, dm_id = await write_to(alice, "bob@there.example")
        for number in range(2):
            files = {"file": (f"{number}.txt", b"fifteen bytes..", "text/plain")}
            up = (await alice.call("POST", f"/dms/{dm_id}/files", files=files)).json()
            await alice.ok("POST", f"/dms/{dm_id}/messages", {"attachments": [up["file_id"]]})
        first, second = await until_messages(bob, 2)
        assert len(first["attachments"]) == 1
        assert second["attachments"] == []
        assert second["body"]


async def test_a_user_who_blocks_a_remote_user_gets_nothing_and_the_author_is_told(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "first"})
    [message] = await until_messages(pair.bob, 1)
    await pair.bob.ok("PUT", f"/users/{pair.bob.user_id}/blocks/{message['author_id']}")
    async with pair.alice.gateway() as alice:
        sent = await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "second"})
        await alice.expect("dm_delivery", msg_id=sent["msg_id"], dm_id=dm_id, state="failed", code="USER_BLOCKED")
    assert [one["body"] for one in await messages_of(pair.bob)] == ["first"]
    [failed] = (await pair.alice.ok("GET", "/federation/deliveries"))["items"]
    assert (failed["msg_id"], failed["state"], failed["code"]) == (sent["msg_id"], "failed", "USER_BLOCKED")


async def test_settings_of_who_may_write_hold_for_remote_users(pair: Pair):
    await pair.bob.ok("PATCH", f"/users/{pair.bob.user_id}/dm-settings", {"dm_permission": "friends_only"})
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    async with pair.alice.gateway() as alice:
        await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "hi"})
        await alice.expect("dm_delivery", state="failed", code="DM_PERMISSION_DENIED")
    assert await messages_of(pair.bob) == []


async def test_a_banned_remote_user_writes_no_more(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "first"})
    [message] = await until_messages(pair.bob, 1)
    await pair.bob.ok("PUT", f"/bans/{message['author_id']}", {"reason": "spam"})
    async with pair.alice.gateway() as alice:
        await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "second"})
        await alice.expect("dm_delivery", state="failed", code="BANNED")


async def test_contacts_are_in_no_list_of_members(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    await pair.alice.ok("POST", f"/dms/{dm_id}/messages", {"body": "hi"})
    await until_messages(pair.bob, 1)
    for person in (pair.alice, pair.bob):
        assert len((await person.ok("GET", "/members"))["items"]) == 1
        assert (await person.ok("GET", "/server"))["member_count"] == 1


async def test_contacts_are_in_no_group(pair: Pair):
    remote_id, dm_id = await write_to(pair.alice, "bob@there.example")
    friend = await pair.here.register("friend")
    reply = await pair.alice.post("/dms", {"recipient_ids": [remote_id, friend.user_id]})
    assert outcome(reply) == (400, "INVALID_TARGET")
    assert outcome(await pair.alice.post(f"/dms/{dm_id}/convert-to-group")) == (400, "INVALID_TARGET")


async def test_a_message_that_is_too_long_for_the_wire_is_refused_at_once(pair: Pair):
    _, dm_id = await write_to(pair.alice, "bob@there.example")
    reply = await pair.alice.post(f"/dms/{dm_id}/messages", {"opaque_blob": "A" * 16_385})
    assert outcome(reply) == (400, "MESSAGE_TOO_LARGE")
    assert await messages_of(pair.alice) == []


async def test_a_profile_is_shown_as_its_own_server_has_it(pair: Pair):
    await pair.bob.ok("PATCH", f"/users/{pair.bob.user_id}", {"display_name": "Bob the Builder", "bio": "builds"})
    remote_id, _ = await write_to(pair.alice, "bob@there.example")
    shown = await pair.alice.ok("GET", f"/users/{remote_id}")
    assert (shown["display_name"], shown["bio"]) == ("Bob the Builder", "builds")


async def test_an_unknown_user_is_not_found(pair: Pair):
    reply = await pair.alice.post("/federation/users", {"user_address": "nemo@there.example"})
    assert outcome(reply) == (404, "FED_USER_NOT_FOUND")
    reply = await pair.alice.post("/federation/users", {"user_address": "nemo@nowhere.example"})
    assert outcome(reply) == (502, "FED_UNAVAILABLE")
    reply = await pair.alice.post("/federation/users", {"user_address": "nemo"})
    assert outcome(reply) == (422, "VALIDATION_ERROR")


async def test_a_queue_has_an_end(database_url: str, tmp_path: Path):
    internet = Internet()
    async with (
        server(internet, "here.example", database_url, tmp_path / "here", federation_queue_per_peer=3) as here,
        server(internet, "there.example", f"sqlite:///{tmp_path / 'there.db'}", tmp_path / "there") as there,
    ):
        alice, bob = await here.register("alice"), await there.register("bob")
        _, dm_id = await write_to(alice, "bob@there.example")
        await until_empty(here)
        internet.away.add("there.example")
        outcomes = [outcome(await alice.post(f"/dms/{dm_id}/messages", {"body": str(n)})) for n in range(4)]
        assert outcomes == [(201, "")] * 3 + [(502, "FED_UNAVAILABLE")]
        internet.away.clear()
        assert [one["body"] for one in await until_messages(bob, 3)] == ["0", "1", "2"]
        assert federation_of(here).policy == "open"


async def test_keys_of_a_remote_user_come_from_their_server_and_each_one_time_key_once(pair: Pair):
    bob_here, _ = await write_to(pair.alice, "bob@there.example")
    keys = {"identity_key": "aWs=", "signed_prekey": "c3Br", "one_time_prekeys": ["b3Rw"]}
    await pair.bob.ok("POST", "/keys/devices", {"device_id": "phone", "device_name": "phone"})
    assert outcome(await pair.bob.put("/keys/prekeys/phone", keys))[0] == 204
    device = {"device_id": "phone", "identity_key": "aWs=", "signed_prekey": "c3Br", "one_time_prekey": "b3Rw"}
    first = await pair.alice.ok("GET", f"/keys/prekeys/{bob_here}")
    assert first == {"user_id": bob_here, "devices": [device], "prekey_warning": None}
    assert outcome(await pair.bob.put("/keys/prekeys/phone", keys))[0] == 204  # a key that was given out stays so
    second = await pair.alice.ok("GET", f"/keys/prekeys/{bob_here}")
    assert second["devices"] == [{**device, "one_time_prekey": None}]
    assert second["prekey_warning"] == "PREKEY_EXHAUSTED"


async def test_keys_of_a_remote_user_whose_server_is_away_are_refused_by_name(pair: Pair):
    bob_here, _ = await write_to(pair.alice, "bob@there.example")
    pair.internet.away.add("there.example")
    assert outcome(await pair.alice.get(f"/keys/prekeys/{bob_here}")) == (502, "FED_UNAVAILABLE")
