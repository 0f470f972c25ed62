"""The overrides that a new feed or room is created with, checked like overrides that are set later.

Users can grant or deny only permissions they hold, and cannot override members who rank as high as they do; otherwise creating
a space would be a way to give away permissions one does not have.
"""

from collections.abc import Sequence

from vox.chat.api.hierarchy import assert_below, assert_holds, assert_may, assert_outranks
from vox.chat.community import Community
from vox.chat.community.state import Target
from vox.chat.errors import refuse
from vox.chat.events import SpaceOverride
from vox.chat.events.audience import TargetKind
from vox.chat.events.ids import RoleId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.spaces.schemas import Override


def checked_overrides(
    community: Community, actor_id: UserId, requested: Sequence[Override] | None
) -> tuple[SpaceOverride, ...]:
    """The checked overrides of a new space, one for each target: the last one in the request counts.

    It reads the rank of the actor and of `override_user_ids` only, so that the check can be repeated inside the unit of work.

    Raises:
        Refusal: INVALID_TARGET_TYPE, SPACE_NOT_FOUND (role), USER_NOT_FOUND, MISSING_PERMISSIONS, ROLE_HIERARCHY.
    """
    assert_may(community, actor_id, P.MANAGE_SPACES)
    found: dict[Target, SpaceOverride] = {}
    for override in requested or ():
        target = target_of(target_kind(override.target_type), override.target_id)
        if target[0] == "role":
            _check_role(community, actor_id, target[1])
        else:
            _check_user(community, actor_id, target[1])
        assert_holds(community.permissions(actor_id), override.allow | override.deny)
        found[target] = SpaceOverride(*target, override.allow, override.deny)
    return tuple(found.values())


def target_kind(text: str) -> TargetKind:
    """Whether a requested override is for a role or a user.

    Raises:
        Refusal: INVALID_TARGET_TYPE.
    """
    if text == "role" or text == "user":  # noqa: PLR1714  narrows the type
        return text
    raise refuse("INVALID_TARGET_TYPE", "An override is for a role or a user.")


def target_of(kind: TargetKind, target_id: int) -> Target:
    """The role or user of a requested override."""
    return ("role", RoleId(target_id)) if kind == "role" else ("user", UserId(target_id))


def override_user_ids(requested: Sequence[Override] | None) -> list[UserId]:
    """The users that the overrides of a new space are for."""
    return [UserId(override.target_id) for override in requested or () if override.target_type == "user"]


def _check_role(community: Community, actor_id: UserId, role_id: RoleId) -> None:
    role = community.roles.get(role_id)
    if role is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no role {role_id}.")
    if role_id != community.everyone_role_id:
        assert_below(community, actor_id, role.position)


def _check_user(community: Community, actor_id: UserId, user_id: UserId) -> None:
    if user_id not in community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {user_id}.")
    if user_id != actor_id:
        assert_outranks(community, actor_id, user_id)
