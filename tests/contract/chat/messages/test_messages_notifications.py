"""Who is notified of what: mentions first, then replies, then followers; nobody twice, and nobody who may not read."""

from typing import Any

import pytest

from tests.contract.chat.harness import Gateway, Rig
from tests.contract.chat.harness import Person as Caller
from tests.contract.chat.helpers_spaces import deny, feed, say, write
from vox.chat.community import Person
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.messages import send as delivery


async def notes(gateway: Gateway) -> list[dict[str, Any]]:
    return [event["d"] for event in await gateway.events() if event["type"] == "notification_create"]


async def everybody(chat: Rig) -> tuple[Caller, Caller]:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    return alice, bob


async def test_a_mention_is_told_with_all_its_fields(chat: Rig):
    alice, bob = await everybody(chat)
    async with bob.gateway() as gateway, alice.gateway() as own:
        msg_id = await say(alice, 1, "x" * 101, mentions=[bob.user_id, alice.user_id])
        assert await notes(gateway) == [
            {
                "user_id": bob.user_id, "type": "mention", "feed_id": 1, "msg_id": msg_id, "actor_id": alice.user_id,
                "body_preview": "x" * 99 + "…",
            }
        ]  # fmt: skip
        assert await notes(own) == []


async def test_a_reply_is_told_and_a_mention_in_it_counts_once(chat: Rig):
    alice, bob = await everybody(chat)
    question = await say(bob, 1)
    async with bob.gateway() as gateway:
        await say(alice, 1, reply_to=question)
        assert [note["type"] for note in await notes(gateway)] == ["reply"]
        await alice.ok("PUT", "/feeds/1/subscribers")
        await bob.ok("PUT", "/feeds/1/subscribers")
        await say(alice, 1, reply_to=question, mentions=[bob.user_id, 0])
        assert [note["type"] for note in await notes(gateway)] == ["mention"]
        await say(alice, 1)
        assert [note["type"] for note in await notes(gateway)] == ["message"]


async def test_a_reply_across_places_is_told_to_nobody(chat: Rig):
    alice, bob = await everybody(chat)
    await feed(alice, "other")
    question = await say(bob, 1)
    async with bob.gateway() as gateway:
        await say(alice, 2, reply_to=question)
        assert await notes(gateway) == []


async def test_followers_of_a_thread_hear_of_it_and_followers_of_its_feed_do_not(chat: Rig):
    alice, bob = await everybody(chat)
    carol = await chat.register("carol")
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    await bob.ok("PUT", "/feeds/1/subscribers")
    await carol.ok("PUT", "/feeds/1/threads/1/subscribers")
    async with bob.gateway() as of_feed, carol.gateway() as of_thread:
        sent = await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "x"})
        assert await notes(of_feed) == []
        assert await notes(of_thread) == [
            {
                "user_id": carol.user_id, "type": "message", "feed_id": 1, "thread_id": 1, "msg_id": sent["msg_id"],
                "actor_id": alice.user_id, "body_preview": "x",
            }
        ]  # fmt: skip
        await carol.ok("DELETE", "/feeds/1/threads/1/subscribers")
        await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "y"})
        assert await notes(of_thread) == []


async def test_everyone_means_everybody_who_may_read(chat: Rig):
    alice, bob = await everybody(chat)
    carol = await chat.register("carol")
    await carol.ok("PUT", "/feeds/1/subscribers")
    await deny(alice, 1, carol, P.READ_HISTORY)
    async with bob.gateway() as reader, carol.gateway() as shut_out:
        await say(alice, 1, mentions=[0, carol.user_id])
        assert [note["type"] for note in await notes(reader)] == ["mention"]
        assert await notes(shut_out) == []


async def test_a_reaction_is_told_to_the_author_with_its_emoji(chat: Rig):
    alice, bob = await everybody(chat)
    msg_id = await say(bob, 1)
    async with bob.gateway() as gateway:
        await bob.ok("PUT", f"/feeds/1/messages/{msg_id}/reactions/🎈")
        assert await notes(gateway) == []
        for _ in range(2):
            await alice.ok("PUT", f"/feeds/1/messages/{msg_id}/reactions/🎉")
        assert await notes(gateway) == [
            {
                "user_id": bob.user_id, "type": "reaction", "feed_id": 1, "msg_id": msg_id,
                "actor_id": alice.user_id, "body_preview": "🎉",
            }
        ]  # fmt: skip


