"""The SQL of feeds, rooms, categories and their overrides.

Feeds and rooms share positions within a category, so the statements about positions ask both tables. Functions whose name
begins with `lock` keep their rows until the transaction ends.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from sqlalchemy import Table, delete, func, insert, select, update

from vox.chat.database import quotas
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import categories, feeds, files, permission_overrides, rooms
from vox.chat.events import SpaceOverride
from vox.chat.events.ids import CategoryId, FeedId, RoomId, SpaceId
from vox.stores.sql import Connection

Kind = Literal["feed", "room"]
Item = tuple[Kind, int]

_TABLES: Final[dict[Kind, Table]] = {"feed": feeds, "room": rooms}


def check_category_quota(connection: Connection) -> None:
    """Refuses one more category than there may be.

    Raises:
        Refusal: INVALID_OPERATION.
    """
    check_quota(connection, categories, quotas.MAX_SPACES, "categories")


def insert_category(connection: Connection, name: str, position: int) -> CategoryId:
    """Inserts a category and returns its id."""
    values = {"name": name, "position": position}
    return connection.execute(insert(categories).values(values).returning(categories.c.id)).scalar_one()


def lock_category_positions(connection: Connection) -> dict[CategoryId, int]:
    """The position of each category by id."""
    rows = connection.execute(
        select(categories.c.id, categories.c.position).order_by(categories.c.id).with_for_update()
    )
    return {row[0]: row[1] for row in rows}


def rename_category(connection: Connection, category_id: CategoryId, name: str) -> None:
    """Gives a category another name."""
    connection.execute(update(categories).where(categories.c.id == category_id).values(name=name))


def set_category_position(connection: Connection, category_id: CategoryId, position: int) -> None:
    """Writes the position of one category."""
    connection.execute(update(categories).where(categories.c.id == category_id).values(position=position))


def lock_category(connection: Connection, category_id: CategoryId) -> str | None:
    """The name of a category that is about to be deleted; None where there is none."""
    query = select(categories.c.name).where(categories.c.id == category_id).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else row[0]


def delete_category(connection: Connection, category_id: CategoryId) -> None:
    """Deletes a category; its feeds and rooms have none then."""
    for table in (feeds, rooms):
        connection.execute(update(table).where(table.c.category_id == category_id).values(category_id=None))
    connection.execute(delete(categories).where(categories.c.id == category_id))


def category_exists(connection: Connection, category_id: CategoryId) -> bool:
    """Whether there is a category, which then stays until the transaction ends."""
    query = select(categories.c.id).where(categories.c.id == category_id).with_for_update(read=True)
    return connection.execute(query).first() is not None


def check_space_quota(connection: Connection, kind: Kind) -> None:
    """Refuses one more feed or room than there may be.

    Raises:
        Refusal: INVALID_OPERATION.
    """
    check_quota(connection, _TABLES[kind], quotas.MAX_SPACES, f"{kind}s")


def insert_space(
    connection: Connection, kind: Kind, *, name: str, type_: str, category_id: CategoryId | None, position: int
) -> Any:
    """Inserts a feed or room and returns its id."""
    table = _TABLES[kind]
    values = {"name": name, "type": type_, "category_id": category_id, "position": position}
    return connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()


def lock_feed_for_update(connection: Connection, feed_id: FeedId) -> tuple[CategoryId | None] | None:
    """The category of a feed that is about to change, None where there is no feed; messages may be sent to it meanwhile."""
    query = select(feeds.c.category_id).where(feeds.c.id == feed_id).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0],)


def lock_room_for_update(connection: Connection, room_id: RoomId) -> tuple[CategoryId | None] | None:
    """The category of a room that is about to change; None where there is no room."""
    query = select(rooms.c.category_id).where(rooms.c.id == room_id).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0],)


def update_space(connection: Connection, kind: Kind, space_id: SpaceId, changed: dict[str, Any]) -> None:
    """Writes the changed columns of a feed or room."""
    table = _TABLES[kind]
    connection.execute(update(table).where(table.c.id == space_id).values(changed))


def lock_space_for_deletion(connection: Connection, kind: Kind, space_id: SpaceId) -> str | None:
    """The name of a feed or room that is about to be deleted; None where there is none."""
    table = _TABLES[kind]
    row = connection.execute(select(table.c.name).where(table.c.id == space_id).with_for_update()).one_or_none()
    return None if row is None else row[0]


def withdraw_files_of_feed(connection: Connection, feed_id: FeedId) -> None:
    """Makes the files uploaded to a feed unreadable; the hourly cleanup deletes them."""
    connection.execute(update(files).where(files.c.feed_id == feed_id).values(state="uploading"))


def delete_space(connection: Connection, kind: Kind, space_id: SpaceId) -> None:
    """Deletes a feed or room with its overrides."""
    table, override = _TABLES[kind], permission_overrides.c
    connection.execute(delete(permission_overrides).where(override.space_type == kind, override.space_id == space_id))
    connection.execute(delete(table).where(table.c.id == space_id))


def highest_position(connection: Connection, category_id: CategoryId | None) -> int:
    """The highest position of feeds and rooms in a category, or of those without one; -1 where there are none."""
    highest = -1
    for table in _TABLES.values():
        query = select(func.max(table.c.position)).where(table.c.category_id.is_not_distinct_from(category_id))
        found = connection.execute(query).scalar_one()
        highest = max(highest, -1 if found is None else found)
    return highest


def lock_positions(connection: Connection, category_id: CategoryId | None) -> list[tuple[int, Item]]:
    """Position, kind and id of the feeds and rooms in a category, or of those without one."""
    found: list[tuple[int, Item]] = []
    for kind, table in _TABLES.items():
        query = select(table.c.id, table.c.position).where(table.c.category_id.is_not_distinct_from(category_id))
        rows = connection.execute(query.order_by(table.c.id).with_for_update(key_share=True))
        for id_, position in rows:
            found.append((position, (kind, id_)))
    return found


def set_position(connection: Connection, item: Item, position: int) -> None:
    """Writes the position of one feed or room."""
    kind, space_id = item
    table = _TABLES[kind]
    connection.execute(update(table).where(table.c.id == space_id).values(position=position))


def insert_overrides(connection: Connection, kind: Kind, space_id: SpaceId, overrides: Sequence[SpaceOverride]) -> None:
    """Writes the overrides of a feed or room that was inserted in the same transaction."""
    if overrides:
        connection.execute(insert(permission_overrides), [_row(kind, space_id, override) for override in overrides])


def insert_override(connection: Connection, kind: Kind, space_id: SpaceId, override: SpaceOverride) -> None:
    """Writes one override of a feed or room."""
    connection.execute(insert(permission_overrides).values(**_row(kind, space_id, override)))


def delete_override(connection: Connection, kind: Kind, space_id: SpaceId, override: SpaceOverride) -> bool:
    """Deletes the override of one role or user in a feed or room; False where there was none."""
    rows = permission_overrides.c
    statement = delete(permission_overrides).where(
        rows.space_type == kind,
        rows.space_id == space_id,
        rows.target_type == override.target_type,
        rows.target_id == override.target_id,
    )
    return bool(connection.execute(statement).rowcount)


def check_override_quota(connection: Connection, kind: Kind, space_id: SpaceId) -> None:
    """Refuses one more override than a feed or room may have.

    Raises:
        Refusal: INVALID_OPERATION.
    """
    rows = permission_overrides.c
    of_space = (rows.space_type == kind) & (rows.space_id == space_id)
    check_quota(connection, permission_overrides, quotas.MAX_OVERRIDES, "overrides here", of_space)


def _row(kind: Kind, space_id: SpaceId, override: SpaceOverride) -> dict[str, Any]:
    return {
        "space_type": kind,
        "space_id": space_id,
        "target_type": override.target_type,
        "target_id": override.target_id,
        "allow": override.allow,
        "deny": override.deny,
    }
