"""Permissions, and what a member's roles add up to; pure."""

from collections.abc import Iterable
from enum import IntFlag


class Permissions(IntFlag):
    """What a role lets its members do; a mask is the sum. ADMINISTRATOR means everything."""

    VIEW_SPACE = 1 << 0
    SEND_MESSAGES = 1 << 1
    SEND_EMBEDS = 1 << 2
    ATTACH_FILES = 1 << 3
    ADD_REACTIONS = 1 << 4
    READ_HISTORY = 1 << 5
    MENTION_EVERYONE = 1 << 6
    CONNECT = 1 << 8
    SPEAK = 1 << 9
    VIDEO = 1 << 10
    MUTE_MEMBERS = 1 << 11
    DEAFEN_MEMBERS = 1 << 12
    MOVE_MEMBERS = 1 << 13
    PRIORITY_SPEAKER = 1 << 14
    STREAM = 1 << 15
    STAGE_MODERATOR = 1 << 16
    CREATE_THREADS = 1 << 17
    MANAGE_THREADS = 1 << 18
    SEND_IN_THREADS = 1 << 19
    MANAGE_SPACES = 1 << 24
    MANAGE_ROLES = 1 << 25
    MANAGE_EMOJI = 1 << 26
    MANAGE_WEBHOOKS = 1 << 27
    MANAGE_SERVER = 1 << 28
    KICK_MEMBERS = 1 << 29
    BAN_MEMBERS = 1 << 30
    CREATE_INVITES = 1 << 31
    CHANGE_NICKNAME = 1 << 32
    MANAGE_NICKNAMES = 1 << 33
    VIEW_AUDIT_LOG = 1 << 34
    MANAGE_MESSAGES = 1 << 35
    VIEW_REPORTS = 1 << 36
    MANAGE_2FA = 1 << 37
    MANAGE_REPORTS = 1 << 38
    ADMINISTRATOR = 1 << 62


ALL = (1 << 63) - 1
"""What an administrator may."""


def combined(masks: Iterable[int]) -> Permissions:
    """What roles with these masks let their member do."""
    total = 0
    for mask in masks:
        total |= mask
    return Permissions(ALL if total & Permissions.ADMINISTRATOR else total)
