"""What a member's roles add up to; pure."""

from collections.abc import Iterable

from vox.protocols.chat_permissions import ALL, Permissions


def combined(masks: Iterable[int]) -> Permissions:
    """What roles with these masks let their member do."""
    total = 0
    for mask in masks:
        total |= mask
    return Permissions(ALL if total & Permissions.ADMINISTRATOR else total)
