"""Fields and structs of lists that are read page by page, and the bounds of their numbers.

Numbers are bounded to what both databases can store.
"""

from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Int64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
PageLimit = Annotated[int, Meta(ge=1, le=1000)]


class Items(Struct, Generic[T]):
    """One page of a list; `cursor` is the id of its last row, None on an empty page."""

    items: list[T]
    cursor: str | None


class PageQuery(Struct):
    """Which page of a list by id."""

    limit: PageLimit = 100
    after: Id = 0
