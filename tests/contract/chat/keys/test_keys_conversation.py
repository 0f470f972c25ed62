"""A conversation of two people on three devices, encrypted by a published MLS library (RFC 9420); the server sees none of it."""

import asyncio
import base64
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Gateway, Person, Rig
from tests.contract.chat.helpers_keys import again, conversation, device, relayed, waiting
from tests.e2e.mls_program import MlsClient, mls_client
from vox.chat.database.schema import metadata
from vox.protocols.mls_framing import MlsHeader, read_header
from vox.protocols.safety_numbers import safety_number
from vox.stores.sql import Connection

Side = tuple[Gateway, MlsClient, str]
"""A session, the library, and the id of the device."""
SAID = ("meet me at the old lighthouse", "bring the violet umbrella", "no one else shall read that", "see you at nine")


async def publish(person: Person, device_id: str, client: MlsClient) -> bytes:
    """Keys of a device; its identity key."""
    await device(person, device_id)
    made = await client.ask("publish", identity=device_id, count=2)
    body = {"identity_key": made["identityKey"], "signed_prekey": made["identityKey"], "one_time_prekeys": []}
    await person.ok("PUT", f"/keys/prekeys/{device_id}", body)
    await person.ok("POST", f"/keys/mls/{device_id}/key-packages", {"key_packages": made["packages"]})
    return base64.b64decode(made["identityKey"])


async def say(person: Person, client: MlsClient, dm_id: int, text: str) -> None:
    """Encrypts and sends."""
    blob = (await client.ask("encrypt", text=text))["message"]
    assert read_header(base64.b64decode(blob)) is not None
    await person.ok("POST", f"/dms/{dm_id}/messages", {"opaque_blob": blob})


async def hear(gateway: Gateway, client: MlsClient, sender: Person) -> str:
    """Decrypts the next message."""
    d = (await gateway.expect("message_create", author_id=sender.user_id))["d"]
    assert d.get("body") is None
    return (await client.ask("receive", message=d["opaque_blob"]))["text"]


async def commit_at_once(sides: list[Side], dm_id: int) -> tuple[Side, Side, str]:
    """Two commits of one epoch; who was first, who was not, and the commit that both have received."""
    commits = [(await client.ask("update"))["commit"] for _, client, _ in sides]
    answers = await asyncio.gather(
        *(
            relayed(gateway, "commit", commit, dm_id=dm_id, device_id=device_id, request_id=device_id)
            for (gateway, _, device_id), commit in zip(sides, commits, strict=True)
        )
    )
    refused = [answer["type"] == "error" for answer in answers]
    assert sorted(refused) == [False, True], answers
    loser = refused.index(True)
    error = answers[loser]["d"]
    assert (error["code"], error["epoch"], error["request_id"]) == ("MLS_EPOCH_CONFLICT", 2, sides[loser][2])
    return sides[1 - loser], sides[loser], commits[1 - loser]


