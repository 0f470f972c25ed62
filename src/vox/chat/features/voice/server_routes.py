"""What media servers and agents tell this server and ask it, by tokens of the key that all three share.

No route here believes more than its token says: a media server's webhook is a reason to look, an agent speaks for the room its token
lets it into, and a telephone server asks about numbers and codes.
"""

from functools import partial
from typing import Any, Final

from vox.chat.api.access import PUBLIC
from vox.chat.api.rate_categories import VOICE_SERVERS
from vox.chat.api.request import Call, RouteTable
from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.events import voice_invite
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.keys.rates import assert_below
from vox.chat.features.voice import agents, guest_queries, transcripts
from vox.chat.features.voice.grants import AGENT, guest_permission
from vox.chat.features.voice.guest_queries import GuestRow
from vox.chat.features.voice.guest_schemas import CallerAdmitted, CallerWithCode, Fetch, NumberInfo, Segments
from vox.chat.features.voice.opening import keeper_of
from vox.chat.features.voice.placement import Wish
from vox.clients.rooms.webhooks import MAX_BODY_BYTES, read_webhook
from vox.errors import VoxError
from vox.http.rate_limits import RateCategory
from vox.security.credentials import bearer_token
from vox.security.room_tokens import RoomClaims, read_room_token

routes = RouteTable()

AGENT_TOKEN_LEEWAY_S: Final = 7 * 86_400.0
"""An agent may stay in its room for longer than its token lets it join; what counts is that the room still has it."""
CODES: Final = RateCategory("voice_codes", 5, 1 / 120)
"""Codes that one caller may try at a number."""
NUMBER_CODES: Final = RateCategory("voice_number_codes", 60, 0.2)
"""Codes that may be tried at a number, by all callers."""
SHOWN_DIGITS: Final = 4


@routes.post("/voice/webhook", access=PUBLIC, category=VOICE_SERVERS, body=bytes, is_raw=True)
async def take_media_webhook(call: Call[bytes]) -> None:
    """Takes an event of a media server, whose token has the hash of the body.

    The room that it is about is looked at then, so events that come twice, late or out of order do no harm.
    """
    chat = call.chat
    keeper = keeper_of(chat)
    if len(call.body) > MAX_BODY_BYTES:
        raise refuse("PAYLOAD_TOO_LARGE", "The webhook is too large.")
    try:
        event = read_webhook(call.header(b"authorization"), call.body, keeper.media.keys, now=chat.clock.unix())
    except VoxError as error:
        raise refuse("AUTH_FAILED", str(error.args[0])) from None
    room_id = keeper.media.room_of(event.room)
    if room_id is not None:
        keeper.request(room_id)


@routes.post("/voice/calls", access=PUBLIC, category=VOICE_SERVERS, body=CallerWithCode, returns=CallerAdmitted)
async def admit_caller(call: Call[CallerWithCode]) -> CallerAdmitted:
    """Lets a telephone caller into the room of a number and code; asked by the server that has the call."""
    chat, body = call.chat, call.body
    media = keeper_of(chat).media
    _assert_telephony(call)
    now_s = chat.clock.unix_s()
    await assert_below(chat, f"voice-code:{body.number}:{body.caller}", CODES, "Too many codes")
    await assert_below(chat, f"voice-number:{body.number}", NUMBER_CODES, "Too many codes at this number")
    found = await chat.read(partial(guest_queries.room_of_code, number=body.number, code=body.code))
    if found is None:
        raise refuse("CODE_NOT_FOUND", "This number leads to no room with this code.")
    room_id, room_name = found
    shown = _masked(body.caller)
    unit = partial(agents.admit, room_id=room_id, kind="caller", name=shown, agent="", inviter_id=None, now_s=now_s)
    guest = await chat.change(unit)
    place = await media.place(room_id, Wish())
    attributes = {"sip.phoneNumber": shown, "sip.callID": body.call_id}
    token = media.token(room_id, guest.identity, guest_permission(), name=shown, kind="sip", attributes=attributes)
    return CallerAdmitted(room_id, room_name, place.media_url, token.text, guest.identity)


