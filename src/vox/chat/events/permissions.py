"""What the 64-bit permission masks mean, and how roles and overrides become one mask.

Pure arithmetic; `vox.chat.community` feeds it. Before changing: bits and order of resolution are wire contract, and a mask in a
space without VIEW_SPACE is 0, so that no later question can forget to ask for it.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from vox.protocols.chat_permissions import ALL, Permissions

P: TypeAlias = Permissions
"""Short, because each route names one."""

EVERYONE_DEFAULT: Final = int(
    P.VIEW_SPACE
    | P.SEND_MESSAGES
    | P.SEND_EMBEDS
    | P.ATTACH_FILES
    | P.ADD_REACTIONS
    | P.READ_HISTORY
    | P.CONNECT
    | P.SPEAK
    | P.CREATE_THREADS
    | P.SEND_IN_THREADS
    | P.CREATE_INVITES
    | P.CHANGE_NICKNAME,
)
"""What the role @everyone gets when a community is founded: 6443107135. Communities of before keep 6443107123, without files and embeds."""

EVERYONE: Final = "@everyone"
"""The name which, at position 0, makes a role the one everybody has."""

_VIEW_SPACE: Final = int(P.VIEW_SPACE)
_ADMINISTRATOR: Final = int(P.ADMINISTRATOR)


class AllowDeny(NamedTuple):
    """What one override allows and denies; where both name a bit, allow wins."""

    allow: int = 0
    deny: int = 0


NO_OVERRIDE: Final = AllowDeny()


def base(everyone: int, roles: Iterable[int]) -> int:
    """The mask outside of any space: what @everyone has and every assigned role adds."""
    mask = everyone
    for permissions in roles:
        mask |= permissions
    return ALL if mask & _ADMINISTRATOR else mask


def resolve(
    base_mask: int, everyone: AllowDeny = NO_OVERRIDE, roles: Iterable[AllowDeny] = (), own: AllowDeny = NO_OVERRIDE
) -> int:
    """The mask in a space: first the override of @everyone, then those of the roles together, then the user's own.

    Args:
        base_mask: what `base` gave.
        everyone: the override of @everyone in this space.
        roles: the overrides of the user's other roles, in any order.
        own: the override of the user.
    """
    if base_mask & _ADMINISTRATOR:
        return ALL
    mask = base_mask & ~everyone.deny | everyone.allow
    allow = deny = 0
    for override in roles:
        allow |= override.allow
        deny |= override.deny
    mask = mask & ~deny | allow
    mask = mask & ~own.deny | own.allow
    if mask & _ADMINISTRATOR:
        return ALL
    return mask if mask & _VIEW_SPACE else 0


def holds(mask: int, permission: int) -> bool:
    """Whether a mask has every bit of a permission."""
    required = int(permission)
    return mask & required == required


def exceeds(mask: int, granted: int) -> int:
    """The bits of `granted` that the holder of `mask` lacks and must not grant; 0 when they may grant them all.

    An administrator may grant everything. This is what keeps MANAGE_ROLES from being a way to become an administrator.
    """
    return 0 if mask & _ADMINISTRATOR else int(granted) & ~mask
