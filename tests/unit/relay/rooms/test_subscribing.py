from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay
from vox.relay.signalling.join_request import arrival_v0

VIDEO = models.TrackType.VIDEO
CAMERA = models.TrackSource.CAMERA
QUALITY = models.VideoQuality
MANUAL = arrival_v0({"auto_subscribe": "0"}, ())


def qualities(update: rtc.SubscribedQualityUpdate) -> dict[int, bool]:
    return {one.quality: one.enabled for one in update.subscribed_codecs[0].qualities}


def test_who_does_not_subscribe_by_itself_asks():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", arrival=MANUAL)
    sid = ann.publish()
    assert bob.receives() == set()
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[sid], subscribe=True))
    assert bob.receives() == {sid}
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[sid], subscribe=False))
    assert bob.receives() == set()
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=["TR_none"], subscribe=True))
    assert bob.last("subscription_response").err == models.SubscriptionError.SE_TRACK_NOTFOUND


def test_a_server_may_subscribe_somebody():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", arrival=MANUAL)
    sid = ann.publish()
    relay.rooms.update_subscriptions("room", "bob", [sid], True)
    assert bob.receives() == {sid}


def test_without_the_grant_nothing_is_received():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", grant={"can_subscribe": False})
    sid = ann.publish()
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[sid], subscribe=True))
    assert bob.receives() == set()
    assert not bob.first("join").subscriber_primary


def test_a_publisher_chooses_who_receives():
    relay = PlayedRelay()
    ann, bob, cid = relay.join("ann"), relay.join("bob"), relay.join("cid")
    sid = ann.publish()
    only_cid = rtc.TrackPermission(participant_identity="cid", all_tracks=True)
    ann.ask(subscription_permission=rtc.SubscriptionPermission(track_permissions=[only_cid]))
    assert bob.receives() == set()
    assert cid.receives() == {sid}
    denied = bob.last("subscription_permission_update")
    assert (denied.participant_sid, denied.track_sid, denied.allowed) == (ann.sid, sid, False)
    ann.ask(subscription_permission=rtc.SubscriptionPermission(all_participants=True))
    bob.answer_all()
    assert bob.receives() == {sid}
    assert bob.last("subscription_permission_update").allowed


def test_permission_holds_for_tracks_published_later():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.ask(subscription_permission=rtc.SubscriptionPermission())
    ann.publish()
    assert bob.receives() == set()


def test_settings_hold_a_track_back_and_choose_a_layer():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    layers = [
        models.VideoLayer(quality=QUALITY.LOW, width=320, height=180),
        models.VideoLayer(quality=QUALITY.MEDIUM, width=640, height=360),
        models.VideoLayer(quality=QUALITY.HIGH, width=1280, height=720),
    ]
    sid = ann.publish("cam", VIDEO, CAMERA, layers=layers)
    handle = next(iter(bob.peer.subscriptions))
    bob.ask(track_setting=rtc.UpdateTrackSettings(track_sids=[sid], width=600, height=340, fps=15))
    assert bob.peer.layers[handle] == (1, 15)
    bob.ask(track_setting=rtc.UpdateTrackSettings(track_sids=[sid], quality=QUALITY.LOW))
    assert bob.peer.layers[handle] == (0, 0)
    bob.ask(track_setting=rtc.UpdateTrackSettings(track_sids=[sid], disabled=True))
    assert bob.peer.paused == {handle}


def test_a_publisher_learns_which_qualities_are_received():
    relay = PlayedRelay()
    ann = relay.join("ann")
    sid = ann.publish("cam", VIDEO, CAMERA)
    assert qualities(ann.last("subscribed_quality_update")) == {0: False, 1: False, 2: False}
    bob, cid = relay.join("bob"), relay.join("cid")
    assert qualities(ann.last("subscribed_quality_update")) == {0: True, 1: True, 2: True}
    bob.ask(track_setting=rtc.UpdateTrackSettings(track_sids=[sid], quality=QUALITY.LOW))
    cid.ask(track_setting=rtc.UpdateTrackSettings(track_sids=[sid], quality=QUALITY.MEDIUM))
    assert qualities(ann.last("subscribed_quality_update")) == {0: True, 1: True, 2: False}
    cid.ask(leave=rtc.LeaveRequest())
    assert qualities(ann.last("subscribed_quality_update")) == {0: True, 1: False, 2: False}


