"""What /sync tells of what was missed: only to whom, only what, and how it goes on; and the read marks."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_spaces import Row, deny, feed, mismatches, refusal, say, write
from tests.contract.chat.interleaving import Held
from vox.chat.database.schema import event_log
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import Change, persist_outcome
from vox.chat.events import SYNC_CATEGORIES, server_update
from vox.chat.events.permissions import P
from vox.runtime.clock import SystemClock

INVALID = (422, "VALIDATION_ERROR")
MISSING = (403, "MISSING_PERMISSIONS")


def now_ms(chat: Rig) -> int:
    return chat.chat.clock.unix_ms()


async def synced(person: Person, *categories: str, since: int | None = None, **more: Any) -> dict[str, Any]:
    since = now_ms(person.rig) - 3_600_000 if since is None else since
    body = {"since_timestamp": since, "categories": list(categories), **more}
    return await person.ok("POST", "/sync", body)


async def types(person: Person, *categories: str, **more: Any) -> list[str]:
    return [event["type"] for event in (await synced(person, *categories, **more))["events"]]


async def test_events_come_with_the_names_and_payloads_of_the_gateway(chat: Rig):
    alice = await chat.register("alice")
    async with alice.gateway() as gateway:
        await feed(alice)
        told = (await gateway.expect("feed_create"))["d"]
    page = await synced(alice, "feeds")
    (event,) = page["events"]
    assert (event["type"], event["payload"]) == ("feed_create", told)
    assert abs(event["timestamp"] - now_ms(chat)) < 60_000
    assert page.keys() == {"events", "server_timestamp", "cursor", "read_states"}
    assert page["read_states"] == []
    assert page["server_timestamp"] <= now_ms(chat)


async def test_categories_hold_the_documented_types(chat: Rig):
    alice = await chat.register("alice")
    bob = await chat.register("bob")
    await feed(alice)
    await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"})
    await alice.ok("POST", "/categories", {"name": "k", "position": 0})
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "t"})
    await deny(alice, 1, bob, P.SEND_MESSAGES)
    await say(alice, 1)
    await alice.ok("PATCH", "/server", {"name": "ours"})
    assert await types(alice, "rooms") == ["room_create"]
    assert await types(alice, "categories") == ["category_create"]
    assert await types(alice, "threads") == ["thread_create"]
    assert await types(alice, "permissions") == ["permission_override_update"]
    assert await types(alice, "members") == ["member_join"], "bob's; their own they know"
    assert await types(bob, "members") == ["member_join"], "alice's"
    assert await types(bob, "roles") == [], "no one was there before the community was founded"
    assert await types(alice, "server") == ["server_update"]
    everything = await types(alice, *SYNC_CATEGORIES)
    assert "message_create" not in everything
    assert everything == await types(alice, *reversed(list(SYNC_CATEGORIES)))


async def test_sync_tells_nobody_what_he_may_not_know_which_the_original_did(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    hidden = [{"target_type": "role", "target_id": 1, "allow": 0, "deny": int(P.VIEW_SPACE)}]
    await feed(alice, "open")
    await feed(alice, "hidden", permission_overrides=hidden)
    await alice.ok("POST", "/rooms", {"name": "hidden", "type": "voice", "permission_overrides": hidden})
    await alice.ok("PATCH", "/feeds/2", {"topic": "secret"})
    await alice.ok("POST", "/feeds/2/threads", {"parent_msg_id": 1, "name": "secret"})
    await alice.ok("PATCH", "/threads/1", {"name": "more secret"})
    await deny(alice, 2, alice, P.CONNECT)
    page = await synced(bob, "feeds", "rooms", "threads", "permissions")
    assert [event["payload"].get("name") for event in page["events"]] == ["open"]
    assert len(await types(alice, "feeds", "rooms", "threads", "permissions")) == 7
    await alice.ok("DELETE", "/feeds/2")
    assert "feed_delete" not in await types(bob, "feeds")
    assert "feed_delete" in await types(alice, "feeds")


async def test_a_permission_counts_at_the_moment_of_asking(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    assert await types(bob, "feeds") == ["feed_create"]
    await deny(alice, 1, bob, P.VIEW_SPACE)
    assert await types(bob, "feeds") == []
    await alice.ok("DELETE", f"/feeds/1/permissions/user/{bob.user_id}")
    assert await types(bob, "feeds") == ["feed_create"]


async def test_a_deleted_feed_is_known_to_who_could_view_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await alice.ok("DELETE", "/feeds/1")
    assert (await types(bob, "feeds"))[-1] == "feed_delete"


async def test_pages_go_on_with_the_cursor_until_it_is_null(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("PATCH", "/server/limits", {"limits": {"page_limit_messages": 2}})
    for number in range(5):
        await feed(alice, f"f{number}")
    names: list[str] = []
    cursor, pages = None, 0
    while True:
        page = await synced(alice, "feeds", after=cursor)
        cursor, pages = page["cursor"], pages + 1
        names += [event["payload"]["name"] for event in page["events"]]
        if cursor is None:
            break
        assert isinstance(cursor, int)
    assert names == [f"f{number}" for number in range(5)]
    assert pages == 4


async def test_invisible_events_do_not_end_a_page_early(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice, "hidden")
    await deny(alice, 1, bob, P.VIEW_SPACE)
    row = {"event_type": "feed_update", "payload": '{"feed_id":1}', "timestamp": now_ms(chat)}
    first = chat.chat.ids.next()
    rows = [{"id": first + (number << 12), **row} for number in range(1200)]
    await chat.chat.change(lambda connection: Change(connection.execute(insert(event_log), rows).rowcount))
    await feed(alice, "shown")
    page = await synced(bob, "feeds")
    assert [event["payload"].get("name") for event in page["events"]] == ["shown"]


async def test_asking_again_from_the_servers_time_misses_nothing(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice, "before")
    since = (await synced(alice, "feeds"))["server_timestamp"]
    await feed(alice, "after")
    names = [event["payload"]["name"] for event in (await synced(alice, "feeds", since=since))["events"]]
    assert names[-1] == "after"
    assert await types(alice, "feeds", since=now_ms(chat) + 60_000) == []


async def test_the_cursor_never_passes_an_event_that_is_yet_to_be_committed(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice = await chat.register("alice")
    held = Held(chat)
    monkeypatch.setattr(chat.chat.database, "write", held.write)
    slow = asyncio.create_task(alice.ok("PATCH", "/server", {"name": "ours"}))
    await held.is_done.wait()
    quick = asyncio.create_task(alice.ok("POST", "/invites", {}))
    await held.settled(quick)
    page = await synced(alice, "server", "invites")
    held.let_go()
    await asyncio.gather(slow, quick)
    rest = await synced(alice, "server", "invites", after=page["cursor"])
    assert [event["type"] for event in page["events"] + rest["events"]] == ["server_update", "invite_create"]


class LaggingClock(SystemClock):
    def wall(self) -> datetime:
        return super().wall() - timedelta(seconds=10)


async def test_the_cursor_does_not_pass_what_a_process_whose_clock_lags_tells_later(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    cursor = (await synced(alice, "feeds"))["cursor"]
    other = Snowflakes(LaggingClock(), worker=7)
    change = Change(None, [server_update(changed={"name": name}) for name in ("one", "two")])
    await chat.chat.database.write(partial(persist_outcome, change=change, next_id=other.next, now_ms=now_ms(chat)))
    page = await synced(alice, "server", after=cursor)
    assert [event["payload"]["name"] for event in page["events"]] == ["one", "two"]
    await alice.ok("PATCH", "/server", {"name": "three"})
    page = await synced(alice, "server", after=page["cursor"])
    assert [event["payload"]["name"] for event in page["events"]] == ["three"]


async def test_what_is_wrong_with_a_sync_is_refused(chat: Rig):
    alice = await chat.register("alice")
    now = now_ms(chat)
    rows: list[Row] = [
        ("POST", "/sync", {"since_timestamp": now, "categories": ["nonsense"]}, (400, "INVALID_CATEGORY")),
        ("POST", "/sync", {"since_timestamp": now - 8 * 86_400_000, "categories": []}, (400, "FULL_SYNC_REQUIRED")),
        ("POST", "/sync", {"since_timestamp": 0, "categories": ["feeds"]}, (400, "FULL_SYNC_REQUIRED")),
        ("POST", "/sync", {"categories": ["feeds"]}, INVALID),
        ("POST", "/sync", {"since_timestamp": now}, INVALID),
        ("POST", "/sync", {"since_timestamp": -1, "categories": []}, INVALID),
        ("POST", "/sync", {"since_timestamp": 2**62, "categories": []}, INVALID),
        ("POST", "/sync", {"since_timestamp": now, "categories": ["feeds"], "limit": 0}, INVALID),
        ("POST", "/sync", {"since_timestamp": now, "categories": ["feeds"], "limit": 1001}, INVALID),
    ]
    assert await mismatches(alice, rows) == []


async def test_read_marks_come_along_where_they_are_asked_for(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    first, second, private = await say(alice, 1), await say(alice, 1), await write(alice, dm)
    assert (await bob.post("/feeds/1/read", {"up_to_msg_id": second})).status_code == 204
    await bob.ok("POST", "/feeds/1/read", {"up_to_msg_id": first})
    await bob.ok("POST", f"/dms/{dm}/read", {"up_to_msg_id": private})
    page = await synced(bob, "read_states")
    assert page["events"] == []
    assert page["read_states"] == [
        {"feed_id": 1, "last_read_msg_id": second},
        {"dm_id": dm, "last_read_msg_id": private},
    ]
    assert (await synced(alice, "read_states"))["read_states"] == []
    assert (await synced(bob, "feeds"))["read_states"] == []


async def test_a_feed_is_marked_read_by_who_may_read_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await deny(alice, 1, bob, P.READ_HISTORY)
    assert refusal(await bob.post("/feeds/1/read", {"up_to_msg_id": 1})) == MISSING
    rows: list[Row] = [
        ("POST", "/feeds/9/read", {"up_to_msg_id": 1}, (404, "SPACE_NOT_FOUND")),
        ("POST", "/feeds/1/read", {"up_to_msg_id": "1"}, INVALID),
        ("POST", "/feeds/1/read", {}, INVALID),
    ]
    assert await mismatches(alice, rows) == []


async def test_a_member_who_uses_an_invite_joins_no_second_time(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    code = (await alice.ok("POST", "/invites", {}))["code"]
    async with alice.gateway() as gateway:
        await bob.ok("POST", "/members/join", {"invite_code": code})
        assert "member_join" not in [frame["type"] for frame in await gateway.events()]
    assert (await alice.ok("GET", "/invites"))["items"][0]["uses"] == 1
