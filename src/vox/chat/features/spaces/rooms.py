"""Units of work for voice and stage rooms: their names and positions. Calls in a room are not handled here."""

from collections.abc import Sequence
from typing import Any

from vox.chat.api.hierarchy import fresh_community
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import SpaceOverride, room_create, room_delete, room_update
from vox.chat.events.ids import CategoryId, RoomId, UserId
from vox.chat.features.spaces import queries
from vox.chat.features.spaces.reorder import Moves, assert_category, last_position, move
from vox.chat.features.spaces.schemas import CreateRoom, UpdateRoom
from vox.stores.sql import Connection


def create_room(
    connection: Connection, *, actor_id: UserId, body: CreateRoom, overrides: Sequence[SpaceOverride]
) -> Change[RoomId]:
    """Inserts a room, last in its category, and returns its id.

    Args:
        connection: of the writer.
        actor_id: the user who creates it.
        body: the request.
        overrides: those of the request, checked.

    Raises:
        Refusal: INVALID_OPERATION where there are too many, SPACE_NOT_FOUND (category).
    """
    lock_event_order(connection)
    queries.check_space_quota(connection, "room")
    category_id = None if body.category_id is None else CategoryId(body.category_id)
    assert_category(connection, category_id)
    position = last_position(connection, category_id)
    room_id: RoomId = queries.insert_space(
        connection, "room", name=body.name, type_=body.type, category_id=category_id, position=position
    )
    queries.insert_overrides(connection, "room", room_id, overrides)
    event = room_create(
        room_id=room_id,
        name=body.name,
        type=body.type,
        category_id=category_id,
        position=position,
        overrides=overrides,
    )
    return Change(room_id, (event,), (AuditEntry("room.create", actor_id, room_id, {"name": body.name}),))


def update_room(connection: Connection, *, actor_id: UserId, room_id: RoomId, body: UpdateRoom) -> Change[None]:
    """Writes another name, category or position.

    Raises:
        Refusal: SPACE_NOT_FOUND, for the room or the category.
    """
    lock_event_order(connection)
    row = queries.lock_room_for_update(connection, room_id)
    if row is None:
        raise room_not_found(room_id)
    given: dict[str, Any] = {"name": body.name, "category_id": body.category_id}
    changed = {name: value for name, value in given.items() if value is not None}
    category_id = None if body.category_id is None else CategoryId(body.category_id)
    assert_category(connection, category_id)
    if changed:
        queries.update_space(connection, "room", room_id, changed)
    moves = Moves()
    if body.position is not None:
        moves = move(connection, "room", room_id, row[0] if category_id is None else category_id, body.position)
        changed["position"] = body.position
    if not changed:
        return Change(None)
    event = room_update(room_id=room_id, changed=changed, feeds=moves.feeds, rooms=moves.rooms)
    return Change(None, (event,), (AuditEntry("room.update", actor_id, room_id, {"changed": changed}),))


def delete_room(connection: Connection, *, actor_id: UserId, room_id: RoomId) -> Change[None]:
    """Deletes a room.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    overrides = fresh_community(connection, space=("room", room_id)).overrides_of("room", room_id)
    name = queries.lock_space_for_deletion(connection, "room", room_id)
    if name is None:
        raise room_not_found(room_id)
    queries.delete_space(connection, "room", room_id)
    event = room_delete(room_id=room_id, overrides=overrides)
    return Change(None, (event,), (AuditEntry("room.delete", actor_id, room_id, {"name": name}),))


def room_not_found(room_id: RoomId) -> Refusal:
    """The refusal for a room that does not exist."""
    return refuse("SPACE_NOT_FOUND", f"There is no room {room_id}.")
