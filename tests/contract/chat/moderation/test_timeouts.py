"""Time-outs of members: what is left to them, who may set them, and that they end."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_people import LateClock, audited, give_role, outcome
from tests.contract.chat.helpers_spaces import Row, bodies, feed, mismatches, say
from vox.chat.events.permissions import P
from vox.chat.features import retention

TIMED_OUT = (403, "TIMED_OUT")
LACKS = (403, "MISSING_PERMISSIONS")


@pytest.fixture
async def clocked(database_url: str, tmp_path: Path) -> AsyncGenerator[tuple[Rig, LateClock], None]:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        yield rig, clock


@pytest.fixture
async def people(clocked: tuple[Rig, LateClock]) -> list[Person]:
    return [await clocked[0].register(name) for name in ("ada", "bob", "eve")]


async def test_who_is_timed_out_reads_and_writes_nothing_until_it_is_over(
    clocked: tuple[Rig, LateClock], people: list[Person]
):
    rig, clock = clocked
    ada, bob, eve = people
    place = await feed(ada)
    msg_id = await say(bob, place, "before")
    dm = (await bob.ok("POST", "/dms", {"recipient_id": eve.user_id}))["dm_id"]
    async with eve.gateway() as witness:
        done = await ada.ok("PUT", "/members/2/timeout", {"seconds": 600, "reason": "calm down"})
        assert (await witness.expect("member_timeout"))["d"] == {"user_id": 2, "until": done["until"]}
    reply = await bob.post(f"/feeds/{place}/messages", {"body": "x"})
    assert outcome(reply) == TIMED_OUT
    assert 0 < reply.json()["error"]["retry_after_ms"] <= 600_000
    assert reply.headers["retry-after"]
    rows: list[Row] = [
        ("PATCH", f"/feeds/{place}/messages/{msg_id}", {"body": "x"}, TIMED_OUT),
        ("PUT", f"/feeds/{place}/messages/{msg_id}/reactions/👍", {}, TIMED_OUT),
        ("POST", f"/feeds/{place}/threads", {"parent_msg_id": msg_id, "name": "x"}, TIMED_OUT),
        ("POST", "/invites", {}, TIMED_OUT),
    ]
    assert await mismatches(bob, rows) == []
    assert outcome(await bob.patch("/members/@me", {"nickname": "x"})) == LACKS
    assert await bodies(bob, f"/feeds/{place}/messages") == ["before"]
    await bob.ok("POST", f"/dms/{dm}/messages", {"body": "a conversation is private"})
    assert await bob.ok("GET", "/members/@me/timeout") == {"until": done["until"]}
    assert [each["user_id"] for each in (await ada.ok("GET", "/moderation/timeouts"))["items"]] == [2]
    clock.advance(601)
    await say(bob, place, "after")
    assert await bob.ok("GET", "/members/@me/timeout") == {"until": 0}
    assert (await ada.ok("GET", "/moderation/timeouts"))["items"] == []
    await retention.sweep(rig.chat)
    assert rig.chat.community.state.timeouts == {}
    assert (await audited(ada, "member.timeout"))[0]["metadata"] == {"until": done["until"], "reason": "calm down"}


async def test_a_timeout_ends_early_is_replaced_and_added_to(people: list[Person]):
    ada, bob, _ = people
    place = await feed(ada)
    first = (await ada.ok("PUT", "/members/2/timeout", {"seconds": 600}))["until"]
    shorter = (await ada.ok("PUT", "/members/2/timeout", {"seconds": 60}))["until"]
    assert shorter < first
    longer = (await ada.ok("PUT", "/members/2/timeout", {"seconds": 600, "add": True}))["until"]
    assert longer == shorter + 600
    most = (await ada.ok("PUT", "/members/2/timeout", {"seconds": 28 * 86_400, "add": True}))["until"]
    assert most - first < 28 * 86_400 + 60
    assert outcome(await ada.delete("/members/2/timeout")) == (204, "")
    await say(bob, place)
    assert outcome(await ada.delete("/members/2/timeout")) == (404, "TIMEOUT_NOT_FOUND")
    assert (await audited(ada, "member.timeout_end"))[0]["target_id"] == 2


async def test_who_may_time_whom_out(people: list[Person]):
    ada, bob, eve = people
    await give_role(ada, bob, int(P.KICK_MEMBERS), 5, "moderator")
    body = {"seconds": 60}
    assert (
        await mismatches(
            bob,
            [
                ("PUT", "/members/1/timeout", body, (403, "ROLE_HIERARCHY")),
                ("PUT", "/members/2/timeout", body, (400, "INVALID_TARGET")),
                ("PUT", "/members/99/timeout", body, (404, "USER_NOT_FOUND")),
                ("GET", "/members/99/timeout", None, (404, "USER_NOT_FOUND")),
                ("PUT", "/members/3/timeout", {"seconds": 0}, (422, "VALIDATION_ERROR")),
                ("PUT", "/members/3/timeout", {"seconds": 28 * 86_400 + 1}, (422, "VALIDATION_ERROR")),
            ],
        )
        == []
    )
    assert (
        await mismatches(
            eve,
            [
                ("PUT", "/members/2/timeout", body, LACKS),
                ("DELETE", "/members/2/timeout", None, LACKS),
                ("GET", "/moderation/timeouts", None, LACKS),
            ],
        )
        == []
    )
    await bob.ok("PUT", "/members/3/timeout", body)
    await give_role(ada, eve, int(P.KICK_MEMBERS), 6, "lower")
    assert outcome(await eve.delete("/members/3/timeout")) == LACKS, "a moderator cannot let themselves out"
    await give_role(ada, bob, int(P.ADMINISTRATOR), 2, "second")
    assert outcome(await ada.put("/members/2/timeout", body)) == (400, "INVALID_TARGET")


async def test_a_timeout_that_crosses_messages_refuses_all_behind_it(people: list[Person]):
    ada, bob, _ = people
    place = await feed(ada)

    async def send() -> tuple[int, str]:
        return outcome(await bob.post(f"/feeds/{place}/messages", {"body": "x"}))

    sent = [asyncio.create_task(send()) for _ in range(10)]
    await ada.ok("PUT", "/members/2/timeout", {"seconds": 60})
    sent += [asyncio.create_task(send()) for _ in range(10)]
    outcomes = await asyncio.gather(*sent)
    assert set(outcomes[10:]) == {TIMED_OUT}
    assert len(await bodies(ada, f"/feeds/{place}/messages")) == outcomes.count((201, ""))