def test_firefox_gets_streams_that_name_the_track():
    relay = PlayedRelay()
    ann = relay.join("ann")
    sid = ann.publish(stream="camera")
    chrome = relay.join("bob", arrival=arrival_v0({"browser": "Chrome"}, ()))
    fox = relay.join("cid", arrival=arrival_v0({"browser": "Firefox"}, ()))
    assert list(chrome.peer.subscriptions.values()) == [(f"{ann.sid}|camera", sid)]
    assert list(fox.peer.subscriptions.values()) == [(f"{ann.sid}|{sid}", sid)]


def test_speakers_are_sent_as_they_change_and_again_to_who_joins_or_subscribes():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob", arrival=MANUAL)
    sid = ann.publish()
    track = next(iter(relay.engine.tracks))
    room = next(iter(relay.engine.rooms))
    relay.engine.happens("speakers", room, [(track, 0.5, True)])
    relay.settle()
    speaker = bob.last("speakers_changed").speakers[0]
    assert (speaker.sid, speaker.level, speaker.active) == (ann.sid, 0.5, True)
    cid = relay.join("cid")
    assert cid.last("speakers_changed").speakers[0].sid == ann.sid
    bob.forget()
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[sid], subscribe=True))
    assert bob.last("speakers_changed").speakers[0].sid == ann.sid
    relay.engine.happens("speakers", room, [])
    relay.settle()
    assert not bob.last("speakers_changed").speakers[0].active
    bob.forget()
    relay.engine.happens("speakers", room, [])
    relay.settle()
    assert not bob.all("speakers_changed")


def test_quality_is_sent_when_it_changes():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    bob.forget()
    relay.engine.happens("quality", ann.participant.primary, 0.0, 20.0, 3.0)
    relay.settle()
    assert not bob.all("connection_quality")
    relay.engine.happens("quality", ann.participant.primary, 0.3, 20.0, 3.0)
    relay.settle()
    update = bob.last("connection_quality").updates[0]
    assert (update.participant_sid, update.quality) == (ann.sid, models.ConnectionQuality.POOR)


def test_a_paused_video_is_told_to_its_listener_only():
    relay = PlayedRelay()
    ann, bob, cid = relay.join("ann"), relay.join("bob"), relay.join("cid")
    sid = ann.publish("cam", VIDEO, CAMERA)
    relay.engine.happens("stream_state", bob.participant.subscriber, next(iter(relay.engine.tracks)), "paused")
    relay.settle()
    state = bob.last("stream_state_update").stream_states[0]
    assert (state.track_sid, state.state) == (sid, rtc.StreamState.PAUSED)
    assert not cid.all("stream_state_update")


def test_a_track_begins_only_after_the_client_has_seen_the_end_of_the_one_before():
    """Its section would otherwise change its track without having stopped, and clients take the new track for the old one."""
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    first, second = ann.publish("one"), ann.publish("two", VIDEO, CAMERA)
    bob.answer_all()
    assert bob.receives() == {first, second}
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[first, second], subscribe=False))
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[second], subscribe=True))
    assert bob.receives() == set()
    assert bob.last("offer").mid_to_track_id == {}
    bob.answer()
    assert bob.receives() == {second}
    assert set(bob.last("offer").mid_to_track_id.values()) == {second}
    bob.answer()
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[first], subscribe=True))
    assert bob.receives() == {first, second}


def test_what_is_asked_for_and_taken_back_meanwhile_never_begins():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    sid = ann.publish()
    bob.answer_all()
    for subscribe in (False, True, False):
        bob.ask(subscription=rtc.UpdateSubscription(track_sids=[sid], subscribe=subscribe))
    bob.answer_all()
    assert bob.receives() == set()
    bob.ask(subscription=rtc.UpdateSubscription(track_sids=[sid], subscribe=True))
    assert bob.receives() == {sid}
