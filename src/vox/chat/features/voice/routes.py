"""Voice rooms over REST: come, go, and what moderators may do."""

from functools import partial

from vox.chat.api.access import USER, assert_permission, in_room, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import refuse
from vox.chat.events import media_token_refresh
from vox.chat.events.ids import FeedId, RoomId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.spaces.rooms import room_not_found
from vox.chat.features.voice import service
from vox.chat.features.voice.opening import keeper_of
from vox.chat.features.voice.placement import Place, Wish
from vox.chat.features.voice.schemas import (
    DeafenMember,
    Joined,
    JoinRoom,
    MediaToken,
    MoveMember,
    MuteMember,
    Target,
    VoiceRoom,
    VoiceSettings,
)
from vox.chat.features.voice.service import Mark
from vox.chat.features.voice.stage import not_in_voice

routes = RouteTable()


@routes.get("/voice/media-cert", access=USER)
async def get_media_certificate(call: Call) -> None:
    """Always NO_CERT_PINNING: media is encrypted with keys that both ends agree on, and signalling has the server's certificate."""
    del call
    raise refuse("NO_CERT_PINNING", "The media server's certificate is checked as any other: there is none to pin.")


@routes.post("/voice/check", access=USER, returns=MediaToken)
async def check_media(call: Call) -> MediaToken:
    """A token for a room of the caller's own at the relay that they would get, so that their client can try its connection there."""
    media = keeper_of(call.chat).media
    media.assert_configured()
    place, token = await media.check(call.user_id, Wish())
    return MediaToken(token.text, place.media_url, token.until_s)


@routes.get("/rooms/{room_id}/voice", access=in_room(P.VIEW_SPACE), returns=VoiceRoom)
async def get_voice_room(call: Call) -> VoiceRoom:
    """Who is in the room."""
    return await call.chat.read(partial(service.read_room, room_id=call.id("room_id")))


@routes.post("/rooms/{room_id}/voice/join", access=in_room(P.CONNECT), body=JoinRoom, returns=Joined)
async def join_room(call: Call[JoinRoom]) -> Joined:
    """Puts the caller into the room; the token lets their client into its media. Rooms of type voice need SPEAK besides."""
    chat, room_id, user_id = call.chat, call.id("room_id"), call.user_id
    keeper = keeper_of(chat)
    keeper.media.assert_configured()
    room = chat.community.rooms.get(room_id)
    if room is not None and room.type != "stage":
        assert_permission(chat.community.may_in(user_id, "room", room_id, P.SPEAK), P.SPEAK)
    wish = _wish(call.body)
    limit, now_s = chat.config.limit("voice_room_max_members"), chat.clock.unix_s()
    members, guests = await chat.change(
        partial(service.join, user_id=user_id, room_id=room_id, body=call.body, limit=limit, now_s=now_s)
    )
    has_agent = any(one.kind == "agent" for one in guests)
    place = await keeper.media.place(room_id, wish, with_agent=has_agent)
    own = next(one for one in members if one.user_id == user_id)
    standing = keeper.media.standing(
        user_id, room_id, is_speaker=False, server_mute=own.server_mute, server_deaf=own.server_deaf
    )
    token = keeper.media.user_token(user_id, room_id, standing)
    await chat.change(partial(service.note_token, user_id=user_id, until_s=token.until_s))
    return Joined(place.media_url, token.text, members, guests, token.until_s)


@routes.post("/rooms/{room_id}/voice/leave", access=USER)
async def leave_room(call: Call) -> None:
    """Takes the caller out of the room; succeeds where they are not in it."""
    chat, room_id, user_id = call.chat, call.id("room_id"), call.user_id
    if room_id not in chat.community.rooms:
        raise room_not_found(room_id)
    if await chat.change(partial(service.leave, room_id=room_id, user_ids=[user_id])):
        await keeper_of(chat).remove_now(room_id, f"user-{user_id}")


@routes.post("/rooms/{room_id}/voice/token-refresh", access=in_room(P.CONNECT), returns=MediaToken)
async def refresh_media_token(call: Call) -> MediaToken:
    """A new token for a member whose old one is over, or whose client lost it; also sent as media_token_refresh."""
    chat, room_id, user_id = call.chat, call.id("room_id"), call.user_id
    keeper = keeper_of(chat)
    keeper.media.assert_configured()
    state = await chat.read(partial(service.read_state, room_id=room_id))
    row = None if state is None else next((one for one in state.members if one.user_id == user_id), None)
    if state is None or row is None:
        raise not_in_voice(user_id)
    place = await keeper.media.place(room_id, Wish())
    standing = keeper.media.standing(
        user_id,
        room_id,
        is_speaker=user_id in state.speakers,
        server_mute=row.server_mute,
        server_deaf=row.server_deaf,
    )
    token = keeper.media.user_token(user_id, room_id, standing)
    await chat.change(partial(service.note_token, user_id=user_id, until_s=token.until_s))
    event = media_token_refresh(room_id=room_id, user_id=user_id, media_url=place.media_url, media_token=token.text)
    chat.tell(event)
    return MediaToken(token.text, place.media_url, token.until_s)


