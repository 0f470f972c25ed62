"""Tracks from their announcement until they are gone: announced, found in an offer, live, muted, unpublished."""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from livekit.protocol import models, rtc

from vox.errors import PeerError, UsageError
from vox.relay.rooms.context import if_known
from vox.relay.rooms.events import TrackPublished, TrackUnpublished
from vox.relay.rooms.negotiation import check_size, note_sections, want_negotiation
from vox.relay.rooms.participant import Participant, snapshot
from vox.relay.rooms.room import Room
from vox.relay.rooms.sdp_sections import Section, media_sections
from vox.relay.rooms.subscriptions import end_track, report_quality, subscribe_all_to
from vox.relay.rooms.tracks import Track, sid_prefix

_Feature = TypeVar("_Feature")
_AUDIO_SOURCES: Final = frozenset({models.TrackSource.MICROPHONE, models.TrackSource.SCREEN_SHARE_AUDIO})
_VIDEO_SOURCES: Final = frozenset({models.TrackSource.CAMERA, models.TrackSource.SCREEN_SHARE})
MOST_LAYERS: Final = 8
MOST_FEATURES: Final = 16
MAX_ANNOUNCEMENT_BYTES: Final = 16_384
"""All of it goes to everyone in the room, with every change of the participant."""


def may_publish(permission: models.ParticipantPermission, source: "models.TrackSource") -> bool:
    """Whether a participant may publish a track of that source."""
    sources = permission.can_publish_sources
    return permission.can_publish and (not sources or source in sources)


def announce_track(room: Room, publisher: Participant, request: rtc.AddTrackRequest) -> Track:
    """A track that the client is about to send; the same announcement again gives the same track.

    Raises:
        UsageError: publish_denied, track_invalid, or too_many_tracks.
    """
    limits = room.context.limits
    if request.cid in publisher.pending:
        return publisher.pending[request.cid]
    if request.sid in publisher.tracks:
        return publisher.tracks[request.sid]
    if not may_publish(publisher.permission, request.source):
        raise UsageError("The token does not permit to publish this source.", code="publish_denied")
    texts = (request.cid, request.name, request.stream, *(one.cid for one in request.simulcast_codecs))
    if (
        not request.cid
        or request.type not in {models.TrackType.AUDIO, models.TrackType.VIDEO}
        or request.source in (_VIDEO_SOURCES if request.type == models.TrackType.AUDIO else _AUDIO_SOURCES)
        or any(len(text) > limits.name_bytes for text in texts)
        or request.ByteSize() > MAX_ANNOUNCEMENT_BYTES
        or len(request.layers) > MOST_LAYERS
        or len(request.simulcast_codecs) > MOST_LAYERS
    ):
        raise UsageError("The announcement of the track is invalid.", code="track_invalid")
    if len(publisher.tracks) + len(publisher.pending) >= limits.tracks:
        raise UsageError(f"A participant may publish {limits.tracks} tracks.", code="too_many_tracks")
    track = Track(
        handle=room.context.handle(),
        owner=publisher.sid,
        identity=publisher.identity,
        info=_info(room, request),
        cids=frozenset({request.cid, *(one.cid for one in request.simulcast_codecs)} - {""}),
        announced_at=room.context.clock.now(),
    )
    publisher.pending[request.cid] = track
    return track


def take_offer(room: Room, publisher: Participant, offer: rtc.SessionDescription) -> rtc.SessionDescription:
    """Answers a client's offer: announced tracks in it go live, and those no longer sent are unpublished.

    Raises:
        PeerError: sdp_too_large or sdp_refused.
    """
    engine = room.context.engine
    check_size(room.context, offer.sdp)
    sections = media_sections(offer.sdp)
    _end_unsent(room, publisher, sections)
    try:
        answer: dict[str, Any] = engine.accept_offer(publisher.publisher, offer.sdp)
    except ValueError as error:
        raise PeerError(f"the offer cannot be used: {error}", code="sdp_refused") from None
    sdp = str(answer["sdp"])
    codecs = {one.mid: one.codec for one in media_sections(sdp)}
    _begin_sent(room, publisher, sections, dict(offer.mid_to_track_id), codecs)
    names: dict[str, str] = {}
    if publisher.is_single:
        note_sections(publisher, sections, dict(answer["mids"]), tuple(answer["missing"]))
        names = {
            mid: room.by_handle[handle].sid for mid, handle in publisher.placed.items() if handle in room.by_handle
        }
        if publisher.is_offer_due:
            want_negotiation(room.context, publisher)
    return rtc.SessionDescription(type="answer", sdp=sdp, id=offer.id, mid_to_track_id=names)


def begin_voice(room: Room, publisher: Participant, request: rtc.AddTrackRequest) -> Track:
    """A live track of a participant without a peer connection.

    Raises:
        UsageError: as `announce_track`.
    """
    track = announce_track(room, publisher, request)
    del publisher.pending[request.cid]
    room.context.engine.open_voice(room.handle, track.handle)
    track.info.mime_type = "audio/opus"
    _go_live(room, publisher, track)
    return track


