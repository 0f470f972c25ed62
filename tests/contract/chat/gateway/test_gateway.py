"""The gateway over the real server, including the known defects of the original."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
import zstandard

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_gateway import hide, resumed


async def feed(admin: Person, name: str = "general") -> int:
    return (await admin.ok("POST", "/feeds", {"name": name, "type": "text"}))["feed_id"]


async def write(author: Person, feed_id: int, text: str = "x") -> int:
    return (await author.ok("POST", f"/feeds/{feed_id}/messages", {"body": text}))["msg_id"]


def messages(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["d"]["msg_id"] for frame in frames if frame["type"] == "message_create"]


async def test_o1_private_text_reaches_only_those_who_may_read_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed_id = await feed(alice)
    async with alice.gateway() as a, bob.gateway() as b:
        await hide(alice, feed_id)
        sent = await write(alice, feed_id)
        assert messages(await a.events()) == [sent]
        told = await b.events()
    assert messages(told) == []
    assert [frame["d"] for frame in told if frame["type"] == "feed_delete"] == [{"feed_id": feed_id}]
    assert (await bob.get(f"/feeds/{feed_id}/messages")).status_code in {403, 404}


async def test_o2_typing_reaches_readers_only_and_the_typist(chat: Rig):
    alice, bob, eve = [await chat.register(name) for name in ("alice", "bob", "eve")]
    feed_id = await feed(alice)
    dm_id = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    await hide(alice, feed_id)
    async with alice.gateway() as a, bob.gateway() as b, eve.gateway() as e:
        await a.send("typing", {"feed_id": feed_id})
        await a.send("typing", {"dm_id": dm_id})
        await e.send("typing", {"dm_id": dm_id})
        mine = [frame["d"] for frame in await a.events() if frame["type"] == "typing_start"]
        his = [frame["d"] for frame in await b.events() if frame["type"] == "typing_start"]
        hers = [frame for frame in await e.events() if frame["type"] == "typing_start"]
    in_dm = {"user_id": alice.user_id, "dm_id": dm_id}
    assert mine == [{"user_id": alice.user_id, "feed_id": feed_id}, in_dm]
    assert his == [in_dm]
    assert hers == []


async def test_o4_events_of_the_gap_are_replayed(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed_id = await feed(alice)
    async with bob.gateway() as b:
        await write(alice, feed_id)
        await b.expect("message_create")
        last = b.last_seq
        b.drop()
        sent = [await write(alice, feed_id) for _ in range(5)]
        frames = await resumed(chat, bob, b, last)
    assert messages(frames) == sent
    numbers = [frame["seq"] for frame in frames if "seq" in frame]
    assert numbers == list(range(last + 1, last + 1 + len(numbers)))
    assert any(frame["type"] == "resumed" for frame in frames)


async def test_o7_presence_is_a_snapshot_in_ready(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    async with alice.gateway(), bob.gateway(capabilities=["presence_batch"]) as b:
        assert b.ready["presences"] == [{"user_id": alice.user_id, "status": "online"}]
        assert await b.events() == []


async def test_o9_ids_as_texts_on_request(chat: Rig):
    alice = await chat.register("alice")
    feed_id = await feed(alice)
    async with alice.gateway(capabilities=["string_ids"]) as a, alice.gateway() as plain:
        sent = await write(alice, feed_id)
        assert (await a.expect("message_create"))["d"]["msg_id"] == str(sent)
        assert (await plain.expect("message_create"))["d"]["msg_id"] == sent


async def test_120_messages_a_minute_and_no_more(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        for _ in range(120):
            await gateway.send("heartbeat")
        assert await gateway.closed() == 4006


async def test_the_socket_of_a_banned_user_is_closed(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    async with bob.gateway() as b:
        assert (await alice.put(f"/bans/{bob.user_id}", {"reason": "spam"})).is_success
        assert await b.closed() == 4004


async def test_the_socket_of_a_logged_out_session_is_closed(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        assert (await alice.post("/auth/logout")).status_code == 204
        assert await gateway.closed() == 4004


@pytest.mark.parametrize("token", ["mfa_x", "setup_totp_x", "fed_x", "vox_sess_unknown", ""])
async def test_tickets_and_unknown_tokens_do_not_identify(chat: Rig, token: str):
    async with chat.socket() as gateway:
        await gateway.expect("hello")
        await gateway.send("identify", {"token": token})
        assert await gateway.closed() == 4004


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('{"type":"heartbeat"}', 4003),
        ("nonsense", 4002),
        ('{"type":"identify","d":{"token":"x","protocol_version":2}}', 4011),
        ('{"type":"resume","d":{"token":"x"}}', 4004),
    ],
)
async def test_first_messages_that_close(chat: Rig, said: str, code: int):
    async with chat.socket() as gateway:
        await gateway.expect("hello")
        await gateway.send_text(said)
        assert await gateway.closed() == code


async def test_identify_twice_closes(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        await gateway.send("identify", {"token": alice.token})
        assert await gateway.closed() == 4005


async def test_zstd_from_the_first_frame_on(chat: Rig):
    alice = await chat.register("alice")
    async with chat.socket("compress=zstd&v=1&encoding=json") as gateway:
        hello = (await gateway.next())["bytes"]
        assert json.loads(zstandard.ZstdDecompressor().decompress(hello))["type"] == "hello"
        await gateway.send("identify", {"token": alice.token})
        ready = (await gateway.next())["bytes"]
        assert json.loads(zstandard.ZstdDecompressor().decompress(ready, 1 << 20))["seq"] == 1


async def test_in_band_errors_leave_the_connection_open(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        await gateway.send("presence_update", {"status": "offline"})
        assert (await gateway.expect("error"))["d"]["code"] == "INVALID_STATUS"
        await gateway.send("presence_update", {"status": "idle", "activity": {"a": "x" * 600}})
        assert (await gateway.expect("error"))["d"]["code"] == "PAYLOAD_TOO_LARGE"
        await gateway.send("whatever", {"a": 1})
        assert await gateway.events() == []


async def test_five_sessions_a_user(chat: Rig):
    alice = await chat.register("alice")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(alice.gateway())
        sixth = await stack.enter_async_context(chat.socket())
        await sixth.expect("hello")
        await sixth.send("identify", {"token": alice.token})
        assert await sixth.closed() == 4006


async def test_a_server_that_goes_says_so(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        draining = asyncio.create_task(chat.server.hub.drain())
        assert await gateway.closed() == 4008
        assert gateway.close_reason == "Server restarting"
        await draining
