"""Requests and responses of feeds, rooms and categories.

Field names and their order are those of the original server. Lengths that an administrator can change are checked in
`api/validation`, because they are only known at run time; the bounds here belong to the wire format itself.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vox.chat.api.fields import Id, Mask, Position

FeedType = Literal["text", "forum", "announcement"]
RoomType = Literal["voice", "stage"]


class Override(msgspec.Struct, frozen=True):
    """What one role or user is allowed and denied in one space, in addition to the community's roles."""

    target_type: str
    target_id: Id
    allow: Mask
    deny: Mask


class OverrideMasks(msgspec.Struct):
    """The permissions that an override allows and denies."""

    allow: Mask
    deny: Mask


class FeedInfo(msgspec.Struct, frozen=True):
    """A feed as members who may view it see it."""

    feed_id: int
    name: str
    type: str
    topic: str | None
    category_id: int | None
    position: int
    permission_overrides: list[Override]


class ReaderCount(msgspec.Struct, frozen=True):
    """How many may read a feed, without the one who asks."""

    count: int


class RoomInfo(msgspec.Struct, frozen=True):
    """A room as members who may view it see it."""

    room_id: int
    name: str
    type: str
    category_id: int | None
    position: int
    permission_overrides: list[Override]


class CategoryInfo(msgspec.Struct, frozen=True):
    """A heading over feeds and rooms."""

    category_id: int
    name: str
    position: int


class Layout(msgspec.Struct, frozen=True):
    """Everything in the side bar."""

    categories: list[CategoryInfo]
    feeds: list[FeedInfo]
    rooms: list[RoomInfo]


class CategoryList(msgspec.Struct, frozen=True):
    """All categories, in order."""

    items: list[CategoryInfo]


class CreateFeed(msgspec.Struct, frozen=True):
    """A new feed."""

    name: str
    type: FeedType
    category_id: Id | None = None
    permission_overrides: Annotated[list[Override], Meta(max_length=500)] | None = None


class UpdateFeed(msgspec.Struct, frozen=True):
    """Changes of a feed; what is absent or null stays."""

    name: str | None = None
    topic: str | None = None
    category_id: Id | None = None
    position: Position | None = None


class CreateRoom(msgspec.Struct, frozen=True):
    """A new room."""

    name: str
    type: RoomType
    category_id: Id | None = None
    permission_overrides: Annotated[list[Override], Meta(max_length=500)] | None = None


class UpdateRoom(msgspec.Struct, frozen=True):
    """Changes of a room; what is absent or null stays."""

    name: str | None = None
    category_id: Id | None = None
    position: Position | None = None


class CreateCategory(msgspec.Struct, frozen=True):
    """A new category."""

    name: str
    position: Position


class UpdateCategory(msgspec.Struct, frozen=True):
    """Changes of a category; what is absent or null stays."""

    name: str | None = None
    position: Position | None = None
