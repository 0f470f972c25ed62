"""What an invite is worth at the moment it is used, the same for registering, joining and coming back.

An invite is worth what its creator may still do: once that member has left, is banned or may no longer invite, it opens nothing.
Uses are counted in the statement that checks them, so two people cannot share the last one.
"""

from sqlalchemy import Connection, or_, select, update

from vox.chat.api.hierarchy import fresh_community
from vox.chat.context import ChatContext
from vox.chat.database.schema import invites
from vox.chat.errors import refuse
from vox.chat.events.permissions import P


async def assert_usable(chat: ChatContext, code: str) -> None:
    """Refuses an invite whose creator may not invite any more, before a unit of work uses it.

    Raises:
        Refusal: INVITE_INVALID (422).
    """
    creator_id = await chat.read(
        lambda connection: connection.execute(
            select(invites.c.creator_id).where(invites.c.code == _storable(code))
        ).scalar()
    )
    if creator_id is None or not chat.community.may(creator_id, P.CREATE_INVITES):
        raise _invalid()


def use_invite(connection: Connection, code: str, now_s: int) -> None:
    """Counts one use, within the unit of work that lets somebody in.

    Raises:
        Refusal: INVITE_INVALID (422) where it is unknown, used up or worth nothing, INVITE_EXPIRED.
    """
    query = select(invites.c.creator_id, invites.c.expires_at).where(invites.c.code == _storable(code))
    row = connection.execute(query).first()
    if row is None or row.creator_id is None:
        raise _invalid()
    # Asked of memory before; the creator may have been dismissed since.
    if not fresh_community(connection, row.creator_id).may(row.creator_id, P.CREATE_INVITES):
        raise _invalid()
    if row.expires_at is not None and row.expires_at <= now_s:
        raise refuse("INVITE_EXPIRED", "This invite has expired.")
    counted = connection.execute(
        update(invites)
        .where(
            invites.c.code == code,
            or_(invites.c.max_uses.is_(None), invites.c.max_uses == 0, invites.c.uses < invites.c.max_uses),
        )
        .values(uses=invites.c.uses + 1)
    ).rowcount
    if not counted:
        raise _invalid()


def _storable(code: str) -> str:
    if "\0" in code:
        raise _invalid()
    return code


def _invalid() -> Exception:
    return refuse("INVITE_INVALID", "This invite is unknown or used up.", status=422)
