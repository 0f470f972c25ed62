"""Bans, reports and the audit log."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from tests.contract.chat.harness import PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_people import LateClock, audited, give_role, log_in, outcome
from vox.chat.database.schema import audit_log
from vox.chat.events.permissions import P

BANNED = (403, "BANNED")
LACKS = (403, "MISSING_PERMISSIONS")
DAY = 86_400


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve")]


async def test_a_ban_shuts_somebody_out_by_every_way(chat: Rig, people: list[Person]):
    ada, bob, eve = people
    code = (await ada.ok("POST", "/invites", {}))["code"]
    async with bob.gateway() as socket, eve.gateway() as witness:
        body = await ada.ok("PUT", f"/bans/{bob.user_id}", {"reason": "spam"})
        assert body == {"user_id": 2, "display_name": "bob", "reason": "spam", "created_at": body["created_at"]}
        assert await socket.closed() == 4004
        assert (await witness.expect("member_ban"))["d"] == {"user_id": 2}
    assert outcome(await bob.get("/server")) == BANNED
    assert outcome(await bob.post("/members/join", {"invite_code": code})) == BANNED
    assert outcome(await log_in(chat, "bob", PASSWORD)) == BANNED
    assert outcome(await log_in(chat, "bob", PASSWORD, invite_code=code)) == BANNED
    assert outcome(await log_in(chat, "bob", "wrong")) == (401, "AUTH_FAILED"), "a stranger learns nothing"
    async with chat.socket() as socket:
        await socket.expect("hello")
        await socket.send("identify", {"token": bob.token})
        assert await socket.closed() == 4004
    assert (await ada.ok("GET", "/bans"))["items"] == [body]
    entry = (await audited(ada, "member.ban"))[0]
    assert entry["metadata"] == {"reason": "spam", "delete_msg_days": 0}


async def test_lifting_a_ban_makes_the_member_active_again(chat: Rig, people: list[Person]):
    ada, bob, eve = people
    await give_role(ada, bob, int(P.MANAGE_SERVER), 5)
    await ada.ok("PUT", "/bans/2", {})
    async with eve.gateway() as witness:
        assert outcome(await ada.delete("/bans/2")) == (204, "")
        assert (await witness.expect("member_unban"))["d"] == {"user_id": 2}
    assert outcome(await ada.delete("/bans/2")) == (404, "BAN_NOT_FOUND")
    assert (await bob.ok("GET", "/members/@me"))["role_ids"] == []
    assert outcome(await log_in(chat, "bob", PASSWORD)) == (200, "")
    assert (await audited(ada, "member.unban"))[0]["target_id"] == 2


async def test_a_ban_of_who_has_left_or_is_banned_holds_with_the_new_reason(people: list[Person]):
    ada, bob, _ = people
    await bob.ok("DELETE", "/members/@me")
    await ada.ok("PUT", "/bans/2", {"reason": "one"})
    await ada.ok("PUT", "/bans/2", {"reason": "two"})
    assert [ban["reason"] for ban in (await ada.ok("GET", "/bans"))["items"]] == ["two"]


async def test_who_cannot_be_banned(people: list[Person]):
    ada, bob, _ = people
    assert outcome(await ada.put("/bans/1", {})) == (400, "INVALID_TARGET")
    assert outcome(await ada.put("/bans/999", {})) == (404, "USER_NOT_FOUND")
    assert outcome(await ada.put("/bans/x", {})) == (422, "VALIDATION_ERROR")
    for days in (-1, 15):
        assert outcome(await ada.put("/bans/2", {"delete_msg_days": days})) == (422, "VALIDATION_ERROR")
    assert outcome(await ada.put("/bans/2", {"reason": "a" * 257})) == (422, "VALIDATION_ERROR")
    for method, path in (("PUT", "/bans/3"), ("DELETE", "/bans/3"), ("GET", "/bans")):
        more: dict[str, Any] = {"json": {}} if method == "PUT" else {}
        assert outcome(await bob.call(method, path, **more)) == LACKS


async def test_a_ban_deletes_what_was_written_in_the_last_days_everywhere(database_url: str, tmp_path: Path):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        ada, bob, eve = [await rig.register(name) for name in ("ada", "bob", "eve")]
        feeds = [(await ada.ok("POST", "/feeds", {"name": n, "type": "text"}))["feed_id"] for n in ("a", "b")]
        dm = (await bob.ok("POST", "/dms", {"recipient_id": eve.user_id}))["dm_id"]

        async def say(person: Person, path: str) -> int:
            return (await person.ok("POST", f"{path}/messages", {"body": "x"}))["msg_id"]

        paths = [f"/feeds/{feeds[0]}", f"/feeds/{feeds[1]}", f"/dms/{dm}"]
        old = [await say(bob, path) for path in paths]
        clock.advance(2 * DAY)
        new = [await say(bob, path) for path in paths]
        others = await say(ada, paths[0])
        async with eve.gateway() as socket:
            await ada.ok("PUT", "/bans/2", {"delete_msg_days": 1})
            frames = [frame for frame in await socket.events() if not frame["type"].startswith("presence")]
        told = [(frame["type"], frame["d"]) for frame in frames if frame["type"] != "notification_create"]
        assert told[-1] == ("member_ban", {"user_id": 2})
        deleted = [d for kind, d in told if kind == "message_bulk_delete"]
        assert sorted(deleted, key=str) == sorted(
            [
                {"feed_id": feeds[0], "msg_ids": [new[0]]},
                {"feed_id": feeds[1], "msg_ids": [new[1]]},
                {"dm_id": dm, "msg_ids": [new[2]]},
            ],
            key=str,
        )

        async def left(person: Person, path: str) -> list[int]:
            return [message["msg_id"] for message in (await person.ok("GET", f"{path}/messages"))["messages"]]

        assert await left(eve, paths[0]) == [others, old[0]]
        assert await left(eve, paths[1]) == [old[1]]
        assert await left(eve, paths[2]) == [old[2]]


async def test_a_ban_deletes_more_messages_than_one_unit_of_work_takes(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    ada, bob = await chat.register("ada"), await chat.register("bob")
    feed = (await ada.ok("POST", "/feeds", {"name": "a", "type": "text"}))["feed_id"]
    from vox.chat.features.members import service as members
    from vox.chat.features.messages.delete import delete_messages_of_author

    monkeypatch.setattr(members, "BATCH", 3)
    monkeypatch.setattr(members, "delete_messages_of_author", lambda c, a, s: delete_messages_of_author(c, a, s, 3))
    sent = [(await bob.ok("POST", f"/feeds/{feed}/messages", {"body": "x"}))["msg_id"] for _ in range(7)]
    async with ada.gateway() as socket:
        await ada.ok("PUT", "/bans/2", {"delete_msg_days": 14})
        frames = [frame["d"]["msg_ids"] for frame in await socket.events() if frame["type"] == "message_bulk_delete"]
    assert [msg_id for msg_ids in frames for msg_id in msg_ids] == sent
    assert [len(msg_ids) for msg_ids in frames] == [3, 3, 1]
    assert (await ada.ok("GET", f"/feeds/{feed}/messages"))["messages"] == []


async def test_a_report_from_complaint_to_end(people: list[Person]):
    ada, bob, _ = people
    body = {
        "reported_user_id": 3, "feed_id": 7, "msg_id": 5, "reason": "spam", "description": "look",
        "messages": [{"msg_id": 5, "body": "buy", "timestamp": 1}],
    }  # fmt: skip
    reply = await bob.post("/reports", body)
    assert reply.status_code == 201
    assert reply.json() == {
        "report_id": 1, "reporter_id": None, "reported_user_id": None, "reason": None, "status": None, "created_at": None,
    }  # fmt: skip
    line = (await ada.ok("GET", "/reports"))["items"][0]
    assert line == {
        "report_id": 1, "reporter_id": 2, "reported_user_id": 3, "reason": "spam", "status": "open",
        "created_at": line["created_at"],
    }  # fmt: skip
    whole = await ada.ok("GET", "/reports/1")
    assert whole == {
        **line, "feed_id": 7, "msg_id": 5, "dm_id": None, "description": "look", "action": None,
        "evidence": [{"msg_id": 5, "body": "buy", "timestamp": 1}],
    }  # fmt: skip
    assert outcome(await ada.post("/reports/1/resolve", {"action": "warned"})) == (204, "")
    assert (await ada.ok("GET", "/reports", status="open"))["items"] == []
    assert (await ada.ok("GET", "/reports", status="resolved"))["items"][0]["report_id"] == 1
    assert (await ada.ok("GET", "/reports/1"))["action"] == "warned"
    entry = (await audited(ada, "report.resolve"))[0]
    assert (entry["target_id"], entry["metadata"]) == (1, {"action": "warned"})
    assert outcome(await ada.delete("/reports/1")) == (204, "")
    for method, path in (("GET", "/reports/1"), ("DELETE", "/reports/1"), ("POST", "/reports/1/resolve")):
        more: dict[str, Any] = {"json": {"action": "x"}} if method == "POST" else {}
        assert outcome(await ada.call(method, path, **more)) == (404, "REPORT_NOT_FOUND")


async def test_reports_are_read_and_handled_with_two_permissions(people: list[Person]):
    ada, bob, eve = people
    await eve.ok("POST", "/reports", {"reported_user_id": 1, "reason": "x"})
    handling = [("POST", "/reports/1/resolve"), ("DELETE", "/reports/1")]
    for method, path in [("GET", "/reports"), ("GET", "/reports/1"), *handling]:
        more: dict[str, Any] = {"json": {"action": "x"}} if method == "POST" else {}
        assert outcome(await bob.call(method, path, **more)) == LACKS
    await give_role(ada, bob, int(P.VIEW_REPORTS), 5)
    assert outcome(await bob.get("/reports/1")) == (200, "")
    assert outcome(await bob.delete("/reports/1")) == LACKS
    await give_role(ada, bob, int(P.MANAGE_REPORTS), 6)
    assert outcome(await bob.delete("/reports/1")) == (204, "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reason": "a" * 65}, (422, "VALIDATION_ERROR")),
        ({"description": "a" * 2001}, (422, "VALIDATION_ERROR")),
        ({"description": "a\0"}, (422, "VALIDATION_ERROR")),
        ({"messages": [{"msg_id": 1}] * 101}, (422, "VALIDATION_ERROR")),
        ({"messages": [{"msg_id": 1, "body": "a" * 4001}]}, (422, "VALIDATION_ERROR")),
        ({"messages": "x"}, (422, "VALIDATION_ERROR")),
        ({"feed_id": 1 << 64}, (422, "VALIDATION_ERROR")),
        ({"reported_user_id": 999}, (404, "USER_NOT_FOUND")),
    ],
)
async def test_a_report_that_is_not_well_formed_is_refused(people: list[Person], change: Any, expected: Any):
    body = {"reported_user_id": 1, "reason": "x", **change}
    assert outcome(await people[1].post("/reports", body)) == expected


async def test_the_audit_log_is_filtered_by_type_actor_and_target(people: list[Person]):
    ada, bob, eve = people
    role = await give_role(ada, bob, int(P.VIEW_SPACE), 5)
    await ada.ok("PATCH", "/members/3", {"nickname": "E"})
    await eve.ok("PATCH", "/members/3", {"nickname": "Eve"})
    await ada.ok("PUT", "/bans/2", {})

    async def kinds(**query: Any) -> list[str]:
        return [entry["event_type"] for entry in (await ada.ok("GET", "/audit-log", **query))["entries"]]

    assert await kinds() == ["role.create", "role.assign", "member.update", "member.update", "member.ban"]
    assert await kinds(event_type="member.*") == ["member.update", "member.update", "member.ban"]
    assert await kinds(event_type="*.ban") == ["member.ban"]
    assert await kinds(event_type="member.ban") == ["member.ban"]
    assert await kinds(event_type="member") == []
    assert await kinds(event_type="member_%") == []
    assert await kinds(event_type="%") == []
    assert await kinds(actor_id=3) == ["member.update"]
    assert await kinds(target_id=2) == ["role.assign", "member.ban"]
    assert await kinds(target_id=role, event_type="role.*") == ["role.create"]


async def test_the_audit_log_in_pages_oldest_first(people: list[Person]):
    ada = people[0]
    for name in ("a", "b", "c"):
        await ada.ok("PATCH", "/server", {"name": name})
    first = await ada.ok("GET", "/audit-log", limit=2)
    rest = await ada.ok("GET", "/audit-log", after=first["cursor"])
    entries = [*first["entries"], *rest["entries"]]
    assert [entry["metadata"]["changed"]["name"] for entry in entries] == ["a", "b", "c"]
    assert [entry["entry_id"] for entry in entries] == sorted(entry["entry_id"] for entry in entries)
    assert first["cursor"] == str(first["entries"][-1]["entry_id"])
    assert await ada.ok("GET", "/audit-log", after=rest["cursor"]) == {"entries": [], "cursor": None}
    assert outcome(await people[1].get("/audit-log")) == LACKS


async def test_an_entry_without_an_actor_can_be_read(chat: Rig, people: list[Person]):
    row = {"id": 1, "event_type": "federation_block_request_received", "actor_id": None, "timestamp": 5}
    await chat.chat.database.write(lambda c: c.execute(insert(audit_log).values(row)).rowcount)
    assert (await people[0].ok("GET", "/audit-log"))["entries"] == [
        {
            "entry_id": 1,
            "event_type": row["event_type"],
            "actor_id": None,
            "target_id": None,
            "metadata": None,
            "timestamp": 5,
        }
    ]
