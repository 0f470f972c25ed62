"""Raid mode: it turns itself on where too many join, pauses joins, slows feeds and holds back new accounts, and ends."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_people import LateClock, anonymous, audited, give_role, outcome
from tests.contract.chat.helpers_spaces import feed, mismatches, say
from vox.chat.events.permissions import P

PAUSED = (403, "JOINS_PAUSED")


@pytest.fixture
async def clocked(database_url: str, tmp_path: Path) -> AsyncGenerator[tuple[Rig, LateClock], None]:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        yield rig, clock


async def join(rig: Rig, name: str) -> tuple[int, str]:
    return outcome(await anonymous(rig, "POST", "/auth/register", {"username": name, "password": PASSWORD}))


async def test_too_many_joins_turn_it_on_once_and_time_turns_it_off(clocked: tuple[Rig, LateClock]):
    rig, clock = clocked
    ada, bob = await rig.register("ada"), await rig.register("bob")
    code = (await ada.ok("POST", "/invites", {}))["code"]
    await ada.ok("DELETE", "/members/2")
    clock.advance(61)
    await ada.ok("PUT", "/moderation/raid-policy", {"joins_per_minute": 3, "lasts_s": 600})
    async with ada.gateway() as socket:
        outcomes = await asyncio.gather(*(join(rig, f"bot{number}") for number in range(10)))
        assert sorted(outcomes) == [(201, "")] * 4 + [PAUSED] * 6
        told = [frame["d"] for frame in await socket.events() if frame["type"] == "raid_mode_update"]
    assert [(each["automatic"], each["joins_paused"]) for each in told] == [(True, True)]
    reply = await anonymous(rig, "POST", "/auth/register", {"username": "late", "password": PASSWORD})
    assert outcome(reply) == PAUSED
    assert 0 < reply.json()["error"]["retry_after_ms"] <= 600_000
    assert outcome(await bob.post("/members/join", {"invite_code": code})) == PAUSED
    assert (await ada.ok("GET", "/moderation/raid"))["active"] is True
    assert [entry["actor_id"] for entry in await audited(ada, "raid.start")] == [None]
    clock.advance(601)
    assert (await ada.ok("GET", "/moderation/raid"))["active"] is False
    assert await join(rig, "late") == (201, "")
    await bob.ok("POST", "/members/join", {"invite_code": code})


async def test_by_hand_with_its_measures(clocked: tuple[Rig, LateClock]):
    rig, clock = clocked
    ada, old = await rig.register("ada"), await rig.register("old")
    clock.advance(3600)
    new, moderator = await rig.register("new"), await rig.register("mod")
    await give_role(ada, moderator, int(P.MANAGE_MESSAGES), 5)
    place = await feed(ada)
    measures = {"joins_paused": False, "new_account_wait_s": 900, "slow_mode_s": 60, "lasts_s": 3600}
    info = await ada.ok("PUT", "/moderation/raid", {"active": True, **measures})
    assert (info["active"], info["slow_mode_s"], info["new_account_wait_s"]) == (True, 60, 900)
    assert await join(rig, "welcome") == (201, "")
    reply = await new.post(f"/feeds/{place}/messages", {"body": "x"})
    assert outcome(reply) == (403, "ACCOUNT_TOO_NEW")
    assert 0 < reply.json()["error"]["retry_after_ms"] <= 900_000
    await say(old, place)
    assert outcome(await old.post(f"/feeds/{place}/messages", {"body": "x"})) == (429, "SLOW_MODE")
    for _ in range(2):
        await say(moderator, place)
    clock.advance(901)
    await say(new, place)
    assert (await ada.ok("PUT", "/moderation/raid", {"active": False}))["active"] is False
    for _ in range(2):
        await say(old, place)
    assert len(await audited(ada, "raid.end")) == 1
    await ada.ok("PUT", "/moderation/raid", {"active": False})
    assert len(await audited(ada, "raid.end")) == 1


async def test_the_policy_is_kept_and_both_need_manage_server(clocked: tuple[Rig, LateClock]):
    rig, _ = clocked
    ada, bob = await rig.register("ada"), await rig.register("bob")
    policy = await ada.ok("GET", "/moderation/raid-policy")
    assert policy["joins_per_minute"] == 0
    changed = {**policy, "joins_per_minute": 7, "new_account_wait_s": 5}
    assert await ada.ok("PUT", "/moderation/raid-policy", changed) == changed
    assert await ada.ok("GET", "/moderation/raid-policy") == changed
    assert (await audited(ada, "raid.policy"))[0]["metadata"] == changed
    lacks, invalid = (403, "MISSING_PERMISSIONS"), (422, "VALIDATION_ERROR")
    rows: list[Any] = [("GET", "/moderation/raid", None), ("PUT", "/moderation/raid", {"active": True})]
    rows += [("GET", "/moderation/raid-policy", None), ("PUT", "/moderation/raid-policy", {})]
    assert await mismatches(bob, [(*row, lacks) for row in rows]) == []
    assert (
        await mismatches(
            ada,
            [
                ("PUT", "/moderation/raid", {"active": True, "lasts_s": 1}, invalid),
                ("PUT", "/moderation/raid-policy", {"joins_per_minute": -1}, invalid),
            ],
        )
        == []
    )


async def test_it_is_remembered_over_a_restart(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        await ada.ok("PUT", "/moderation/raid", {"active": True})
    async with community(database_url, tmp_path) as rig:
        assert await join(rig, "bob") == PAUSED
        again = Person(rig, "ada", ada.user_id, ada.token)
        assert (await again.ok("GET", "/moderation/raid"))["active"] is True
