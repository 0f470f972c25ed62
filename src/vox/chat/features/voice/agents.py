"""Sends for agents: the agent server is asked to join a room with a token that lets one agent in.

The agent server believes the token alone, which only this server can sign. What becomes of the agent then, the media server shows.
"""

from functools import partial
from typing import Any, Final, cast

import msgspec

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import RoomId, UserId
from vox.chat.features.spaces.rooms import room_not_found
from vox.chat.features.voice import guest_queries, queries, service
from vox.chat.features.voice.grants import USER, guest_permission
from vox.chat.features.voice.guest_queries import GuestRow
from vox.chat.features.voice.guest_schemas import InviteAgent
from vox.chat.features.voice.media import Media
from vox.chat.features.voice.placement import Placement, Wish
from vox.chat.features.voice.schemas import VoiceGuest
from vox.clients.rooms.room_service import http_address
from vox.errors import VoxError
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

MAX_AGENTS: Final = 8
"""Agents in one room."""
MAX_CALLERS: Final = 50
"""Telephone callers in one room."""
DEADLINE_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 65_536
DEFAULT_NAME: Final = "Agent"
_NOT_FOUND: Final = 404
_OK: Final = 300
_JSON: Final = msgspec.json.Decoder(dict[str, Any])

_log = get_logger(__name__)


async def invite(chat: ChatContext, media: Media, room_id: RoomId, inviter_id: UserId, body: InviteAgent) -> VoiceGuest:
    """Lets an agent into a room and sends for it.

    Raises:
        Refusal: VOICE_NOT_CONFIGURED, SPACE_NOT_FOUND, ROOM_FULL, AGENT_NOT_FOUND, AGENT_UNAVAILABLE.
    """
    media.assert_configured()
    address = agent_address(chat)
    name = body.name.strip() or body.agent.strip() or DEFAULT_NAME
    now_s = chat.clock.unix_s()
    guest = await chat.change(
        partial(admit, room_id=room_id, kind="agent", name=name, agent=body.agent, inviter_id=inviter_id, now_s=now_s)
    )
    place = await media.place(room_id, Wish(), with_agent=True)
    try:
        await _send(chat, media, address, guest, place, body)
    except Refusal:
        await chat.change(partial(dismiss, room_id=room_id, guest_id=guest.id))
        raise
    return VoiceGuest(guest.id, "agent", guest.identity, name, inviter_id, None)


async def send_again(chat: ChatContext, media: Media, guest: GuestRow, place: Placement) -> None:
    """Sends an agent to where its room is now."""
    try:
        await _send(chat, media, agent_address(chat), guest, place, InviteAgent(guest.agent, guest.name))
    except Refusal as error:
        _log.warning("an agent does not follow its room", room_id=guest.room_id, code=error.code)


def admit(
    connection: Connection,
    *,
    room_id: RoomId,
    kind: str,
    name: str,
    agent: str,
    inviter_id: UserId | None,
    now_s: int,
) -> Change[GuestRow]:
    """Lets a guest into a room.

    Raises:
        Refusal: SPACE_NOT_FOUND, ROOM_FULL.
    """
    if queries.lock_room(connection, room_id) is None:
        raise room_not_found(room_id)
    others = [one for one in guest_queries.guests_of(connection, room_id) if one.kind == kind]
    most = MAX_AGENTS if kind == "agent" else MAX_CALLERS
    if len(others) >= most:
        raise refuse("ROOM_FULL", f"The room takes {most} of them.")
    guest_id = guest_queries.insert_guest(
        connection, room_id=room_id, kind=kind, name=name, agent=agent, inviter_id=inviter_id, now_s=now_s
    )
    guest = GuestRow(guest_id, room_id, kind, name, agent, now_s, None, None)
    return Change(guest, (service.room_event(connection, room_id),))


def dismiss(connection: Connection, *, room_id: RoomId, guest_id: int) -> Change[bool]:
    """Takes a guest out of a room; False where there is none."""
    queries.lock_room(connection, room_id)
    gone = guest_queries.delete_guests(connection, room_id, [guest_id])
    return Change(bool(gone), (service.room_event(connection, room_id),) if gone else ())


def agent_address(chat: ChatContext) -> str:
    """Where the agent server is asked.

    Raises:
        Refusal: AGENT_UNAVAILABLE where none is set.
    """
    address = chat.settings.media_agent_url or chat.settings.agent_url
    if not address:
        raise refuse("AGENT_UNAVAILABLE", "This server has no agents: its operator has set no agent server.")
    return http_address(address)


async def _send(
    chat: ChatContext, media: Media, address: str, guest: GuestRow, place: Placement, body: InviteAgent
) -> None:
    token = media.token(guest.room_id, guest.identity, guest_permission(), name=guest.name, kind="agent")
    feed_id = await chat.read(partial(queries.transcript_feed, room_id=guest.room_id))
    asked = {
        "media_url": place.media_url,
        "token": token.text,
        "agent": guest.agent,
        "language": body.language,
        "interrupted_by": [f"{USER}{one}" for one in body.interrupted_by],
        "transcripts_url": "" if feed_id is None else transcripts_url(chat),
    }
    try:
        answer = await media.own_guard.fetch(
            "POST",
            f"{address}/rooms/join",
            headers={"content-type": "application/json"},
            body=msgspec.json.encode(asked),
            deadline_s=DEADLINE_S,
            max_bytes=MAX_ANSWER_BYTES,
        )
    except VoxError as error:
        _log.warning("the agent server does not answer", code=error.code, error=str(error))
        raise _unavailable() from None
    if answer.status < _OK:
        return
    if answer.status == _NOT_FOUND and _code(answer.body) == "UNKNOWN_AGENT":
        raise refuse("AGENT_NOT_FOUND", f"The agent server has no agent {guest.agent!r}.")
    _log.warning("the agent server refuses", status=answer.status, code=_code(answer.body))
    raise _unavailable()


def transcripts_url(chat: ChatContext) -> str:
    """Where agents send what was said."""
    base = chat.settings.media_callback_url or f"http://127.0.0.1:{chat.settings.http_port}"
    return f"{base.rstrip('/')}/api/v1/voice/transcripts"


def _code(body: bytes) -> str:
    try:
        said = _JSON.decode(body)
        error = said.get("error")
        detail: dict[str, Any] = cast("dict[str, Any]", error) if isinstance(error, dict) else said
        return str(detail.get("code", ""))[:64].upper()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def _unavailable() -> Refusal:
    return refuse("AGENT_UNAVAILABLE", "The agent server is away or busy; try again.", retry_after_ms=5000)
