"""Members: who is here, what they are called here, how they come and go, and bans.

Lists and profiles are answered from memory. Whoever is kicked or banned loses roles and sockets at once; only who is banned
cannot come back by an invite.
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby, islice
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import PUBLIC, USER, assert_permission, checked, requires, self_or
from vox.chat.api.hierarchy import assert_administrator_left, assert_may, assert_outranks, recheck_in_transaction
from vox.chat.api.pagination import page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.community import Community
from vox.chat.community.administrators import administrators_in
from vox.chat.community.state import Person
from vox.chat.database.schema import bans, users
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import (
    Event,
    member_ban,
    member_leave,
    member_unban,
    member_update,
    message_bulk_delete,
)
from vox.chat.events.permissions import P
from vox.chat.features.members.rejoin import deactivate, rejoin
from vox.chat.features.members.schemas import (
    Ban,
    BanRequest,
    Items,
    Join,
    Member,
    MemberChange,
    PageQuery,
    Reason,
    member_of,
)
from vox.chat.features.messages.delete import BATCH, Removed, delete_messages_of_author
from vox.chat.identity.logins import login_revoked

DAY_MS: Final = 86_400_000

routes = RouteTable()


@routes.get("/members", access=USER, query=PageQuery, returns=Items[Member])
async def list_members(call: Call[None, PageQuery]) -> Items[Member]:
    """Active members by id."""
    chat, page = call.chat, call.query
    found = islice(chat.members.after(page.after), page_limit(chat, page.limit, "members"))
    items = [member_of(person) for person in found]
    return Items(items, str(items[-1].user_id) if items else None)


@routes.post("/members/join", access=PUBLIC, body=Join)
async def join(call: Call[Join]) -> None:
    """Uses an invite: the way back for who was kicked or left, whose token opens nothing else."""
    login = call.login or await call.chat.logins.authenticate(_token(call), call.client)
    await rejoin(call.chat, login.user_id, call.body.invite_code)


@routes.get("/members/{user_id}", access=USER, returns=Member)
async def get_member(call: Call) -> Member:
    """One active member."""
    user_id = call.user_id if call.text("user_id") == "@me" else call.id("user_id")
    person = call.chat.community.users.get(user_id)
    if person is None or not person.is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    return member_of(person)


@routes.patch("/members/{user_id}", access=self_or(P.MANAGE_NICKNAMES), body=MemberChange, returns=Member)
async def change_member(call: Call[MemberChange]) -> Member:
    """Another nickname: one's own with CHANGE_NICKNAME, others' with MANAGE_NICKNAMES and a higher rank."""
    chat, actor, target, nickname = call.chat, call.user_id, call.target_id, call.body.nickname
    may_rename = partial(_assert_may_rename, actor_id=actor, target_id=target)
    may_rename(chat.community)
    validate_length(chat.config.limit, "nickname", nickname, "nickname_max")
    if nickname is not None:
        unit = partial(_rename, actor_id=actor, user_id=target, nickname=nickname or None)
        await chat.change(recheck_in_transaction(unit, may_rename, actor, target))
    return member_of(chat.community.users[target])


@routes.delete("/members/{user_id}", access=self_or(P.KICK_MEMBERS), body=Reason)
async def remove_member(call: Call[Reason | None]) -> None:
    """Leaving, or kicking somebody of a lower rank."""
    chat, target = call.chat, call.target_id
    reason = call.body.reason if call.body is not None else None
    if target == call.user_id:
        if chat.community.is_administrator(target):
            raise refuse("INVALID_TARGET", "An administrator cannot leave; give the role away first.")
        await chat.change(partial(_remove, actor_id=call.user_id, user_id=target, reason=None))
        return
    may_kick = partial(_assert_may, permission=P.KICK_MEMBERS, actor_id=call.user_id, target_id=target)
    may_kick(chat.community)
    validate_length(chat.config.limit, "reason", reason, "kick_reason_max")
    unit = partial(_remove, actor_id=call.user_id, user_id=target, reason=reason)
    await chat.change(recheck_in_transaction(unit, may_kick, call.user_id, target))


@routes.get("/bans", access=requires(P.BAN_MEMBERS), query=PageQuery, returns=Items[Ban])
async def list_bans(call: Call[None, PageQuery]) -> Items[Ban]:
    """Bans by user id."""
    chat, page = call.chat, call.query
    limit = page_limit(chat, page.limit, "bans")
    rows = await chat.read(partial(_bans, after=page.after, limit=limit))
    return Items(rows, str(rows[-1].user_id) if rows else None)


@routes.put("/bans/{user_id}", access=checked("BAN_MEMBERS and a higher rank"), body=BanRequest, returns=Ban)
async def ban(call: Call[BanRequest]) -> Ban:
    """Bans somebody and deletes what they wrote in the last days, in feeds and conversations."""
    chat, body = call.chat, call.body
    assert_permission(chat.community.may(call.user_id, P.BAN_MEMBERS), P.BAN_MEMBERS)
    target, days = call.id("user_id"), body.delete_msg_days or 0
    validate_length(chat.config.limit, "reason", body.reason, "ban_reason_max")
    if not 0 <= days <= chat.config.limit("ban_delete_days_max"):
        raise refuse(
            "VALIDATION_ERROR", f"body.delete_msg_days: expected 0 to {chat.config.limit('ban_delete_days_max')}"
        )
    if target == call.user_id:
        raise refuse("INVALID_TARGET", "You cannot ban yourself.")
    person = chat.community.users.get(target)
    if person is None:
        raise refuse("USER_NOT_FOUND", f"There is no user {target}.")
    may_ban = partial(_assert_may, permission=P.BAN_MEMBERS, actor_id=call.user_id, target_id=target)
    may_ban(chat.community)
    now_ms = int(chat.clock.wall().timestamp() * 1000)
    unit = partial(
        _ban,
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
    await call.chat.change(partial(_unban, actor_id=call.user_id, user_id=call.id("user_id")))


def _assert_may(community: Community, *, permission: P, actor_id: int, target_id: int) -> None:
    assert_may(community, actor_id, permission)
    assert_outranks(community, actor_id, target_id)


def _assert_may_rename(community: Community, *, actor_id: int, target_id: int) -> None:
    if actor_id != target_id:
        _assert_may(community, permission=P.MANAGE_NICKNAMES, actor_id=actor_id, target_id=target_id)
    elif not community.may(actor_id, P.MANAGE_NICKNAMES):
        assert_may(community, actor_id, P.CHANGE_NICKNAME)


def _rename(connection: Connection, *, actor_id: int, user_id: int, nickname: str | None) -> Change[None]:
    lock_event_order(connection)
    connection.execute(update(users).where(users.c.id == user_id).values(nickname=nickname))
    audit = AuditEntry("member.update", actor_id, user_id, {"changed": {"nickname": nickname}})
    return Change(None, [member_update(user_id=user_id, nickname=nickname)], [audit])


def _remove(connection: Connection, *, actor_id: int, user_id: int, reason: str | None) -> Change[None]:
    lock_event_order(connection)
    is_active = connection.execute(select(users.c.active).where(users.c.id == user_id)).scalar()
    if not is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    revoked = _deactivate(connection, user_id)
    kind = "member.leave" if actor_id == user_id else "member.kick"
    audit = AuditEntry(kind, actor_id, user_id, {"reason": reason} if reason else {})
    return Change(None, [*revoked, member_leave(user_id=user_id), login_revoked(user_id)], [audit])


def _ban(
    connection: Connection, *, actor_id: int, person: Person, body: BanRequest, now_ms: int, since_ms: int | None
) -> Change[Ban | None]:
    """Deletes one batch of messages; the unit that finds no further batch bans in the same transaction."""
    lock_event_order(connection)
    events: list[Event] = []
    if since_ms is not None:
        removed = delete_messages_of_author(connection, person.id, since_ms)
        events += _told(removed)
        if len(removed) == BATCH:
            return Change(None, events)
    events += _deactivate(connection, person.id)
    connection.execute(delete(bans).where(bans.c.user_id == person.id))
    connection.execute(insert(bans).values(user_id=person.id, reason=body.reason, created_at=now_ms // 1000))
    events += [member_ban(user_id=person.id), login_revoked(person.id)]
    metadata = {"reason": body.reason, "delete_msg_days": body.delete_msg_days or 0}
    audit = AuditEntry("member.ban", actor_id, person.id, metadata)
    return Change(Ban(person.id, person.display_name, body.reason, now_ms // 1000), events, [audit])


def _deactivate(connection: Connection, user_id: int) -> list[Event]:
    """Two administrators who remove each other at the same moment must not both succeed."""
    was_administrator = user_id in administrators_in(connection)
    revoked = deactivate(connection, user_id)
    if was_administrator:
        assert_administrator_left(connection)
    return revoked


def _told(removed: Sequence[Removed]) -> list[Event]:
    def place(message: Removed) -> tuple[int, int]:
        return message.feed_id or 0, message.dm_id or 0

    return [
        message_bulk_delete(
            msg_ids=[message.msg_id for message in messages], feed_id=feed_id or None, dm_id=dm_id or None
        )
        for (feed_id, dm_id), messages in groupby(sorted(removed, key=place), key=place)
    ]


def _unban(connection: Connection, *, actor_id: int, user_id: int) -> Change[None]:
    lock_event_order(connection)
    if not connection.execute(delete(bans).where(bans.c.user_id == user_id)).rowcount:
        raise refuse("BAN_NOT_FOUND", f"User {user_id} is not banned.")
    connection.execute(update(users).where(users.c.id == user_id).values(active=True))
    return Change(None, [member_unban(user_id=user_id)], [AuditEntry("member.unban", actor_id, user_id)])


def _bans(connection: Connection, *, after: int, limit: int) -> list[Ban]:
    rows = connection.execute(
        select(bans.c.user_id, users.c.display_name, users.c.username, bans.c.reason, bans.c.created_at)
        .join(users, users.c.id == bans.c.user_id)
        .where(bans.c.user_id > after)
        .order_by(bans.c.user_id)
        .limit(limit)
    )
    return [Ban(row.user_id, row.display_name or row.username, row.reason, row.created_at) for row in rows]


def _token(call: Call[Join]) -> str:
    authorization = call.header(b"authorization")
    if not authorization:
        raise refuse("VALIDATION_ERROR", "header authorization: field required")
    scheme, _, token = authorization.partition(" ")
    if scheme not in {"Bearer", "Bot"} or not token:
        raise refuse("AUTH_FAILED", "Send Authorization: Bearer <token>.")
    return token.strip()
