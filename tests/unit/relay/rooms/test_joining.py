from livekit.protocol import models, room, rtc

from tests.fakes.relay_client import PlayedRelay
from vox.relay.rooms.events import (
    ParticipantAborted,
    ParticipantJoined,
    ParticipantLeft,
    RoomFinished,
    RoomStarted,
)
from vox.relay.rooms.room import BIG_ROOM
from vox.relay.service.room_service import RoomService
from vox.security.room_tokens import RoomClaims, VideoGrant


def test_the_first_message_is_join_and_the_second_an_offer_with_data_channels():
    client = PlayedRelay().join("ann", name="Ann", is_connected=False)
    assert client.kinds[:2] == ["join", "offer"]
    join = client.first("join")
    assert (join.participant.identity, join.participant.name, join.room.name) == ("ann", "Ann", "room")
    assert join.subscriber_primary
    assert join.fast_publish
    assert (join.ping_interval, join.ping_timeout) == (5, 15)
    assert "m=application" in client.first("offer").sdp


def test_members_see_each_other_come_and_go():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    assert [one.identity for one in bob.first("join").other_participants] == ["ann"]
    assert ann.sees("bob").state == models.ParticipantInfo.ACTIVE
    bob.ask(leave=rtc.LeaveRequest())
    assert ann.sees("bob").state == models.ParticipantInfo.DISCONNECTED
    assert bob.socket.closed_with == (1000, "")
    assert not bob.all("leave")


def test_who_only_connects_the_signalling_has_not_joined():
    relay = PlayedRelay(join_within_s=5)
    ann, bob = relay.join("ann"), relay.join("bob", is_connected=False)
    assert ann.sees("bob") is None
    relay.pass_time(6)
    assert ann.sees("bob").state == models.ParticipantInfo.DISCONNECTED
    assert bob.last("leave").reason == models.DisconnectReason.JOIN_FAILURE
    assert [type(one) for one in relay.events] == [RoomStarted, ParticipantJoined, ParticipantAborted]


def test_the_same_identity_replaces_the_older_session():
    relay = PlayedRelay()
    old, new = relay.join("ann"), relay.join("ann")
    assert old.last("leave").reason == models.DisconnectReason.DUPLICATE_IDENTITY
    assert old.last("leave").action == rtc.LeaveRequest.DISCONNECT
    assert relay.rooms.participant("room", "ann").sid == new.sid
    assert len(relay.engine.peers) == 2


def test_hidden_participants_see_and_are_not_seen():
    relay = PlayedRelay()
    ann, spy = relay.join("ann"), relay.join("spy", grant={"hidden": True})
    cid = relay.join("cid")
    assert ann.sees("spy") is None
    assert cid.sees("spy") is None
    assert spy.sees("cid") is not None
    assert relay.rooms.list()[0].num_participants == 2
    assert len(relay.rooms.participants("room")) == 3
    spy.ask(leave=rtc.LeaveRequest())
    assert ann.sees("spy") is None


def test_kinds_come_from_the_token():
    relay = PlayedRelay()
    assert relay.join("bot", kind="agent").first("join").participant.kind == models.ParticipantInfo.AGENT
    assert relay.join("old-bot", grant={"agent": True}).first("join").participant.kind == models.ParticipantInfo.AGENT
    assert relay.join("phone", kind="sip").first("join").participant.kind == models.ParticipantInfo.SIP
    relay.join("rec", kind="egress", grant={"recorder": True, "hidden": True})
    assert relay.rooms.list()[0].active_recording


def test_a_full_room_refuses_by_name_but_takes_agents_and_who_comes_back():
    relay = PlayedRelay(participants=2)
    for identity in ("ann", "bob"):
        relay.join(identity)
    cid = relay.join("cid")
    assert cid.kinds == ["leave"]
    assert cid.socket.closed_with == (1008, "room_full")
    assert relay.refused == ["room_full"]
    assert relay.join("bot", kind="agent").is_in
    assert relay.join("ann").is_in


def test_rooms_and_participants_of_a_relay_are_bounded():
    relay = PlayedRelay(rooms=1, participants_in_all=2)
    relay.join("ann")
    assert relay.join("bob", room="second").socket.closed_with == (1008, "rooms_full")
    relay.join("bob")
    assert relay.join("cid").socket.closed_with == (1008, "relay_full")


def test_without_auto_create_a_room_has_to_be_there_or_the_token_to_make_it():
    relay = PlayedRelay(is_auto_create=False)
    assert relay.join("ann").socket.closed_with == (1008, "room_not_found")
    assert relay.join("ann", grant={"room_create": True}).is_in
    assert relay.join("bob").is_in


def test_the_tokens_configuration_makes_the_room():
    relay = PlayedRelay()
    config = {"emptyTimeout": 7, "departure_timeout": 3, "maxParticipants": 4, "metadata": "m", "agents": [{}]}
    room = relay.join("ann", room_config=config).first("join").room
    assert (room.empty_timeout, room.departure_timeout, room.max_participants, room.metadata) == (7, 3, 4, "m")
    assert relay.events[0].config["agents"] == [{}]


