"""Requests and responses of friends, blocks and the setting of who may write to a user."""

from typing import Literal

from msgspec import Struct

from vox.chat.api.pagination import PageQuery

DmPermission = Literal["everyone", "friends_only", "mutual_servers", "nobody"]


class Blocks(Struct):
    """The users that a user has blocked."""

    blocked_user_ids: list[int]


class Friend(Struct):
    """A friend, or the other user of a request."""

    user_id: int
    display_name: str
    avatar: str | None
    status: str


class FriendQuery(PageQuery):
    """Which page of friends: requests sent (`pending`), requests that wait for an answer (`incoming`), friends, or all but `incoming`."""

    status: Literal["pending", "accepted", "incoming"] | None = None


class DmSettings(Struct):
    """Who may write to a user."""

    dm_permission: DmPermission


class DmSettingsChange(Struct):
    """Who may write to a user from now on."""

    dm_permission: DmPermission | None = None
