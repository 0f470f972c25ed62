"""Overrides: what a role or a user is allowed and denied in one feed or room.

The bits that change must be one's own in that very space, so that nobody lets himself into a room he is shut out of. The role of
everybody may be overridden by all who may override; other roles and users only from above.
"""

from functools import partial
from typing import Any, Literal, cast

from sqlalchemy import Connection, delete, insert, select

from vox.chat.access import allowed
from vox.chat.changes import AuditEntry, Change, in_turn
from vox.chat.errors import refuse
from vox.chat.events import SpaceOverride, permission_override_delete, permission_override_update
from vox.chat.people.hierarchy import assert_below, assert_holds, assert_outranks
from vox.chat.people.shapes import Mask
from vox.chat.permissions import P
from vox.chat.routing import Call, RouteTable
from vox.chat.schema import feeds, permission_overrides, roles, rooms

Kind = Literal["feed", "room"]

routes = RouteTable()


@routes.put("/feeds/{space_id}/permissions/{target_type}/{target_id}", access=allowed(P.MANAGE_ROLES), body=Mask)
async def set_feed_override(call: Call[Mask]) -> None:
    """Sets what a role or user is allowed and denied in a feed."""
    await _set(call, "feed")


@routes.put("/rooms/{space_id}/permissions/{target_type}/{target_id}", access=allowed(P.MANAGE_ROLES), body=Mask)
async def set_room_override(call: Call[Mask]) -> None:
    """Sets what a role or user is allowed and denied in a room."""
    await _set(call, "room")


@routes.delete("/feeds/{space_id}/permissions/{target_type}/{target_id}", access=allowed(P.MANAGE_ROLES))
async def delete_feed_override(call: Call) -> None:
    """Takes an override of a feed away; one that is not there is no error."""
    await _delete(call, "feed")


@routes.delete("/rooms/{space_id}/permissions/{target_type}/{target_id}", access=allowed(P.MANAGE_ROLES))
async def delete_room_override(call: Call) -> None:
    """Takes an override of a room away; one that is not there is no error."""
    await _delete(call, "room")


async def _set(call: Call[Mask], kind: Kind) -> None:
    body = call.body
    old, space_id = _asserted(call, kind, allow=body.allow, deny=body.deny)
    new = SpaceOverride(old.target_type, old.target_id, body.allow, body.deny)
    await call.chat.change(partial(_write, actor_id=call.user_id, kind=kind, space_id=space_id, old=old, new=new))


async def _delete(call: Call, kind: Kind) -> None:
    old, space_id = _asserted(call, kind, allow=0, deny=0)
    await call.chat.change(partial(_write, actor_id=call.user_id, kind=kind, space_id=space_id, old=old, new=None))


def _asserted(call: Call[Any], kind: Kind, *, allow: int, deny: int) -> tuple[SpaceOverride, int]:
    """The override as it is, and its space, once the caller may change it."""
    community, actor = call.chat.community, call.user_id
    target_type = call.text("target_type")
    if target_type not in {"role", "user"}:
        raise refuse("INVALID_TARGET_TYPE", "An override is for a role or a user.")
    space_id, target_id = call.id("space_id"), call.id("target_id")
    if space_id not in (community.feeds if kind == "feed" else community.rooms):
        raise refuse("SPACE_NOT_FOUND", f"There is no {kind} {space_id}.")
    if target_type == "role":
        role = community.roles.get(target_id)
        if role is None:
            raise refuse("SPACE_NOT_FOUND", f"There is no role {target_id}.")
        if role.id != community.everyone_role_id:
            assert_below(community, actor, role.position)
    elif target_id not in community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {target_id}.")
    elif target_id != actor:
        assert_outranks(community, actor, target_id)
    target = cast("Literal['role', 'user']", target_type)
    found = [
        override
        for override in community.overrides_of(kind, space_id)
        if (override.target_type, override.target_id) == (target, target_id)
    ]
    old = found[0] if found else SpaceOverride(target, target_id)
    assert_holds(community.permissions_in(actor, kind, space_id), (old.allow ^ allow) | (old.deny ^ deny))
    return old, space_id


def _write(
    connection: Connection, *, actor_id: int, kind: Kind, space_id: int, old: SpaceOverride, new: SpaceOverride | None
) -> Change[None]:
    in_turn(connection)
    if new is not None:
        _assert_still_there(connection, kind, space_id, new)
    rows = permission_overrides.c
    gone = connection.execute(
        delete(permission_overrides).where(
            rows.space_type == kind,
            rows.space_id == space_id,
            rows.target_type == old.target_type,
            rows.target_id == old.target_id,
        )
    ).rowcount
    where = {
        "space_type": kind,
        "space_id": space_id,
        "target_type": old.target_type,
        "target_id": old.target_id,
    }
    metadata: dict[str, Any] = {**where, "before": {"allow": old.allow, "deny": old.deny}}
    if new is None:
        if not gone:
            return Change(None)
        event = permission_override_delete(
            space_type=kind, space_id=space_id, target_type=old.target_type, target_id=old.target_id
        )
        return Change(None, [event], [AuditEntry("permission.delete", actor_id, old.target_id, metadata)])
    connection.execute(insert(permission_overrides).values(**where, allow=new.allow, deny=new.deny))
    event = permission_override_update(
        space_type=kind,
        space_id=space_id,
        target_type=new.target_type,
        target_id=new.target_id,
        allow=new.allow,
        deny=new.deny,
    )
    metadata["after"] = {"allow": new.allow, "deny": new.deny}
    return Change(None, [event], [AuditEntry("permission.update", actor_id, new.target_id, metadata)])


def _assert_still_there(connection: Connection, kind: Kind, space_id: int, override: SpaceOverride) -> None:
    """Space and role may have been deleted since they were asked for; no foreign key would keep the row away."""
    spaces = feeds if kind == "feed" else rooms
    if connection.execute(select(spaces.c.id).where(spaces.c.id == space_id)).first() is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no {kind} {space_id}.")
    if override.target_type == "role":
        found = connection.execute(select(roles.c.id).where(roles.c.id == override.target_id)).first()
        if found is None:
            raise refuse("SPACE_NOT_FOUND", f"There is no role {override.target_id}.")
