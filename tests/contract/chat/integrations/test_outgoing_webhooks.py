"""Outgoing webhooks: every event once and in order, signed, retried, given up with a reason, and never to private addresses."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_bots import LOOPBACK, Received, Receiver, receiver
from tests.contract.chat.helpers_people import LateClock, audited, give_role, outcome
from tests.contract.chat.helpers_spaces import deny, feed, say
from tests.time_limits import time_limit
from vox.chat.events.permissions import P
from vox.chat.features.outgoing_webhooks import payloads
from vox.security.webhook_signatures import verify

GONE = "http://127.0.0.1:1/"


@pytest.fixture
def clock() -> LateClock:
    return LateClock()


@pytest.fixture
async def chat(database_url: str, tmp_path: Path, clock: LateClock) -> AsyncGenerator[Rig, None]:
    async with community(database_url, tmp_path, clock=clock, **LOOPBACK) as rig:
        yield rig


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def web() -> AsyncGenerator[Receiver, None]:
    async with receiver() as one:
        yield one


async def subscribe(person: Person, url: str, feed_id: int | None, *events: str, **more: Any) -> dict[str, Any]:
    body = {"name": "sink", "url": url, "events": events or ["message_create"], "feed_id": feed_id, **more}
    return await person.ok("POST", "/outgoing-webhooks", body)


def event_of(request: Received) -> dict[str, Any]:
    return json.loads(request.body)


async def settled(person: Person, number: int, **fields: Any) -> dict[str, Any]:
    """The newest delivery, once it has these fields."""
    async with time_limit():
        while True:
            items = (await person.ok("GET", f"/outgoing-webhooks/{number}/deliveries"))["items"]
            if items and all(items[0][name] == value for name, value in fields.items()):
                return items[0]
            await asyncio.sleep(0.01)


async def test_the_events_of_a_feed_arrive_signed_and_in_order(chat: Rig, alice: Person, web: Receiver):
    general, other = await feed(alice), await feed(alice, "other")
    made = await subscribe(alice, web.url, general, "message_create", "message_update", "message_reaction_add")
    assert {name: made[name] for name in ("feed_id", "enabled", "waiting", "dropped", "string_ids")} == {
        "feed_id": general, "enabled": True, "waiting": 0, "dropped": 0, "string_ids": False,
    }  # fmt: skip
    await say(alice, other, "elsewhere")
    first = await say(alice, general, "one")
    await alice.ok("PATCH", f"/feeds/{general}/messages/{first}", {"body": "uno"})
    await alice.ok("PUT", f"/feeds/{general}/messages/{first}/reactions/👍")
    for number in range(5):
        await say(alice, general, f"{number}")
    requests = [await web.next() for _ in range(8)]
    events = [event_of(request) for request in requests]
    assert [event["type"] for event in events] == [
        "message_create",
        "message_update",
        "message_reaction_add",
        *["message_create"] * 5,
    ]
    assert [event["d"].get("body") for event in events] == ["one", "uno", None, "0", "1", "2", "3", "4"]
    ids = [event["delivery_id"] for event in events]
    assert ids == sorted(set(ids))
    assert events[0]["d"]["msg_id"] == first
    assert {event["subscription_id"] for event in events} == {made["subscription_id"]}
    request = requests[0]
    assert (request.headers["x-vox-event"], request.headers["x-vox-delivery"]) == ("message_create", str(ids[0]))
    now_s = chat.chat.clock.unix_s()
    header = request.headers["x-vox-signature"]
    assert verify(header, [made["secret"]], request.body, now_s=now_s)
    assert not verify(header, [made["secret"]], request.body + b" ", now_s=now_s)
    assert not verify(header, [made["secret"]], request.body, now_s=now_s + 400)
    log = (await alice.ok("GET", f"/outgoing-webhooks/{made['subscription_id']}/deliveries", limit=2, before=ids[2]))[
        "items"
    ]
    assert [one["delivery_id"] for one in log] == [ids[1], ids[0]]


async def test_events_of_the_community_and_string_ids(chat: Rig, alice: Person, web: Receiver):
    general = await feed(alice)
    await subscribe(alice, web.url, None, "member_join", "role_create")
    bob = await chat.register("bob")
    event = event_of(await web.next())
    assert (event["type"], event["d"]["user_id"], event["d"]["username"]) == ("member_join", bob.user_id, "bob")
    await subscribe(alice, web.url, general, string_ids=True)
    msg_id = await say(alice, general)
    event = event_of(await web.next())
    assert (event["d"]["msg_id"], event["d"]["feed_id"]) == (str(msg_id), str(general))


async def test_what_is_not_taken_is_sent_again_and_nothing_overtakes_it(alice: Person, web: Receiver, clock: LateClock):
    general = await feed(alice)
    web.answers = [(500, {}, b""), (503, {}, b""), (200, {}, b"")]
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    await say(alice, general, "one")
    assert event_of(await web.next())["d"]["body"] == "one"
    await settled(alice, number, attempts=1)
    await say(alice, general, "two")
    failing = await alice.ok("GET", f"/outgoing-webhooks/{number}")
    assert (failing["waiting"], failing["last_error"]) == (2, "status 500")
    assert failing["failing_since"] is not None
    clock.advance(7)
    assert event_of(await web.next())["d"]["body"] == "one"
    async with time_limit():
        while True:
            if (await alice.ok("GET", f"/outgoing-webhooks/{number}"))["last_error"] == "status 503":
                break
            await asyncio.sleep(0.01)
    clock.advance(25)
    assert [event_of(await web.next())["d"]["body"] for _ in range(2)] == ["one", "two"]
    done = await settled(alice, number, state="delivered")
    assert (done["status"], done["error"], done["attempts"], done["next_attempt_at"]) == (200, None, 1, None)
    healthy = await alice.ok("GET", f"/outgoing-webhooks/{number}")
    assert (healthy["waiting"], healthy["failing_since"]) == (0, None)
    assert healthy["last_delivered_at"] is not None


async def test_a_receiver_that_asks_for_time_gets_it(alice: Person, web: Receiver, clock: LateClock):
    general = await feed(alice)
    web.answers = [(429, {"retry-after": "600"}, b""), (204, {}, b"")]
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    await say(alice, general)
    await web.next()
    waiting = await settled(alice, number, attempts=1)
    assert waiting["next_attempt_at"] - waiting["created_at"] >= 600_000


async def test_after_a_day_without_success_it_is_disabled_with_a_reason(alice: Person, clock: LateClock):
    general = await feed(alice)
    number = (await subscribe(alice, GONE, general))["subscription_id"]
    await say(alice, general, "one")
    await settled(alice, number, attempts=1)
    await say(alice, general, "two")
    clock.advance(86_400)
    await settled(alice, number, state="dead")
    shown = await alice.ok("GET", f"/outgoing-webhooks/{number}")
    assert (shown["enabled"], shown["waiting"]) == (False, 0)
    assert "24 hours" in shown["disabled_reason"]
    assert "fetch_failed" in shown["disabled_reason"]
    assert [(one["actor_id"], one["target_id"]) for one in await audited(alice, "outgoing_webhook.disable")] == [
        (None, number)
    ]
    await say(alice, general, "three")
    assert (await alice.ok("GET", f"/outgoing-webhooks/{number}"))["waiting"] == 0
    assert outcome(await alice.post(f"/outgoing-webhooks/{number}/ping")) == (400, "INVALID_OPERATION")


async def test_gone_means_gone_until_it_is_enabled_again(alice: Person, web: Receiver):
    general = await feed(alice)
    web.answers = [(410, {}, b""), (204, {}, b"")]
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    await say(alice, general, "one")
    await web.next()
    dead = await settled(alice, number, state="dead")
    shown = await alice.ok("GET", f"/outgoing-webhooks/{number}")
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "The receiver answered 410 Gone.")
    enabled = await alice.ok("PATCH", f"/outgoing-webhooks/{number}", {"enabled": True})
    assert (enabled["enabled"], enabled["disabled_reason"], enabled["failing_since"]) == (True, None, None)
    again = await alice.ok("POST", f"/outgoing-webhooks/{number}/deliveries/{dead['delivery_id']}/redeliver")
    event = event_of(await web.next())
    assert (event["delivery_id"], event["d"]["body"]) == (again["delivery_id"], "one")
    pinged = await alice.ok("POST", f"/outgoing-webhooks/{number}/ping")
    event = event_of(await web.next())
    assert (event["delivery_id"], event["type"], event["d"]) == (pinged["delivery_id"], "ping", {})
    missing = await alice.post(f"/outgoing-webhooks/{number}/deliveries/999/redeliver")
    assert outcome(missing) == (404, "NOT_FOUND")


async def test_the_queue_is_bounded_and_messages_go_on(
    alice: Person, monkeypatch: pytest.MonkeyPatch, clock: LateClock
):
    monkeypatch.setattr(payloads, "MAX_WAITING", 3)
    general = await feed(alice)
    number = (await subscribe(alice, GONE, general))["subscription_id"]
    await say(alice, general, "0")
    await settled(alice, number, attempts=1)
    for text in range(1, 6):
        assert await say(alice, general, f"{text}")
    shown = await alice.ok("GET", f"/outgoing-webhooks/{number}")
    assert (shown["waiting"], shown["dropped"]) == (3, 3)


async def test_a_waiting_delivery_survives_the_process(database_url: str, tmp_path: Path):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock, **LOOPBACK) as chat:
        alice = await chat.register("alice")
        general = await feed(alice)
        number = (await subscribe(alice, GONE, general))["subscription_id"]
        await say(alice, general, "kept")
        await settled(alice, number, attempts=1)
    async with receiver() as web, community(database_url, tmp_path, clock=clock, **LOOPBACK) as chat:
        alice.rig = chat
        await alice.ok("PATCH", f"/outgoing-webhooks/{number}", {"url": web.url})
        clock.advance(60)
        assert event_of(await web.next())["d"]["body"] == "kept"


async def test_both_secrets_sign_for_a_day_after_a_rotation(chat: Rig, alice: Person, web: Receiver, clock: LateClock):
    general = await feed(alice)
    made = await subscribe(alice, web.url, general)
    rotated = await alice.ok("POST", f"/outgoing-webhooks/{made['subscription_id']}/secret")
    for late, expected in ((0, [True, True]), (86_401, [False, True])):
        clock.advance(late)
        await say(alice, general)
        request = await web.next()
        header, now_s = request.headers["x-vox-signature"], chat.chat.clock.unix_s()
        secrets = (made["secret"], rotated["secret"])
        assert [verify(header, [one], request.body, now_s=now_s) for one in secrets] == expected


async def test_private_addresses_are_refused_when_named_and_when_sent_to(chat: Rig, alice: Person, web: Receiver):
    general = await feed(alice)
    for url in (
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://[fd00::1]/",
        "http://0x0a000001/",
        "gopher://x/",
        "x",
    ):
        body = {"name": "x", "url": url, "events": ["message_create"], "feed_id": general}
        assert outcome(await alice.post("/outgoing-webhooks", body)) == (400, "INVALID_URL"), url
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    assert outcome(await alice.patch(f"/outgoing-webhooks/{number}", {"url": "http://10.0.0.1/"})) == (
        400,
        "INVALID_URL",
    )
    chat.server._sender._guard = chat.chat.outbound  # pyright: ignore[reportPrivateUsage]  the address has become a private one
    await say(alice, general)
    refused = await settled(alice, number, attempts=1)
    assert (refused["status"], refused["error"]) == (None, "url_refused")
    assert web.requests.empty()


async def test_redirects_and_endless_answers_are_failures(alice: Person, web: Receiver):
    general = await feed(alice)
    web.answers = [(302, {"location": web.url}, b"")]
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    await say(alice, general)
    assert (await settled(alice, number, attempts=1))["error"] == "status 302"
    await alice.ok("DELETE", f"/outgoing-webhooks/{number}")
    web.answers = [(200, {}, b"x" * 100_000)]
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    await say(alice, general)
    assert (await settled(alice, number, attempts=1))["error"] == "answer_too_large"


async def test_who_may_not_read_a_feed_may_not_send_its_events_away(chat: Rig, alice: Person, web: Receiver):
    general, hidden = await feed(alice), await feed(alice, "hidden")
    bob = await chat.register("bob")
    body = {"name": "x", "url": web.url, "events": ["message_create"], "feed_id": general}
    assert outcome(await bob.post("/outgoing-webhooks", body)) == (403, "MISSING_PERMISSIONS")
    await give_role(alice, bob, P.MANAGE_WEBHOOKS, 5)
    await deny(alice, hidden, bob, P.READ_HISTORY)
    assert (await bob.post("/outgoing-webhooks", body)).status_code == 201
    assert outcome(await bob.post("/outgoing-webhooks", {**body, "feed_id": hidden})) == (403, "MISSING_PERMISSIONS")
    everyone = {**body, "feed_id": None, "events": ["member_join"]}
    assert outcome(await bob.post("/outgoing-webhooks", everyone)) == (403, "MISSING_PERMISSIONS")
    assert outcome(await alice.post("/outgoing-webhooks", {**body, "feed_id": 99})) == (404, "SPACE_NOT_FOUND")
    for events, feed_id in (
        (["member_join"], general),
        (["message_create"], None),
        (["typing_start"], general),
        ([], general),
    ):
        wrong = {**body, "events": events, "feed_id": feed_id}
        assert outcome(await alice.post("/outgoing-webhooks", wrong)) == (422, "VALIDATION_ERROR"), events
    secret = (await subscribe(alice, web.url, hidden))["subscription_id"]
    assert [one["feed_id"] for one in (await bob.ok("GET", "/outgoing-webhooks"))["items"]] == [general]
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secret"), ("POST", "/ping"), ("GET", "/deliveries"),
        ("POST", "/deliveries/1/redeliver"),
    ):  # fmt: skip
        reply = await bob.call(
            method, f"/outgoing-webhooks/{secret}{path}", **({} if method == "GET" else {"json": {}})
        )
        assert outcome(reply) == (404, "WEBHOOK_NOT_FOUND"), (method, path)


async def test_changes_deletion_and_the_end_of_the_feed(alice: Person, web: Receiver):
    general = await feed(alice)
    number = (await subscribe(alice, web.url, general))["subscription_id"]
    body = {"name": "other", "events": ["message_delete"], "string_ids": True}
    changed = await alice.ok("PATCH", f"/outgoing-webhooks/{number}", body)
    assert (changed["name"], changed["events"], changed["string_ids"]) == ("other", ["message_delete"], True)
    msg_id = await say(alice, general)
    await alice.ok("DELETE", f"/feeds/{general}/messages/{msg_id}")
    assert event_of(await web.next())["type"] == "message_delete"
    disabled = await alice.ok("PATCH", f"/outgoing-webhooks/{number}", {"enabled": False})
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "It was disabled by a member.")
    gone = (await subscribe(alice, web.url, general))["subscription_id"]
    assert (await alice.delete(f"/outgoing-webhooks/{gone}")).status_code == 204
    assert outcome(await alice.get(f"/outgoing-webhooks/{gone}")) == (404, "WEBHOOK_NOT_FOUND")
    last = (await subscribe(alice, web.url, general))["subscription_id"]
    await alice.ok("DELETE", f"/feeds/{general}")
    assert outcome(await alice.get(f"/outgoing-webhooks/{last}")) == (404, "WEBHOOK_NOT_FOUND")
    await say(alice, await feed(alice, "second"))
    assert web.requests.empty()
