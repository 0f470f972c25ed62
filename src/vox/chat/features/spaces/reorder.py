"""Positions of feeds and rooms, which share one order within their category.

Both share positions, so that a client can show them as one list; moving one re-numbers all of them from 0.
"""

from dataclasses import dataclass, field

from vox.chat.errors import refuse
from vox.chat.events.ids import CategoryId, SpaceId
from vox.chat.features.spaces import queries
from vox.chat.features.spaces.positions import moved
from vox.chat.features.spaces.queries import Kind
from vox.stores.sql import Connection


@dataclass(frozen=True, slots=True)
class Moves:
    """New positions by id, of everything that was re-numbered."""

    feeds: dict[int, int] = field(default_factory=dict[int, int])
    rooms: dict[int, int] = field(default_factory=dict[int, int])


def assert_category(connection: Connection, category_id: CategoryId | None) -> None:
    """Refuses a category that does not exist, and keeps one that does until the transaction's end.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    if category_id is not None and not queries.category_exists(connection, category_id):
        raise refuse("SPACE_NOT_FOUND", f"There is no category {category_id}.")


def last_position(connection: Connection, category_id: CategoryId | None) -> int:
    """The position behind everything in a category; without a category, behind everything that has none."""
    return queries.highest_position(connection, category_id) + 1


def move(connection: Connection, kind: Kind, space_id: SpaceId, category_id: CategoryId | None, index: int) -> Moves:
    """Puts a feed or room at an index of its category, and re-numbers the category.

    Args:
        connection: of the writer.
        kind: what moves.
        space_id: which.
        category_id: where it is now, after a change of category in the same transaction.
        index: from 0; beyond the end means last.
    """
    before = sorted(queries.lock_positions(connection, category_id))
    positions = {item: position for position, item in before}
    moves = Moves()
    for position, item in enumerate(moved([item for _, item in before], (kind, space_id), index)):
        each, id_ = item
        if positions.get(item) != position:
            queries.set_position(connection, item, position)
        if positions.get(item) != position or item == (kind, space_id):
            (moves.feeds if each == "feed" else moves.rooms)[id_] = position
    return moves
