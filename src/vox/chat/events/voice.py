"""Events of voice and stage rooms, for who may view the room; media tokens are for their user alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from vox.chat.events.audience import Users, Viewers
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import RoomId, UserId


def voice_state_update(
    *, room_id: RoomId, members: Sequence[Mapping[str, Any]], guests: Sequence[Mapping[str, Any]] = ()
) -> Event:
    """Who is in a room, all of them; `guests` are agents and telephone callers."""
    payload = {"room_id": room_id, "members": list(members), "guests": list(guests)}
    return Event("voice_state_update", payload, Viewers("room", room_id))


def voice_codec_neg(
    *, users: Sequence[UserId], media_type: object = None, codec: object = None, extras: object = None
) -> Event:
    """A client tells those in its room which codec it can use."""
    payload = shown(media_type=media_type, codec=codec, extras=extras)
    return Event("voice_codec_neg", payload, Users(tuple(users)))


def voice_invite(*, room_id: RoomId, user_id: UserId, sender: str) -> Event:
    """Someone in a room asks a user to come."""
    return Event("voice_invite", {"room_id": room_id, "from": sender}, Users((user_id,)))


def media_token_refresh(
    *, room_id: RoomId, user_id: UserId, media_url: str, media_token: str, reason: str | None = None
) -> Event:
    """A new token for the media of a room; where the address is another one, the client connects there.

    Args:
        room_id: where the user is now.
        user_id: whose it is.
        media_url: of the server that has the room.
        media_token: for it.
        reason: moved (to this room), relay (the room is at another server now) or expiring; None where it was asked for.
    """
    payload = {"room_id": room_id, "media_token": media_token, "media_url": media_url} | shown(reason=reason)
    return Event("media_token_refresh", payload, Users((user_id,)))


def stage_request(*, room_id: RoomId, user_id: UserId, moderators: Sequence[UserId]) -> Event:
    """A listener asks to speak; for moderators in the room, or for all who see it where there are none."""
    audience = Users(tuple(moderators)) if moderators else Viewers("room", room_id)
    return Event("stage_request", {"room_id": room_id, "user_id": user_id}, audience)


def stage_invite(*, room_id: RoomId, user_id: UserId) -> Event:
    """A listener is asked to speak."""
    return Event("stage_invite", {"room_id": room_id, "user_id": user_id}, Users((user_id,)))


def stage_invite_decline(*, room_id: RoomId, user_id: UserId) -> Event:
    """A listener does not want to speak."""
    return Event("stage_invite_decline", {"room_id": room_id, "user_id": user_id}, Viewers("room", room_id))


def stage_revoke(*, room_id: RoomId, user_id: UserId) -> Event:
    """A speaker is a listener again."""
    return Event("stage_revoke", {"room_id": room_id, "user_id": user_id}, Viewers("room", room_id))


def stage_topic_update(*, room_id: RoomId, topic: str) -> Event:
    """The stage has another topic."""
    return Event("stage_topic_update", {"room_id": room_id, "topic": topic}, Viewers("room", room_id))


def stage_response(
    *, users: Sequence[UserId], user_id: UserId, response_type: object = None, accepted: object = None
) -> Event:
    """A client answers on a stage; passed on to those in the room."""
    payload = {"user_id": user_id} | shown(response_type=response_type, accepted=accepted)
    return Event("stage_response", payload, Users(tuple(users)))
