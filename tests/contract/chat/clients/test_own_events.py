"""What a user's own sessions are told beyond what all see: nonces, read marks."""

from typing import Any

from tests.contract.chat.harness import Gateway, Rig
from tests.contract.chat.helpers_files import a_feed
from tests.contract.chat.helpers_gateway import resumed

ACCOUNT = ["account_events"]


async def send(person: Any, feed: int, text: str, **more: Any) -> int:
    return (await person.ok("POST", f"/feeds/{feed}/messages", {"body": text, **more}))["msg_id"]


def of_kind(frames: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [frame["d"] for frame in frames if frame["type"] == kind]


async def test_only_the_author_is_told_the_nonce_of_a_message(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    async with (
        alice.gateway() as first,
        alice.gateway(capabilities=["string_ids"]) as second,
        bob.gateway() as other,
    ):
        await send(alice, feed, "one", nonce="n-1")
        await send(bob, feed, "two")
        await send(alice, feed, "three", nonce="n-3")
        await send(bob, feed, "four", nonce="n-4")

        async def seen(gateway: Gateway) -> list[tuple[str, str | None, int]]:
            frames = [one for one in await gateway.events() if one["type"] == "message_create"]
            return [(one["d"]["body"], one["d"].get("nonce"), one["seq"]) for one in frames]

        by_alice, by_second, by_bob = await seen(first), await seen(second), await seen(other)
    own = [("one", "n-1"), ("two", None), ("three", "n-3"), ("four", None)]
    assert [(body, nonce) for body, nonce, _ in by_alice] == own
    assert [(body, nonce) for body, nonce, _ in by_second] == own
    assert [(body, nonce) for body, nonce, _ in by_bob] == [
        ("one", None),
        ("two", None),
        ("three", None),
        ("four", "n-4"),
    ]
    for found in (by_alice, by_second, by_bob):
        numbers = [seq for _, _, seq in found]
        assert numbers == list(range(numbers[0], numbers[0] + 4)), "numbers have no gap"


async def test_a_nonce_comes_again_on_resume(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    async with alice.gateway() as mine, bob.gateway() as other:
        last = {alice.name: mine.last_seq, bob.name: other.last_seq}
    await send(alice, feed, "hello", nonce="n-1")
    got = of_kind(await resumed(chat, alice, mine, last[alice.name]), "message_create")
    assert [one.get("nonce") for one in got] == ["n-1"]
    got = of_kind(await resumed(chat, bob, other, last[bob.name]), "message_create")
    assert [one.get("nonce") for one in got] == [None]


async def test_marks_reach_the_own_sessions_that_asked_for_them(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    first, second = await send(bob, feed, "one"), await send(bob, feed, "two")
    async with (
        alice.gateway(capabilities=ACCOUNT) as phone,
        alice.gateway() as plain,
        bob.gateway(capabilities=ACCOUNT) as other,
    ):
        await alice.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": second})
        await alice.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": first})
        await alice.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": first, "unread": True})
        told = of_kind(await phone.events(), "read_update")
        assert told == [
            {"user_id": alice.user_id, "feed_id": feed, "last_read_msg_id": second},
            {"user_id": alice.user_id, "feed_id": feed, "last_read_msg_id": first, "unread": True},
        ], "an older mark is no news, unless the user says so"
        assert not of_kind(await plain.events(), "read_update")
        assert not of_kind(await other.events(), "read_update")
    sync = await alice.ok(
        "POST", "/sync", {"since_timestamp": chat.chat.clock.unix_ms(), "categories": ["read_states"]}
    )
    assert sync["read_states"] == [{"last_read_msg_id": first, "feed_id": feed}]


async def test_a_conversation_marked_unread_takes_no_receipt_back(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    first = (await bob.ok("POST", f"/dms/{dm}/messages", {"body": "one"}))["msg_id"]
    second = (await bob.ok("POST", f"/dms/{dm}/messages", {"body": "two"}))["msg_id"]
    async with alice.gateway(capabilities=ACCOUNT) as mine, bob.gateway(capabilities=ACCOUNT) as other:
        await alice.ok("POST", f"/dms/{dm}/read", {"up_to_msg_id": second})
        await alice.ok("POST", f"/dms/{dm}/read", {"up_to_msg_id": first, "unread": True})
        own, others = await mine.events(), await other.events()
    assert [one["last_read_msg_id"] for one in of_kind(own, "read_update")] == [second, first]
    assert [one["up_to_msg_id"] for one in of_kind(others, "dm_read_notify")] == [second]
    assert not of_kind(others, "read_update")


async def test_a_mark_missed_comes_on_resume_to_who_asked_for_it(chat: Rig):
    alice = await chat.register("alice")
    feed = await a_feed(alice)
    msg_id = await send(alice, feed, "one")
    async with alice.gateway(capabilities=ACCOUNT) as phone, alice.gateway() as plain:
        last = phone.last_seq, plain.last_seq
    await alice.ok("POST", f"/feeds/{feed}/read", {"up_to_msg_id": msg_id})
    assert of_kind(await resumed(chat, alice, phone, last[0]), "read_update")
    assert not of_kind(await resumed(chat, alice, plain, last[1]), "read_update")


async def test_foreign_pages_do_not_open_the_gateway_and_the_server_s_own_do(chat: Rig):
    async with chat.socket(headers={"origin": "https://evil.example", "host": "chat.example"}) as socket:
        assert await socket.closed() == 1008
    for headers in ({"origin": "https://chat.example", "host": "chat.example"}, {"host": "chat.example"}):
        async with chat.socket(headers=headers) as socket:
            await socket.expect("hello")
