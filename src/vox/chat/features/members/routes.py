"""Members: list, join, rename, leave, kick, ban and unban.

Lists are answered from memory.
"""

from functools import partial
from itertools import islice
from typing import Final

from vox.chat.api.access import PUBLIC, USER, assert_permission, checked, requires, self_or
from vox.chat.api.hierarchy import recheck_in_transaction
from vox.chat.api.pagination import Items, PageQuery, page_limit
from vox.chat.api.request import Call, RouteTable, bearer_token
from vox.chat.api.validation import validate_person_name, validate_prose
from vox.chat.errors import missing_token, refuse
from vox.chat.events.permissions import P
from vox.chat.features.members import queries, service
from vox.chat.features.members.rejoin import rejoin
from vox.chat.features.members.schemas import Ban, BanRequest, Join, Member, MemberChange, Reason, member_of

DAY_MS: Final = 86_400_000

routes = RouteTable()


@routes.get("/members", access=USER, query=PageQuery, returns=Items[Member])
async def list_members(call: Call[None, PageQuery]) -> Items[Member]:
    """Lists active members by id."""
    chat, page = call.chat, call.query
    found = islice(chat.members.after(page.after), page_limit(chat, page.limit, "members"))
    items = [member_of(person) for person in found]
    return Items(items, str(items[-1].user_id) if items else None)


@routes.post("/members/join", access=PUBLIC, body=Join)
async def join(call: Call[Join]) -> None:
    """Rejoins by an invite; the only route for a user who was kicked or left, whose token is refused everywhere else."""
    login = await call.chat.logins.authenticate(_token(call), call.client)
    await rejoin(call.chat, login.user_id, call.body.invite_code)


@routes.get("/members/{user_id}", access=USER, returns=Member)
async def get_member(call: Call) -> Member:
    """Returns one active member."""
    user_id = call.id("user_id")
    person = call.chat.community.users.get(user_id)
    if person is None or not person.is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    return member_of(person)


@routes.patch("/members/{user_id}", access=self_or(P.MANAGE_NICKNAMES), body=MemberChange, returns=Member)
async def change_member(call: Call[MemberChange]) -> Member:
    """Sets a nickname: one's own with CHANGE_NICKNAME, another member's with MANAGE_NICKNAMES and a higher rank."""
    chat, actor, target, nickname = call.chat, call.user_id, call.target_id, call.body.nickname
    may_rename = partial(service.assert_may_rename, actor_id=actor, target_id=target)
    may_rename(chat.community)
    if nickname:
        nickname = validate_person_name(chat.config.limit, "nickname", nickname, "nickname_max")
    if nickname is not None:
        unit = partial(service.rename, actor_id=actor, user_id=target, nickname=nickname or None)
        await chat.change(recheck_in_transaction(unit, may_rename, actor, target))
    return member_of(chat.community.users[target])


@routes.delete("/members/{user_id}", access=self_or(P.KICK_MEMBERS), body=Reason)
async def remove_member(call: Call[Reason | None]) -> None:
    """Leaves the community, or kicks a member of a lower rank."""
    chat, target = call.chat, call.target_id
    reason = call.body.reason if call.body is not None else None
    if target == call.user_id:
        if chat.community.is_administrator(target):
            raise refuse("INVALID_TARGET", "An administrator cannot leave; give up the role first.")
        await chat.change(partial(service.remove, actor_id=call.user_id, user_id=target, reason=None))
        return
    may_kick = partial(service.assert_may_act, permission=P.KICK_MEMBERS, actor_id=call.user_id, target_id=target)
    may_kick(chat.community)
    validate_prose(chat.config.limit, "reason", reason, "kick_reason_max")
    unit = partial(service.remove, actor_id=call.user_id, user_id=target, reason=reason)
    await chat.change(recheck_in_transaction(unit, may_kick, call.user_id, target))


@routes.get("/bans", access=requires(P.BAN_MEMBERS), query=PageQuery, returns=Items[Ban])
async def list_bans(call: Call[None, PageQuery]) -> Items[Ban]:
    """Lists bans by user id."""
    chat, page = call.chat, call.query
    limit = page_limit(chat, page.limit, "bans")
    rows = await chat.read(partial(queries.list_bans, after=page.after, limit=limit))
    return Items(rows, str(rows[-1].user_id) if rows else None)


@routes.put("/bans/{user_id}", access=checked("BAN_MEMBERS and a higher rank"), body=BanRequest, returns=Ban)
async def ban(call: Call[BanRequest]) -> Ban:
    """Bans a user and deletes their messages of the last days, in feeds and conversations."""
    chat, body = call.chat, call.body
    assert_permission(chat.community.may(call.user_id, P.BAN_MEMBERS), P.BAN_MEMBERS)
    target, days = call.id("user_id"), body.delete_msg_days or 0
    validate_prose(chat.config.limit, "reason", body.reason, "ban_reason_max")
    if not 0 <= days <= chat.config.limit("ban_delete_days_max"):
        raise refuse(
            "VALIDATION_ERROR", f"body.delete_msg_days: expected 0 to {chat.config.limit('ban_delete_days_max')}"
        )
    if target == call.user_id:
        raise refuse("INVALID_TARGET", "You cannot ban yourself.")
    person = chat.community.users.get(target)
    if person is None:
        raise refuse("USER_NOT_FOUND", f"There is no user {target}.")
    may_ban = partial(service.assert_may_act, permission=P.BAN_MEMBERS, actor_id=call.user_id, target_id=target)
    may_ban(chat.community)
    now_ms = chat.clock.unix_ms()
    unit = partial(
        service.ban,
        actor_id=call.user_id,
        person=person,
        body=body,
        now_ms=now_ms,
        since_ms=now_ms - days * DAY_MS if days else None,
    )
    while (done := await chat.change(recheck_in_transaction(unit, may_ban, call.user_id, target))) is None:
        pass
    return done


@routes.delete("/bans/{user_id}", access=requires(P.BAN_MEMBERS))
async def unban(call: Call) -> None:
    """Lifts a ban and makes the member active again."""
    await call.chat.change(partial(service.unban, actor_id=call.user_id, user_id=call.id("user_id")))


def _token(call: Call[Join]) -> str:
    authorization = call.header(b"authorization")
    if not authorization:
        raise missing_token()
    return bearer_token(authorization)
