"""The way back into the community for who was kicked or left, and out of it for all.

Whoever goes loses the roles: otherwise an old invite would bring a dismissed moderator back as moderator. A ban is lifted by
moderators only; an invite does not.
"""

from functools import partial

from sqlalchemy import Connection, delete, select, update

from vox.chat.context import ChatContext
from vox.chat.database.schema import bans, role_members, users
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, member_join, role_revoke
from vox.chat.features.invites.service import assert_usable, use_invite


async def rejoin(chat: ChatContext, user_id: int, code: str) -> None:
    """Makes somebody an active member by an invite; for one who is, it only counts the use.

    Raises:
        Refusal: INVITE_INVALID (422), INVITE_EXPIRED, BANNED, USER_NOT_FOUND.
    """
    await assert_usable(chat, code)
    now_s = int(chat.clock.wall().timestamp())
    await chat.change(partial(_come_back, user_id=user_id, code=code, now_s=now_s))


def deactivate(connection: Connection, user_id: int) -> list[Event]:
    """Makes somebody inactive and takes the roles away, within a unit of work; what everybody else must be told of it."""
    connection.execute(update(users).where(users.c.id == user_id).values(active=False))
    held = connection.execute(
        delete(role_members).where(role_members.c.user_id == user_id).returning(role_members.c.role_id)
    ).scalars()
    return [role_revoke(role_id=role_id, user_id=user_id) for role_id in sorted(held)]


def _come_back(connection: Connection, *, user_id: int, code: str, now_s: int) -> Change[None]:
    lock_event_order(connection)
    use_invite(connection, code, now_s)
    if connection.execute(select(bans.c.id).where(bans.c.user_id == user_id)).first() is not None:
        raise refuse("BANNED", "This account is banned.")
    row = connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(active=True)
        .returning(users.c.username, users.c.display_name, users.c.nickname, users.c.avatar, users.c.federated)
    ).first()
    if row is None:
        raise refuse("USER_NOT_FOUND", f"There is no user {user_id}.")
    held = connection.execute(select(role_members.c.role_id).where(role_members.c.user_id == user_id)).scalars()
    joined = member_join(
        user_id=user_id,
        username=row.username,
        display_name=row.display_name,
        nickname=row.nickname,
        avatar=row.avatar,
        role_ids=sorted(held),
        is_federated=bool(row.federated),
    )
    return Change(None, [joined])