async def test_two_people_talk_and_a_device_that_was_away_reads_it_all(
    chat: Rig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        a1, b1, b2 = [await stack.enter_async_context(mls_client()) for _ in range(3)]
        alice, bob = await chat.register("alice"), await chat.register("bob")
        bobs_tablet = await again(chat, bob)
        dm_id = await conversation(alice, bob)
        alices_key = await publish(alice, "a1", a1)
        await publish(bob, "b1", b1)
        await publish(bobs_tablet, "b2", b2)
        a, b = [await stack.enter_async_context(one.gateway()) for one in (alice, bob)]

        # Alice makes the group, and invites both devices of Bob: one is here, one is away.
        await a1.ask("create", identity="a1", group="lighthouse")
        found = await alice.ok("GET", f"/keys/mls/{bob.user_id}/key-packages")
        assert [one["device_id"] for one in found["packages"]] == ["b1", "b2"]
        made = await a1.ask("add", packages=found["key_packages"])
        accepted = await relayed(a, "commit", made["commit"], dm_id=dm_id, device_id="a1")
        assert (accepted["d"]["epoch"], accepted["d"]["group_id"]) == (0, base64.b64encode(b"lighthouse").decode())
        await a1.ask("accept")
        await relayed(a, "welcome", made["welcome"], dm_id=dm_id, device_id="a1", device_ids=["b1", "b2"])
        welcome = (await b.expect("mls_welcome"))["d"]
        assert (welcome["sender_id"], welcome["sender_device_id"], welcome["dm_id"]) == (alice.user_id, "a1", dm_id)
        assert await b1.ask("join", welcome=welcome["data"]) == {"epoch": 1}
        await say(alice, a1, dm_id, SAID[0])
        assert await hear(b, b1, alice) == SAID[0]
        await say(bob, b1, dm_id, SAID[1])
        assert await hear(a, a1, bob) == SAID[1]

        # Both renew their keys at the same moment: one commit is taken, the other side follows it and comes next.
        winner, loser, taken = await commit_at_once([(a, a1, "a1"), (b, b1, "b1")], dm_id)
        assert await winner[1].ask("accept") == {"epoch": 2}
        assert await loser[1].ask("receive", message=taken) == {"epoch": 2}
        retried = (await loser[1].ask("update"))["commit"]
        assert (await relayed(loser[0], "commit", retried, dm_id=dm_id, device_id=loser[2]))["type"] == "mls_commit"
        assert await loser[1].ask("accept") == {"epoch": 3}
        await winner[0].expect("mls_commit", data=retried)
        assert await winner[1].ask("receive", message=retried) == {"epoch": 3}
        await say(alice, a1, dm_id, SAID[2])
        assert await hear(b, b1, alice) == SAID[2]
        await say(bob, b1, dm_id, SAID[3])

        # The device that was away takes what waits for it, in the order of the conversation, and says so.
        assert await caught_up(bobs_tablet, "b2", b2, dm_id) == list(SAID)
        assert await waiting(bobs_tablet, "b2") == []

        # Both sides compare their numbers, from what the server gave them.
        bobs = (await alice.ok("GET", f"/keys/prekeys/{bob.user_id}"))["devices"][0]["identity_key"]
        alices = (await bob.ok("GET", f"/keys/prekeys/{alice.user_id}"))["devices"][0]["identity_key"]
        assert base64.b64decode(alices) == alices_key
        assert safety_number(alices_key, base64.b64decode(bobs)) == safety_number(
            base64.b64decode(bobs), base64.b64decode(alices)
        )
        events = await a.events() + await b.events()
        await assert_unseen(chat, events, tmp_path, capfd)


async def caught_up(person: Person, device_id: str, client: MlsClient, dm_id: int) -> list[str]:
    """What a device reads that was away, from what waits for it and from the history."""
    found = await person.ok("GET", f"/keys/mls/{device_id}/messages")
    assert not found["has_missed"]
    history = (await person.ok("GET", f"/dms/{dm_id}/messages"))["messages"]
    steps: list[tuple[int, str, str]] = [(one["relay_id"], one["mls_type"], one["data"]) for one in found["messages"]]
    steps += [(one["msg_id"], "message", one["opaque_blob"]) for one in history]
    texts = list[str]()
    has_joined = False
    for _, kind, data in sorted(steps):
        if kind == "welcome":
            await client.ask("join", welcome=data)
            has_joined = True
        elif has_joined:
            answer = await client.ask("receive", message=data)
            texts += [answer["text"]] if "text" in answer else []
    ids = [one["relay_id"] for one in found["messages"]]
    await person.ok("POST", f"/keys/mls/{device_id}/messages/ack", {"relay_ids": ids})
    return texts


async def assert_unseen(
    chat: Rig, events: list[dict[str, Any]], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing that was said stands in the database, its files, the log or an event, plain or encoded."""

    def dump(connection: Connection) -> str:
        return "\n".join(
            repr(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(table.select())
        )

    stored = await chat.chat.read(dump)
    assert "lighthouse" not in stored  # not even the clear name of the group stands there in clear
    assert base64.b64encode(b"lighthouse").decode() in stored  # and the dump does show what is there
    files = await asyncio.to_thread(lambda: b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file()))
    printed = capfd.readouterr()
    places = {
        "the database": stored.encode(),
        "a file": files,
        "the log": (printed.out + printed.err).encode(),
        "an event": repr(events).encode(),
        "memory of the bus": b"".join(entry.tail for entry in await chat.chat.bus.entries_after(0, 100_000) or ()),
    }
    assert places["memory of the bus"]
    for text in SAID:
        for name, form in forms(text.encode()).items():
            for place, content in places.items():
                assert form not in content, f"{text!r} stands in {place}, {name}"


def forms(text: bytes) -> dict[str, bytes]:
    """A text as it is, and inside base64 and hexadecimal, wherever it begins there."""
    inside = {f"base64 at {skip}": base64.b64encode(b"\0" * skip + text)[4:-4] for skip in range(3)}
    return {"plain": text, "hex": text.hex().encode(), "utf-16": text.decode().encode("utf-16-le"), **inside}


def test_the_search_for_plain_text_would_find_it() -> None:
    for prefix in (b"", b"a", b"ab"):
        encoded = base64.b64encode(prefix + SAID[0].encode() + b" tail")
        assert any(form in encoded for form in forms(SAID[0].encode()).values()), prefix


async def test_a_header_that_the_library_writes_is_read() -> None:
    async with mls_client() as client:
        await client.ask("create", identity="a", group="group")
        message = base64.b64decode((await client.ask("encrypt", text="x"))["message"])
        assert read_header(message) == MlsHeader("application", b"group", 0)
        own = (await client.ask("publish", identity="b", count=1))["packages"]
        assert read_header(base64.b64decode(own[0])) is None
        proposal = base64.b64decode((await client.ask("propose", packages=own))["proposal"])
        assert read_header(proposal) == MlsHeader("proposal", b"group", 0)
