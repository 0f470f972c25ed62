"""Lists that the server hands out page by page, as one loop."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from vox.clients.chat.bound import Bound, bind
from vox.clients.chat.rest import Rest

B = TypeVar("B", bound=Bound)
_PAGE: Final = 100


class _Page(msgspec.Struct):
    items: list[Any] = msgspec.field(default_factory=list[Any])
    entries: list[Any] = msgspec.field(default_factory=list[Any])
    cursor: str | None = None


async def listed(rest: Rest, path: str, kind: type[B], query: Mapping[str, Any] | None = None) -> AsyncGenerator[B]:
    """Every item of a list; the next page is asked for when the loop gets there."""
    after: str | None = None
    while True:
        page = await rest.get(path, _Page, {**(query or {}), "limit": _PAGE, "after": after})
        items = page.items or page.entries
        for item in items:
            yield bind(msgspec.convert(item, kind, strict=False), rest)
        if not items or page.cursor is None or page.cursor == after:
            return
        after = page.cursor
