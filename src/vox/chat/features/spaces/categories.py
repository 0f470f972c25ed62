"""Units of work for categories: headings without permissions of their own.

Deleting a category keeps its feeds and rooms.
"""

from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import category_create, category_delete, category_update
from vox.chat.events.ids import CategoryId, UserId
from vox.chat.features.spaces import queries
from vox.chat.features.spaces.positions import moved
from vox.chat.features.spaces.schemas import CreateCategory, UpdateCategory
from vox.stores.sql import Connection


def create_category(connection: Connection, *, actor_id: UserId, body: CreateCategory) -> Change[CategoryId]:
    """Inserts a category and returns its id.

    Raises:
        Refusal: INVALID_OPERATION where there are too many.
    """
    lock_event_order(connection)
    queries.check_category_quota(connection)
    category_id = queries.insert_category(connection, body.name, body.position)
    event = category_create(category_id=category_id, name=body.name, position=body.position)
    audit = AuditEntry("category.create", actor_id, category_id, {"name": body.name})
    return Change(category_id, (event,), (audit,))


def update_category(
    connection: Connection, *, actor_id: UserId, category_id: CategoryId, body: UpdateCategory
) -> Change[None]:
    """Writes another name or position; a position re-numbers all categories from 0.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    lock_event_order(connection)
    positions = queries.lock_category_positions(connection)
    if category_id not in positions:
        raise category_not_found(category_id)
    changed: dict[str, object] = {}
    if body.name is not None:
        queries.rename_category(connection, category_id, body.name)
        changed["name"] = body.name
    moves: dict[int, int] = {}
    if body.position is not None:
        order = sorted(positions, key=lambda id_: (positions[id_], id_))
        for position, id_ in enumerate(moved(order, category_id, body.position)):
            moves[id_] = position
            if positions[id_] != position:
                queries.set_category_position(connection, id_, position)
        changed["position"] = body.position
    if not changed:
        return Change(None)
    event = category_update(category_id=category_id, changed=changed, positions=moves)
    audit = AuditEntry("category.update", actor_id, category_id, {"changed": changed})
    return Change(None, (event,), (audit,))


def delete_category(connection: Connection, *, actor_id: UserId, category_id: CategoryId) -> Change[None]:
    """Deletes a category; its feeds and rooms have none then.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    lock_event_order(connection)
    name = queries.lock_category(connection, category_id)
    if name is None:
        raise category_not_found(category_id)
    queries.delete_category(connection, category_id)
    audit = AuditEntry("category.delete", actor_id, category_id, {"name": name})
    return Change(None, (category_delete(category_id=category_id),), (audit,))


def category_not_found(category_id: CategoryId) -> Refusal:
    """The refusal for a category that does not exist."""
    return refuse("SPACE_NOT_FOUND", f"There is no category {category_id}.")
