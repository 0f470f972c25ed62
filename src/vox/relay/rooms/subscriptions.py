"""Who receives which track: by request, by auto-subscription and by permission, and what publishers learn of it."""

from collections.abc import Iterable
from typing import Final

from livekit.protocol import models, rtc

from vox.relay.rooms.context import if_known
from vox.relay.rooms.negotiation import want_negotiation
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.room import Room
from vox.relay.rooms.tracks import Subscription, Track

_QUALITIES: Final = (models.VideoQuality.LOW, models.VideoQuality.MEDIUM, models.VideoQuality.HIGH)


def subscribe(room: Room, listener: Participant, track: Track) -> None:
    """Has a participant receive a track as soon as that is permitted."""
    if listener.sid == track.owner or listener.is_voice:
        return
    subscription = listener.subscriptions.get(track.sid)
    if subscription is None:
        subscription = Subscription(track, listener.sid)
        listener.subscriptions[track.sid] = track.subscriptions[listener.sid] = subscription
    subscription.is_asked_for = True
    _apply(room, listener, subscription)


def unsubscribe(room: Room, listener: Participant, track: Track) -> None:
    """Ends that a participant receives a track."""
    subscription = listener.subscriptions.pop(track.sid, None)
    if subscription is None:
        return
    track.subscriptions.pop(listener.sid, None)
    subscription.is_asked_for = False
    _apply(room, listener, subscription)


def subscribe_to_all(room: Room, listener: Participant) -> None:
    """Auto-subscription of one who has joined, or may receive from now on."""
    if listener.settings.auto_subscribe and listener.permission.can_subscribe:
        for track in room.tracks.values():
            subscribe(room, listener, track)


def subscribe_all_to(room: Room, track: Track) -> None:
    """Auto-subscription to a track that has become live."""
    for listener in list(room.participants.values()):
        if listener.settings.auto_subscribe and listener.permission.can_subscribe:
            subscribe(room, listener, track)


def end_track(room: Room, track: Track) -> None:
    """Ends every subscription of a track that is about to go."""
    for subscription in list(track.subscriptions.values()):
        listener = room.by_sid.get(subscription.listener)
        if listener is not None:
            unsubscribe(room, listener, track)


def end_listener(room: Room, listener: Participant) -> None:
    """Forgets every subscription of one who is about to go."""
    for subscription in list(listener.subscriptions.values()):
        unsubscribe(room, listener, subscription.track)


def share_with(room: Room, publisher: Participant, permission: rtc.SubscriptionPermission) -> None:
    """Sets who may receive a participant's tracks."""
    publisher.shared_with = None if permission.all_participants else permission
    for track in publisher.tracks.values():
        for subscription in list(track.subscriptions.values()):
            listener = room.by_sid.get(subscription.listener)
            if listener is not None:
                _apply(room, listener, subscription)
    room.announce(publisher)  # voices have no subscriptions; they look again at what they may hear


def apply_all(room: Room, listener: Participant) -> None:
    """Looks at a participant's subscriptions again, because their grants have changed."""
    for subscription in list(listener.subscriptions.values()):
        _apply(room, listener, subscription)


def update_settings(room: Room, listener: Participant, settings: rtc.UpdateTrackSettings) -> None:
    """How a participant receives some tracks: held back, or up to a quality and frame rate."""
    for sid in settings.track_sids:
        subscription = listener.subscriptions.get(sid)
        if subscription is None:
            continue
        track = subscription.track
        subscription.is_disabled = settings.disabled
        subscription.quality = _quality(track, settings)
        subscription.fps = settings.fps
        if subscription.is_active and sid not in listener.held:
            _set_up(room, listener, subscription)
        report_quality(room, track)


def report_quality(room: Room, track: Track, *, is_forced: bool = False) -> None:
    """Tells a video's publisher which qualities are received, so that it need not send the others."""
    if track.info.type != models.TrackType.VIDEO or not track.is_live:
        return
    asked = [one.quality for one in track.subscriptions.values() if one.is_active and not one.is_disabled]
    best = max(asked) if asked else models.VideoQuality.OFF
    if best == track.best_quality and not is_forced:
        return
    track.best_quality = best
    qualities = [
        rtc.SubscribedQuality(quality=one, enabled=best != models.VideoQuality.OFF and one <= best)
        for one in _QUALITIES
    ]
    publisher = room.by_sid.get(track.owner)
    if publisher is not None:
        publisher.tell(
            rtc.SignalResponse(
                subscribed_quality_update=rtc.SubscribedQualityUpdate(
                    track_sid=track.sid,
                    subscribed_qualities=qualities,
                    subscribed_codecs=[
                        rtc.SubscribedCodec(codec=codec, qualities=qualities) for codec in _codecs(track)
                    ],
                )
            )
        )


