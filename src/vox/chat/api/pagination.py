"""Lists that are read page by page: which page is asked for, how long it may be, and what it looks like."""

from typing import Generic, TypeVar

from msgspec import Struct

from vox.chat.api.fields import Id, Limit
from vox.chat.context import ChatContext

T = TypeVar("T")


class Items(Struct, Generic[T]):
    """One page of a list; `cursor` is the id of its last row, None on an empty page."""

    items: list[T]
    cursor: str | None


class PageQuery(Struct):
    """Which page of a list by id."""

    limit: Limit = 100
    after: Id = 0


def page_limit(chat: ChatContext, requested: int, name: str) -> int:
    """The page length that is granted.

    Args:
        chat: the server.
        requested: what the query says; beyond 1 to 1000 it was refused already.
        name: the list's, as in page_limit_<name>.
    """
    return min(requested, chat.config.limit(f"page_limit_{name}"))
