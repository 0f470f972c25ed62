"""Roles and ranks: every route that touches a role or a member, for every standing of the actor.

In the scene a lower position is a higher rank: the owner is administrator, the senior (2) ranks above the moderator (5), who ranks
above the junior (8) and the plain member.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_people import audited, give_role, make_role, outcome
from vox.chat.events.permissions import P

POWERS = int(P.VIEW_SPACE | P.MANAGE_ROLES | P.KICK_MEMBERS | P.BAN_MEMBERS | P.MANAGE_NICKNAMES | P.CREATE_INVITES)
OK = {(200, ""), (201, ""), (204, "")}
RANK = (403, "ROLE_HIERARCHY")
LACKS = (403, "MISSING_PERMISSIONS")


@dataclass(slots=True)
class Scene:
    owner: Person
    senior: Person
    moderator: Person
    peer: Person
    junior: Person
    plain: Person
    feed_id: int
    senior_role: int
    moderator_role: int
    junior_role: int
    strong_role: int
    """Below the moderator in rank, but with a permission he lacks."""


@pytest.fixture
async def scene(chat: Rig) -> Scene:
    people = [await chat.register(name) for name in ("owner", "senior", "moderator", "peer", "junior", "plain")]
    owner, senior, moderator, peer, junior, plain = people
    senior_role = await give_role(owner, senior, POWERS, 2, "senior")
    moderator_role = await give_role(owner, moderator, POWERS, 5, "moderator")
    await owner.ok("PUT", f"/members/{peer.user_id}/roles/{moderator_role}")
    junior_role = await give_role(owner, junior, int(P.VIEW_SPACE), 8, "junior")
    strong_role = await make_role(owner, int(P.MANAGE_SERVER), 9, "strong")
    feed = await owner.ok("POST", "/feeds", {"name": "general", "type": "text"})
    return Scene(
        owner, senior, moderator, peer, junior, plain, feed["feed_id"], senior_role, moderator_role, junior_role,
        strong_role,
    )  # fmt: skip


Act = Callable[[Person, Scene], Awaitable[Any]]


def rename(of: str) -> Act:
    return lambda who, scene: who.patch(f"/members/{getattr(scene, of).user_id}", {"nickname": "renamed"})


def kick(of: str) -> Act:
    return lambda who, scene: who.delete(f"/members/{getattr(scene, of).user_id}")


def ban(of: str) -> Act:
    return lambda who, scene: who.put(f"/bans/{getattr(scene, of).user_id}", {})


def create(permissions: int, position: int) -> Act:
    body = {"name": "new", "permissions": int(permissions), "position": position}
    return lambda who, scene: who.post("/roles", body)


def edit(role: str, **change: Any) -> Act:
    return lambda who, scene: who.patch(f"/roles/{getattr(scene, role)}", change)


def drop(role: str) -> Act:
    return lambda who, scene: who.delete(f"/roles/{getattr(scene, role)}")


def assign(role: str, to: str) -> Act:
    return lambda who, scene: who.put(f"/members/{getattr(scene, to).user_id}/roles/{getattr(scene, role)}")


def revoke(role: str, of: str) -> Act:
    return lambda who, scene: who.delete(f"/members/{getattr(scene, of).user_id}/roles/{getattr(scene, role)}")


def override(kind: str, target: str, allow: int = 0, deny: int = 0) -> Act:
    def act(who: Person, scene: Scene) -> Awaitable[Any]:
        found = getattr(scene, target)
        target_id = found if kind == "role" else found.user_id
        body = {"allow": int(allow), "deny": int(deny)}
        return who.put(f"/feeds/{scene.feed_id}/permissions/{kind}/{target_id}", body)

    return act


SERVER = int(P.MANAGE_SERVER)
ADMIN = int(P.ADMINISTRATOR)
VIEW = int(P.VIEW_SPACE)

MATRIX: dict[str, tuple[Act, dict[str, Any]]] = {
    # what is done: by whom, and the answer
    "rename an administrator": (rename("owner"), {"senior": RANK, "moderator": RANK, "plain": LACKS}),
    "rename a superior": (rename("senior"), {"moderator": RANK, "owner": OK}),
    "rename an equal": (rename("peer"), {"moderator": RANK, "senior": OK}),
    "rename an inferior": (rename("junior"), {"moderator": OK, "plain": LACKS}),
    "rename a member without roles": (rename("plain"), {"moderator": OK, "junior": LACKS}),
    "kick an administrator": (kick("owner"), {"senior": RANK, "plain": LACKS}),
    "kick a superior": (kick("senior"), {"moderator": RANK, "owner": OK}),
    "kick an equal": (kick("peer"), {"moderator": RANK}),
    "kick an inferior": (kick("junior"), {"moderator": OK}),
    "ban an administrator": (ban("owner"), {"senior": RANK, "plain": LACKS}),
    "ban a superior": (ban("senior"), {"moderator": RANK, "owner": OK}),
    "ban an equal": (ban("peer"), {"moderator": RANK}),
    "ban an inferior": (ban("junior"), {"moderator": OK, "junior": LACKS}),
    "make a role above": (create(VIEW, 4), {"moderator": RANK, "owner": OK}),
    "make a role beside": (create(VIEW, 5), {"moderator": RANK, "senior": OK}),
    "make a role below": (create(VIEW, 6), {"moderator": OK, "junior": LACKS}),
    "make a role with what one lacks": (create(SERVER, 6), {"moderator": LACKS, "owner": OK}),
    "make an administrator's role": (create(ADMIN, 6), {"moderator": LACKS, "senior": LACKS, "owner": OK}),
    "edit a role above": (edit("senior_role", name="x"), {"moderator": RANK, "owner": OK}),
    "edit one's own role": (edit("moderator_role", name="x"), {"moderator": RANK, "senior": OK}),
    "edit a role below": (edit("junior_role", name="x"), {"moderator": OK, "plain": LACKS}),
    "raise a role to one's own": (edit("junior_role", position=5), {"moderator": RANK, "senior": OK}),
    "raise a role above oneself": (edit("junior_role", position=1), {"moderator": RANK, "owner": OK}),
    "add to a role what one lacks": (edit("junior_role", permissions=VIEW | SERVER), {"moderator": LACKS}),
    "make a role an administrator's": (edit("junior_role", permissions=ADMIN), {"moderator": LACKS, "senior": LACKS}),
    "take from a role what one lacks": (edit("strong_role", permissions=0), {"moderator": LACKS, "owner": OK}),
    "add to a role what one holds": (edit("junior_role", permissions=VIEW | int(P.KICK_MEMBERS)), {"moderator": OK}),
    "give everybody everything": (lambda who, _: who.patch("/roles/1", {"permissions": ADMIN}), {"moderator": RANK}),
    "delete a role above": (drop("senior_role"), {"moderator": RANK, "owner": OK}),
    "delete one's own role": (drop("moderator_role"), {"moderator": RANK, "senior": OK}),
    "delete a role below": (drop("junior_role"), {"moderator": OK}),
    "delete a role with what one lacks": (drop("strong_role"), {"moderator": LACKS, "owner": OK}),
    "give oneself a role above": (assign("senior_role", "moderator"), {"moderator": RANK}),
    "give one's own role": (assign("moderator_role", "junior"), {"moderator": RANK, "senior": OK}),
    "give a role below": (assign("junior_role", "plain"), {"moderator": OK, "plain": LACKS}),
    "give oneself what one lacks": (assign("strong_role", "moderator"), {"moderator": LACKS, "owner": OK}),
    "give a superior a role below": (assign("junior_role", "senior"), {"moderator": RANK, "owner": OK}),
    "give an equal a role below": (assign("junior_role", "peer"), {"moderator": RANK, "senior": OK}),
    "give an administrator a role below": (assign("junior_role", "owner"), {"moderator": RANK, "senior": RANK}),
    "give oneself a role below": (assign("junior_role", "moderator"), {"moderator": OK}),
    "take a role below from a superior": (revoke("junior_role", "senior"), {"moderator": RANK, "owner": OK}),
    "take a role below from an administrator": (revoke("junior_role", "owner"), {"senior": RANK, "owner": OK}),
    "take a role above": (revoke("senior_role", "senior"), {"moderator": RANK, "owner": OK}),
    "take an equal's role": (revoke("moderator_role", "peer"), {"moderator": RANK, "senior": OK}),
    "take a role below": (revoke("junior_role", "junior"), {"moderator": OK, "junior": LACKS}),
    "override a role above": (override("role", "senior_role", deny=VIEW), {"moderator": RANK, "owner": OK}),
    "override one's own role": (override("role", "moderator_role", allow=VIEW), {"moderator": RANK, "senior": OK}),
    "override a role below": (override("role", "junior_role", deny=VIEW), {"moderator": OK, "plain": LACKS}),
    "override with what one lacks": (override("role", "junior_role", allow=SERVER), {"moderator": LACKS, "owner": OK}),
    "override with everything": (override("user", "moderator", allow=ADMIN), {"moderator": LACKS, "senior": LACKS}),
    "override a superior": (override("user", "senior", deny=VIEW), {"moderator": RANK, "owner": OK}),
    "override an administrator": (override("user", "owner", deny=VIEW), {"moderator": RANK, "senior": RANK}),
    "override an inferior": (override("user", "junior", deny=VIEW), {"moderator": OK, "plain": LACKS}),
    "override oneself with what one holds": (override("user", "moderator", allow=VIEW), {"moderator": OK}),
}
CASES = [(what, who) for what, (_, answers) in MATRIX.items() for who in answers]


@pytest.mark.parametrize(("what", "who"), CASES, ids=[f"{who}: {what}" for what, who in CASES])
async def test_nobody_acts_above_his_rank_or_beyond_his_permissions(scene: Scene, what: str, who: str):
    act, answers = MATRIX[what]
    found = outcome(await act(getattr(scene, who), scene))
    expected = answers[who]
    assert found in (expected if isinstance(expected, set) else {expected})


async def test_a_rank_alone_gives_nothing(scene: Scene):
    top = await give_role(scene.owner, scene.plain, 0, 1, "top")
    assert outcome(await scene.plain.delete(f"/members/{scene.junior.user_id}")) == LACKS
    assert outcome(await scene.plain.patch(f"/roles/{top}", {"name": "x"})) == LACKS


async def test_who_may_manage_roles_without_having_one_ranks_below_everything(scene: Scene):
    await scene.owner.ok("PATCH", "/roles/1", {"permissions": POWERS})
    assert outcome(await scene.plain.post("/roles", {"name": "x", "permissions": 1, "position": 99})) == RANK
    assert outcome(await scene.plain.delete(f"/members/{scene.junior.user_id}")) == RANK


async def test_an_administrator_of_low_rank_is_out_of_reach_for_a_moderator_of_high_rank(scene: Scene):
    await give_role(scene.owner, scene.plain, ADMIN, 90, "quiet admin")
    for reply in (
        await scene.senior.delete(f"/members/{scene.plain.user_id}"),
        await scene.senior.put(f"/bans/{scene.plain.user_id}", {}),
        await scene.senior.patch(f"/members/{scene.plain.user_id}", {"nickname": "x"}),
    ):
        assert outcome(reply) == RANK


async def test_nobody_lets_himself_into_a_feed_he_is_shut_out_of(scene: Scene):
    path = f"/feeds/{scene.feed_id}/permissions"
    await scene.owner.ok("PUT", f"{path}/user/{scene.moderator.user_id}", {"allow": 0, "deny": VIEW})
    own = f"{path}/user/{scene.moderator.user_id}"
    assert outcome(await scene.moderator.delete(own)) == LACKS
    assert outcome(await scene.moderator.put(own, {"allow": VIEW, "deny": 0})) == LACKS
    assert outcome(await scene.moderator.put(f"{path}/role/1", {"allow": VIEW, "deny": 0})) == LACKS
    assert outcome(await scene.owner.delete(own)) == (204, "")


async def test_everybodys_role_may_be_overridden_in_a_space_by_all_who_may_override(scene: Scene):
    path = f"/feeds/{scene.feed_id}/permissions/role/1"
    assert outcome(await scene.moderator.put(path, {"allow": 0, "deny": VIEW})) == (204, "")
    assert outcome(await scene.plain.get(f"/feeds/{scene.feed_id}")) == LACKS
    assert [entry["target_id"] for entry in await audited(scene.owner, "permission.update")] == [1]


@pytest.mark.parametrize("way", ["delete", "strip", "revoke"])
async def test_the_last_administrator_stays(scene: Scene, way: str):
    owner = scene.owner
    if way == "delete":
        reply = await owner.delete("/roles/2")
    elif way == "strip":
        reply = await owner.patch("/roles/2", {"permissions": 1})
    else:
        reply = await owner.delete(f"/members/{owner.user_id}/roles/2")
    assert outcome(reply) == (400, "INVALID_TARGET")
    assert outcome(await owner.get("/server/limits")) == (200, "")
    assert (await owner.ok("GET", "/members/1"))["role_ids"] == [2]


async def test_of_two_administrators_who_take_the_role_from_each_other_one_stays(scene: Scene):
    await scene.owner.ok("PUT", f"/members/{scene.senior.user_id}/roles/2")
    replies = await asyncio.gather(
        scene.owner.delete(f"/members/{scene.senior.user_id}/roles/2"),
        scene.senior.delete(f"/members/{scene.owner.user_id}/roles/2"),
    )
    found = {outcome(reply) for reply in replies}
    assert (204, "") in found
    assert len(found & {(400, "INVALID_TARGET"), LACKS, RANK}) == 1


@pytest.mark.parametrize("way", ["DELETE /members/{}", "PUT /bans/{}"])
async def test_of_two_administrators_who_remove_each_other_one_stays(scene: Scene, way: str):
    await scene.owner.ok("PUT", f"/members/{scene.senior.user_id}/roles/2")
    method, path = way.split()
    replies = await asyncio.gather(
        scene.owner.call(method, path.format(scene.senior.user_id), json={}),
        scene.senior.call(method, path.format(scene.owner.user_id), json={}),
    )
    assert sorted(reply.is_success for reply in replies) == [False, True]
    left = [await person.get("/server/limits") for person in (scene.owner, scene.senior)]
    assert sorted(reply.status_code for reply in left) == [200, 403]


async def test_the_role_of_everybody_keeps_its_place(scene: Scene):
    owner = scene.owner
    for change in ({"name": "all"}, {"position": 3}):
        assert outcome(await owner.patch("/roles/1", change)) == (400, "INVALID_TARGET")
    assert outcome(await owner.delete("/roles/1")) == (400, "INVALID_TARGET")
    assert outcome(await owner.put(f"/members/{scene.plain.user_id}/roles/1")) == (400, "INVALID_TARGET")
    assert outcome(await owner.patch("/roles/1", {"permissions": 3, "color": 7})) == (200, "")
    twin = {"name": "@everyone", "permissions": 0, "position": 0}
    assert outcome(await owner.post("/roles", twin)) == (422, "VALIDATION_ERROR")


async def test_roles_are_made_changed_listed_and_deleted_with_events_and_audit(scene: Scene):
    owner, plain = scene.owner, scene.plain
    async with plain.gateway() as socket:
        made = await owner.ok("POST", "/roles", {"name": "Red", "color": 255, "permissions": 1, "position": 7})
        role_id = made["role_id"]
        assert made == {"role_id": role_id, "name": "Red", "color": 255, "permissions": 1, "position": 7}
        assert (await socket.expect("role_create"))["d"] == made
        changed = await owner.ok("PATCH", f"/roles/{role_id}", {"name": "Blue", "color": None})
        assert changed == {**made, "name": "Blue"}
        assert (await socket.expect("role_update"))["d"] == {"role_id": role_id, "name": "Blue"}
        await owner.ok("PUT", f"/members/{plain.user_id}/roles/{role_id}")
        assert (await socket.expect("role_assign"))["d"] == {"role_id": role_id, "user_id": plain.user_id}
        await owner.ok("DELETE", f"/members/{plain.user_id}/roles/{role_id}")
        assert (await socket.expect("role_revoke"))["d"] == {"role_id": role_id, "user_id": plain.user_id}
        await owner.ok("DELETE", f"/roles/{role_id}")
        assert (await socket.expect("role_delete"))["d"] == {"role_id": role_id}
    assert role_id not in [role["role_id"] for role in (await plain.ok("GET", "/roles"))["items"]]
    update = (await audited(owner, "role.update"))[-1]
    assert update["metadata"] == {"changed": {"name": ["Red", "Blue"]}}
    for kind in ("role.create", "role.assign", "role.revoke", "role.delete"):
        assert (await audited(owner, kind))[-1]["actor_id"] == owner.user_id


async def test_giving_and_taking_twice_is_no_error_and_tells_nobody_twice(scene: Scene):
    path = f"/members/{scene.plain.user_id}/roles/{scene.junior_role}"
    async with scene.plain.gateway() as socket:
        for _ in range(2):
            assert outcome(await scene.owner.put(path)) == (204, "")
        for _ in range(2):
            assert outcome(await scene.owner.delete(path)) == (204, "")
        told = [frame["type"] for frame in await socket.events()]
    assert [kind for kind in told if kind.startswith("role_")] == ["role_assign", "role_revoke"]


async def test_what_is_not_there(scene: Scene):
    owner, plain = scene.owner, scene.plain
    missing = (404, "SPACE_NOT_FOUND")
    assert outcome(await owner.patch("/roles/999", {"name": "x"})) == missing
    assert outcome(await owner.delete("/roles/999")) == missing
    assert outcome(await owner.get("/roles/999/members")) == missing
    assert outcome(await owner.put(f"/members/{plain.user_id}/roles/999")) == missing
    assert outcome(await owner.put(f"/members/999/roles/{scene.junior_role}")) == (404, "USER_NOT_FOUND")
    assert outcome(await owner.delete("/roles/x")) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a" * 65},
        {"permissions": -1},
        {"permissions": 1 << 63},
        {"position": -1},
        {"color": 1 << 64},
        {"name": 5},
        {"name": "a\0"},
    ],
)
async def test_a_role_that_cannot_be_stored_is_refused(scene: Scene, change: dict[str, Any]):
    body = {"name": "x", "permissions": 1, "position": 7, **change}
    assert outcome(await scene.owner.post("/roles", body)) == (422, "VALIDATION_ERROR")
    assert outcome(await scene.owner.patch(f"/roles/{scene.junior_role}", change)) == (422, "VALIDATION_ERROR")


async def test_members_of_a_role_in_pages(scene: Scene):
    first = await scene.plain.ok("GET", f"/roles/{scene.moderator_role}/members", limit=1)
    assert [one["user_id"] for one in first["items"]] == [scene.moderator.user_id]
    rest = await scene.plain.ok("GET", f"/roles/{scene.moderator_role}/members", after=first["cursor"])
    assert [one["user_id"] for one in rest["items"]] == [scene.peer.user_id]
    everybody = await scene.plain.ok("GET", "/roles/1/members")
    assert len(everybody["items"]) == 6


async def test_an_override_of_what_is_not_there(scene: Scene):
    mask = {"allow": 0, "deny": 1}
    owner, feed = scene.owner, f"/feeds/{scene.feed_id}/permissions"
    assert outcome(await owner.put(f"{feed}/group/1", mask)) == (400, "INVALID_TARGET_TYPE")
    assert outcome(await owner.put("/feeds/999/permissions/role/1", mask)) == (404, "SPACE_NOT_FOUND")
    assert outcome(await owner.put("/rooms/999/permissions/role/1", mask)) == (404, "SPACE_NOT_FOUND")
    assert outcome(await owner.put(f"{feed}/role/999", mask)) == (404, "SPACE_NOT_FOUND")
    assert outcome(await owner.put(f"{feed}/user/999", mask)) == (404, "USER_NOT_FOUND")
    assert outcome(await owner.put(f"{feed}/role/1", {"allow": -1, "deny": 0})) == (422, "VALIDATION_ERROR")
    assert outcome(await owner.delete(f"{feed}/role/{scene.junior_role}")) == (204, "")


async def test_an_override_is_shown_replaced_and_taken_away(scene: Scene):
    owner = scene.owner
    path = f"/feeds/{scene.feed_id}/permissions/role/{scene.junior_role}"
    async with owner.gateway() as socket:
        await owner.ok("PUT", path, {"allow": 2, "deny": 4})
        await owner.ok("PUT", path, {"allow": 8, "deny": 0})
        told = (await socket.expect("permission_override_update", allow=8))["d"]
        assert told == {
            "space_type": "feed", "space_id": scene.feed_id, "target_type": "role", "target_id": scene.junior_role,
            "allow": 8, "deny": 0,
        }  # fmt: skip
        shown = (await owner.ok("GET", f"/feeds/{scene.feed_id}"))["permission_overrides"]
        assert shown == [{"target_type": "role", "target_id": scene.junior_role, "allow": 8, "deny": 0}]
        await owner.ok("DELETE", path)
        await socket.expect("permission_override_delete", target_id=scene.junior_role)
    assert (await owner.ok("GET", f"/feeds/{scene.feed_id}"))["permission_overrides"] == []
