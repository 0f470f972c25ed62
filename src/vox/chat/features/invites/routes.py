"""Invites: create, list, show and delete.

Those who may invite list and delete what they made themselves; everyone's invites need MANAGE_SERVER. The preview of an invite is shown to every client that has the code.
"""

import secrets
from functools import partial

from vox.chat.api.access import PUBLIC, checked, requires
from vox.chat.api.pagination import Items, page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.database.conflicts import map_conflict
from vox.chat.errors import refuse
from vox.chat.events.ids import FeedId
from vox.chat.events.permissions import P
from vox.chat.features.invites import queries, service
from vox.chat.features.invites.schemas import Invite, InvitePreview, InviteQuery, NewInvite

CODE_BYTES = 8
OWN_OR_ALL = checked("CREATE_INVITES for one's own invites, MANAGE_SERVER for everyone's")

routes = RouteTable()


@routes.post("/invites", access=requires(P.CREATE_INVITES), body=NewInvite, status=201, returns=Invite)
async def create_invite(call: Call[NewInvite]) -> Invite:
    """Creates an invite, which is valid while its creator may invite."""
    chat, body = call.chat, call.body
    _assert_range(call, "max_uses", body.max_uses, chat.config.limit("invite_max_uses_max"))
    _assert_range(call, "max_age", body.max_age, chat.config.limit("invite_max_age_max"))
    if body.feed_id is not None and not chat.community.may_in(call.user_id, "feed", FeedId(body.feed_id), P.VIEW_SPACE):
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {body.feed_id}.")
    now_s = chat.clock.unix_s()
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
        await chat.change(partial(service.create, actor_id=call.user_id, invite=invite))
    return invite


@routes.get("/invites", access=OWN_OR_ALL, query=InviteQuery, returns=Items[Invite])
async def list_invites(call: Call[None, InviteQuery]) -> Items[Invite]:
    """Lists invites by code: the caller's own, or everyone's with MANAGE_SERVER; a feed that the caller cannot view is left out."""
    chat, page, user_id = call.chat, call.query, call.user_id
    creator_id = None if service.may_manage(chat.community, user_id) else user_id
    limit = page_limit(chat, page.limit, "invites")
    after = page.after.replace("\0", "")
    rows = await chat.read(partial(queries.list_invites, creator_id=creator_id, after=after, limit=limit))
    shown = [service.shown_to(chat.community, user_id, row) for row in rows]
    return Items(shown, rows[-1].code if rows else None)


@routes.get("/invites/{code}", access=PUBLIC, returns=InvitePreview)
async def show_invite(call: Call) -> InvitePreview:
    """Returns the name and icon of the community that an invite leads to."""
    chat, code = call.chat, call.text("code")
    if "\0" in code or not await chat.read(partial(queries.has_invite, code=code)):
        raise service.unknown_invite()
    return InvitePreview(code, chat.config.get("server_name"), chat.config.optional("server_icon"))


@routes.delete("/invites/{code}", access=OWN_OR_ALL)
async def delete_invite(call: Call) -> None:
    """Deletes an invite: the caller's own, or anyone's with MANAGE_SERVER."""
    chat, code = call.chat, call.text("code")
    service.may_manage(chat.community, call.user_id)
    if "\0" in code:
        raise service.unknown_invite()
    await chat.change(partial(service.delete, actor_id=call.user_id, code=code))


def _assert_range(call: Call[NewInvite], field: str, value: int | None, highest: int) -> None:
    if value is not None and not 0 <= value <= highest:
        raise refuse("VALIDATION_ERROR", f"body.{field}: expected 0 to {highest}")
