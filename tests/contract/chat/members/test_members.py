"""Members: lists, nicknames, leaving, kicking, coming back."""

from typing import Any

import pytest

from tests.contract.chat.harness import PASSWORD, Person, Rig
from tests.contract.chat.helpers_people import BASE, anonymous, audited, give_role, log_in, outcome, set_everyone
from vox.chat.events.permissions import P

BANNED = (403, "BANNED")


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve")]


async def test_the_list_has_every_field_and_only_active_members(people: list[Person]):
    ada, bob, eve = people
    await ada.ok("PATCH", f"/members/{bob.user_id}", {"nickname": "Bobby"})
    await ada.ok("DELETE", f"/members/{eve.user_id}")
    page = await ada.ok("GET", "/members")
    assert page == {
        "items": [
            {"user_id": 1, "username": "ada", "display_name": "ada", "avatar": None, "nickname": None, "role_ids": [2]},
            {
                "user_id": 2,
                "username": "bob",
                "display_name": "bob",
                "avatar": None,
                "nickname": "Bobby",
                "role_ids": [],
            },
        ],
        "cursor": "2",
    }
    assert outcome(await ada.get(f"/members/{eve.user_id}")) == (404, "USER_NOT_FOUND")
    assert outcome(await ada.get("/members/999")) == (404, "USER_NOT_FOUND")
    assert (await bob.ok("GET", "/members/@me"))["username"] == "bob"


async def test_pages_end_with_an_empty_one(people: list[Person]):
    ada, seen, cursor = people[0], list[int](), 0
    while True:
        page = await ada.ok("GET", "/members", limit=2, after=cursor)
        if not page["items"]:
            break
        seen += [item["user_id"] for item in page["items"]]
        cursor = page["cursor"]
    assert seen == [1, 2, 3]
    assert page == {"items": [], "cursor": None}


@pytest.mark.parametrize(
    "path", ["/members", "/roles", "/bans", "/invites", "/users/1/friends", "/reports", "/audit-log"]
)
async def test_a_page_has_1_to_1000_rows_and_no_more_than_the_limit(people: list[Person], path: str):
    ada = people[0]
    for limit in ("0", "1001", "-1", "x"):
        assert outcome(await ada.get(path, limit=limit)) == (422, "VALIDATION_ERROR")
    assert outcome(await ada.get(path, limit=1000)) == (200, "")


async def test_a_page_is_cut_silently_to_the_limit_of_the_moment(people: list[Person]):
    ada = people[0]
    await ada.ok("PATCH", "/server/limits", {"limits": {"page_limit_members": 2, "page_limit_roles": 1}})
    assert len((await ada.ok("GET", "/members", limit=1000))["items"]) == 2
    assert len((await ada.ok("GET", "/roles", limit=1000))["items"]) == 1


@pytest.mark.parametrize("after", ["x", "-1", str(1 << 70)])
async def test_a_cursor_that_is_none_is_refused(people: list[Person], after: str):
    assert outcome(await people[0].get("/members", after=after)) == (422, "VALIDATION_ERROR")


async def test_ones_own_nickname_needs_change_nickname(people: list[Person]):
    ada, bob, _ = people
    assert (await bob.ok("PATCH", "/members/@me", {"nickname": "B"}))["nickname"] == "B"
    await set_everyone(ada, BASE)
    assert outcome(await bob.patch(f"/members/{bob.user_id}", {"nickname": "C"})) == (403, "MISSING_PERMISSIONS")
    await give_role(ada, bob, int(P.MANAGE_NICKNAMES), 5)
    assert outcome(await bob.patch(f"/members/{bob.user_id}", {"nickname": "C"})) == (200, "")


async def test_a_nickname_is_told_audited_and_taken_away_by_an_empty_one(people: list[Person]):
    ada, bob, _ = people
    async with bob.gateway() as socket:
        await ada.ok("PATCH", f"/members/{bob.user_id}", {"nickname": "Bobby"})
        assert (await socket.expect("member_update"))["d"] == {"user_id": bob.user_id, "nickname": "Bobby"}
        assert (await ada.ok("PATCH", f"/members/{bob.user_id}", {}))["nickname"] == "Bobby"
        assert (await ada.ok("PATCH", f"/members/{bob.user_id}", {"nickname": ""}))["nickname"] is None
    assert [entry["metadata"]["changed"]["nickname"] for entry in await audited(ada, "member.update")] == [
        "Bobby",
        None,
    ]
    assert outcome(await ada.patch(f"/members/{bob.user_id}", {"nickname": "a" * 65})) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/users/x", "/members/x"])
async def test_a_user_id_is_a_number(people: list[Person], path: str):
    assert outcome(await people[0].patch(path, {})) == (400, "INVALID_USER_ID")
    assert outcome(await people[0].patch("/members/999", {"nickname": "x"})) == (404, "USER_NOT_FOUND")
    assert outcome(await people[1].patch("/members/999", {"nickname": "x"})) == (403, "MISSING_PERMISSIONS")


