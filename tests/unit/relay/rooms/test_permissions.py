from typing import Any

import pytest
from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay
from vox.errors import UsageError

AUDIO, VIDEO = models.TrackType.AUDIO, models.TrackType.VIDEO
CAMERA, MICROPHONE = models.TrackSource.CAMERA, models.TrackSource.MICROPHONE


def permission(**changes: Any) -> models.ParticipantPermission:
    allowed: dict[str, Any] = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}
    return models.ParticipantPermission(**(allowed | changes))


def test_losing_the_right_to_publish_ends_tracks_at_once():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    relay.rooms.update_participant("room", "ann", permission=permission(can_publish=False))
    relay.settle()
    assert not relay.engine.tracks
    assert not bob.sees("ann").tracks
    assert ann.last("track_unpublished").track_sid == sid
    assert not ann.sees("ann").permission.can_publish
    ann.ask(add_track=rtc.AddTrackRequest(cid="again", source=MICROPHONE))
    assert ann.last("request_response").reason == rtc.RequestResponse.NOT_ALLOWED


def test_fewer_sources_end_the_other_tracks():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    mic = ann.publish()
    ann.publish("cam", VIDEO, CAMERA)
    relay.rooms.update_participant("room", "ann", permission=permission(can_publish_sources=[MICROPHONE]))
    assert [one.sid for one in bob.sees("ann").tracks] == [mic]


def test_losing_and_getting_the_right_to_subscribe():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    relay.rooms.update_participant("room", "bob", permission=permission(can_subscribe=False))
    assert bob.receives() == set()
    relay.rooms.update_participant("room", "bob", permission=permission())
    bob.answer_all()
    assert bob.receives() == {sid}


def test_losing_the_right_to_send_data_closes_the_ingress():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.rooms.update_participant("room", "ann", permission=permission(can_publish_data=False))
    assert not relay.engine.peers[ann.participant.publisher].can_send_data
    ann.data(models.DataPacket(user=models.UserPacket(payload=b"x")))
    assert not bob.packets()
    assert relay.refused == ["data_denied"]


def test_hiding_and_showing():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.rooms.update_participant("room", "bob", permission=permission(hidden=True))
    assert ann.sees("bob").state == models.ParticipantInfo.DISCONNECTED
    relay.rooms.update_participant("room", "bob", permission=permission())
    assert ann.sees("bob").state == models.ParticipantInfo.ACTIVE
    assert bob.is_in


def test_a_change_of_permissions_comes_with_a_fresh_token():
    signed = []
    relay = PlayedRelay(sign=lambda claims: signed.append(claims) or f"token-{len(signed)}")
    ann = relay.join("ann")
    relay.rooms.update_participant("room", "ann", name="Ann", permission=permission(can_publish=False))
    assert ann.last("refresh_token") == "token-1"
    assert (signed[0].name, signed[0].video.can_publish, signed[0].video.room) == ("Ann", False, "room")


def test_tokens_are_refreshed_while_they_stay():
    relay = PlayedRelay(sign=lambda claims: "fresh", token_lifetime_s=10)
    ann = relay.join("ann")
    relay.pass_time(11)
    assert ann.all("refresh_token") == ["fresh", "fresh"]


def test_own_metadata_needs_the_grant():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", grant={"can_update_own_metadata": True})
    ann.ask(update_metadata=rtc.UpdateParticipantMetadata(metadata="x", request_id=4))
    answer = ann.last("request_response")
    assert (answer.request_id, answer.reason) == (4, rtc.RequestResponse.NOT_ALLOWED)
    change = rtc.UpdateParticipantMetadata(metadata="m", name="Bob", attributes={"hand": "up"}, request_id=5)
    bob.ask(update_metadata=change)
    answer = bob.last("request_response")
    assert (answer.request_id, answer.reason) == (5, rtc.RequestResponse.OK)
    seen = ann.sees("bob")
    assert (seen.metadata, seen.name, dict(seen.attributes)) == ("m", "Bob", {"hand": "up"})
    bob.ask(update_metadata=rtc.UpdateParticipantMetadata(attributes={"hand": ""}, request_id=6))
    assert dict(ann.sees("bob").attributes) == {}
    assert ann.sees("bob").metadata == "m"


def test_metadata_is_bounded():
    relay = PlayedRelay(metadata_bytes=100, name_bytes=20)
    bob = relay.join("bob", grant={"can_update_own_metadata": True})
    for change in (
        rtc.UpdateParticipantMetadata(metadata="x" * 101),
        rtc.UpdateParticipantMetadata(attributes={"a": "x" * 100}),
        rtc.UpdateParticipantMetadata(attributes={str(number): "1" for number in range(65)}),
        rtc.UpdateParticipantMetadata(name="x" * 21),
    ):
        bob.ask(update_metadata=change)
        assert bob.last("request_response").reason == rtc.RequestResponse.LIMIT_EXCEEDED
    assert not bob.sees("bob").metadata
    with pytest.raises(UsageError) as caught:
        relay.rooms.update_room_metadata("room", "x" * 101)
    assert caught.value.code == "metadata_too_large"


def test_a_server_changes_what_the_room_says():
    relay = PlayedRelay()
    ann = relay.join("ann")
    assert relay.rooms.update_room_metadata("room", "topic").metadata == "topic"
    assert ann.last("room_update").room.metadata == "topic"


def test_moved_participants_get_a_token_and_reconnect():
    relay = PlayedRelay(sign=lambda claims: f"for {claims.video.room}")
    ann = relay.join("ann")
    relay.rooms.move("room", "ann", "stage")
    assert ann.last("refresh_token") == "for stage"
    assert ann.last("leave").action == rtc.LeaveRequest.RECONNECT
    assert relay.rooms.participants("room") == []


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda rooms: rooms.delete("none"), "room_not_found"),
        (lambda rooms: rooms.remove("room", "none"), "participant_not_found"),
        (lambda rooms: rooms.mute_track("room", "ann", "TR_none", True), "track_not_found"),
        (lambda rooms: rooms.update_subscriptions("room", "ann", ["TR_none"], True), "track_not_found"),
        (lambda rooms: rooms.move("room", "ann", "x"), "not_supported"),
        (lambda rooms: rooms.forward("room", "ann", "x"), "not_supported"),
        (lambda rooms: rooms.create("x" * 1000), "name_invalid"),
    ],
)
def test_what_is_not_there_is_refused_by_name(ask, code):
    relay = PlayedRelay()
    relay.join("ann")
    with pytest.raises(UsageError) as caught:
        ask(relay.rooms)
    assert caught.value.code == code


def test_removed_and_deleted():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.rooms.remove("room", "ann")
    assert ann.last("leave").reason == models.DisconnectReason.PARTICIPANT_REMOVED
    relay.rooms.delete("room")
    assert bob.last("leave").reason == models.DisconnectReason.ROOM_DELETED
    assert relay.rooms.rooms_count == 0
    assert not relay.engine.peers
