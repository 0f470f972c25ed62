"""Where things stand in a list after one of them moved. Pure."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def moved(order: Sequence[K], item: K, index: int) -> list[K]:
    """The order with `item` at `index`; beyond the end means last, and an item that was not there joins.

    Args:
        order: as it was.
        item: what moves.
        index: from 0.
    """
    rest = [other for other in order if other != item]
    at = max(0, min(index, len(rest)))
    return [*rest[:at], item, *rest[at:]]
