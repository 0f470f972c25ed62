from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay, sdp, section
from vox.relay.rooms.participant import JoinSettings
from vox.relay.signalling.join_request import Arrival, arrival_v0

MICROPHONE = models.TrackSource.MICROPHONE
V1 = JoinSettings(is_single=True)


def test_both_pings_are_answered():
    ann = PlayedRelay().join("ann")
    ann.ask(ping=123)
    ann.ask(ping_req=rtc.Ping(timestamp=456, rtt=7))
    assert ann.last("pong") == 123
    assert ann.last("pong_resp").last_ping_timestamp == 456
    assert ann.last("pong_resp").timestamp > 0


def test_candidates_reach_the_connection_they_are_for():
    relay = PlayedRelay()
    ann = relay.join("ann")
    ann.ask(trickle=rtc.TrickleRequest(candidateInit='{"candidate":"one"}', target=rtc.SignalTarget.PUBLISHER))
    ann.ask(trickle=rtc.TrickleRequest(candidateInit='{"candidate":"two"}', target=rtc.SignalTarget.SUBSCRIBER))
    ann.ask(trickle=rtc.TrickleRequest(candidateInit="not json", target=rtc.SignalTarget.SUBSCRIBER))
    ann.ask(trickle=rtc.TrickleRequest(final=True, target=rtc.SignalTarget.SUBSCRIBER))
    assert relay.engine.peers[ann.participant.publisher].candidates == ["one"]
    assert ann.peer.candidates == ["two", ""]


def test_resume_keeps_the_peers_and_restarts_ice():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    peers = set(relay.engine.peers)
    bob.session.closed(1006, "")
    relay.join("cid")
    relay.rooms.remove("room", "cid")
    bob._open(arrival_v0({"reconnect": "1", "sid": bob_sid(relay)}, ()))
    assert bob.kinds[0] == "reconnect"
    assert set(relay.engine.peers) == peers
    assert bob.peer.restarts == 1
    assert bob.sees("ann").tracks[0].sid == sid
    assert bob.sees("cid").state == models.ParticipantInfo.DISCONNECTED
    assert bob.last("offer").mid_to_track_id == {"0": sid}
    assert ann.sees("bob").state == models.ParticipantInfo.ACTIVE


def bob_sid(relay: PlayedRelay) -> str:
    return relay.rooms.participant("room", "bob").sid


def test_a_resume_whose_session_is_gone_asks_for_a_full_reconnect():
    relay = PlayedRelay(resume_within_s=5)
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = bob.sid
    bob.session.closed(1006, "")
    relay.pass_time(6)
    assert ann.sees("bob").state == models.ParticipantInfo.DISCONNECTED
    bob._open(arrival_v0({"reconnect": "1", "sid": sid}, ()))
    assert bob.kinds == ["leave"]
    assert bob.last("leave").action == rtc.LeaveRequest.RECONNECT
    assert bob.last("leave").reason == models.DisconnectReason.STATE_MISMATCH


def test_a_resume_with_anothers_sid_is_refused_and_harms_no_one():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    bob.resume(sid=ann.sid)
    assert bob.kinds == ["leave"]
    assert ann.socket.is_open


def test_a_resume_replaces_a_socket_that_is_still_open():
    relay = PlayedRelay()
    ann = relay.join("ann")
    old = ann.socket
    ann._open(arrival_v0({"reconnect": "1", "sid": ann.sid}, ()))
    assert old.closed_with == (1000, "")
    assert not any(one.WhichOneof("message") == "leave" for one in old.messages)
    assert ann.participant.outbox is ann.session


def test_an_unanswered_offer_does_not_block_a_resumed_session():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    assert bob.peer.is_offering
    bob.resume()
    bob.answer()
    sid = ann.publish()
    assert bob.last("offer").mid_to_track_id == {"0": sid}


def test_after_a_resume_the_client_says_what_it_knows():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    bob.ask(add_track=rtc.AddTrackRequest(cid="lost-ack", source=MICROPHONE))
    bob.resume()
    subscription = rtc.UpdateSubscription(track_sids=[sid], subscribe=False)
    bob.ask(sync_state=rtc.SyncState(subscription=subscription, track_sids_disabled=["TR_none"]))
    assert bob.receives() == set()
    assert bob.last("track_published").cid == "lost-ack"


def test_an_offer_that_is_never_answered_ends_the_session():
    relay = PlayedRelay()
    ann = relay.join("ann")
    relay.pass_time(31)
    assert ann.last("leave").action == rtc.LeaveRequest.RECONNECT
    assert "offer_unanswered" in relay.refused


