"""Roles: made, changed, deleted, given and taken, always below one's own rank and within one's own permissions.

The questions are asked of memory before the change, and again inside the transaction, behind a lock: two changes at the same
moment could otherwise take the last two administrators away, or give what has just become more than the giver holds.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import USER, requires
from vox.chat.api.hierarchy import (
    assert_administrator_left,
    assert_below,
    assert_holds,
    assert_may,
    fresh_community,
    recheck_in_transaction,
)
from vox.chat.api.pagination import page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.community import Community
from vox.chat.community.state import Role
from vox.chat.database.schema import permission_overrides, role_members, roles, users
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import refuse
from vox.chat.events import role_assign, role_create, role_delete, role_revoke, role_update
from vox.chat.events.permissions import EVERYONE, P, holds
from vox.chat.features.members.schemas import Items, Member, NewRole, PageQuery, RoleChange, RoleInfo, member_of

routes = RouteTable()


@routes.get("/roles", access=USER, query=PageQuery, returns=Items[RoleInfo])
async def list_roles(call: Call[None, PageQuery]) -> Items[RoleInfo]:
    """Roles by id, @everyone too."""
    chat, page = call.chat, call.query
    known = chat.community.roles
    limit = page_limit(chat, page.limit, "roles")
    ids = sorted(role_id for role_id in tuple(known) if role_id > page.after)[:limit]
    return Items([_info(known[role_id]) for role_id in ids], str(ids[-1]) if ids else None)


@routes.get("/roles/{role_id}/members", access=USER, query=PageQuery, returns=Items[Member])
async def list_role_members(call: Call[None, PageQuery]) -> Items[Member]:
    """Active members with a role."""
    chat, page = call.chat, call.query
    role = _role(chat.community, call.id("role_id"))
    is_everyones = role.id == chat.community.everyone_role_id
    found = (person for person in chat.members.after(page.after) if is_everyones or role.id in person.role_ids)
    items = [member_of(person) for person in islice(found, page_limit(chat, page.limit, "members"))]
    return Items(items, str(items[-1].user_id) if items else None)


@routes.post("/roles", access=requires(P.MANAGE_ROLES), body=NewRole, status=201, returns=RoleInfo)
async def create_role(call: Call[NewRole]) -> RoleInfo:
    """A new role, below one's own rank and with permissions one holds."""
    chat, body = call.chat, call.body
    actor = call.user_id
    _assert_name(call, body.name)

    def may_create(community: Community) -> None:
        assert_may(community, actor, P.MANAGE_ROLES)
        assert_below(community, actor, body.position)
        assert_holds(community.permissions(actor), body.permissions)

    may_create(chat.community)
    return await chat.change(recheck_in_transaction(partial(_create, actor_id=actor, body=body), may_create, actor))


@routes.patch("/roles/{role_id}", access=requires(P.MANAGE_ROLES), body=RoleChange, returns=RoleInfo)
async def change_role(call: Call[RoleChange]) -> RoleInfo:
    """Another name, colour, position or other permissions."""
    chat, body = call.chat, call.body
    actor, role_id = call.user_id, call.id("role_id")
    changed: dict[str, Any] = {
        name: value
        for name in ("name", "color", "permissions", "position")
        if (value := getattr(body, name)) is not None
    }
    may_change = partial(_assert_may_change, actor_id=actor, role_id=role_id, changed=changed)
    may_change(chat.community)
    if body.name is not None and body.name != _role(chat.community, role_id).name:
        _assert_name(call, body.name)
    if changed:
        unit = partial(_change, actor_id=actor, role_id=role_id, changed=changed)
        await chat.change(recheck_in_transaction(unit, may_change, actor))
    return _info(_role(chat.community, role_id))


@routes.delete("/roles/{role_id}", access=requires(P.MANAGE_ROLES))
async def delete_role(call: Call) -> None:
    """Deletes a role, from its members and from all overrides."""
    await _with_role(call, _delete)


@routes.put("/members/{user_id}/roles/{role_id}", access=requires(P.MANAGE_ROLES))
async def assign_role(call: Call) -> None:
    """Gives a role; one that somebody has already is no error."""
    await _with_role(call, partial(_assign, user_id=_member(call)))


@routes.delete("/members/{user_id}/roles/{role_id}", access=requires(P.MANAGE_ROLES))
async def revoke_role(call: Call) -> None:
    """Takes a role; one that somebody does not have is no error."""
    await _with_role(call, partial(_revoke, user_id=_member(call)))


async def _with_role(call: Call, unit: Callable[..., Change[None]]) -> None:
    """Does something with a whole role: it must rank below the actor, who must hold all that it permits."""
    actor, role_id = call.user_id, call.id("role_id")

    def may(community: Community) -> Role:
        assert_may(community, actor, P.MANAGE_ROLES)
        role = _role(community, role_id)
        assert_below(community, actor, role.position)
        assert_holds(community.permissions(actor), role.permissions)
        if role.id == community.everyone_role_id:
            raise refuse("INVALID_TARGET", "Everybody has this role; it is neither given nor taken nor deleted.")
        return role

    def checked(connection: Connection) -> Change[None]:
        return unit(connection, actor_id=actor, role=may(fresh_community(connection, actor)))

    may(call.chat.community)
    await call.chat.change(checked)


