"""What a client may ask for once it is in a room: one function per message of the signalling protocol."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from livekit.protocol import models, rtc

from vox.errors import PeerError, UsageError
from vox.relay.rooms import data, membership, negotiation, publishing, speakers, subscriptions
from vox.relay.rooms.context import if_known
from vox.relay.rooms.messages import leave_request
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.room import Room
from vox.relay.signalling.candidates import candidate_of

_REASONS: Final = {
    "publish_denied": rtc.RequestResponse.NOT_ALLOWED,
    "metadata_denied": rtc.RequestResponse.NOT_ALLOWED,
    "too_many_tracks": rtc.RequestResponse.LIMIT_EXCEEDED,
    "metadata_too_large": rtc.RequestResponse.LIMIT_EXCEEDED,
    "name_invalid": rtc.RequestResponse.LIMIT_EXCEEDED,
    "track_invalid": rtc.RequestResponse.INVALID_REQUEST,
    "track_not_found": rtc.RequestResponse.NOT_FOUND,
}
MOST_SIDS: Final = 4_096
"""Tracks named in one message."""


class Requests:
    """Serves one participant.

    Args:
        room: the room.
        participant: who asks.
    """

    def __init__(self, room: Room, participant: Participant) -> None:
        self._room = room
        self._participant = participant
        self._table: Mapping[str, Callable[[Any], None]] = {
            "offer": self.offer,
            "answer": self._answer,
            "trickle": self._trickle,
            "add_track": self.add_track,
            "mute": self._mute,
            "subscription": self._subscription,
            "track_setting": self._track_setting,
            "leave": self._leave,
            "subscription_permission": self._subscription_permission,
            "sync_state": self.sync_state,
            "simulate": self._simulate,
            "ping": self._ping,
            "ping_req": self._ping_req,
            "update_metadata": self._update_metadata,
            "update_audio_track": self._update_audio_track,
            "update_video_track": self._update_video_track,
            "publish_data_track_request": self._publish_data_track,
            "unpublish_data_track_request": self._unpublish_data_track,
        }

    def take(self, request: rtc.SignalRequest) -> None:
        """Serves one request; messages that are not known are left alone, so that clients may be newer.

        Raises:
            PeerError: the client broke the protocol, so that the session cannot go on.
        """
        kind = request.WhichOneof("message")
        serve = self._table.get(kind or "")
        if serve is not None and self._participant.is_here:
            serve(getattr(request, str(kind)))

    def offer(self, offer: rtc.SessionDescription) -> None:
        """Answers the client's offer."""
        answer = publishing.take_offer(self._room, self._participant, offer)
        self._participant.tell(rtc.SignalResponse(answer=answer))

    def add_track(self, request: rtc.AddTrackRequest) -> None:
        """Acknowledges a track that the client is about to send."""
        try:
            track = publishing.announce_track(self._room, self._participant, request)
        except UsageError as error:
            self._refuse(error, add_track=request)
            return
        self._participant.tell(
            rtc.SignalResponse(track_published=rtc.TrackPublishedResponse(cid=request.cid, track=track.info))
        )

    def sync_state(self, state: rtc.SyncState) -> None:
        """What the client knows after a resume: subscriptions, tracks held back, and which data it has received."""
        self._apply_subscriptions(state.subscription, is_quiet=True)
        for sid in state.track_sids_disabled:
            settings = rtc.UpdateTrackSettings(track_sids=[sid], disabled=True, quality=models.VideoQuality.HIGH)
            subscriptions.update_settings(self._room, self._participant, settings)
        known = {one.track.sid for one in state.publish_tracks}
        for cid, track in self._participant.pending.items():
            if track.sid not in known:
                self._participant.tell(
                    rtc.SignalResponse(track_published=rtc.TrackPublishedResponse(cid=cid, track=track.info))
                )
        data.replay(self._room, self._participant, state.datachannel_receive_states)

    def _answer(self, answer: rtc.SessionDescription) -> None:
        negotiation.take_answer(self._room.context, self._participant, answer)

    def _trickle(self, trickle: rtc.TrickleRequest) -> None:
        participant = self._participant
        peer = participant.subscriber if trickle.target == rtc.SignalTarget.SUBSCRIBER else participant.publisher
        candidate = "" if trickle.final else candidate_of(trickle.candidateInit)
        if candidate is not None:
            with if_known():
                self._room.context.engine.add_candidate(peer, candidate)

    def _mute(self, request: rtc.MuteTrackRequest) -> None:
        track = publishing.find_track(self._participant, request.sid)
        if track is not None:
            publishing.mute(self._room, self._participant, track, request.muted)
        else:
            self._refuse(UsageError("There is no such track.", code="track_not_found"), mute=request)

    def _subscription(self, request: rtc.UpdateSubscription) -> None:
        self._apply_subscriptions(request, is_quiet=False)

    def _apply_subscriptions(self, request: rtc.UpdateSubscription, *, is_quiet: bool) -> None:
        sids = [*request.track_sids, *(sid for one in request.participant_tracks for sid in one.track_sids)]
        if len(sids) > MOST_SIDS:
            raise PeerError(f"a message may name {MOST_SIDS} tracks", code="message_too_large")
        for sid in sids:
            track = self._room.tracks.get(sid)
            if track is not None:
                change = subscriptions.subscribe if request.subscribe else subscriptions.unsubscribe
                change(self._room, self._participant, track)
            elif request.subscribe and not is_quiet:
                response = rtc.SubscriptionResponse(track_sid=sid, err=models.SubscriptionError.SE_TRACK_NOTFOUND)
                self._participant.tell(rtc.SignalResponse(subscription_response=response))

    def _track_setting(self, settings: rtc.UpdateTrackSettings) -> None:
        if len(settings.track_sids) > MOST_SIDS:
            raise PeerError(f"a message may name {MOST_SIDS} tracks", code="message_too_large")
        subscriptions.update_settings(self._room, self._participant, settings)

    def _leave(self, request: rtc.LeaveRequest) -> None:
        reason = request.reason or models.DisconnectReason.CLIENT_INITIATED
        membership.leave(self._room, self._participant, reason, is_asked=True)

    def _subscription_permission(self, permission: rtc.SubscriptionPermission) -> None:
        if len(permission.track_permissions) > MOST_SIDS:
            raise PeerError(f"a message may name {MOST_SIDS} participants", code="message_too_large")
        subscriptions.share_with(self._room, self._participant, permission)

    def _ping(self, sent_at: int) -> None:
        self._participant.tell(rtc.SignalResponse(pong=sent_at))

    def _ping_req(self, ping: rtc.Ping) -> None:
        now = self._room.context.clock.unix_ms()
        pong = rtc.Pong(last_ping_timestamp=ping.timestamp, timestamp=now)
        self._participant.tell(rtc.SignalResponse(pong_resp=pong))

    def _update_metadata(self, request: rtc.UpdateParticipantMetadata) -> None:
        participant = self._participant
        try:
            membership.update_own_details(
                self._room,
                participant,
                metadata=request.metadata or None,
                name=request.name or None,
                attributes=dict(request.attributes),
            )
        except UsageError as error:
            self._refuse(error, update_metadata=request, request_id=request.request_id)
            return
        response = rtc.RequestResponse(request_id=request.request_id, reason=rtc.RequestResponse.OK)
        response.update_metadata.CopyFrom(request)
        participant.tell(rtc.SignalResponse(request_response=response))

    def _update_audio_track(self, request: rtc.UpdateLocalAudioTrack) -> None:
        track = publishing.find_track(self._participant, request.track_sid)
        if track is None:
            self._refuse(UsageError("There is no such track.", code="track_not_found"), update_audio_track=request)
            return
        del track.info.audio_features[:]
        track.info.audio_features.extend(publishing.features(request.features))
        self._room.announce(self._participant)

    def _update_video_track(self, request: rtc.UpdateLocalVideoTrack) -> None:
        track = publishing.find_track(self._participant, request.track_sid)
        if track is None:
            self._refuse(UsageError("There is no such track.", code="track_not_found"), update_video_track=request)
            return
        track.info.width, track.info.height = request.width, request.height
        self._room.announce(self._participant)

    def _publish_data_track(self, request: rtc.PublishDataTrackRequest) -> None:
        self._unsupported(publish_data_track=request)

    def _unpublish_data_track(self, request: rtc.UnpublishDataTrackRequest) -> None:
        self._unsupported(unpublish_data_track=request)

    def _unsupported(self, **request: Any) -> None:
        response = rtc.RequestResponse(
            reason=rtc.RequestResponse.UNSUPPORTED_TYPE, message="data tracks are not supported", **request
        )
        self._participant.tell(rtc.SignalResponse(request_response=response))

    def _refuse(self, error: UsageError, *, request_id: int = 0, **request: Any) -> None:
        self._room.context.refused(error.code)
        response = rtc.RequestResponse(
            request_id=request_id,
            reason=_REASONS.get(error.code, rtc.RequestResponse.UNCLASSIFIED_ERROR),
            message=str(error.args[0]),
            **request,
        )
        self._participant.tell(rtc.SignalResponse(request_response=response))

    def _simulate(self, scenario: rtc.SimulateScenario) -> None:
        """Plays a failure for the client that asks for it, and for no one else."""
        room, participant = self._room, self._participant
        unknown = models.DisconnectReason.UNKNOWN_REASON
        match scenario.WhichOneof("scenario"):
            case "speaker_update":
                speakers.set_speakers(room, {**room.speakers, participant.sid: 1.0})
            case "node_failure":
                membership.leave(room, participant, unknown, is_asked=True)
            case "migration" | "switch_candidate_protocol" | "leave_request_full_reconnect":
                message = leave_request(unknown, rtc.LeaveRequest.RECONNECT)
                membership.leave(room, participant, unknown, message)
            case "server_leave":
                membership.leave(room, participant, models.DisconnectReason.SERVER_SHUTDOWN)
            case "disconnect_signal_on_resume" | "disconnect_signal_on_resume_no_messages":
                participant.drops_next_resume = True
            case _:
                pass
