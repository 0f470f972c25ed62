"""New accounts: the first creates the community's roles, and becomes administrator where registration is open.

Everything happens in one unit of work behind one lock, so that two first registrations at the same moment create one
administrator, and one of two equal names is refused.
"""

from dataclasses import replace
from typing import Final

from vox.chat.database.unit_of_work import lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event, member_join, role_create
from vox.chat.events.ids import RoleId, UserId
from vox.chat.events.kinds import NOT_KEPT
from vox.chat.events.permissions import EVERYONE, EVERYONE_DEFAULT, P
from vox.chat.identity import queries
from vox.chat.identity.joins import check_joins_open, raid_after_join
from vox.chat.identity.queries import NewUser
from vox.stores.sql import Connection

ADMIN: Final = "Admin"


def create_user(
    connection: Connection,
    user: NewUser,
    *,
    as_administrator: bool,
    first_is_administrator: bool = False,
    is_join: bool = True,
) -> tuple[UserId, list[Event]]:
    """Creates an account, and the community's roles with the first one.

    Args:
        connection: of the writer.
        user: the account.
        as_administrator: whether it gets a role with ADMINISTRATOR.
        first_is_administrator: whether it gets one where it is the first account.
        is_join: whether a person joins by it, which raid mode counts and may refuse.

    Returns:
        Its id, and the events of what was created.

    Raises:
        Refusal: AUTH_FAILED (409), the name is taken; JOINS_PAUSED.
    """
    lock_event_order(connection)
    if is_join and not as_administrator:
        check_joins_open(connection, user.created_at)
    as_administrator = as_administrator or (first_is_administrator and not queries.has_users(connection))
    events = create_default_roles(connection)
    if queries.is_name_taken(connection, username=user.username):
        raise _taken()
    user_id = queries.insert_user(connection, user)
    if user_id is None:
        raise _taken()
    role_ids = (administrator_role(connection),) if as_administrator else ()
    for role_id in role_ids:
        queries.insert_role_member(connection, role_id=role_id, user_id=user_id)
    joined = member_join(user_id=user_id, username=user.username, display_name=user.display_name, role_ids=role_ids)
    return user_id, [*events, joined, *(raid_after_join(connection, user.created_at) if is_join else ())]


def create_default_roles(connection: Connection) -> list[Event]:
    """Creates the roles @everyone and Admin where there are none; returns the events of that."""
    if queries.has_roles(connection):
        return []
    return [
        _create_role(connection, EVERYONE, 0, EVERYONE_DEFAULT),
        _create_role(connection, ADMIN, 1, int(P.ADMINISTRATOR)),
    ]


def administrator_role(connection: Connection) -> RoleId:
    """The highest role with ADMINISTRATOR other than @everyone.

    Raises:
        Refusal: INVALID_TARGET, there is none.
    """
    for role_id, permissions in queries.ranked_roles(connection):
        if permissions & int(P.ADMINISTRATOR):
            return role_id
    raise refuse("INVALID_TARGET", "No role holds ADMINISTRATOR.")


def _create_role(connection: Connection, name: str, position: int, permissions: int) -> Event:
    role_id = queries.insert_role(connection, name=name, position=position, permissions=permissions)
    event = role_create(role_id=role_id, name=name, color=None, permissions=permissions, position=position)
    return replace(event, facts={**event.facts, NOT_KEPT: True})


def _taken() -> Exception:
    return refuse("AUTH_FAILED", "This username is taken.", status=409)
