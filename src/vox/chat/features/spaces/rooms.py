"""Voice and stage rooms over REST: what they are called and where they stand; who talks in them is elsewhere."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import in_room, requires
from vox.chat.api.hierarchy import fresh_community, recheck_in_transaction
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length
from vox.chat.database import quotas
from vox.chat.database.quotas import check_quota
from vox.chat.database.schema import permission_overrides, rooms
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import SpaceOverride, room_create, room_delete, room_update
from vox.chat.events.permissions import P
from vox.chat.features.spaces.initial_overrides import checked_overrides, override_user_ids, store_overrides
from vox.chat.features.spaces.layout import room_info
from vox.chat.features.spaces.reorder import Moves, assert_category, last_position, move
from vox.chat.features.spaces.schemas import CreateRoom, RoomInfo, UpdateRoom

routes = RouteTable()


@routes.get("/rooms/{room_id}", access=in_room(P.VIEW_SPACE), returns=RoomInfo)
async def get_room(call: Call) -> RoomInfo:
    """One room."""
    return room_info(call.chat.community, call.id("room_id"))


@routes.post("/rooms", access=requires(P.MANAGE_SPACES), body=CreateRoom, status=201, returns=RoomInfo)
async def create_room(call: Call[CreateRoom]) -> RoomInfo:
    """A new room, last in its category."""
    chat, body = call.chat, call.body
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    may_override = partial(checked_overrides, actor_id=call.user_id, wanted=body.permission_overrides)
    unit = partial(_create, actor_id=call.user_id, body=body, overrides=may_override(chat.community))
    room_id = await chat.change(
        recheck_in_transaction(unit, may_override, call.user_id, *override_user_ids(body.permission_overrides))
    )
    return room_info(chat.community, room_id)


@routes.patch("/rooms/{room_id}", access=requires(P.MANAGE_SPACES, sees="room"), body=UpdateRoom, returns=RoomInfo)
async def update_room(call: Call[UpdateRoom]) -> RoomInfo:
    """Another name, category or position."""
    chat, body, room_id = call.chat, call.body, call.id("room_id")
    validate_length(chat.config.limit, "name", body.name, "channel_name_max", "channel_name_min")
    await chat.change(partial(_update, actor_id=call.user_id, room_id=room_id, body=body))
    return room_info(chat.community, room_id)


@routes.delete("/rooms/{room_id}", access=requires(P.MANAGE_SPACES, sees="room"))
async def delete_room(call: Call) -> None:
    """Deletes a room."""
    await call.chat.change(partial(_delete, actor_id=call.user_id, room_id=call.id("room_id")))


def _create(
    connection: Connection, *, actor_id: int, body: CreateRoom, overrides: Sequence[SpaceOverride]
) -> Change[int]:
    lock_event_order(connection)
    check_quota(connection, rooms, quotas.MAX_SPACES, "rooms")
    assert_category(connection, body.category_id)
    position = last_position(connection, body.category_id)
    values = {"name": body.name, "type": body.type, "category_id": body.category_id, "position": position}
    room_id: int = connection.execute(insert(rooms).values(values).returning(rooms.c.id)).scalar_one()
    store_overrides(connection, "room", room_id, overrides)
    event = room_create(
        room_id=room_id,
        name=body.name,
        type=body.type,
        category_id=body.category_id,
        position=position,
        overrides=overrides,
    )
    return Change(room_id, (event,), (AuditEntry("room.create", actor_id, room_id, {"name": body.name}),))


def _update(connection: Connection, *, actor_id: int, room_id: int, body: UpdateRoom) -> Change[None]:
    lock_event_order(connection)
    query = select(rooms.c.category_id).where(rooms.c.id == room_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no room {room_id}.")
    wanted: dict[str, Any] = {"name": body.name, "category_id": body.category_id}
    changed = {name: value for name, value in wanted.items() if value is not None}
    assert_category(connection, body.category_id)
    if changed:
        connection.execute(update(rooms).where(rooms.c.id == room_id).values(changed))
    moves = Moves()
    if body.position is not None:
        category_id = row[0] if body.category_id is None else body.category_id
        moves = move(connection, "room", room_id, category_id, body.position)
        changed["position"] = body.position
    if not changed:
        return Change(None)
    event = room_update(room_id=room_id, changed=changed, feeds=moves.feeds, rooms=moves.rooms)
    return Change(None, (event,), (AuditEntry("room.update", actor_id, room_id, {"changed": changed}),))


def _delete(connection: Connection, *, actor_id: int, room_id: int) -> Change[None]:
    overrides = fresh_community(connection, space=("room", room_id)).overrides_of("room", room_id)
    row = connection.execute(select(rooms.c.name).where(rooms.c.id == room_id).with_for_update()).one_or_none()
    if row is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no room {room_id}.")
    override = permission_overrides.c
    connection.execute(delete(permission_overrides).where(override.space_type == "room", override.space_id == room_id))
    connection.execute(delete(rooms).where(rooms.c.id == room_id))
    event = room_delete(room_id=room_id, overrides=overrides)
    return Change(None, (event,), (AuditEntry("room.delete", actor_id, room_id, {"name": row[0]}),))
