"""Overrides: what a role or a user is allowed and denied in one feed or room.

The bits that change must be one's own in that very space, so that nobody lets himself into a room he is shut out of. The role of
everybody may be overridden by all who may override; other roles and users only from above.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

from sqlalchemy import Connection, delete, insert

from vox.chat.api.access import requires
from vox.chat.api.hierarchy import assert_below, assert_holds, assert_may, assert_outranks, fresh_community
from vox.chat.api.request import Call, RouteTable
from vox.chat.community import Community
from vox.chat.community.state import Space, Target
from vox.chat.database import quotas
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import permission_overrides
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import refuse
from vox.chat.events import SpaceOverride, permission_override_delete, permission_override_update
from vox.chat.events.permissions import P
from vox.chat.features.roles.schemas import Mask

Kind = Literal["feed", "room"]

routes = RouteTable()


@routes.put("/feeds/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES), body=Mask)
async def set_feed_override(call: Call[Mask]) -> None:
    """Sets what a role or user is allowed and denied in a feed."""
    await _set(call, "feed")


@routes.put("/rooms/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES), body=Mask)
async def set_room_override(call: Call[Mask]) -> None:
    """Sets what a role or user is allowed and denied in a room."""
    await _set(call, "room")


@routes.delete("/feeds/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES))
async def delete_feed_override(call: Call) -> None:
    """Takes an override of a feed away; one that is not there is no error."""
    await _delete(call, "feed")


@routes.delete("/rooms/{space_id}/permissions/{target_type}/{target_id}", access=requires(P.MANAGE_ROLES))
async def delete_room_override(call: Call) -> None:
    """Takes an override of a room away; one that is not there is no error."""
    await _delete(call, "room")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What somebody wants of an override; without masks, that it goes."""

    actor_id: int
    space: Space
    target: Target
    mask: Mask | None


async def _set(call: Call[Mask], kind: Kind) -> None:
    await _carry_out(call, kind, call.body)


async def _delete(call: Call, kind: Kind) -> None:
    await _carry_out(call, kind, None)


async def _carry_out(call: Call[Any], kind: Kind, mask: Mask | None) -> None:
    target_type = call.text("target_type")
    if target_type not in {"role", "user"}:
        raise refuse("INVALID_TARGET_TYPE", "An override is for a role or a user.")
    target = (cast("Literal['role', 'user']", target_type), call.id("target_id"))
    wish = _Wish(call.user_id, (kind, call.id("space_id")), target, mask)
    _asserted(call.chat.community, wish)
    await call.chat.change(partial(_write, wish=wish))


def _asserted(community: Community, wish: _Wish) -> SpaceOverride:
    """The override as it is, once the actor may change it."""
    actor, (kind, space_id), (target_type, target_id) = wish.actor_id, wish.space, wish.target
    assert_may(community, actor, P.MANAGE_ROLES)
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
    found = [
        override
        for override in community.overrides_of(kind, space_id)
        if (override.target_type, override.target_id) == wish.target
    ]
    old = found[0] if found else SpaceOverride(target_type, target_id)
    allow, deny = (wish.mask.allow, wish.mask.deny) if wish.mask is not None else (0, 0)
    assert_holds(community.permissions_in(actor, kind, space_id), (old.allow ^ allow) | (old.deny ^ deny))
    return old


def _write(connection: Connection, *, wish: _Wish) -> Change[None]:
    actor_id, (kind, space_id), (target_type, target_id) = wish.actor_id, wish.space, wish.target
    people = (actor_id, target_id) if target_type == "user" else (actor_id,)
    old = _asserted(fresh_community(connection, *people, space=wish.space), wish)
    new = SpaceOverride(target_type, target_id, wish.mask.allow, wish.mask.deny) if wish.mask is not None else None
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
    if not gone:
        of_space = (rows.space_type == kind) & (rows.space_id == space_id)
        check_quota(connection, permission_overrides, quotas.MAX_OVERRIDES, "overrides here", of_space)
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
