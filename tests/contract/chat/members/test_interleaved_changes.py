"""Requests that cross a change of rank or permissions: they are judged by what holds when they are carried out."""

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_people import give_role, make_role, outcome
from tests.contract.chat.interleaving import crossed
from vox.chat.events.permissions import P

POWERS = int(P.VIEW_SPACE | P.MANAGE_ROLES | P.MANAGE_SPACES | P.KICK_MEMBERS | P.BAN_MEMBERS | P.MANAGE_NICKNAMES)
RANK = (403, "ROLE_HIERARCHY")
LACKS = (403, "MISSING_PERMISSIONS")


async def moderated(chat: Rig) -> tuple[Person, Person, int]:
    """The owner, a moderator of rank 5, and the moderator's role."""
    owner, moderator = await chat.register("owner"), await chat.register("moderator")
    role = await give_role(owner, moderator, POWERS, 5)
    await owner.ok("POST", "/feeds", {"name": "general", "type": "text"})
    return owner, moderator, role


async def test_nobody_acts_on_who_is_being_promoted(chat: Rig):
    owner, moderator, _ = await moderated(chat)
    senior = await make_role(owner, POWERS, 2)
    target = await chat.register("target")
    user_id = target.user_id
    override = {"target_type": "user", "target_id": user_id, "allow": 0, "deny": int(P.VIEW_SPACE)}
    for method, path, body in (
        ("DELETE", f"/members/{user_id}", {}),
        ("PUT", f"/bans/{user_id}", {}),
        ("PATCH", f"/members/{user_id}", {"nickname": "renamed"}),
        ("PUT", f"/feeds/1/permissions/user/{user_id}", {"allow": 0, "deny": int(P.VIEW_SPACE)}),
        ("POST", "/feeds", {"name": "hidden", "type": "text", "permission_overrides": [override]}),
        ("POST", "/rooms", {"name": "hidden", "type": "voice", "permission_overrides": [override]}),
    ):
        promotion = owner.put(f"/members/{user_id}/roles/{senior}")
        reply = await crossed(chat, promotion, moderator.call(method, path, json=body))
        assert outcome(reply) == RANK, (method, path)
        await owner.ok("DELETE", f"/members/{user_id}/roles/{senior}")
    assert (await target.ok("GET", f"/members/{user_id}"))["nickname"] is None


async def test_nobody_gets_hold_of_a_role_that_is_being_made_stronger(chat: Rig):
    owner, moderator, _ = await moderated(chat)
    role = await make_role(owner, 0, 8)
    stronger, weaker = ({"permissions": mask} for mask in (int(P.ADMINISTRATOR), 0))
    for method, path, body in (
        ("PUT", f"/members/@me/roles/{role}", None),
        ("DELETE", f"/roles/{role}", None),
        ("PATCH", f"/roles/{role}", {"permissions": int(P.VIEW_SPACE)}),
    ):
        request = moderator.call(method, path, json=body)
        assert outcome(await crossed(chat, owner.patch(f"/roles/{role}", stronger), request)) == LACKS, (method, path)
        await owner.ok("PATCH", f"/roles/{role}", weaker)
    request = moderator.delete(f"/roles/{role}")
    assert outcome(await crossed(chat, owner.patch(f"/roles/{role}", {"position": 1}), request)) == RANK


async def test_who_is_being_demoted_gives_nothing_any_more(chat: Rig):
    owner, moderator, moderators = await moderated(chat)
    role = await make_role(owner, 0, 8)
    mask = {"allow": 0, "deny": int(P.VIEW_SPACE)}
    for method, path, body in (
        ("POST", "/roles", {"name": "own", "permissions": POWERS, "position": 9}),
        ("PATCH", f"/roles/{role}", {"permissions": POWERS}),
        ("PUT", f"/feeds/1/permissions/role/{role}", mask),
        ("POST", "/feeds", {"name": "f", "type": "text"}),
    ):
        demotion = owner.delete(f"/members/{moderator.user_id}/roles/{moderators}")
        reply = await crossed(chat, demotion, moderator.call(method, path, json=body))
        assert outcome(reply) == LACKS, (method, path)
        await owner.ok("PUT", f"/members/{moderator.user_id}/roles/{moderators}")


async def test_an_override_is_judged_by_the_masks_that_hold(chat: Rig):
    owner, moderator, _ = await moderated(chat)
    path = f"/feeds/1/permissions/role/{await make_role(owner, 0, 8)}"
    given = {"allow": int(P.MANAGE_SERVER), "deny": 0}
    reply = await crossed(chat, owner.put(path, given), moderator.delete(path))
    assert outcome(reply) == LACKS
    (override,) = (await owner.ok("GET", "/feeds/1"))["permission_overrides"]
    assert override["allow"] == int(P.MANAGE_SERVER)


async def test_an_invite_of_who_is_being_dismissed_opens_nothing(chat: Rig):
    owner, target = await chat.register("owner"), await chat.register("target")
    await owner.ok("PATCH", "/roles/1", {"permissions": int(P.VIEW_SPACE)})
    inviter = await chat.register("inviter")
    role = await give_role(owner, inviter, int(P.CREATE_INVITES), 5)
    code = (await inviter.ok("POST", "/invites", {}))["code"]
    await owner.ok("DELETE", f"/members/{target.user_id}", {})
    dismissal = owner.delete(f"/members/{inviter.user_id}/roles/{role}")
    reply = await crossed(chat, dismissal, target.post("/members/join", {"invite_code": code}))
    assert outcome(reply) == (422, "INVITE_INVALID")
    await owner.ok("PUT", f"/members/{inviter.user_id}/roles/{role}")
    await target.ok("POST", "/members/join", {"invite_code": code})