@routes.post("/rooms/{room_id}/voice/kick", access=in_room(P.MOVE_MEMBERS), body=Target)
async def kick_from_room(call: Call[Target]) -> None:
    """Takes a member out of the room and its media at once; succeeds where they are not in it."""
    chat, room_id, target = call.chat, call.id("room_id"), UserId(call.body.user_id)
    unit = partial(service.leave, room_id=room_id, user_ids=[target], actor_id=call.user_id)
    if await chat.change(unit):
        await keeper_of(chat).remove_now(room_id, f"user-{target}")


@routes.post("/rooms/{room_id}/voice/move", access=in_room(P.MOVE_MEMBERS), body=MoveMember)
async def move_to_room(call: Call[MoveMember]) -> None:
    """Puts a member into another room, which both must be able to see; the member is sent a token for it."""
    chat, room_id, target = call.chat, call.id("room_id"), UserId(call.body.user_id)
    to_room_id, community = RoomId(call.body.to_room_id), call.chat.community
    if not community.may_in(call.user_id, "room", to_room_id, P.VIEW_SPACE):
        raise room_not_found(to_room_id)
    assert_permission(community.may_in(target, "room", to_room_id, P.CONNECT), P.CONNECT)
    keeper = keeper_of(chat)
    keeper.media.assert_configured()
    limit, now_s = chat.config.limit("voice_room_max_members"), chat.clock.unix_s()
    await chat.change(
        partial(
            service.move,
            actor_id=call.user_id,
            user_id=target,
            room_id=room_id,
            to_room_id=to_room_id,
            limit=limit,
            now_s=now_s,
        )
    )
    if room_id == to_room_id:
        return
    place = await keeper.media.place(to_room_id, Wish())
    state = await chat.read(partial(service.read_state, room_id=to_room_id))
    row = None if state is None else next((one for one in state.members if one.user_id == target), None)
    if state is not None and row is not None:
        await keeper.send_token(row, to_room_id, place, state, reason="moved")
    await keeper.remove_now(room_id, f"user-{target}")


@routes.post("/rooms/{room_id}/voice/mute", access=in_room(P.MUTE_MEMBERS), body=MuteMember)
async def mute_member(call: Call[MuteMember]) -> None:
    """Takes a member's microphone away, or gives it back."""
    await _mark(call, UserId(call.body.user_id), "server_mute", value=call.body.muted)


@routes.post("/rooms/{room_id}/voice/deafen", access=in_room(P.DEAFEN_MEMBERS), body=DeafenMember)
async def deafen_member(call: Call[DeafenMember]) -> None:
    """Lets a member hear nothing, or hear again."""
    await _mark(call, UserId(call.body.user_id), "server_deaf", value=call.body.deafened)


@routes.get("/rooms/{room_id}/voice/settings", access=requires(P.MANAGE_SPACES, sees="room"), returns=VoiceSettings)
async def get_voice_settings(call: Call) -> VoiceSettings:
    """Where the room's transcripts go, and how many members it takes."""
    return await call.chat.read(partial(service.read_settings, room_id=call.id("room_id")))


@routes.put(
    "/rooms/{room_id}/voice/settings",
    access=requires(P.MANAGE_SPACES, sees="room"),
    body=VoiceSettings,
    returns=VoiceSettings,
)
async def set_voice_settings(call: Call[VoiceSettings]) -> VoiceSettings:
    """Sets both; what is absent or null has no bound or no feed. The feed must be one that the caller may write to."""
    chat, body = call.chat, call.body
    feed_id = None if body.transcript_feed_id is None else FeedId(body.transcript_feed_id)
    if feed_id is not None:
        if not chat.community.may_in(call.user_id, "feed", feed_id, P.VIEW_SPACE):
            raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
        assert_permission(chat.community.may_in(call.user_id, "feed", feed_id, P.SEND_MESSAGES), P.SEND_MESSAGES)
    unit = partial(
        service.set_settings,
        actor_id=call.user_id,
        room_id=call.id("room_id"),
        feed_id=feed_id,
        max_members=body.max_members,
    )
    await chat.change(unit)
    return body


async def _mark(call: Call[MuteMember] | Call[DeafenMember], target: UserId, name: Mark, *, value: bool) -> None:
    chat, room_id = call.chat, call.id("room_id")
    unit = partial(service.mark, actor_id=call.user_id, user_id=target, room_id=room_id, name=name, value=value)
    await chat.change(unit)
    await keeper_of(chat).settle(room_id)


def _wish(body: JoinRoom) -> Wish:
    if (body.latitude is None) != (body.longitude is None):
        raise refuse("VALIDATION_ERROR", "body: latitude and longitude come together or not at all")
    place = None if body.latitude is None or body.longitude is None else Place(body.latitude, body.longitude)
    return Wish(place, body.region or "", body.rtts or {})
