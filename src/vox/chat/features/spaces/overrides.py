"""Overrides: what a role or a user is allowed and denied in one feed or room.

Users can change only permissions they hold in that space themselves, so that they cannot give themselves access to a room.
The @everyone role can be overridden by every member with MANAGE_ROLES; other roles and users only by members who rank above
them.
"""

from dataclasses import dataclass
from typing import Any

from vox.chat.api.hierarchy import assert_below, assert_holds, assert_may, assert_outranks, fresh_community
from vox.chat.community import Community
from vox.chat.community.state import Space, Target
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import refuse
from vox.chat.events import SpaceOverride, permission_override_delete, permission_override_update
from vox.chat.events.ids import RoleId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.spaces import queries
from vox.chat.features.spaces.schemas import OverrideMasks
from vox.stores.sql import Connection


@dataclass(frozen=True, slots=True)
class OverrideChange:
    """A requested change of one override.

    Args:
        actor_id: the user who asks for it.
        space: the feed or room.
        target: the role or user that the override is for.
        masks: what to allow and deny; None deletes the override.
    """

    actor_id: UserId
    space: Space
    target: Target
    masks: OverrideMasks | None


def check_override(community: Community, requested: OverrideChange) -> SpaceOverride:
    """The present override, once it is established that the actor may change it.

    Raises:
        Refusal: MISSING_PERMISSIONS, SPACE_NOT_FOUND (space or role), USER_NOT_FOUND, ROLE_HIERARCHY.
    """
    actor, (kind, space_id), (target_type, target_id) = requested.actor_id, requested.space, requested.target
    assert_may(community, actor, P.MANAGE_ROLES)
    if space_id not in (community.feeds if kind == "feed" else community.rooms):
        raise refuse("SPACE_NOT_FOUND", f"There is no {kind} {space_id}.")
    if target_type == "role":
        role = community.roles.get(RoleId(target_id))
        if role is None:
            raise refuse("SPACE_NOT_FOUND", f"There is no role {target_id}.")
        if role.id != community.everyone_role_id:
            assert_below(community, actor, role.position)
    elif target_id not in community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {target_id}.")
    elif target_id != actor:
        assert_outranks(community, actor, UserId(target_id))
    match requested.space:
        case ("feed", feed_id):
            held, overrides = community.permissions_in(actor, "feed", feed_id), community.overrides_of("feed", feed_id)
        case ("room", room_id):
            held, overrides = community.permissions_in(actor, "room", room_id), community.overrides_of("room", room_id)
    found = [override for override in overrides if (override.target_type, override.target_id) == requested.target]
    old = found[0] if found else SpaceOverride(target_type, target_id)
    allow, deny = (requested.masks.allow, requested.masks.deny) if requested.masks is not None else (0, 0)
    assert_holds(held, (old.allow ^ allow) | (old.deny ^ deny))
    return old


def change_override(connection: Connection, *, requested: OverrideChange) -> Change[None]:
    """Sets or deletes an override; deleting one that does not exist changes nothing.

    Raises:
        Refusal: as `check_override`, which is repeated here; INVALID_OPERATION where the space has too many.
    """
    actor_id, (kind, space_id), (target_type, target_id) = requested.actor_id, requested.space, requested.target
    people = (actor_id, UserId(target_id)) if target_type == "user" else (actor_id,)
    old = check_override(fresh_community(connection, *people, space=requested.space), requested)
    masks = requested.masks
    existed = queries.delete_override(connection, kind, space_id, old)
    where = {
        "space_type": kind,
        "space_id": space_id,
        "target_type": old.target_type,
        "target_id": old.target_id,
    }
    metadata: dict[str, Any] = {**where, "before": {"allow": old.allow, "deny": old.deny}}
    if masks is None:
        if not existed:
            return Change(None)
        event = permission_override_delete(
            space_type=kind, space_id=space_id, target_type=old.target_type, target_id=old.target_id
        )
        return Change(None, [event], [AuditEntry("permission.delete", actor_id, old.target_id, metadata)])
    if not existed:
        queries.check_override_quota(connection, kind, space_id)
    new = SpaceOverride(target_type, target_id, masks.allow, masks.deny)
    queries.insert_override(connection, kind, space_id, new)
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
