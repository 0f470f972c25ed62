"""Structs of lists that are read page by page."""

from typing import Generic, TypeVar

from msgspec import Struct

from vox.chat.api.fields import Id, Limit

T = TypeVar("T")


class Items(Struct, Generic[T]):
    """One page of a list; `cursor` is the id of its last row, None on an empty page."""

    items: list[T]
    cursor: str | None


class PageQuery(Struct):
    """Which page of a list by id."""

    limit: Limit = 100
    after: Id = 0