def stream_id(listener: Participant, track: Track) -> str:
    """The stream that a track belongs to at the listener: with the track's id, or one for a camera with its microphone.

    Firefox makes up its own track ids, so there the stream has to name the track.
    """
    is_firefox = listener.settings.client.browser.lower() == "firefox"
    return f"{track.owner}|{track.sid if is_firefox or not track.info.stream else track.info.stream}"


def may_receive(publisher: Participant, listener: Participant, track: Track) -> bool:
    """Whether a publisher shares a track with a participant."""
    if publisher.shared_with is None:
        return True
    return any(
        (one.participant_sid == listener.sid if one.participant_sid else one.participant_identity == listener.identity)
        and (one.all_tracks or track.sid in one.track_sids)
        for one in publisher.shared_with.track_permissions
    )


def _apply(room: Room, listener: Participant, subscription: Subscription) -> None:
    """Brings the engine, the listener and the publisher in line with a subscription."""
    track, context = subscription.track, room.context
    publisher = room.by_sid.get(track.owner)
    is_shared = publisher is not None and may_receive(publisher, listener, track)
    if subscription.is_asked_for and is_shared != subscription.is_allowed:
        listener.tell(
            rtc.SignalResponse(
                subscription_permission_update=rtc.SubscriptionPermissionUpdate(
                    participant_sid=track.owner, track_sid=track.sid, allowed=is_shared
                )
            )
        )
    subscription.is_allowed = is_shared
    is_due = subscription.is_asked_for and is_shared and listener.permission.can_subscribe and track.is_live
    if is_due == subscription.is_active:
        return
    subscription.is_active = is_due
    if is_due:
        if listener.has_ends or listener.has_offered_ends:
            listener.held[track.sid] = lambda: _begin(room, listener, subscription)
        else:
            _begin(room, listener, subscription)
        if publisher is not None and sum(one.is_active for one in track.subscriptions.values()) == 1:
            publisher.tell(rtc.SignalResponse(track_subscribed=rtc.TrackSubscribed(track_sid=track.sid)))
        _repeat_speaker(room, listener, track)
    elif listener.held.pop(track.sid, None) is None:
        listener.has_ends = True
        with if_known():
            context.engine.unsubscribe(listener.subscriber, track.handle)
    report_quality(room, track)
    want_negotiation(context, listener)


def _begin(room: Room, listener: Participant, subscription: Subscription) -> None:
    track = subscription.track
    with if_known():
        room.context.engine.subscribe(listener.subscriber, track.handle, stream_id(listener, track), track.sid)
    _set_up(room, listener, subscription)


def _set_up(room: Room, listener: Participant, subscription: Subscription) -> None:
    track, engine = subscription.track, room.context.engine
    with if_known():
        engine.pause(listener.subscriber, track.handle, subscription.is_disabled)
        if track.info.type == models.TrackType.VIDEO:
            engine.set_layer(listener.subscriber, track.handle, int(subscription.quality), subscription.fps)


def _repeat_speaker(room: Room, listener: Participant, track: Track) -> None:
    """Says that the publisher speaks, where they do: who subscribes in the middle of a sentence was not there for the news."""
    level = room.speakers.get(track.owner)
    if level is not None:
        speaker = models.SpeakerInfo(sid=track.owner, level=level, active=True)
        listener.tell(rtc.SignalResponse(speakers_changed=rtc.SpeakersChanged(speakers=[speaker])))


def _quality(track: Track, settings: rtc.UpdateTrackSettings) -> "models.VideoQuality":
    """The quality asked for; a size in pixels becomes the smallest layer that fills it."""
    if not settings.width or not settings.height:
        return min(settings.quality, models.VideoQuality.HIGH)
    layers = sorted(
        (one for one in track.info.layers if one.quality in _QUALITIES and one.width), key=lambda one: one.width
    )
    for layer in layers:
        if layer.width >= settings.width * 0.9 or layer.height >= settings.height * 0.9:
            return layer.quality
    return models.VideoQuality.HIGH


def _codecs(track: Track) -> Iterable[str]:
    mime = track.info.mime_type.rpartition("/")[2].lower()
    return [mime] if mime else []
