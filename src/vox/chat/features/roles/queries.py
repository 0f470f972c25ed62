"""SQL of roles and their members."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from vox.chat.database.schema import permission_overrides, role_members, roles
from vox.chat.events.ids import RoleId, UserId
from vox.chat.features.roles.schemas import NewRole


def insert_role(connection: Connection, role: NewRole) -> RoleId:
    """Stores a new role and returns its id."""
    return connection.execute(
        insert(roles)
        .values(name=role.name, color=role.color, permissions=role.permissions, position=role.position)
        .returning(roles.c.id)
    ).scalar_one()


def find_role(connection: Connection, *, role_id: RoleId) -> RowMapping | None:
    """The row of a role."""
    return connection.execute(select(roles).where(roles.c.id == role_id)).mappings().first()


def update_role(connection: Connection, *, role_id: RoleId, changed: Mapping[str, Any]) -> None:
    """Stores new values of a role's columns."""
    connection.execute(update(roles).where(roles.c.id == role_id).values(changed))


def delete_role(connection: Connection, *, role_id: RoleId) -> None:
    """Deletes a role, and its overrides in all spaces."""
    is_override = (permission_overrides.c.target_type == "role") & (permission_overrides.c.target_id == role_id)
    connection.execute(delete(permission_overrides).where(is_override))
    connection.execute(delete(roles).where(roles.c.id == role_id))


def insert_role_member(connection: Connection, *, role_id: RoleId, user_id: UserId) -> bool:
    """Assigns a role to a user; False where the user has it already."""
    pair = (role_members.c.role_id == role_id) & (role_members.c.user_id == user_id)
    if connection.execute(select(role_members.c.user_id).where(pair)).first() is not None:
        return False
    connection.execute(insert(role_members).values(role_id=role_id, user_id=user_id))
    return True


def delete_role_member(connection: Connection, *, role_id: RoleId, user_id: UserId) -> bool:
    """Revokes a role from a user; False where the user does not have it."""
    pair = (role_members.c.role_id == role_id) & (role_members.c.user_id == user_id)
    return bool(connection.execute(delete(role_members).where(pair)).rowcount)
