"""Units of work around roles, and who may do them: always below one's own rank and within one's own permissions.

The checks run against memory before the change, and again inside the transaction, behind a lock: two changes at the same moment
could otherwise remove the last two administrators, or grant a role that has just been given more than the actor holds.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from vox.chat.api.hierarchy import (
    assert_administrator_left,
    assert_below,
    assert_holds,
    assert_may,
    assert_outranks,
    fresh_community,
)
from vox.chat.community import Community
from vox.chat.community.state import Role
from vox.chat.database.unit_of_work import AuditEntry, Change, UnitOfWork
from vox.chat.errors import refuse
from vox.chat.events import role_assign, role_create, role_delete, role_revoke, role_update
from vox.chat.events.ids import RoleId, UserId
from vox.chat.events.permissions import P, holds
from vox.chat.features.members.queries import is_active
from vox.chat.features.roles import queries
from vox.chat.features.roles.schemas import NewRole, RoleInfo
from vox.stores.sql import Connection


class RoleUnit(Protocol):
    """A unit of work about one role."""

    def __call__(self, connection: Connection, *, actor_id: UserId, role: Role) -> Change[None]:
        """Runs it.

        Args:
            connection: of the writer.
            actor_id: the member who asks for it.
            role: as the transaction sees it.
        """
        ...


def find_role(community: Community, role_id: RoleId) -> Role:
    """A role by id.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    role = community.roles.get(role_id)
    if role is None:
        raise _no_role(role_id)
    return role


def assert_may_create(community: Community, *, actor_id: UserId, body: NewRole) -> None:
    """Requires MANAGE_ROLES, a lower rank of the new role, and permissions that the actor holds.

    Raises:
        Refusal: MISSING_PERMISSIONS or ROLE_HIERARCHY.
    """
    assert_may(community, actor_id, P.MANAGE_ROLES)
    assert_below(community, actor_id, body.position)
    assert_holds(community.permissions(actor_id), body.permissions)


def assert_may_change(community: Community, *, actor_id: UserId, role_id: RoleId, changed: Mapping[str, Any]) -> None:
    """Requires a lower rank of the role before and after, and that the actor holds each permission that changes.

    Raises:
        Refusal: MISSING_PERMISSIONS, ROLE_HIERARCHY, SPACE_NOT_FOUND, or INVALID_TARGET for name and position of @everyone.
    """
    assert_may(community, actor_id, P.MANAGE_ROLES)
    role = find_role(community, role_id)
    assert_below(community, actor_id, role.position)
    assert_below(community, actor_id, changed.get("position", role.position))
    assert_holds(community.permissions(actor_id), changed.get("permissions", role.permissions) ^ role.permissions)
    if role.id == community.everyone_role_id and (
        changed.get("name", role.name) != role.name or changed.get("position", 0) != 0
    ):
        raise refuse("INVALID_TARGET", "The role @everyone keeps its name and its position.")


def find_manageable_role(community: Community, *, actor_id: UserId, role_id: RoleId) -> Role:
    """A role that the actor may delete, assign and revoke: it ranks below the actor, who holds all its permissions.

    Raises:
        Refusal: MISSING_PERMISSIONS, ROLE_HIERARCHY, SPACE_NOT_FOUND, or INVALID_TARGET for @everyone.
    """
    assert_may(community, actor_id, P.MANAGE_ROLES)
    role = find_role(community, role_id)
    assert_below(community, actor_id, role.position)
    assert_holds(community.permissions(actor_id), role.permissions)
    if role.id == community.everyone_role_id:
        raise refuse(
            "INVALID_TARGET", "Every member has the role @everyone; it cannot be assigned, revoked or deleted."
        )
    return role


def find_role_for_member(community: Community, *, actor_id: UserId, role_id: RoleId, user_id: UserId) -> Role:
    """A role that the actor may assign to this member and revoke from them: role and member both rank below the actor.

    Everyone may do it with their own roles that rank below them.

    Raises:
        Refusal: as `find_manageable_role`, and ROLE_HIERARCHY for a member who ranks as high as the actor.
    """
    role = find_manageable_role(community, actor_id=actor_id, role_id=role_id)
    if user_id != actor_id:
        assert_outranks(community, actor_id, user_id)
    return role


