"""What a client may do to a session: refused by name, bounded, and the others go on."""

import pytest
from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay, section

MICROPHONE = models.TrackSource.MICROPHONE


def assert_others_are_untouched(relay: PlayedRelay, other) -> None:
    assert other.socket.is_open
    assert other.publish(f"still-{len(other.sections)}")
    other.ask(ping=1)
    assert other.last("pong") == 1


def assert_broken(client, code: str) -> None:
    assert client.last("leave").reason == models.DisconnectReason.STATE_MISMATCH
    assert client.socket.closed_with == (1008, code)
    assert code in client.relay.refused


@pytest.mark.parametrize("kind", ["offer", "answer"])
def test_a_description_of_a_megabyte(kind):
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    description = rtc.SessionDescription(type=kind, sdp="v=0\r\n" + "a=x\r\n" * 200_000)
    ann.ask(**{kind: description})
    assert_broken(ann, "sdp_too_large")
    assert bob.sees("ann").state == models.ParticipantInfo.DISCONNECTED
    assert_others_are_untouched(relay, bob)


@pytest.mark.parametrize("text", ["", "garbage", "m=audio", "m=\r\na=mid:\r\n" * 1_000])
def test_a_description_the_engine_refuses(text):
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.engine.refuses_sdp = True
    ann.ask(offer=rtc.SessionDescription(type="offer", sdp=text))
    relay.engine.refuses_sdp = False
    assert_broken(ann, "sdp_refused")
    assert_others_are_untouched(relay, bob)


def test_renegotiating_for_ever():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.sections = [section("audio", 0, direction="inactive")]
    for _ in range(200):
        ann.offer()
    assert_broken(ann, "too_many_offers")
    assert_others_are_untouched(relay, bob)


def test_a_flood_of_messages():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    for number in range(3_000):
        ann.ask(ping=number)
    assert_broken(ann, "too_many_messages")
    assert_others_are_untouched(relay, bob)


@pytest.mark.parametrize("message", [b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", "text"])
def test_messages_that_cannot_be_read(message):
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.raw(message)
    assert_broken(ann, "message_malformed")
    assert_others_are_untouched(relay, bob)


def test_lists_without_end():
    for request in (
        {"subscription": rtc.UpdateSubscription(track_sids=["x"] * 5_000, subscribe=True)},
        {"track_setting": rtc.UpdateTrackSettings(track_sids=["x"] * 5_000)},
        {"subscription_permission": rtc.SubscriptionPermission(track_permissions=[rtc.TrackPermission()] * 5_000)},
    ):
        ann = PlayedRelay().join("ann")
        ann.ask(**request)
        assert_broken(ann, "message_too_large")


def test_names_without_end():
    ann = PlayedRelay().join("ann")
    for request in (
        rtc.AddTrackRequest(cid="c" * 1_000, source=MICROPHONE),
        rtc.AddTrackRequest(cid="c", name="n" * 1_000, source=MICROPHONE),
        rtc.AddTrackRequest(cid="", source=MICROPHONE),
        rtc.AddTrackRequest(cid="c", type=models.TrackType.DATA),
        rtc.AddTrackRequest(cid="c", layers=[models.VideoLayer()] * 100, source=MICROPHONE),
    ):
        ann.ask(add_track=request)
        assert ann.last("request_response").reason == rtc.RequestResponse.INVALID_REQUEST
    assert not ann.all("track_published")


def test_a_client_that_does_not_read_is_closed_and_the_participant_goes_after_a_while():
    relay = PlayedRelay(resume_within_s=5)
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.session.closed(1013, "backlog")
    assert relay.refused == ["client_too_slow"]
    bob.publish()
    relay.pass_time(6)
    assert bob.sees("ann").state == models.ParticipantInfo.DISCONNECTED
    assert_others_are_untouched(relay, bob)


def test_nothing_is_served_after_the_end():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.rooms.remove("room", "ann")
    ann.ask(add_track=rtc.AddTrackRequest(cid="c", source=MICROPHONE))
    ann.ask(offer=rtc.SessionDescription(type="offer", sdp="garbage"))
    assert not ann.all("track_published")
    assert_others_are_untouched(relay, bob)


def test_another_participants_track_cannot_be_muted():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = bob.publish()
    ann.ask(mute=rtc.MuteTrackRequest(sid=sid, muted=True))
    assert not ann.sees("bob").tracks[0].muted
    assert ann.last("request_response").reason == rtc.RequestResponse.NOT_FOUND


@pytest.mark.parametrize(
    "more",
    [
        {"audio_features": [models.AudioTrackFeature.TF_STEREO] * 300_000},
        {"simulcast_codecs": [rtc.SimulcastCodec(codec="x" * 300_000)]},
        {"simulcast_codecs": [rtc.SimulcastCodec(codec="vp8", layers=[models.VideoLayer(width=640)] * 50_000)]},
        {"layers": [models.VideoLayer(rid="x" * 300_000)]},
    ],
)
def test_an_announcement_that_would_be_sent_to_everyone_at_length(more):
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.ask(add_track=rtc.AddTrackRequest(cid="mic", source=MICROPHONE, **more))
    assert not ann.all("track_published")
    assert "track_invalid" in relay.refused
    assert_others_are_untouched(relay, bob)


def test_features_that_are_named_again_and_again():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    stereo = models.AudioTrackFeature.TF_STEREO
    ann.ask(update_audio_track=rtc.UpdateLocalAudioTrack(track_sid=sid, features=[stereo] * 300_000))
    assert list(bob.sees("ann").tracks[0].audio_features) == [stereo]
    assert_others_are_untouched(relay, bob)
