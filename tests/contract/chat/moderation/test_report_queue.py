"""The queue of reports: who is told, who works on one, and actions that are carried out with it."""

import asyncio
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_people import audited, give_role, outcome
from tests.contract.chat.helpers_spaces import bodies, feed, mismatches, say
from vox.chat.events.permissions import P

QUEUE = int(P.VIEW_REPORTS | P.MANAGE_REPORTS)


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    people = [await chat.register(name) for name in ("ada", "bob", "eve", "mod")]
    await give_role(people[0], people[3], QUEUE, 5, "moderator")
    return people


async def reported(reporter: Person, user_id: int, **more: Any) -> int:
    body = {"reported_user_id": user_id, "reason": "spam", **more}
    return (await reporter.ok("POST", "/reports", body))["report_id"]


async def test_moderators_are_told_and_no_one_else(people: list[Person]):
    ada, bob, eve, mod = people
    async with mod.gateway() as told, eve.gateway() as other:
        report = await reported(bob, eve.user_id)
        created = (await told.expect("report_create"))["d"]
        assert created == {"report_id": report, "reported_user_id": 3, "reason": "spam", "reporter_id": 2}
        await mod.ok("POST", f"/reports/{report}/assign", {})
        assigned = (await told.expect("report_update"))["d"]
        assert assigned == {"report_id": report, "status": "open", "assignee_id": 4}
        await mod.ok("POST", f"/reports/{report}/resolve", {"action": "talked"})
        assert (await told.expect("report_update"))["d"]["status"] == "resolved"
        await ada.ok("DELETE", f"/reports/{report}")
        assert (await told.expect("report_delete"))["d"] == {"report_id": report}
        assert [frame for frame in await other.events() if frame["type"].startswith("report")] == []
    for kind in ("report.assign", "report.resolve", "report.delete"):
        assert [entry["target_id"] for entry in await audited(ada, kind)] == [report]


async def test_of_two_who_take_a_report_one_gets_it(people: list[Person]):
    ada, bob, eve, mod = people
    report = await reported(bob, eve.user_id)
    replies = await asyncio.gather(*(who.post(f"/reports/{report}/assign", {}) for who in (ada, mod)))
    assert sorted(outcome(reply) for reply in replies) == [(204, ""), (409, "REPORT_ASSIGNED")]
    winner = ada if replies[0].is_success else mod
    loser = mod if winner is ada else ada
    assert outcome(await loser.post(f"/reports/{report}/act", {})) == (409, "REPORT_ASSIGNED")
    assert (await ada.ok("GET", f"/reports/{report}"))["assignee_id"] == winner.user_id
    assert (await ada.ok("GET", "/reports", assignee_id=0))["items"] == []
    await loser.ok("POST", f"/reports/{report}/assign", {"force": True})
    mine = (await ada.ok("GET", "/reports", assignee_id=loser.user_id))["items"]
    assert [line["report_id"] for line in mine] == [report]
    await loser.ok("POST", f"/reports/{report}/assign", {"assignee_id": 0})
    assert "assignee_id" not in await ada.ok("GET", f"/reports/{report}")
    assert outcome(await ada.post(f"/reports/{report}/assign", {"assignee_id": 2})) == (400, "INVALID_TARGET")


async def test_actions_are_carried_out_together(people: list[Person]):
    ada, bob, eve, mod = people
    place = await feed(ada)
    msg_id = await say(eve, place, "spam")
    report = await reported(bob, eve.user_id, feed_id=place, msg_id=msg_id)
    actions = [{"type": "delete_message"}, {"type": "timeout", "seconds": 60, "reason": "spam"}]
    body = {"actions": actions, "note": "first time"}
    assert outcome(await mod.post(f"/reports/{report}/act", body)) == (403, "MISSING_PERMISSIONS")
    assert await bodies(ada, f"/feeds/{place}/messages") == ["spam"], "nothing is half done"
    await give_role(ada, mod, int(P.MANAGE_MESSAGES | P.KICK_MEMBERS), 6, "more")
    await mod.ok("POST", f"/reports/{report}/act", body)
    assert await bodies(ada, f"/feeds/{place}/messages") == []
    assert outcome(await eve.post(f"/feeds/{place}/messages", {"body": "x"})) == (403, "TIMED_OUT")
    done = await ada.ok("GET", f"/reports/{report}")
    assert (done["status"], done["resolver_id"]) == ("resolved", 4)
    assert done["action"] == "delete_message, timeout: first time"
    assert outcome(await ada.post(f"/reports/{report}/act", body)) == (409, "REPORT_RESOLVED")
    for kind in ("message.delete", "member.timeout", "report.resolve"):
        assert [entry["actor_id"] for entry in await audited(ada, kind)] == [4]


async def test_a_ban_from_a_report_deletes_messages_and_two_moderators_ban_once(people: list[Person]):
    ada, bob, eve, _ = people
    place = await feed(ada)
    for _ in range(3):
        await say(eve, place, "spam")
    report = await reported(bob, eve.user_id)
    body = {"actions": [{"type": "ban", "reason": "spam", "delete_msg_days": 1}, {"type": "kick"}]}
    replies = await asyncio.gather(*(ada.post(f"/reports/{report}/act", body) for _ in range(2)))
    assert sorted(outcome(reply) for reply in replies) == [(204, ""), (409, "REPORT_RESOLVED")]
    assert outcome(await eve.get("/server")) == (403, "BANNED")
    assert await bodies(ada, f"/feeds/{place}/messages") == []
    assert len(await audited(ada, "member.ban")) == 1


async def test_what_cannot_be_done_about_a_report(people: list[Person]):
    ada, bob, _, mod = people
    about_admin, about_mod = await reported(bob, 1), await reported(bob, 4)
    await give_role(ada, mod, int(P.KICK_MEMBERS), 6, "kicks")
    kick, lacks = {"actions": [{"type": "kick"}]}, (403, "MISSING_PERMISSIONS")
    assert (
        await mismatches(
            mod,
            [
                ("POST", f"/reports/{about_admin}/act", kick, (403, "ROLE_HIERARCHY")),
                ("POST", f"/reports/{about_mod}/act", kick, (400, "INVALID_TARGET")),
                ("POST", f"/reports/{about_mod}/act", {"actions": [{"type": "ban"}]}, (400, "INVALID_TARGET")),
                ("POST", f"/reports/{about_admin}/act", {"actions": [{"type": "ban"}]}, lacks),
                (
                    "POST",
                    f"/reports/{about_admin}/act",
                    {"actions": [{"type": "delete_message"}]},
                    (400, "INVALID_OPERATION"),
                ),
                ("POST", f"/reports/{about_admin}/act", {"actions": [{"type": "warn"}]}, (422, "VALIDATION_ERROR")),
                ("POST", f"/reports/{about_admin}/act", {"actions": [{"type": "kick"}] * 2}, (422, "VALIDATION_ERROR")),
                ("POST", "/reports/99/act", {}, (404, "REPORT_NOT_FOUND")),
                ("POST", "/reports/99/assign", {}, (404, "REPORT_NOT_FOUND")),
            ],
        )
        == []
    )
    assert (
        await mismatches(bob, [("POST", "/reports/1/act", {}, lacks), ("POST", "/reports/1/assign", {}, lacks)]) == []
    )
    assert (await ada.ok("GET", f"/reports/{about_admin}"))["status"] == "open"
