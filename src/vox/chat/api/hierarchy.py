"""Rank and permissions between members: the rules behind every role, ban and nickname.

Two rules stop a moderator from becoming an administrator: a member acts only on what ranks below them, and grants, revokes and
deletes only what they hold themselves. Administrators are above both; only an administrator acts on an administrator.

Before changing: every such question is asked twice, of memory before the unit of work and of the database inside it
(`recheck_in_transaction`). Memory is a moment behind; without the second check a request that crosses a promotion would hit a
member who has just been promoted.
"""

from collections.abc import Callable
from typing import TypeVar

from vox.chat.community import Community, administrators_in, read_partial_state
from vox.chat.community.state import Space
from vox.chat.database.unit_of_work import Change, UnitOfWork, lock_event_order
from vox.chat.errors import missing_permission, refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P, exceeds
from vox.stores.sql import Connection

T = TypeVar("T")


def fresh_community(connection: Connection, *people: UserId, space: Space | None = None) -> Community:
    """Roles, these people and this space as the database has them, unchanged until the transaction ends."""
    lock_event_order(connection)
    return Community(read_partial_state(connection, people, space))


def recheck_in_transaction(unit: UnitOfWork[T], check: Callable[[Community], object], *people: UserId) -> UnitOfWork[T]:
    """A unit of work that runs only where a check passes in its own transaction.

    Args:
        unit: runs after the check.
        check: raises the refusal; it may read only roles and these people.
        people: the actor, and the member they act on.
    """

    def checked(connection: Connection) -> Change[T]:
        check(fresh_community(connection, *people))
        return unit(connection)

    return checked


def assert_may(community: Community, actor_id: UserId, permission: P) -> None:
    """Requires a permission in the community.

    Raises:
        Refusal: MISSING_PERMISSIONS.
    """
    if not community.may(actor_id, permission):
        raise missing_permission(permission.name or str(int(permission)))


def assert_outranks(community: Community, actor_id: UserId, target_id: UserId) -> None:
    """Refuses to kick, ban or rename a member of the same or a higher rank.

    Raises:
        Refusal: ROLE_HIERARCHY.
    """
    if community.is_administrator(actor_id):
        return
    if community.is_administrator(target_id) or not community.may_act_on(actor_id, target_id):
        raise refuse("ROLE_HIERARCHY", "This member ranks as high as you or higher.")


def assert_below(community: Community, actor_id: UserId, position: int) -> None:
    """Refuses to change a role at a position that is not below the actor's own.

    Raises:
        Refusal: ROLE_HIERARCHY.
    """
    if not community.may_manage_role(actor_id, position):
        raise refuse("ROLE_HIERARCHY", "This role ranks as high as you or higher.")


def assert_holds(own: int, bits: int) -> None:
    """Refuses to grant or revoke permissions that the actor does not hold.

    Args:
        own: the mask of the actor where it counts.
        bits: what is granted or revoked.

    Raises:
        Refusal: MISSING_PERMISSIONS.
    """
    if beyond := exceeds(own, bits):
        raise missing_permission(P(beyond).name or str(beyond))


def assert_administrator_left(connection: Connection) -> None:
    """Refuses a change, already made in this transaction, that leaves no administrator.

    Raises:
        Refusal: INVALID_TARGET.
    """
    if not administrators_in(connection):
        raise refuse("INVALID_TARGET", "The community needs at least one administrator.")
