from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay, sdp, section
from vox.relay.rooms.events import TrackPublished, TrackUnpublished

AUDIO, VIDEO = models.TrackType.AUDIO, models.TrackType.VIDEO
CAMERA, MICROPHONE = models.TrackSource.CAMERA, models.TrackSource.MICROPHONE


def test_a_track_is_announced_offered_and_subscribed_to():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    bob.answer()
    sid = ann.publish(name="mic", encryption=models.Encryption.GCM)
    track = bob.sees("ann").tracks[0]
    assert (track.sid, track.name, track.mime_type, track.encryption) == (
        sid,
        "mic",
        "audio/opus",
        models.Encryption.GCM,
    )
    assert bob.receives() == {sid}
    assert bob.last("offer").mid_to_track_id == {"0": sid}
    assert f"a=msid:{ann.sid}|{sid} {sid}" in bob.last("offer").sdp
    assert ann.last("track_subscribed").track_sid == sid
    assert ann.last("answer").id == 7
    assert isinstance(relay.events[-1], TrackPublished)


def test_others_see_no_track_before_it_is_sent():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.ask(add_track=rtc.AddTrackRequest(cid="mic", source=MICROPHONE))
    assert not bob.sees("ann").tracks
    assert not relay.rooms.participant("room", "ann").tracks


def test_who_joins_later_gets_the_tracks_in_the_first_offer():
    relay = PlayedRelay()
    sid = relay.join("ann").publish()
    bob = relay.join("bob", is_connected=False)
    assert bob.kinds == ["join", "offer"]
    assert bob.first("offer").mid_to_track_id == {"0": sid}


def test_an_offer_waits_for_the_answer_to_the_one_before():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    first = ann.publish("one")
    second = ann.publish("two", VIDEO, CAMERA)
    assert len(bob.all("offer")) == 1
    bob.answer()
    assert len(bob.all("offer")) == 2
    assert set(bob.last("offer").mid_to_track_id.values()) == {first, second}


def test_a_section_that_is_sent_no_longer_unpublishes_and_can_be_used_again():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    first = ann.publish("one")
    ann.sections[0] = section("audio", 0, "one", "inactive")
    ann.offer()
    assert not bob.sees("ann").tracks
    assert bob.receives() == set()
    assert isinstance(relay.events[-1], TrackUnpublished)
    ann.ask(add_track=rtc.AddTrackRequest(cid="two", source=MICROPHONE))
    ann.sections[0] = section("audio", 0, "two")
    ann.offer()
    second = bob.sees("ann").tracks[0].sid
    assert second != first
    bob.answer_all()
    assert bob.receives() == {second}


def test_a_browser_that_makes_up_track_ids_is_understood_by_kind():
    relay = PlayedRelay()
    ann = relay.join("ann")
    ann.ask(add_track=rtc.AddTrackRequest(cid="mic", source=MICROPHONE))
    ann.ask(add_track=rtc.AddTrackRequest(cid="cam", type=VIDEO, source=CAMERA))
    offer = sdp(section("video", "a", "{made-up}"), section("audio", "b", "{another}"))
    ann.ask(offer=rtc.SessionDescription(type="offer", sdp=offer))
    assert {one.type: one.mid for one in relay.rooms.participant("room", "ann").tracks} == {VIDEO: "a", AUDIO: "b"}


def test_a_track_that_never_arrives_is_dropped():
    relay = PlayedRelay(publish_within_s=3)
    ann = relay.join("ann")
    ann.ask(add_track=rtc.AddTrackRequest(cid="mic", source=MICROPHONE))
    relay.pass_time(4)
    assert ann.last("track_unpublished").track_sid == ann.first("track_published").track.sid
    ann.sections.append(section("audio", 0, "mic"))
    ann.offer()
    assert not relay.rooms.participant("room", "ann").tracks


def test_mute_is_applied_where_media_arrives_and_seen_by_everyone():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    ann.ask(mute=rtc.MuteTrackRequest(sid=sid, muted=True))
    assert bob.sees("ann").tracks[0].muted
    assert list(relay.engine.muted.values()) == [True]
    assert relay.rooms.mute_track("room", "ann", sid, False).muted is False
    assert ann.last("mute") == rtc.MuteTrackRequest(sid=sid, muted=False)
    assert not bob.sees("ann").tracks[0].muted


def test_a_track_published_muted_lets_nothing_through():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.publish(muted=True)
    assert bob.sees("ann").tracks[0].muted
    assert list(relay.engine.muted.values()) == [True]


def test_publishing_needs_the_grant_and_the_source():
    relay = PlayedRelay()
    listener = relay.join("listener", grant={"can_publish": False})
    listener.ask(add_track=rtc.AddTrackRequest(cid="mic", source=MICROPHONE))
    assert listener.last("request_response").reason == rtc.RequestResponse.NOT_ALLOWED
    assert listener.last("request_response").add_track.cid == "mic"
    speaker = relay.join("speaker", grant={"can_publish_sources": ("microphone",)})
    speaker.ask(add_track=rtc.AddTrackRequest(cid="cam", type=VIDEO, source=CAMERA))
    assert speaker.last("request_response").reason == rtc.RequestResponse.NOT_ALLOWED
    assert speaker.publish()
    odd = relay.join("odd", grant={"can_publish_sources": ("hologram",)})
    odd.ask(add_track=rtc.AddTrackRequest(cid="mic", source=MICROPHONE))
    assert odd.last("request_response").reason == rtc.RequestResponse.NOT_ALLOWED


def test_a_microphone_cannot_carry_video():
    ann = PlayedRelay().join("ann", grant={"can_publish_sources": ("microphone",)})
    ann.ask(add_track=rtc.AddTrackRequest(cid="x", type=VIDEO, source=MICROPHONE))
    assert ann.last("request_response").reason == rtc.RequestResponse.INVALID_REQUEST


def test_a_sending_section_that_was_not_announced_is_not_published():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.sections.append(section("audio", 0, "mic"))
    ann.offer()
    assert not bob.sees("ann").tracks
    assert not relay.engine.tracks


def test_thousand_announcements_are_refused_beyond_the_bound():
    relay = PlayedRelay(tracks=8)
    ann = relay.join("ann")
    for number in range(1000):
        ann.ask(add_track=rtc.AddTrackRequest(cid=f"cid-{number}", source=MICROPHONE))
    assert len(ann.all("track_published")) == 8
    refusals = ann.all("request_response")
    assert {one.reason for one in refusals} == {rtc.RequestResponse.LIMIT_EXCEEDED}
    assert ann.socket.is_open


def test_layers_and_codecs_are_told_to_others():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    layers = [
        models.VideoLayer(quality=models.VideoQuality.LOW, width=320, height=180),
        models.VideoLayer(quality=models.VideoQuality.HIGH, width=1280, height=720),
    ]
    ann.publish("cam", VIDEO, CAMERA, layers=layers, simulcast_codecs=[rtc.SimulcastCodec(codec="vp8", cid="cam")])
    track = bob.sees("ann").tracks[0]
    assert track.simulcast
    assert track.mime_type == "video/vp8"
    assert [one.mime_type for one in track.codecs] == ["video/vp8"]
    assert track.codecs[0].mid == track.mid
    ann.ask(update_video_track=rtc.UpdateLocalVideoTrack(track_sid=track.sid, width=640, height=360))
    assert bob.sees("ann").tracks[0].width == 640