@routes.get("/voice/numbers/{number}", access=PUBLIC, category=VOICE_SERVERS, returns=NumberInfo)
async def describe_number(call: Call) -> NumberInfo:
    """Whether callers of a number enter a code; asked by the server that has the call."""
    _assert_telephony(call)
    number = call.text("number")
    codes = await call.chat.read(partial(guest_queries.codes_of_number, number=number))
    if not codes:
        raise refuse("CODE_NOT_FOUND", "This number leads to no room.")
    return NumberInfo(number, needs_code="" not in codes)


@routes.post("/voice/transcripts", access=PUBLIC, category=VOICE_SERVERS, body=Segments)
async def take_transcripts(call: Call[Segments]) -> None:
    """What was said in a room, from the agent that heard it; written to the feed that the room is set to, each segment once."""
    guest = await _agent(call)
    await transcripts.write(call.chat, guest.room_id, call.body.items)


@routes.post("/voice/fetch", access=PUBLIC, category=VOICE_SERVERS, body=Fetch)
async def fetch_user(call: Call[Fetch]) -> None:
    """Asks a user to come into the room, in the name of the agent there; as the event voice_invite."""
    chat, body = call.chat, call.body
    guest = await _agent(call)
    user_id = UserId(body.user_id) if body.user_id is not None else _by_name(chat, body.username or "")
    if user_id is None or user_id not in chat.community.users:
        raise refuse("USER_NOT_FOUND", "There is no such user.")
    if not chat.community.may_in(user_id, "room", guest.room_id, P.CONNECT):
        raise refuse("MISSING_PERMISSIONS", "The user may not connect to this room.")
    chat.tell(voice_invite(room_id=guest.room_id, user_id=user_id, sender=guest.identity))


def _claims(call: Call[Any, Any], *, leeway_s: float = 10.0) -> RoomClaims:
    media = keeper_of(call.chat).media
    token = bearer_token(call.header(b"authorization"))
    if not token:
        raise refuse("AUTH_FAILED", "Send Authorization: Bearer and a room token.")
    try:
        return read_room_token(token, media.keys, now=call.chat.clock.unix(), leeway_s=leeway_s)
    except VoxError as error:
        raise refuse("AUTH_FAILED", str(error.args[0])) from None


def _assert_telephony(call: Call[Any, Any]) -> None:
    if not _claims(call).sip.call:
        raise refuse("FORBIDDEN", "The token does not let its holder ask about calls.")


async def _agent(call: Call[Any, Any]) -> GuestRow:
    """The agent whose room token came."""
    chat = call.chat
    claims = _claims(call, leeway_s=AGENT_TOKEN_LEEWAY_S)
    number = claims.sub.removeprefix(AGENT)
    is_agent = claims.kind == "agent" and claims.video.room_join and number != claims.sub
    guest: GuestRow | None = None
    if is_agent and number.isascii() and number.isdigit() and len(number) < 19:  # noqa: PLR2004  64 bits
        guest = await chat.read(partial(guest_queries.find_guest, guest_id=int(number)))
    if guest is None or guest.kind != "agent" or keeper_of(chat).media.room_of(claims.video.room) != guest.room_id:
        raise refuse("FORBIDDEN", "The token is of no agent that is in a room.")
    return guest


def _by_name(chat: ChatContext, name: str) -> UserId | None:
    """The one active member of that user name, or of that shown name where it is only one's."""
    asked = name.strip().casefold()
    people = [one for one in tuple(chat.community.users.values()) if one.is_active and not one.is_contact]
    found = [one.id for one in people if one.username.casefold() == asked]
    if not found:
        found = [one.id for one in people if asked in {(one.nickname or "").casefold(), one.display_name.casefold()}]
    return found[0] if asked and len(found) == 1 else None


def _masked(number: str) -> str:
    """A caller's number as the room shows it: its last digits."""
    digits = "".join(one for one in number if one.isdigit())
    return f"Caller …{digits[-SHOWN_DIGITS:]}" if len(digits) > SHOWN_DIGITS else "Caller"
