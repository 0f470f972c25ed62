"""Roles: list, create, change, delete, assign and revoke.

Every change is checked twice: against memory here, and against the database in its own transaction.
"""

from functools import partial
from itertools import islice
from typing import Any, TypeVar

from vox.chat.api.access import USER, requires
from vox.chat.api.hierarchy import recheck_in_transaction
from vox.chat.api.pagination import Items, PageQuery, page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import with_name
from vox.chat.community.state import Role
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import EVERYONE, P
from vox.chat.features.members.schemas import Member, member_of
from vox.chat.features.roles import service
from vox.chat.features.roles.schemas import NewRole, RoleChange, RoleInfo
from vox.text.names import name_key

routes = RouteTable()

Body = TypeVar("Body", NewRole, RoleChange)


@routes.get("/roles", access=USER, query=PageQuery, returns=Items[RoleInfo])
async def list_roles(call: Call[None, PageQuery]) -> Items[RoleInfo]:
    """Lists roles by id, including @everyone."""
    chat, page = call.chat, call.query
    known = chat.community.roles
    limit = page_limit(chat, page.limit, "roles")
    ids = sorted(role_id for role_id in tuple(known) if role_id > page.after)[:limit]
    return Items([_info(known[role_id]) for role_id in ids], str(ids[-1]) if ids else None)


@routes.get("/roles/{role_id}/members", access=USER, query=PageQuery, returns=Items[Member])
async def list_role_members(call: Call[None, PageQuery]) -> Items[Member]:
    """Lists the active members with a role."""
    chat, page = call.chat, call.query
    role = service.find_role(chat.community, call.id("role_id"))
    is_everyone = role.id == chat.community.everyone_role_id
    found = (person for person in chat.members.after(page.after) if is_everyone or role.id in person.role_ids)
    items = [member_of(person) for person in islice(found, page_limit(chat, page.limit, "members"))]
    return Items(items, str(items[-1].user_id) if items else None)


@routes.post("/roles", access=requires(P.MANAGE_ROLES).fresh(), body=NewRole, status=201, returns=RoleInfo)
async def create_role(call: Call[NewRole]) -> RoleInfo:
    """Creates a role, below one's own rank and with permissions that one holds."""
    chat, actor = call.chat, call.user_id
    body = _named(call, call.body)
    may_create = partial(service.assert_may_create, actor_id=actor, body=body)
    may_create(chat.community)
    unit = partial(service.create, actor_id=actor, body=body)
    return await chat.change(recheck_in_transaction(unit, may_create, actor))


@routes.patch("/roles/{role_id}", access=requires(P.MANAGE_ROLES).fresh(), body=RoleChange, returns=RoleInfo)
async def change_role(call: Call[RoleChange]) -> RoleInfo:
    """Changes name, colour, position or permissions."""
    chat, actor, role_id = call.chat, call.user_id, call.id("role_id")
    is_renamed = call.body.name is not None and call.body.name != service.find_role(chat.community, role_id).name
    body = _named(call, call.body) if is_renamed else call.body
    changed: dict[str, Any] = {
        name: value
        for name in ("name", "color", "permissions", "position")
        if (value := getattr(body, name)) is not None
    }
    may_change = partial(service.assert_may_change, actor_id=actor, role_id=role_id, changed=changed)
    may_change(chat.community)
    if changed:
        unit = partial(service.change, actor_id=actor, role_id=role_id, changed=changed)
        await chat.change(recheck_in_transaction(unit, may_change, actor))
    return _info(service.find_role(chat.community, role_id))


@routes.delete("/roles/{role_id}", access=requires(P.MANAGE_ROLES).fresh())
async def delete_role(call: Call) -> None:
    """Deletes a role, from its members and from all overrides."""
    actor_id, role_id = call.user_id, call.id("role_id")
    find = partial(service.find_manageable_role, actor_id=actor_id, role_id=role_id)
    find(call.chat.community)
    await call.chat.change(service.with_manageable_role(service.delete, find, actor_id))


@routes.put("/members/{user_id}/roles/{role_id}", access=requires(P.MANAGE_ROLES))
async def assign_role(call: Call) -> None:
    """Assigns a role to a member of a lower rank; a repeated assignment is no error."""
    user_id = _member(call)
    await _with_role_of(call, user_id, partial(service.assign, user_id=user_id))


@routes.delete("/members/{user_id}/roles/{role_id}", access=requires(P.MANAGE_ROLES))
async def revoke_role(call: Call) -> None:
    """Revokes a role of a member of a lower rank; revoking one that the member does not have is no error."""
    user_id = _member(call)
    await _with_role_of(call, user_id, partial(service.revoke, user_id=user_id))


async def _with_role_of(call: Call, user_id: UserId, unit: service.RoleUnit) -> None:
    actor_id, role_id = call.user_id, call.id("role_id")
    find = partial(service.find_role_for_member, actor_id=actor_id, role_id=role_id, user_id=user_id)
    find(call.chat.community)
    await call.chat.change(service.with_manageable_role(unit, find, actor_id, user_id))


def _member(call: Call) -> UserId:
    user_id = call.id("user_id")
    person = call.chat.community.users.get(user_id)
    if person is None or not person.is_active:
        raise refuse("USER_NOT_FOUND", f"There is no member {user_id}.")
    return user_id


def _named(call: Call[Any], body: Body) -> Body:
    body = with_name(call.chat.config.limit, body, "role_name_max", "role_name_min")
    if body.name is not None and name_key(body.name) == EVERYONE:
        raise refuse("VALIDATION_ERROR", f"body.name: {EVERYONE} is the role of every member; expected another name")
    return body


def _info(role: Role) -> RoleInfo:
    return RoleInfo(role.id, role.name, role.color, role.permissions, role.position)