def with_manageable_role(unit: RoleUnit, find: Callable[[Community], Role], *people: UserId) -> UnitOfWork[None]:
    """A unit of work that finds its role, and checks it, in its own transaction.

    Args:
        unit: runs with the role.
        find: returns the role, or raises the refusal; it may read only roles and these people.
        people: the actor, and the member whose role it is about.
    """

    def checked(connection: Connection) -> Change[None]:
        return unit(connection, actor_id=people[0], role=find(fresh_community(connection, *people)))

    return checked


def create(connection: Connection, *, actor_id: UserId, body: NewRole) -> Change[RoleInfo]:
    """Stores a new role."""
    role_id = queries.insert_role(connection, body)
    info = RoleInfo(role_id, body.name, body.color, body.permissions, body.position)
    event = role_create(
        role_id=role_id, name=body.name, color=body.color, permissions=body.permissions, position=body.position
    )
    metadata = {"name": body.name, "permissions": body.permissions, "position": body.position}
    return Change(info, [event], [AuditEntry("role.create", actor_id, role_id, metadata)])


def change(connection: Connection, *, actor_id: UserId, role_id: RoleId, changed: dict[str, Any]) -> Change[None]:
    """Stores new values of a role's fields.

    Raises:
        Refusal: SPACE_NOT_FOUND, or INVALID_TARGET where no administrator would be left.
    """
    before = queries.find_role(connection, role_id=role_id)
    if before is None:
        raise _no_role(role_id)
    queries.update_role(connection, role_id=role_id, changed=changed)
    if holds(before["permissions"], P.ADMINISTRATOR):
        assert_administrator_left(connection)
    diff = {name: [before[name], value] for name, value in changed.items()}
    audit = AuditEntry("role.update", actor_id, role_id, {"changed": diff})
    return Change(None, [role_update(role_id=role_id, changed=changed)], [audit])


def delete(connection: Connection, *, actor_id: UserId, role: Role) -> Change[None]:
    """Deletes a role, from its members and from all overrides.

    Raises:
        Refusal: INVALID_TARGET, no administrator would be left.
    """
    queries.delete_role(connection, role_id=role.id)
    if holds(role.permissions, P.ADMINISTRATOR):
        assert_administrator_left(connection)
    audit = AuditEntry("role.delete", actor_id, role.id, {"name": role.name, "permissions": role.permissions})
    return Change(None, [role_delete(role_id=role.id)], [audit])


def assign(connection: Connection, *, actor_id: UserId, user_id: UserId, role: Role) -> Change[None]:
    """Assigns a role to a member; a repeated assignment changes nothing.

    Raises:
        Refusal: USER_NOT_FOUND.
    """
    if not is_active(connection, user_id=user_id):
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    if not queries.insert_role_member(connection, role_id=role.id, user_id=user_id):
        return Change(None)
    audit = AuditEntry("role.assign", actor_id, user_id, {"role_id": role.id})
    return Change(None, [role_assign(role_id=role.id, user_id=user_id)], [audit])


def revoke(connection: Connection, *, actor_id: UserId, user_id: UserId, role: Role) -> Change[None]:
    """Revokes a role from a user; without it nothing changes.

    Raises:
        Refusal: INVALID_TARGET, no administrator would be left.
    """
    if not queries.delete_role_member(connection, role_id=role.id, user_id=user_id):
        return Change(None)
    if holds(role.permissions, P.ADMINISTRATOR):
        assert_administrator_left(connection)
    audit = AuditEntry("role.revoke", actor_id, user_id, {"role_id": role.id})
    return Change(None, [role_revoke(role_id=role.id, user_id=user_id)], [audit])


def _no_role(role_id: RoleId) -> Exception:
    return refuse("SPACE_NOT_FOUND", f"There is no role {role_id}.")
