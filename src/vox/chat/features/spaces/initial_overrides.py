"""The overrides that a new feed or room is born with, checked like those that are set later.

Nobody grants or denies what he does not hold himself, nor touches who ranks as high as he does; otherwise making a space would
be a way to give away what one does not have.
"""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection, insert

from vox.chat.api.hierarchy import assert_below, assert_holds, assert_may, assert_outranks
from vox.chat.community import Community
from vox.chat.database.schema import permission_overrides
from vox.chat.errors import refuse
from vox.chat.events import SpaceOverride
from vox.chat.events.permissions import P
from vox.chat.features.spaces.schemas import Override


def checked_overrides(
    community: Community, actor_id: int, wanted: Sequence[Override] | None
) -> tuple[SpaceOverride, ...]:
    """The overrides of a space that somebody makes, each target once; the last word on a target counts.

    It asks about nobody but the actor and `overridden`, so that it can be asked again inside the unit of work.

    Raises:
        Refusal: INVALID_TARGET_TYPE, SPACE_NOT_FOUND (role), USER_NOT_FOUND, MISSING_PERMISSIONS, ROLE_HIERARCHY.
    """
    assert_may(community, actor_id, P.MANAGE_SPACES)
    found: dict[tuple[str, int], SpaceOverride] = {}
    for override in wanted or ():
        if override.target_type == "role":
            _check_role(community, actor_id, override.target_id)
        elif override.target_type == "user":
            _check_user(community, actor_id, override.target_id)
        else:
            raise refuse("INVALID_TARGET_TYPE", "An override is for a role or a user.")
        assert_holds(community.permissions(actor_id), override.allow | override.deny)
        found[override.target_type, override.target_id] = SpaceOverride(
            override.target_type, override.target_id, override.allow, override.deny
        )
    return tuple(found.values())


def override_user_ids(wanted: Sequence[Override] | None) -> list[int]:
    """The users for whom the overrides of a new space are."""
    return [override.target_id for override in wanted or () if override.target_type == "user"]


def store_overrides(
    connection: Connection, space_type: Literal["feed", "room"], space_id: int, overrides: Sequence[SpaceOverride]
) -> None:
    """Writes the overrides of a space that was inserted in the same transaction."""
    if overrides:
        rows = [
            {
                "space_type": space_type,
                "space_id": space_id,
                "target_type": override.target_type,
                "target_id": override.target_id,
                "allow": override.allow,
                "deny": override.deny,
            }
            for override in overrides
        ]
        connection.execute(insert(permission_overrides), rows)


def _check_role(community: Community, actor_id: int, role_id: int) -> None:
    role = community.roles.get(role_id)
    if role is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no role {role_id}.")
    if role_id != community.everyone_role_id:
        assert_below(community, actor_id, role.position)


def _check_user(community: Community, actor_id: int, user_id: int) -> None:
    if user_id not in community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {user_id}.")
    if user_id != actor_id:
        assert_outranks(community, actor_id, user_id)
