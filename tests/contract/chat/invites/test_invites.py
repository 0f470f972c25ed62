"""Invites: who makes them, who sees them, and what they are worth when they are used."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_people import BASE, LateClock, anonymous, audited, give_role, outcome, set_everyone
from vox.chat.events.permissions import P

GONE = (422, "INVITE_INVALID")


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve")]


async def test_an_invite_has_every_field(people: list[Person]):
    invite = await people[1].ok("POST", "/invites", {"max_uses": 3, "max_age": 3600})
    assert len(invite["code"]) == 11
    assert invite == {
        "code": invite["code"], "creator_id": 2, "feed_id": None, "max_uses": 3, "uses": 0,
        "created_at": invite["created_at"], "expires_at": invite["created_at"] + 3600,
    }  # fmt: skip
    plain = await people[1].ok("POST", "/invites", {})
    assert (plain["max_uses"], plain["expires_at"]) == (None, None)


async def test_everybody_with_the_code_sees_where_it_leads(chat: Rig, people: list[Person]):
    code = (await people[0].ok("POST", "/invites", {}))["code"]
    reply = await anonymous(chat, "GET", f"/invites/{code}")
    assert reply.json() == {"code": code, "server_name": "Vox Server", "server_icon": None}
    for wrong in ("nonsense", "%F0%9F%98%80", "a" * 2000):
        assert outcome(await anonymous(chat, "GET", f"/invites/{wrong}")) == (404, "INVITE_INVALID")
        assert outcome(await people[0].delete(f"/invites/{wrong}")) == (404, "INVITE_INVALID")


@pytest.mark.parametrize(
    "body",
    [
        {"max_uses": -1},
        {"max_uses": 10_001},
        {"max_age": -1},
        {"max_age": 2_592_001},
        {"max_uses": "many"},
        {"feed_id": "x"},
    ],
)
async def test_an_invite_out_of_range_is_refused(people: list[Person], body: dict[str, Any]):
    assert outcome(await people[0].post("/invites", body)) == (422, "VALIDATION_ERROR")


async def test_an_invite_leads_only_to_a_feed_its_creator_sees(people: list[Person]):
    ada, bob, _ = people
    feed = (await ada.ok("POST", "/feeds", {"name": "hidden", "type": "text"}))["feed_id"]
    await ada.ok("PUT", f"/feeds/{feed}/permissions/role/1", {"allow": 0, "deny": int(P.VIEW_SPACE)})
    assert (await ada.ok("POST", "/invites", {"feed_id": feed}))["feed_id"] == feed
    assert outcome(await bob.post("/invites", {"feed_id": feed})) == (404, "SPACE_NOT_FOUND")
    assert outcome(await bob.post("/invites", {"feed_id": 999})) == (404, "SPACE_NOT_FOUND")


async def test_invites_are_for_who_may_invite(people: list[Person]):
    ada, bob, _ = people
    code = (await bob.ok("POST", "/invites", {}))["code"]
    await set_everyone(ada, BASE)
    lacks = (403, "MISSING_PERMISSIONS")
    assert outcome(await bob.post("/invites", {})) == lacks
    assert outcome(await bob.get("/invites")) == lacks
    assert outcome(await bob.delete(f"/invites/{code}")) == lacks


async def test_codes_reach_only_sessions_of_their_creator_and_of_managers(people: list[Person]):
    ada, bob, eve = people
    await give_role(ada, eve, int(P.MANAGE_SERVER), 5)
    async with ada.gateway() as manager, bob.gateway() as creator, eve.gateway() as other:
        code = (await bob.ok("POST", "/invites", {}))["code"]
        for told in (manager, creator, other):
            assert (await told.expect("invite_create"))["d"] == {"code": code, "creator_id": bob.user_id}
        await bob.ok("DELETE", f"/invites/{code}")
        for told in (manager, creator, other):
            assert (await told.expect("invite_delete"))["d"] == {"code": code}
        code = (await ada.ok("POST", "/invites", {}))["code"]
        await other.expect("invite_create")
        assert code not in str(await creator.events()), (
            "everyone may invite; that does not show them the invites of others"
        )


async def test_the_right_to_invite_is_none_over_the_invites_of_others(people: list[Person]):
    ada, bob, eve = people
    codes = {who.name: (await who.ok("POST", "/invites", {}))["code"] for who in people}
    own = (await bob.ok("GET", "/invites"))["items"]
    assert [invite["code"] for invite in own] == [codes["bob"]]
    refused = await bob.delete(f"/invites/{codes['eve']}")
    assert outcome(refused) == (403, "MISSING_PERMISSIONS")
    assert refused.json()["error"]["missing_permission"] == "MANAGE_SERVER"
    assert outcome(await bob.delete(f"/invites/{codes['bob']}")) == (204, "")
    await give_role(ada, eve, int(P.MANAGE_SERVER), 5)
    listed = (await eve.ok("GET", "/invites"))["items"]
    assert {invite["code"] for invite in listed} == {codes["ada"], codes["eve"]}
    assert outcome(await eve.delete(f"/invites/{codes['ada']}")) == (204, "")


async def test_an_invite_into_a_hidden_feed_does_not_show_its_id(people: list[Person]):
    ada, bob, _ = people
    await give_role(ada, bob, int(P.MANAGE_SERVER), 5)
    feed = (await ada.ok("POST", "/feeds", {"name": "hidden", "type": "text"}))["feed_id"]
    await ada.ok("PUT", f"/feeds/{feed}/permissions/role/1", {"allow": 0, "deny": int(P.VIEW_SPACE)})
    async with bob.gateway() as manager:
        code = (await ada.ok("POST", "/invites", {"feed_id": feed}))["code"]
        assert code not in str(await manager.events())
    listed = (await bob.ok("GET", "/invites"))["items"]
    assert [(invite["code"], invite["feed_id"]) for invite in listed] == [(code, None)]
    assert [invite["feed_id"] for invite in (await ada.ok("GET", "/invites"))["items"]] == [feed]
    synced = await bob.ok(
        "POST", "/sync", {"since_timestamp": listed[0]["created_at"] * 1000 - 60_000, "categories": ["invites"]}
    )
    assert synced["events"] == []


async def test_invites_in_pages_by_code(people: list[Person]):
    ada = people[0]
    codes = sorted([(await ada.ok("POST", "/invites", {}))["code"] for _ in range(3)])
    first = await ada.ok("GET", "/invites", limit=2)
    rest = await ada.ok("GET", "/invites", after=first["cursor"])
    listed = [invite["code"] for invite in [*first["items"], *rest["items"]]]
    assert sorted(listed) == codes
    assert first["cursor"] == first["items"][-1]["code"]


async def test_making_and_deleting_is_audited(people: list[Person]):
    ada = people[0]
    code = (await ada.ok("POST", "/invites", {}))["code"]
    assert outcome(await ada.delete(f"/invites/{code}")) == (204, "")
    assert outcome(await ada.delete(f"/invites/{code}")) == (404, "INVITE_INVALID")
    assert (await audited(ada, "invite.*"))[0]["metadata"]["code"] == code
    assert [entry["event_type"] for entry in await audited(ada, "invite.*")] == ["invite.create", "invite.delete"]


async def test_each_use_counts_and_the_last_one_is_not_shared(people: list[Person]):
    ada, bob, eve = people
    code = (await ada.ok("POST", "/invites", {"max_uses": 1}))["code"]
    replies = await asyncio.gather(*(person.post("/members/join", {"invite_code": code}) for person in (bob, eve)))
    assert sorted(outcome(reply) for reply in replies) == [(204, ""), GONE]
    assert (await ada.ok("GET", "/invites"))["items"][0]["uses"] == 1


async def test_zero_uses_are_as_many_as_one_likes(people: list[Person]):
    ada, bob, _ = people
    code = (await ada.ok("POST", "/invites", {"max_uses": 0}))["code"]
    for _ in range(3):
        await bob.ok("POST", "/members/join", {"invite_code": code})


async def test_an_invite_expires_on_every_database(database_url: str, tmp_path: Path):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        ada, bob = await rig.register("ada"), await rig.register("bob")
        code = (await ada.ok("POST", "/invites", {"max_age": 600}))["code"]
        clock.advance(300)
        assert outcome(await bob.post("/members/join", {"invite_code": code})) == (204, "")
        clock.advance(301)
        assert outcome(await bob.post("/members/join", {"invite_code": code})) == (410, "INVITE_EXPIRED")


@pytest.mark.parametrize("how", ["kicked", "banned", "demoted"])
async def test_an_invite_is_worth_what_its_creator_still_may(people: list[Person], how: str):
    ada, bob, eve = people
    await set_everyone(ada, BASE)
    role = await give_role(ada, bob, int(P.CREATE_INVITES), 5)
    code = (await bob.ok("POST", "/invites", {}))["code"]
    assert outcome(await eve.post("/members/join", {"invite_code": code})) == (204, "")
    if how == "kicked":
        await ada.ok("DELETE", f"/members/{bob.user_id}")
    elif how == "banned":
        await ada.ok("PUT", f"/bans/{bob.user_id}", {})
    else:
        await ada.ok("DELETE", f"/members/{bob.user_id}/roles/{role}")
    assert outcome(await eve.post("/members/join", {"invite_code": code})) == GONE


async def test_nobody_lets_himself_in_again_by_an_invite_of_his_own(people: list[Person]):
    ada, bob, _ = people
    code = (await bob.ok("POST", "/invites", {}))["code"]
    await ada.ok("DELETE", f"/members/{bob.user_id}")
    assert outcome(await bob.post("/members/join", {"invite_code": code})) == GONE
