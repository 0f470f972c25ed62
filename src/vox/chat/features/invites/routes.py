"""Invites: made, listed and deleted by who may invite; shown to everybody who has the code.

What an invite is worth when it is used stands in `vox.chat.features.invites.service`.
"""

import secrets
from functools import partial

from sqlalchemy import Connection, delete, insert, select

from vox.chat.api.access import PUBLIC, requires
from vox.chat.api.pages import Items
from vox.chat.api.pagination import page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.schema import invites
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import invite_create, invite_delete
from vox.chat.events.permissions import P
from vox.chat.features.invites.schemas import Invite, InvitePreview, InviteQuery, NewInvite

CODE_BYTES = 8
_COLUMNS = (
    invites.c.code,
    invites.c.creator_id,
    invites.c.feed_id,
    invites.c.max_uses,
    invites.c.uses,
    invites.c.expires_at,
    invites.c.created_at,
)

routes = RouteTable()


@routes.post("/invites", access=requires(P.CREATE_INVITES), body=NewInvite, status=201, returns=Invite)
async def create_invite(call: Call[NewInvite]) -> Invite:
    """A new invite, worth what its creator may do at the time it is used."""
    chat, body = call.chat, call.body
    _assert_range(call, "max_uses", body.max_uses, chat.config.limit("invite_max_uses_max"))
    _assert_range(call, "max_age", body.max_age, chat.config.limit("invite_max_age_max"))
    if body.feed_id is not None and not chat.community.may_in(call.user_id, "feed", body.feed_id, P.VIEW_SPACE):
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {body.feed_id}.")
    now_s = int(chat.clock.wall().timestamp())
    invite = Invite(
        code=secrets.token_urlsafe(CODE_BYTES),
        creator_id=call.user_id,
        feed_id=body.feed_id,
        max_uses=body.max_uses,
        uses=0,
        expires_at=now_s + body.max_age if body.max_age else None,
        created_at=now_s,
    )
    with map_conflict(refuse("SPACE_NOT_FOUND", f"There is no feed {body.feed_id}.")):
        await chat.change(partial(_create, actor_id=call.user_id, invite=invite))
    return invite


@routes.get("/invites", access=requires(P.CREATE_INVITES), query=InviteQuery, returns=Items[Invite])
async def list_invites(call: Call[None, InviteQuery]) -> Items[Invite]:
    """Invites by code."""
    chat, page = call.chat, call.query
    rows = await chat.read(
        partial(_list, after=page.after.replace("\0", ""), limit=page_limit(chat, page.limit, "invites"))
    )
    return Items(rows, rows[-1].code if rows else None)


@routes.get("/invites/{code}", access=PUBLIC, returns=InvitePreview)
async def show_invite(call: Call) -> InvitePreview:
    """Where an invite leads."""
    chat, code = call.chat, call.text("code")
    if "\0" in code:
        raise _unknown()
    found = await chat.read(
        lambda connection: connection.execute(select(invites.c.code).where(invites.c.code == code)).scalar()
    )
    if found is None:
        raise _unknown()
    return InvitePreview(found, chat.config.get("server_name"), chat.config.optional("server_icon"))


@routes.delete("/invites/{code}", access=requires(P.CREATE_INVITES))
async def delete_invite(call: Call) -> None:
    """Makes an invite void."""
    name = call.text("code")
    if "\0" in name:
        raise _unknown()
    await call.chat.change(partial(_delete, actor_id=call.user_id, code=name))


def _create(connection: Connection, *, actor_id: int, invite: Invite) -> Change[None]:
    lock_event_order(connection)
    connection.execute(
        insert(invites).values(
            code=invite.code,
            creator_id=invite.creator_id,
            feed_id=invite.feed_id,
            max_uses=invite.max_uses,
            uses=0,
            expires_at=invite.expires_at,
            created_at=invite.created_at,
        )
    )
    event = invite_create(code=invite.code, creator_id=actor_id, feed_id=invite.feed_id)
    metadata = {"code": invite.code, "max_uses": invite.max_uses, "expires_at": invite.expires_at}
    return Change(None, [event], [AuditEntry("invite.create", actor_id, None, metadata)])


def _list(connection: Connection, *, after: str, limit: int) -> list[Invite]:
    rows = connection.execute(select(*_COLUMNS).where(invites.c.code > after).order_by(invites.c.code).limit(limit))
    return [Invite(*row) for row in rows]


def _delete(connection: Connection, *, actor_id: int, code: str) -> Change[None]:
    lock_event_order(connection)
    if not connection.execute(delete(invites).where(invites.c.code == code)).rowcount:
        raise _unknown()
    return Change(None, [invite_delete(code=code)], [AuditEntry("invite.delete", actor_id, None, {"code": code})])


def _assert_range(call: Call[NewInvite], field: str, value: int | None, highest: int) -> None:
    if value is not None and not 0 <= value <= highest:
        raise refuse("VALIDATION_ERROR", f"body.{field}: expected 0 to {highest}")


def _unknown() -> Exception:
    return refuse("INVITE_INVALID", "This invite is unknown.")