def test_an_empty_room_ends_after_its_timeouts():
    relay = PlayedRelay(empty_timeout_s=10, departure_timeout_s=4)
    relay.rooms.create("early")
    ann = relay.join("ann", room="late")
    relay.pass_time(9)
    assert relay.rooms.rooms_count == 2
    relay.pass_time(2)
    assert [room.name for room in relay.rooms.list()] == ["late"]
    ann.ask(leave=rtc.LeaveRequest())
    relay.pass_time(5)
    assert relay.rooms.list() == []
    assert not relay.engine.rooms
    assert [type(one) for one in relay.events].count(RoomFinished) == 2


def test_events_carry_copies():
    relay = PlayedRelay()
    ann = relay.join("ann", metadata="before")
    relay.rooms.update_participant("room", "ann", metadata="after")
    joined = next(one for one in relay.events if isinstance(one, ParticipantJoined))
    assert joined.participant.metadata == "before"
    ann.ask(leave=rtc.LeaveRequest())
    left = next(one for one in relay.events if isinstance(one, ParticipantLeft))
    assert left.participant.disconnect_reason == models.DisconnectReason.CLIENT_INITIATED


def test_a_drained_relay_sends_everyone_elsewhere_and_takes_no_one():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    assert relay.rooms.drain([rtc.RegionInfo(region="b", url="wss://b")], at_most=1) == 1
    assert relay.rooms.drain([rtc.RegionInfo(region="b", url="wss://b")]) == 0
    for client in (ann, bob):
        leave = client.last("leave")
        assert leave.action == rtc.LeaveRequest.RECONNECT
        assert leave.regions.regions[0].url == "wss://b"
    assert relay.join("cid").socket.closed_with == (1008, "relay_draining")


def test_media_that_is_lost_for_good_asks_for_a_full_reconnect():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.engine.happens("disconnected", bob.participant.primary)
    relay.settle()
    assert ann.last("connection_quality").updates[0].quality == models.ConnectionQuality.LOST
    relay.engine.happens("connected", bob.participant.primary)
    relay.settle()
    assert ann.last("connection_quality").updates[0].quality == models.ConnectionQuality.GOOD
    relay.engine.happens("closed", bob.participant.primary, "ICE timed out")
    relay.settle()
    assert bob.last("leave").action == rtc.LeaveRequest.RECONNECT
    assert ann.sees("bob").state == models.ParticipantInfo.DISCONNECTED


def test_room_news_comes_at_most_once_a_second():
    relay = PlayedRelay()
    ann = relay.join("ann")
    for identity in ("bob", "cid"):
        relay.join(identity)
    assert not ann.all("room_update")
    relay.pass_time(1)
    assert [one.room.num_participants for one in ann.all("room_update")] == [3]


def test_in_a_big_room_many_who_come_and_go_make_one_message():
    relay = PlayedRelay()
    ann = relay.join("ann")
    listeners = [relay.join(f"listener-{number}") for number in range(60)]
    relay.pass_time(1)
    ann.forget()
    late = [relay.join(f"late-{number}") for number in range(20)]
    listeners[0].ask(leave=rtc.LeaveRequest())
    assert not ann.all("update")
    assert late[3].sees("late-3").state == models.ParticipantInfo.ACTIVE
    assert len(late[3].first("join").other_participants) == 64
    relay.pass_time(1)
    (update,) = ann.all("update")
    assert len(update.participants) == 21
    assert ann.sees("listener-0").state == models.ParticipantInfo.DISCONNECTED
    late[3].publish()
    assert ann.sees("late-3").tracks


def test_in_a_big_room_a_late_word_of_who_left_comes_before_who_is_there_again():
    relay = PlayedRelay()
    ann = relay.join("ann")
    for number in range(BIG_ROOM):
        relay.join(f"listener-{number}")
    old = relay.join("bob")
    relay.pass_time(1)
    ann.forget()
    new = relay.join("bob")
    new.publish()
    relay.pass_time(1)
    told = [one for update in ann.all("update") for one in update.participants if one.identity == "bob"]
    assert {one.sid for one in told} == {old.sid, new.sid}
    assert told[0].sid == old.sid
    assert told[-1].sid == new.sid
    assert all(one.sid == new.sid for one in told[1:])


def test_a_token_from_before_a_removal_lets_no_one_in_again():
    relay = PlayedRelay()
    now = relay.clock.unix_s()
    relay.join("ann", nbf=now - 5)
    relay.rooms.revoke_tokens("room", "ann", now)
    relay.rooms.remove("room", "ann")
    assert not relay.join("ann", nbf=now - 5).is_in
    assert not relay.join("ann").is_in
    assert relay.refused == ["join_denied", "join_denied"]
    assert relay.join("ann", nbf=now).is_in
    assert relay.join("ann", "other", nbf=now - 5).is_in
    assert relay.join("bob", nbf=now - 5).is_in


async def test_a_server_that_removes_someone_says_since_when_tokens_hold():
    relay = PlayedRelay()
    now = relay.clock.unix_s()
    relay.join("ann", nbf=now - 5)
    admin = RoomClaims(video=VideoGrant(room="room", room_admin=True))
    who = room.RoomParticipantIdentity(room="room", identity="ann", revoke_token_ts=now)
    await RoomService(relay.rooms).remove(who, admin)
    assert not relay.join("ann", nbf=now - 5).is_in
    assert relay.join("ann", nbf=now).is_in
