"""Agents and telephone callers of rooms over REST: invite, remove, numbers with codes."""

import re
import secrets
from functools import partial
from string import digits
from typing import Final

from vox.chat.api.access import assert_permission, in_room, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import refuse
from vox.chat.events.ids import RoomId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.spaces.rooms import room_not_found
from vox.chat.features.voice import agents, guest_queries, queries
from vox.chat.features.voice.guest_schemas import MAX_CODE, InviteAgent, NewNumber, RoomNumber, RoomNumbers
from vox.chat.features.voice.opening import keeper_of
from vox.chat.features.voice.schemas import VoiceGuest
from vox.stores.sql import Connection

routes = RouteTable()

CODE_DIGITS: Final = 8
PHONE: Final = re.compile(r"\+[1-9][0-9]{4,17}")


@routes.post(
    "/rooms/{room_id}/voice/agents", access=in_room(P.MOVE_MEMBERS), body=InviteAgent, status=201, returns=VoiceGuest
)
async def invite_agent(call: Call[InviteAgent]) -> VoiceGuest:
    """Sends for an agent; it is there once voice_state_update shows it with `joined_at`."""
    chat = call.chat
    return await agents.invite(chat, keeper_of(chat).media, call.id("room_id"), call.user_id, call.body)


@routes.delete("/rooms/{room_id}/voice/guests/{guest_id}", access=in_room(P.VIEW_SPACE))
async def remove_guest(call: Call) -> None:
    """Takes an agent or caller out of the room and its media at once; for who invited it, and holders of MOVE_MEMBERS."""
    chat, room_id, guest_id = call.chat, call.id("room_id"), call.id("guest_id")
    guests = await chat.read(partial(queries.shown_guests, room_id=room_id))
    guest = next((one for one in guests if one.guest_id == guest_id), None)
    if guest is None:
        raise refuse("NOT_FOUND", f"There is no guest {guest_id} in this room.")
    if guest.inviter_id != call.user_id:
        assert_permission(chat.community.may_in(call.user_id, "room", room_id, P.MOVE_MEMBERS), P.MOVE_MEMBERS)
    await chat.change(partial(agents.dismiss, room_id=room_id, guest_id=guest_id))
    await keeper_of(chat).remove_now(room_id, guest.identity)


@routes.get("/rooms/{room_id}/voice/numbers", access=requires(P.MANAGE_SPACES, sees="room"), returns=RoomNumbers)
async def list_room_numbers(call: Call) -> RoomNumbers:
    """The telephone numbers of the room, with their codes."""
    room_id = call.id("room_id")
    _assert_room(call.chat, room_id)
    return RoomNumbers(await call.chat.read(partial(guest_queries.numbers_of, room_id=room_id)))


@routes.post(
    "/rooms/{room_id}/voice/numbers",
    access=requires(P.MANAGE_SPACES, sees="room"),
    body=NewNumber,
    status=201,
    returns=RoomNumber,
)
async def add_room_number(call: Call[NewNumber]) -> RoomNumber:
    """Lets callers of a number into the room who enter the code."""
    chat, body, room_id = call.chat, call.body, call.id("room_id")
    _assert_room(chat, room_id)
    if not PHONE.fullmatch(body.number):
        raise refuse("VALIDATION_ERROR", "body.number: expected a number in international form, such as +49301234567")
    if body.code and not (body.code.isascii() and body.code.isdigit()):
        raise refuse("VALIDATION_ERROR", f"body.code: expected up to {MAX_CODE} digits")
    code = "".join(secrets.choice(digits) for _ in range(CODE_DIGITS)) if body.code is None else body.code
    unit = partial(
        _insert,
        room_id=room_id,
        number=body.number,
        code=code,
        creator_id=call.user_id,
        now_s=chat.clock.unix_s(),
    )
    return await chat.change(unit)


@routes.delete("/rooms/{room_id}/voice/numbers/{number_id}", access=requires(P.MANAGE_SPACES, sees="room"))
async def remove_room_number(call: Call) -> None:
    """Ends it; callers who are in the room stay."""
    unit = partial(_delete, room_id=call.id("room_id"), number_id=call.id("number_id"), actor_id=call.user_id)
    await call.chat.change(unit)


def _assert_room(chat: ChatContext, room_id: RoomId) -> None:
    if room_id not in chat.community.rooms:
        raise room_not_found(room_id)


def _insert(
    connection: Connection, *, room_id: RoomId, number: str, code: str, creator_id: UserId, now_s: int
) -> Change[RoomNumber]:
    if queries.lock_room(connection, room_id) is None:
        raise room_not_found(room_id)
    number_id = guest_queries.insert_number(
        connection, room_id=room_id, number=number, code=code, creator_id=creator_id, now_s=now_s
    )
    if number_id is None:
        raise refuse("CODE_TAKEN", "This number leads to a room with this code already.")
    made = RoomNumber(number_id, room_id, number, code, creator_id, now_s)
    return Change(made, (), [AuditEntry("voice.number_add", creator_id, room_id, {"number": number})])


def _delete(connection: Connection, *, room_id: RoomId, number_id: int, actor_id: UserId) -> Change[None]:
    if not guest_queries.delete_number(connection, room_id, number_id):
        raise refuse("NOT_FOUND", f"There is no number {number_id} of this room.")
    return Change(None, (), [AuditEntry("voice.number_remove", actor_id, room_id, {"number_id": number_id})])