async def test_who_leaves_is_gone_at_once_everywhere(chat: Rig, people: list[Person]):
    ada, bob, eve = people
    async with bob.gateway() as socket, eve.gateway() as witness:
        assert outcome(await bob.delete("/members/@me")) == (204, "")
        assert await socket.closed() == 4004
        assert (await witness.expect("member_leave"))["d"] == {"user_id": bob.user_id}
    assert outcome(await bob.get("/server")) == (403, "NOT_A_MEMBER")
    assert outcome(await log_in(chat, "bob", PASSWORD)) == (403, "NOT_A_MEMBER")
    entry = (await audited(ada, "member.leave"))[0]
    assert (entry["actor_id"], entry["target_id"]) == (bob.user_id, bob.user_id)


async def test_an_administrator_does_not_leave(people: list[Person]):
    assert outcome(await people[0].delete("/members/1")) == (400, "INVALID_TARGET")


async def test_a_kick_has_a_reason_closes_sockets_and_takes_the_roles(chat: Rig, people: list[Person]):
    ada, bob, _ = people
    role = await give_role(ada, bob, int(P.MANAGE_SERVER), 5)
    async with bob.gateway() as socket:
        reply = await ada.delete(f"/members/{bob.user_id}", {"reason": "rude"})
        assert outcome(reply) == (204, "")
        assert await socket.closed() == 4004
        assert socket.close_reason == "KICKED: you were removed from the community"
    entry = (await audited(ada, "member.kick"))[0]
    assert (entry["actor_id"], entry["target_id"], entry["metadata"]) == (1, bob.user_id, {"reason": "rude"})
    assert (await ada.ok("GET", f"/roles/{role}/members"))["items"] == []
    assert outcome(await ada.delete(f"/members/{bob.user_id}")) == (404, "USER_NOT_FOUND")
    assert outcome(await ada.delete("/members/3", {"reason": "a" * 257})) == (422, "VALIDATION_ERROR")
    assert outcome(await bob.delete("/members/1")) == (403, "KICKED")
    assert outcome(await log_in(chat, "bob", PASSWORD)) == (403, "KICKED")
    async with chat.socket() as again:
        await again.expect("hello")
        await again.send("identify", {"token": bob.token})
        assert await again.closed() == 4004
        assert again.close_reason.startswith("KICKED: ")


@pytest.mark.parametrize("way", ["token", "login"])
async def test_a_kicked_user_comes_back_by_an_invite_without_the_old_roles(chat: Rig, people: list[Person], way: str):
    ada, bob, eve = people
    await give_role(ada, bob, int(P.MANAGE_SERVER), 5)
    code = (await eve.ok("POST", "/invites", {}))["code"]
    await ada.ok("DELETE", f"/members/{bob.user_id}")
    async with eve.gateway() as socket:
        if way == "token":
            assert outcome(await bob.post("/members/join", {"invite_code": code})) == (204, "")
        else:
            reply = await log_in(chat, "bob", PASSWORD, invite_code=code)
            assert outcome(reply) == (200, "")
            bob.token = reply.json()["token"]
        assert (await socket.expect("member_join"))["d"]["user_id"] == bob.user_id
    assert (await bob.ok("GET", "/members/@me"))["role_ids"] == []
    assert outcome(await bob.patch("/server", {"name": "x"})) == (403, "MISSING_PERMISSIONS")


async def test_a_kicked_user_with_a_wrong_password_or_invite_stays_out(chat: Rig, people: list[Person]):
    ada, bob, _ = people
    code = (await ada.ok("POST", "/invites", {}))["code"]
    await ada.ok("DELETE", f"/members/{bob.user_id}")
    assert outcome(await log_in(chat, "bob", "wrong", invite_code=code)) == (401, "AUTH_FAILED")
    assert outcome(await log_in(chat, "bob", PASSWORD, invite_code="nonsense")) == (422, "INVITE_INVALID")
    assert outcome(await bob.post("/members/join", {"invite_code": "nonsense"})) == (422, "INVITE_INVALID")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (422, "VALIDATION_ERROR")),
        ({"authorization": "Basic x"}, (401, "AUTH_FAILED")),
        ({"authorization": "Bearer mfa_x"}, (401, "AUTH_FAILED")),
        ({"authorization": "Bearer vox_sess_x"}, (401, "AUTH_EXPIRED")),
    ],
)
async def test_joining_needs_a_token(chat: Rig, people: list[Person], headers: dict[str, str], expected: Any):
    reply = await chat.http.post("/api/v1/members/join", json={"invite_code": "x"}, headers=headers)
    assert outcome(reply) == expected


async def test_joining_needs_a_code(chat: Rig, people: list[Person]):
    assert outcome(await people[1].post("/members/join", {})) == (422, "VALIDATION_ERROR")
    assert outcome(await anonymous(chat, "POST", "/members/join")) == (422, "VALIDATION_ERROR")