def test_one_connection_for_both_directions_is_answered_with_the_tracks_in_it():
    relay = PlayedRelay()
    sid = relay.join("ann").publish()
    offer = sdp(section("audio", 0, direction="recvonly"), section("audio", 1, "mic"))
    arrival = Arrival(
        V1,
        tracks=[rtc.AddTrackRequest(cid="mic", source=MICROPHONE)],
        offer=rtc.SessionDescription(type="offer", sdp=offer, id=3),
    )
    bob = relay.join("bob", arrival=arrival)
    assert bob.kinds[:3] == ["join", "track_published", "update"]
    assert not bob.first("join").subscriber_primary
    answer = bob.first("answer")
    assert (answer.id, answer.mid_to_track_id) == (3, {"0": sid})
    assert not bob.all("offer")
    assert not bob.all("media_sections_requirement")
    assert len(relay.rooms.participant("room", "bob").tracks) == 1


def test_a_go_client_that_offers_while_it_joins_gets_its_answer_a_little_later():
    relay = PlayedRelay()
    settings = JoinSettings(is_single=True, client=models.ClientInfo(sdk=models.ClientInfo.GO))
    offer = rtc.SessionDescription(type="offer", sdp=sdp(section("audio", 0, "mic")), id=3)
    ann = relay.join("ann", arrival=Arrival(settings, offer=offer))
    assert ann.kinds == ["join"]
    relay.pass_time(1)
    assert ann.first("answer").id == 3
    bob = relay.join("bob", arrival=Arrival(settings, offer=offer))
    relay.rooms.remove("room", "bob")
    assert bob.kinds[-1] == "leave"


def test_one_connection_is_asked_for_the_sections_it_lacks():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", arrival=Arrival(V1))
    bob.sections = [section("audio", 0, direction="recvonly")]
    bob.offer()
    assert not bob.all("media_sections_requirement")
    first = ann.publish("one")
    needed = bob.last("media_sections_requirement")
    assert (needed.num_audios, needed.num_videos) == (0, 0)
    bob.offer()
    assert bob.last("answer").mid_to_track_id == {"0": first}
    second = ann.publish("two")
    third = ann.publish("three", models.TrackType.VIDEO, models.TrackSource.CAMERA)
    asked = bob.all("media_sections_requirement")[1:]
    assert (sum(one.num_audios for one in asked), sum(one.num_videos for one in asked)) == (1, 1)
    bob.sections += [section("audio", 1, direction="recvonly"), section("video", 2, direction="recvonly")]
    bob.offer()
    assert bob.last("answer").mid_to_track_id == {"0": first, "1": second, "2": third}
    bob.forget()
    relay.pass_time(5)
    assert not bob.all("media_sections_requirement")


def test_a_track_that_ends_frees_its_section_for_the_next():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", arrival=Arrival(V1))
    bob.sections = [section("audio", 0, direction="recvonly")]
    ann.publish("one")
    bob.offer()
    ann.sections[0] = section("audio", 0, "one", "inactive")
    ann.offer()
    assert bob.last("media_sections_requirement").num_audios == 0
    second = ann.publish("two")
    bob.offer()
    assert bob.last("answer").mid_to_track_id == {}
    bob.offer()
    assert bob.last("answer").mid_to_track_id == {"0": second}


def test_what_is_not_known_is_left_alone():
    ann = PlayedRelay().join("ann")
    ann.raw(b"")
    ann.raw(b"\xfa\x3f\x00")
    ann.ask(publish_data_track_request=rtc.PublishDataTrackRequest(pub_handle=1, name="x"))
    assert ann.last("request_response").reason == rtc.RequestResponse.UNSUPPORTED_TYPE
    assert ann.socket.is_open


def test_scenarios_are_played_for_who_asks():
    relay = PlayedRelay()
    ann, bob, cid, dan = (relay.join(name) for name in ("ann", "bob", "cid", "dan"))
    ann.ask(simulate=rtc.SimulateScenario(node_failure=True))
    assert ann.socket.closed_with == (1000, "")
    assert not ann.all("leave")
    bob.ask(simulate=rtc.SimulateScenario(leave_request_full_reconnect=True))
    assert bob.last("leave").action == rtc.LeaveRequest.RECONNECT
    cid.ask(simulate=rtc.SimulateScenario(server_leave=True))
    assert cid.last("leave").action == rtc.LeaveRequest.DISCONNECT
    dan.ask(simulate=rtc.SimulateScenario(disconnect_signal_on_resume=True))
    sid = dan.sid
    dan.resume()
    assert dan.socket.closed_with == (1000, "")
    dan.resume(sid=sid)
    assert dan.socket.is_open
