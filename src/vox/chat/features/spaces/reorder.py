"""What feeds and rooms have in common as rows: they stand together in a category, in one order.

Both share positions, so that a client can show them as one list; moving one re-numbers all of them from 0.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from sqlalchemy import Connection, Table, func, select, update

from vox.chat.database.schema import categories, feeds, rooms
from vox.chat.errors import refuse
from vox.chat.features.spaces.positions import moved

Kind = Literal["feed", "room"]
Item = tuple[Kind, int]

_TABLES: Final[dict[Kind, Table]] = {"feed": feeds, "room": rooms}


@dataclass(frozen=True, slots=True)
class Moves:
    """New positions by id, of everything that was re-numbered."""

    feeds: dict[int, int] = field(default_factory=dict[int, int])
    rooms: dict[int, int] = field(default_factory=dict[int, int])


def assert_category(connection: Connection, category_id: int | None) -> None:
    """Refuses a category that does not exist, and keeps one that does until the transaction's end.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    if category_id is not None:
        query = select(categories.c.id).where(categories.c.id == category_id).with_for_update(read=True)
        if connection.execute(query).first() is None:
            raise refuse("SPACE_NOT_FOUND", f"There is no category {category_id}.")


def last_position(connection: Connection, category_id: int | None) -> int:
    """The position behind everything in a category; without a category, behind everything that has none."""
    highest = -1
    for table in _TABLES.values():
        query = select(func.max(table.c.position)).where(table.c.category_id.is_not_distinct_from(category_id))
        found = connection.execute(query).scalar_one()
        highest = max(highest, -1 if found is None else found)
    return highest + 1


def move(connection: Connection, kind: Kind, space_id: int, category_id: int | None, index: int) -> Moves:
    """Puts a feed or room at an index of its category, and re-numbers the category.

    Args:
        connection: of the writer.
        kind: what moves.
        space_id: which.
        category_id: where it is now, after a change of category in the same transaction.
        index: from 0; beyond the end means last.
    """
    before: list[tuple[int, Item]] = []
    for each, table in _TABLES.items():
        query = select(table.c.id, table.c.position).where(table.c.category_id.is_not_distinct_from(category_id))
        rows = connection.execute(query.order_by(table.c.id).with_for_update(key_share=True))
        for id_, position in rows:
            before.append((position, (each, id_)))
    before.sort()
    positions = {item: position for position, item in before}
    moves = Moves()
    for position, item in enumerate(moved([item for _, item in before], (kind, space_id), index)):
        each, id_ = item
        if positions.get(item) != position:
            table = _TABLES[each]
            connection.execute(update(table).where(table.c.id == id_).values(position=position))
        if positions.get(item) != position or item == (kind, space_id):
            (moves.feeds if each == "feed" else moves.rooms)[id_] = position
    return moves