async def test_in_a_conversation_everyone_means_its_participants(chat: Rig):
    alice, bob = await everybody(chat)
    carol = await chat.register("carol")
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    async with bob.gateway() as gateway, carol.gateway() as stranger:
        msg_id = await write(alice, dm, "psst", mentions=[0, carol.user_id])
        assert await notes(gateway) == [
            {
                "user_id": bob.user_id, "type": "mention", "msg_id": msg_id, "actor_id": alice.user_id,
                "body_preview": "psst",
            }
        ]  # fmt: skip
        await write(alice, dm, "again")
        assert await notes(gateway) == []
        told = {event["type"] for event in await stranger.events()}
        assert told <= {"presence_update"}


async def test_an_encrypted_message_has_no_preview(chat: Rig):
    alice, bob = await everybody(chat)
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    async with bob.gateway() as gateway:
        await alice.ok("POST", f"/dms/{dm}/messages", {"opaque_blob": "…", "mentions": [bob.user_id]})
        (note,) = await notes(gateway)
        assert "body_preview" not in note


async def test_a_mention_of_everyone_is_one_event_and_tells_each_reader_his_own(chat: Rig):
    alice, bob = await everybody(chat)
    carol, dave = await chat.register("carol"), await chat.register("dave")
    await deny(alice, 1, dave, P.READ_HISTORY)
    question = await say(carol, 1)
    await bob.ok("PUT", "/feeds/1/subscribers")
    for user_id in range(100, 1100):
        chat.chat.community.users[UserId(user_id)] = Person(UserId(user_id), f"u{user_id}", f"u{user_id}")
    async with alice.gateway() as own, bob.gateway() as one, bob.gateway() as other, carol.gateway() as third:
        async with dave.gateway() as blind:
            before = chat.chat.bus.position
            msg_id = await say(alice, 1, "hello", mentions=[bob.user_id, 0], reply_to=question)
            assert chat.chat.bus.position == before + 2
            assert await notes(blind) == await notes(own) == []
        for gateway, person in ((one, bob), (other, bob), (third, carol)):
            assert await notes(gateway) == [
                {
                    "user_id": person.user_id, "type": "mention", "feed_id": 1, "msg_id": msg_id,
                    "actor_id": alice.user_id, "body_preview": "hello",
                }
            ]  # fmt: skip


async def test_who_was_away_hears_of_a_mention_of_everyone_when_he_resumes(chat: Rig):
    alice, bob = await everybody(chat)
    resumes: list[tuple[Caller, dict[str, Any]]] = []
    for person in (alice, bob):
        async with person.gateway() as gateway:
            session_id = gateway.ready["session_id"]
            resumes.append((person, {"token": person.token, "session_id": session_id, "last_seq": gateway.last_seq}))
    msg_id = await say(alice, 1, "hello", mentions=[0])
    for person, resume in resumes:
        async with chat.socket() as gateway:
            await gateway.expect("hello")
            await gateway.send("resume", resume)
            told = [(note["user_id"], note["msg_id"]) for note in await notes(gateway)]
            assert told == ([] if person is alice else [(bob.user_id, msg_id)])


async def test_many_who_are_mentioned_or_follow_are_few_events(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice, bob = await everybody(chat)
    carol, dave = await chat.register("carol"), await chat.register("dave")
    await deny(alice, 1, carol, P.READ_HISTORY)
    for person in (alice, bob, carol, dave):
        await person.ok("PUT", "/feeds/1/subscribers")
    async with alice.gateway() as own, bob.gateway() as one, carol.gateway() as blind, dave.gateway() as other:
        before = chat.chat.bus.position
        await say(alice, 1)
        assert chat.chat.bus.position == before + 2
        await say(alice, 1, mentions=[dave.user_id, bob.user_id, carol.user_id])
        assert chat.chat.bus.position == before + 4
        monkeypatch.setattr(delivery, "NOTIFIED_AT_ONCE", 1)
        await say(alice, 1, mentions=[dave.user_id])
        assert chat.chat.bus.position == before + 7
        for gateway, person, reasons in (
            (one, bob, ["message", "mention", "message"]),
            (other, dave, ["message", "mention", "mention"]),
            (own, alice, []),
            (blind, carol, []),
        ):
            told = await notes(gateway)
            assert [note["type"] for note in told] == reasons
            assert {note["user_id"] for note in told} <= {person.user_id}
