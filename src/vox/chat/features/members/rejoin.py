"""How a user who was kicked or left rejoins the community, and what every user loses on leaving it.

Leaving takes the roles away: otherwise an old invite would make a dismissed moderator a moderator again. A ban is lifted by
moderators only, not by an invite.
"""

from functools import partial

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, member_join, role_revoke
from vox.chat.events.ids import UserId
from vox.chat.features.invites.service import assert_usable, use_invite
from vox.chat.features.members import queries
from vox.chat.identity.joins import check_joins_open, raid_after_join, raid_audit
from vox.stores.sql import Connection


async def rejoin(chat: ChatContext, user_id: UserId, code: str) -> None:
    """Makes a user an active member by an invite; for an active one it only counts the use.

    Raises:
        Refusal: INVITE_INVALID (422), INVITE_EXPIRED, BANNED, USER_NOT_FOUND, JOINS_PAUSED.
    """
    await assert_usable(chat, code)
    now_s = chat.clock.unix_s()
    await chat.change(partial(_rejoin, user_id=user_id, code=code, now_s=now_s))


def deactivate(connection: Connection, user_id: UserId) -> list[Event]:
    """Makes a member inactive and revokes their roles, within a unit of work; returns the events of that."""
    queries.deactivate(connection, user_id=user_id)
    held = queries.delete_role_memberships(connection, user_id=user_id)
    return [role_revoke(role_id=role_id, user_id=user_id) for role_id in held]


def _rejoin(connection: Connection, *, user_id: UserId, code: str, now_s: int) -> Change[None]:
    lock_event_order(connection)
    events = rejoin_within(connection, user_id=user_id, code=code, now_s=now_s)
    return Change(None, events, raid_audit(events))


def rejoin_within(connection: Connection, *, user_id: UserId, code: str, now_s: int) -> list[Event]:
    """Makes a user an active member by an invite, in a unit of work that began with `lock_event_order`; returns the events of that.

    Raises:
        Refusal: as `rejoin`.
    """
    use_invite(connection, code, now_s)
    if queries.is_banned(connection, user_id=user_id):
        raise refuse("BANNED", "This account is banned.")
    if queries.is_active(connection, user_id=user_id):
        return []
    check_joins_open(connection, now_s)
    user = queries.activate(connection, user_id=user_id)
    if user is None:
        raise refuse("USER_NOT_FOUND", f"There is no user {user_id}.")
    joined = member_join(
        user_id=user_id,
        username=user.username,
        display_name=user.display_name,
        nickname=user.nickname,
        avatar=user.avatar,
        role_ids=queries.role_ids(connection, user_id=user_id),
        is_federated=user.is_federated,
    )
    return [joined, *raid_after_join(connection, now_s)]