def unpublish(room: Room, publisher: Participant, track: Track, *, is_announced: bool = True) -> None:
    """Ends a track; others see it go, unless its publisher goes with it."""
    publisher.tracks.pop(track.sid, None)
    room.tracks.pop(track.sid, None)
    end_track(room, track)
    track.is_live = False
    with if_known():
        room.context.engine.unpublish(track.handle)
    room.by_handle.pop(track.handle, None)
    if is_announced:
        room.announce(publisher)
    room.context.emit(TrackUnpublished(room.info, snapshot(publisher.info), _copy(track.info)))


def withdraw(room: Room, publisher: Participant, track: Track) -> None:
    """Ends a track against its publisher's will, and says so."""
    unpublish(room, publisher, track)
    publisher.tell(rtc.SignalResponse(track_unpublished=rtc.TrackUnpublishedResponse(track_sid=track.sid)))


def mute(room: Room, publisher: Participant, track: Track, muted: bool) -> None:
    """Mutes a track where it arrives, for everyone to see."""
    if track.info.muted == muted:
        return
    track.info.muted = muted
    if track.is_live:
        with if_known():
            room.context.engine.mute(track.handle, muted)
        room.announce(publisher)


def find_track(publisher: Participant, sid: str) -> Track | None:
    """A participant's own track, live or announced."""
    return publisher.tracks.get(sid) or next((one for one in publisher.pending.values() if one.sid == sid), None)


def _end_unsent(room: Room, publisher: Participant, sections: list[Section]) -> None:
    sent = {one.mid: one for one in sections if one.sends}
    for track in list(publisher.tracks.values()):
        section = sent.get(track.mid)
        if section is None or (section.track_id and section.track_id in publisher.pending):
            unpublish(room, publisher, track)


def _begin_sent(
    room: Room, publisher: Participant, sections: list[Section], names: dict[str, str], codecs: dict[str, str]
) -> None:
    """Finds the section of each announced track: by the client's name of it, else by its kind.

    Browsers that make up track ids, or use a sender again, offer a section under a name that was not announced.
    """
    taken = {one.mid for one in publisher.tracks.values()}
    free = [one for one in sections if one.sends and one.mid not in taken]
    for is_by_name in (True, False):
        for section in list(free):
            track = next(
                (
                    one
                    for one in publisher.pending.values()
                    if one.kind == section.kind
                    and (not is_by_name or section.track_id in one.cids or names.get(section.mid) in one.cids)
                ),
                None,
            )
            if track is None:
                continue
            free.remove(section)
            for cid in [cid for cid, one in publisher.pending.items() if one is track]:
                del publisher.pending[cid]
            _bind(room, publisher, track, section.mid, codecs.get(section.mid, "") or section.codec)


def _bind(room: Room, publisher: Participant, track: Track, mid: str, codec: str) -> None:
    engine = room.context.engine
    track.mid = track.info.mid = mid
    if codec:
        track.info.mime_type = f"{track.kind}/{codec}"
    for one in track.info.codecs:
        one.mid = mid
    try:
        engine.publish(publisher.publisher, mid, track.handle, track.kind)
        if track.info.muted:
            engine.mute(track.handle, True)
    except ValueError as error:
        raise PeerError(f"the track cannot be published: {error}", code="sdp_refused") from None
    _go_live(room, publisher, track)


def _go_live(room: Room, publisher: Participant, track: Track) -> None:
    track.is_live = True
    publisher.tracks[track.sid] = room.tracks[track.sid] = room.by_handle[track.handle] = track
    room.announce(publisher)
    subscribe_all_to(room, track)
    report_quality(room, track)
    room.context.emit(TrackPublished(room.info, snapshot(publisher.info), _copy(track.info)))


def features(named: Iterable[_Feature]) -> list[_Feature]:
    """Each feature once, and no more than clients have; a list of any length would go to everyone."""
    return list(dict.fromkeys(named))[:MOST_FEATURES]


def _info(room: Room, request: rtc.AddTrackRequest) -> models.TrackInfo:
    info = models.TrackInfo(
        sid=room.context.new_id(sid_prefix(request.source, request.type)),
        type=request.type,
        name=request.name,
        muted=request.muted,
        width=request.width,
        height=request.height,
        source=request.source,
        disable_dtx=request.disable_dtx,
        stereo=request.stereo,
        disable_red=request.disable_red,
        encryption=request.encryption,
        stream=request.stream,
        layers=request.layers,
        simulcast=len(request.layers) > 1,
        audio_features=features(request.audio_features),
        backup_codec_policy=request.backup_codec_policy,
        packet_trailer_features=features(request.packet_trailer_features),
    )
    for codec in request.simulcast_codecs:
        mime = codec.codec if "/" in codec.codec or not codec.codec else f"video/{codec.codec}"
        info.codecs.append(
            models.SimulcastCodecInfo(
                mime_type=mime.lower(),
                cid=codec.cid,
                layers=codec.layers or request.layers,
                video_layer_mode=codec.video_layer_mode,
            )
        )
    return info


def _copy(info: models.TrackInfo) -> models.TrackInfo:
    copy = models.TrackInfo()
    copy.CopyFrom(info)
    return copy
