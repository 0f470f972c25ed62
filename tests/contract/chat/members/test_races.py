"""The same thing by several people at the same moment: one wins, nobody sees a broken server."""

import asyncio
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_people import give_role, make_role, outcome
from vox.chat.events.permissions import P

AT_ONCE = 6


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve")]


async def at_once(person: Person, method: str, path: str, body: Any = None) -> list[tuple[int, str]]:
    more: dict[str, Any] = {} if body is None else {"json": body}
    return sorted(outcome(reply) for reply in await asyncio.gather(
        *(person.call(method, path, **more) for _ in range(AT_ONCE))
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/users/2/blocks/3", None),
        ("DELETE", "/users/2/blocks/3", None),
        ("PUT", "/users/2/friends/3", None),
        ("DELETE", "/users/2/friends/3", None),
        ("PATCH", "/users/2/dm-settings", {"dm_permission": "nobody"}),
        ("PATCH", "/server", {"name": "Same"}),
        ("PATCH", "/server/limits", {"limits": {"bio_max": 5}}),
        ("PATCH", "/server/gifs", {"locale": "de"}),
        ("PUT", "/bans/3", {"reason": "x", "delete_msg_days": 1}),
        ("PATCH", "/members/3", {"nickname": "x"}),
        ("PATCH", "/users/3", {"bio": "x"}),
    ],
)
async def test_what_may_be_said_twice_may_be_said_at_once(people: list[Person], method: str, path: str, body: Any):
    found = await at_once(people[0], method, path, body)
    assert {status for status, _ in found} <= {200, 204}


async def test_a_role_given_and_taken_at_once(people: list[Person]):
    ada = people[0]
    path = f"/members/3/roles/{await make_role(ada, 1, 5)}"
    assert await at_once(ada, "PUT", path) == [(204, "")] * AT_ONCE
    assert await at_once(ada, "DELETE", path) == [(204, "")] * AT_ONCE


async def test_a_request_accepted_and_turned_down_at_once(people: list[Person]):
    _, bob, eve = people
    await bob.ok("PUT", "/users/2/friends/3")
    replies = await asyncio.gather(
        *(eve.post("/users/3/friends/2/accept") for _ in range(3)),
        *(eve.post("/users/3/friends/2/reject") for _ in range(3)),
    )
    found = sorted(outcome(reply) for reply in replies)
    assert found == [(204, ""), *[(404, "REQUEST_NOT_FOUND")] * 5]


async def test_only_one_of_several_kicks_lifts_and_deletions_finds_something(people: list[Person]):
    ada = people[0]
    role = await make_role(ada, 1, 5)
    code = (await ada.ok("POST", "/invites", {}))["code"]
    report = (await ada.ok("POST", "/reports", {"reported_user_id": 2, "reason": "x"}))["report_id"]
    for path, missing in (
        ("/members/3", "USER_NOT_FOUND"),
        (f"/roles/{role}", "SPACE_NOT_FOUND"),
        (f"/invites/{code}", "INVITE_INVALID"),
        (f"/reports/{report}", "REPORT_NOT_FOUND"),
    ):
        assert await at_once(ada, "DELETE", path) == [(204, ""), *[(404, missing)] * (AT_ONCE - 1)]
    await ada.ok("PUT", "/bans/2", {})
    assert await at_once(ada, "DELETE", "/bans/2") == [(204, ""), *[(404, "BAN_NOT_FOUND")] * (AT_ONCE - 1)]


async def test_an_override_outlives_neither_its_space_nor_its_role(people: list[Person]):
    ada = people[0]
    feed = (await ada.ok("POST", "/feeds", {"name": "a", "type": "text"}))["feed_id"]
    role = await make_role(ada, 1, 5)
    mask = {"allow": 0, "deny": 1}
    replies = await asyncio.gather(
        ada.delete(f"/roles/{role}"),
        *(ada.put(f"/feeds/{feed}/permissions/role/{role}", mask) for _ in range(3)),
        ada.delete(f"/feeds/{feed}"),
        *(ada.put(f"/feeds/{feed}/permissions/role/1", mask) for _ in range(3)),
    )
    assert {outcome(reply) for reply in replies} <= {(204, ""), (404, "SPACE_NOT_FOUND")}
    again = (await ada.ok("POST", "/feeds", {"name": "b", "type": "text"}))["feed_id"]
    assert (await ada.ok("GET", f"/feeds/{again}"))["permission_overrides"] == []


async def test_changes_of_every_kind_at_once_do_not_wait_for_each_other_in_a_circle(people: list[Person]):
    ada, bob, eve = people
    role = await give_role(ada, bob, int(P.MANAGE_NICKNAMES), 5)
    code = (await ada.ok("POST", "/invites", {}))["code"]
    feed = (await ada.ok("POST", "/feeds", {"name": "a", "type": "text"}))["feed_id"]
    for _ in range(3):
        await bob.post(f"/feeds/{feed}/messages", {"body": "x"})
    replies = await asyncio.gather(
        *(ada.patch("/members/2", {"nickname": f"n{n}"}) for n in range(3)),
        *(ada.patch("/users/2", {"bio": f"b{n}"}) for n in range(3)),
        *(ada.patch(f"/roles/{role}", {"color": n}) for n in range(3)),
        *(eve.post("/members/join", {"invite_code": code}) for _ in range(3)),
        *(bob.post(f"/feeds/{feed}/messages", {"body": f"m{n}"}) for n in range(3)),
        ada.put("/bans/2", {"delete_msg_days": 1}),
        ada.delete("/bans/2"),
        ada.put(f"/members/2/roles/{role}"),
        ada.delete(f"/members/2/roles/{role}"),
        ada.delete(f"/feeds/{feed}"),
    )
    assert max(reply.status_code for reply in replies) < 500