def _assert_may_change(community: Community, *, actor_id: int, role_id: int, changed: Mapping[str, Any]) -> None:
    assert_may(community, actor_id, P.MANAGE_ROLES)
    role = _role(community, role_id)
    assert_below(community, actor_id, role.position)
    assert_below(community, actor_id, changed.get("position", role.position))
    assert_holds(community.permissions(actor_id), changed.get("permissions", role.permissions) ^ role.permissions)
    if role.id == community.everyone_role_id and (
        changed.get("name", role.name) != role.name or changed.get("position", 0) != 0
    ):
        raise refuse("INVALID_TARGET", "The role of everybody keeps its name and its position.")


def _create(connection: Connection, *, actor_id: int, body: NewRole) -> Change[RoleInfo]:
    role_id = connection.execute(
        insert(roles)
        .values(name=body.name, color=body.color, permissions=body.permissions, position=body.position)
        .returning(roles.c.id)
    ).scalar_one()
    info = RoleInfo(role_id, body.name, body.color, body.permissions, body.position)
    event = role_create(
        role_id=role_id, name=body.name, color=body.color, permissions=body.permissions, position=body.position
    )
    metadata = {"name": body.name, "permissions": body.permissions, "position": body.position}
    return Change(info, [event], [AuditEntry("role.create", actor_id, role_id, metadata)])


def _change(connection: Connection, *, actor_id: int, role_id: int, changed: dict[str, Any]) -> Change[None]:
    before = connection.execute(select(roles).where(roles.c.id == role_id)).mappings().first()
    if before is None:
        raise _no_role(role_id)
    connection.execute(update(roles).where(roles.c.id == role_id).values(changed))
    if holds(before["permissions"], P.ADMINISTRATOR):
        assert_administrator_left(connection)
    diff = {name: [before[name], value] for name, value in changed.items()}
    audit = AuditEntry("role.update", actor_id, role_id, {"changed": diff})
    return Change(None, [role_update(role_id=role_id, changed=changed)], [audit])


def _delete(connection: Connection, *, actor_id: int, role: Role) -> Change[None]:
    is_override = (permission_overrides.c.target_type == "role") & (permission_overrides.c.target_id == role.id)
    connection.execute(delete(permission_overrides).where(is_override))
    connection.execute(delete(roles).where(roles.c.id == role.id))
    if holds(role.permissions, P.ADMINISTRATOR):
        assert_administrator_left(connection)
    audit = AuditEntry("role.delete", actor_id, role.id, {"name": role.name, "permissions": role.permissions})
    return Change(None, [role_delete(role_id=role.id)], [audit])


def _assign(connection: Connection, *, actor_id: int, user_id: int, role: Role) -> Change[None]:
    is_active = connection.execute(select(users.c.active).where(users.c.id == user_id)).scalar()
    if not is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    pair = (role_members.c.role_id == role.id) & (role_members.c.user_id == user_id)
    if connection.execute(select(role_members.c.user_id).where(pair)).first() is not None:
        return Change(None)
    connection.execute(insert(role_members).values(role_id=role.id, user_id=user_id))
    audit = AuditEntry("role.assign", actor_id, user_id, {"role_id": role.id})
    return Change(None, [role_assign(role_id=role.id, user_id=user_id)], [audit])


def _revoke(connection: Connection, *, actor_id: int, user_id: int, role: Role) -> Change[None]:
    pair = (role_members.c.role_id == role.id) & (role_members.c.user_id == user_id)
    if not connection.execute(delete(role_members).where(pair)).rowcount:
        return Change(None)
    if holds(role.permissions, P.ADMINISTRATOR):
        assert_administrator_left(connection)
    audit = AuditEntry("role.revoke", actor_id, user_id, {"role_id": role.id})
    return Change(None, [role_revoke(role_id=role.id, user_id=user_id)], [audit])


def _member(call: Call) -> int:
    user_id = call.user_id if call.text("user_id") == "@me" else call.id("user_id")
    person = call.chat.community.users.get(user_id)
    if person is None or not person.is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    return user_id


def _assert_name(call: Call[NewRole] | Call[RoleChange], name: str) -> None:
    validate_length(call.chat.config.limit, "name", name, "role_name_max", "role_name_min")
    if name == EVERYONE:
        raise refuse("VALIDATION_ERROR", f"body.name: {EVERYONE} is the role of everybody; expected another name")


def _role(community: Community, role_id: int) -> Role:
    role = community.roles.get(role_id)
    if role is None:
        raise _no_role(role_id)
    return role


def _no_role(role_id: int) -> Exception:
    return refuse("SPACE_NOT_FOUND", f"There is no role {role_id}.")


def _info(role: Role) -> RoleInfo:
    return RoleInfo(role.id, role.name, role.color, role.permissions, role.position)
