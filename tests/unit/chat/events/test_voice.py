"""Events of voice rooms: for who sees the room, and tokens for their user alone."""

from vox.chat.events import (
    Users,
    Viewers,
    media_token_refresh,
    stage_request,
    stage_response,
    voice_codec_neg,
    voice_invite,
    voice_state_update,
)
from vox.chat.events.ids import RoomId, UserId

ROOM, ANN, BEN = RoomId(3), UserId(1), UserId(2)


def test_a_room_is_told_to_those_who_may_view_it() -> None:
    event = voice_state_update(room_id=ROOM, members=[{"user_id": 1}])
    assert event.audience == Viewers("room", ROOM)
    assert event.payload == {"room_id": 3, "members": [{"user_id": 1}], "guests": []}


def test_a_token_is_for_its_user_alone() -> None:
    event = media_token_refresh(room_id=ROOM, user_id=ANN, media_url="ws://m", media_token="t")
    assert event.audience == Users((ANN,))
    assert event.payload == {"room_id": 3, "media_token": "t", "media_url": "ws://m"}
    moved = media_token_refresh(room_id=ROOM, user_id=ANN, media_url="ws://m", media_token="t", reason="moved")
    assert moved.payload["reason"] == "moved"
    assert voice_invite(room_id=ROOM, user_id=BEN, sender="agent-1").audience == Users((BEN,))


def test_a_request_is_for_moderators_in_the_room_or_else_for_all_who_see_it() -> None:
    assert stage_request(room_id=ROOM, user_id=ANN, moderators=[BEN]).audience == Users((BEN,))
    assert stage_request(room_id=ROOM, user_id=ANN, moderators=[]).audience == Viewers("room", ROOM)


def test_what_clients_say_is_passed_on_as_far_as_they_said_it() -> None:
    assert voice_codec_neg(users=[ANN], codec="opus").payload == {"codec": "opus"}
    assert stage_response(users=[ANN, BEN], user_id=ANN, accepted=False).payload == {"user_id": 1, "accepted": False}
    assert stage_response(users=[ANN, BEN], user_id=ANN).audience == Users((ANN, BEN))
