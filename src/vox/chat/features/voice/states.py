"""What clients say about voice rooms over the gateway: their own state, codecs, answers on stages."""

from functools import partial
from typing import Final

from vox.chat.api.access import assert_permission
from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.events import stage_response, voice_codec_neg
from vox.chat.events.ids import RoomId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.keys.rates import assert_below
from vox.chat.features.keys.relay import relay
from vox.chat.features.voice import queries, service
from vox.chat.features.voice.stage import not_in_voice
from vox.http.rate_limits import RateCategory
from vox.protocols.gateway import CpaceRelay, MlsRelay, Passed, StageResponse, VoiceCodec, VoiceState
from vox.protocols.gateway_server import as_id

STATES: Final = RateCategory("voice_states", 20, 1.0)
"""Messages of one user about voice rooms; each goes to all who see the room."""


async def carry_out(chat: ChatContext, user_id: UserId, asked: Passed) -> None:
    """Carries out what a client sent for other devices or about a voice room.

    Raises:
        Refusal: for the client.
        DependencyError: the database failed.
    """
    match asked:
        case MlsRelay() | CpaceRelay():
            await relay(chat, user_id, asked)
        case VoiceState():
            await _set_state(chat, user_id, asked)
        case VoiceCodec():
            users = await _others(chat, user_id, asked.room_id)
            chat.tell(voice_codec_neg(users=users, media_type=asked.media_type, codec=asked.codec, extras=asked.extras))
        case StageResponse():
            users = await _others(chat, user_id, asked.room_id)
            answer = stage_response(
                users=users, user_id=user_id, response_type=asked.response_type, accepted=asked.accepted
            )
            chat.tell(answer)


async def _set_state(chat: ChatContext, user_id: UserId, asked: VoiceState) -> None:
    row = await chat.read(partial(queries.member, user_id=user_id))
    if row is None:
        return
    await assert_below(chat, f"user:{user_id}", STATES, "Too many changes")
    for claimed, permission in ((asked.video, P.VIDEO), (asked.streaming, P.STREAM)):
        if claimed:
            assert_permission(chat.community.may_in(user_id, "room", row.room_id, permission), permission)
    given = {
        "self_mute": asked.self_mute,
        "self_deaf": asked.self_deaf,
        "video": asked.video,
        "streaming": asked.streaming,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    await chat.change(partial(service.set_own_state, user_id=user_id, room_id=row.room_id, changed=changed))


async def _others(chat: ChatContext, user_id: UserId, asked: int | str | None) -> list[UserId]:
    """Who is in the room, the sender too, who must be."""
    if asked is None:
        raise refuse("MISSING_ROOM_ID", "Name the room by room_id.")
    await assert_below(chat, f"user:{user_id}", STATES, "Too many messages")
    room = as_id(asked)
    members = [] if room is None else await chat.read(partial(queries.members_of, room_id=RoomId(room)))
    users = [one.user_id for one in members]
    if user_id not in users:
        raise not_in_voice(user_id)
    return users
