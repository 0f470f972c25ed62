"""Requests and responses of friends, blocks and the choice of who may write."""

from typing import Literal

from msgspec import Struct

from vox.chat.api.pages import PageQuery


class Blocks(Struct):
    """Whom a user has blocked."""

    blocked_user_ids: list[int]


class Friend(Struct):
    """A friend, or whom one asked to become one."""

    user_id: int
    display_name: str
    avatar: str | None
    status: str


class FriendQuery(PageQuery):
    """Which page of friends."""

    status: Literal["pending", "accepted"] | None = None


class DmSettings(Struct):
    """Who may write to somebody."""

    dm_permission: Literal["everyone", "friends_only", "mutual_servers", "nobody"]


class DmSettingsChange(Struct):
    """A new choice of who may write."""

    dm_permission: Literal["everyone", "friends_only", "mutual_servers", "nobody"] | None = None
