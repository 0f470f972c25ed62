"""All rooms of a relay: every operation that a server may ask for, and the beat that ends what has outlived its time.

Rooms open no socket and start no task. They are used on the event loop's thread only.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from livekit.protocol import models, rtc

from vox.errors import UsageError, VoxError
from vox.relay.engine.contract import Event, MediaEngine
from vox.relay.rooms import data, membership, publishing, subscriptions, upkeep
from vox.relay.rooms.context import RoomContext, if_known
from vox.relay.rooms.events import RoomEvent, RoomFinished, RoomStarted
from vox.relay.rooms.limits import RoomLimits
from vox.relay.rooms.media_events import MediaEvents
from vox.relay.rooms.messages import Outbox, leave_request
from vox.relay.rooms.participant import JoinSettings, Participant, snapshot
from vox.relay.rooms.room import Room
from vox.relay.rooms.tracks import Track
from vox.runtime.clock import Clock, new_id
from vox.security.room_tokens import RoomClaims

LOOK_S: Final = 1.0
RPC_VERSION: Final = 1


class Rooms:
    """The rooms of this process.

    Args:
        engine: moves the media.
        clock: for deadlines and records.
        limits: bounds.
        sign: makes a fresh token of the same claims, for participants who stay long; None for none.
        refused: counts refusals by error code.
        make_id: makes an id from a prefix such as `PA`.
        soon: runs work after the present message or event.
        later: runs work after so many seconds.
    """

    def __init__(
        self,
        engine: MediaEngine,
        clock: Clock,
        limits: RoomLimits | None = None,
        *,
        sign: Callable[[RoomClaims], str] | None = None,
        refused: Callable[[str], None] = lambda _code: None,
        make_id: Callable[[str], str] = new_id,
        soon: Callable[[Callable[[], None]], object] | None = None,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self.context = RoomContext(
            engine, clock, limits or RoomLimits(), make_id, soon or _call_soon, refused, later or _call_later
        )
        self.media = MediaEvents()
        self._sign = sign
        self._rooms: dict[str, Room] = {}
        self._looked_at = clock.now()
        self._is_draining = False

    @property
    def rooms_count(self) -> int:
        """Rooms that are open."""
        return len(self._rooms)

    @property
    def participants_count(self) -> int:
        """Participants in all rooms."""
        return sum(len(room.participants) for room in self._rooms.values())

    @property
    def tracks_count(self) -> int:
        """Live tracks in all rooms."""
        return sum(len(room.tracks) for room in self._rooms.values())

    def observe(self, callback: Callable[[RoomEvent], None]) -> None:
        """Calls back for what happens in rooms, in order, at once; the callback must not raise."""
        self.context.observers.append(callback)

    def create(
        self,
        name: str,
        *,
        empty_timeout_s: int | None = None,
        departure_timeout_s: int | None = None,
        max_participants: int = 0,
        metadata: str = "",
        config: Mapping[str, Any] | None = None,
    ) -> models.Room:
        """Makes a room, or returns the one that has the name.

        Raises:
            UsageError: name_invalid, metadata_too_large, rooms_full, or relay_draining.
        """
        room = self._rooms.get(name)
        if room is None:
            given = {
                "empty_timeout": empty_timeout_s,
                "departure_timeout": departure_timeout_s,
                "max_participants": max_participants or None,
                "metadata": metadata or None,
            }
            room = self._open(name, {**(config or {}), **{key: one for key, one in given.items() if one is not None}})
        return room.info

    def delete(self, name: str) -> None:
        """Ends a room; everyone in it is disconnected.

        Raises:
            UsageError: room_not_found.
        """
        self._close(self.find_room(name), models.DisconnectReason.ROOM_DELETED)

    def participants(self, room: str) -> list[models.ParticipantInfo]:
        """Who is in a room, hidden ones too.

        Raises:
            UsageError: room_not_found.
        """
        return [snapshot(one.info) for one in self.find_room(room).participants.values()]

    def participant(self, room: str, identity: str) -> models.ParticipantInfo:
        """One participant.

        Raises:
            UsageError: room_not_found or participant_not_found.
        """
        return snapshot(self.find(room, identity)[1].info)

    def remove(
        self,
        room: str,
        identity: str,
        *,
        reason: "models.DisconnectReason" = models.DisconnectReason.PARTICIPANT_REMOVED,
    ) -> None:
        """Disconnects a participant.

        Raises:
            UsageError: room_not_found or participant_not_found.
        """
        membership.leave(*self.find(room, identity), reason)

    def mute_track(self, room: str, identity: str, track_sid: str, muted: bool) -> models.TrackInfo:
        """Mutes a track where it arrives and asks its publisher to do so.

        Raises:
            UsageError: room_not_found, participant_not_found or track_not_found.
        """
        found, publisher = self.find(room, identity)
        track = publishing.find_track(publisher, track_sid)
        if track is None:
            raise UsageError("There is no such track.", code="track_not_found")
        publishing.mute(found, publisher, track, muted)
        publisher.tell(rtc.SignalResponse(mute=rtc.MuteTrackRequest(sid=track.sid, muted=muted)))
        info = models.TrackInfo()
        info.CopyFrom(track.info)
        return info

    def update_participant(
        self,
        room: str,
        identity: str,
        *,
        metadata: str | None = None,
        name: str | None = None,
        attributes: Mapping[str, str] | None = None,
        permission: models.ParticipantPermission | None = None,
    ) -> models.ParticipantInfo:
        """Changes what is given; an attribute with an empty value is removed. Permissions hold at once.

        Raises:
            UsageError: room_not_found, participant_not_found, metadata_too_large or name_invalid.
        """
        found, participant = self.find(room, identity)
        if metadata is not None or name is not None or attributes:
            membership.update_details(found, participant, metadata=metadata, name=name, attributes=attributes)
        if permission is not None:
            membership.set_permission(found, participant, permission)
            self._refresh(participant)
        return snapshot(participant.info)

    def update_subscriptions(self, room: str, identity: str, track_sids: Sequence[str], subscribe: bool) -> None:
        """Subscribes a participant to tracks, or ends that.

        Raises:
            UsageError: room_not_found, participant_not_found or track_not_found.
        """
        found, listener = self.find(room, identity)
        tracks = [self._track(found, sid) for sid in track_sids]
        for track in tracks:
            (subscriptions.subscribe if subscribe else subscriptions.unsubscribe)(found, listener, track)

    def send_data(
        self,
        room: str,
        payload: bytes,
        *,
        reliable: bool,
        topic: str | None = None,
        destination_identities: Sequence[str] = (),
        destination_sids: Sequence[str] = (),
        nonce: bytes = b"",
    ) -> None:
        """Sends a user packet of the server to a room, or to some in it.

        Raises:
            UsageError: room_not_found or data_too_large.
        """
        found = self.find_room(room)
        if len(payload) > self.context.limits.data_bytes:
            raise UsageError(f"A packet may have {self.context.limits.data_bytes} bytes.", code="data_too_large")
        packet = models.DataPacket(destination_identities=destination_identities)
        packet.user.payload = payload
        packet.user.nonce = nonce
        if topic is not None:
            packet.user.topic = topic
        to: frozenset[str] | None = None
        if destination_identities or destination_sids:
            named = {found.by_sid[sid].identity for sid in destination_sids if sid in found.by_sid}
            to = frozenset(named | set(destination_identities))
        data.deliver(found, packet, to, reliable=reliable)

    def update_room_metadata(self, room: str, metadata: str) -> models.Room:
        """Replaces a room's metadata and informs everyone in it.

        Raises:
            UsageError: room_not_found or metadata_too_large.
        """
        found = self.find_room(room)
        self._check_metadata(metadata)
        found.state.metadata = metadata
        found.announce_room()
        return found.info

    def move(self, room: str, identity: str, destination: str) -> None:
        """Moves a participant into another room: they get a token for it and connect afresh.

        Raises:
            UsageError: room_not_found, participant_not_found, name_invalid, or not_supported where nothing signs tokens.
        """
        found, participant = self.find(room, identity)
        self._check_name(destination)
        if self._sign is None or participant.is_voice:
            raise UsageError("This participant cannot be moved.", code="not_supported")
        video = msgspec.structs.replace(participant.claims.video, room=destination)
        token = self._sign(msgspec.structs.replace(participant.claims, video=video))
        participant.tell(rtc.SignalResponse(refresh_token=token))
        message = leave_request(models.DisconnectReason.MIGRATION, rtc.LeaveRequest.RECONNECT)
        membership.leave(found, participant, models.DisconnectReason.MIGRATION, message)

    def forward(self, room: str, identity: str, destination: str) -> None:
        """Lets a participant be in two rooms, which only clusters of another kind can.

        Raises:
            UsageError: not_supported, always.
        """
        raise UsageError("A participant cannot be forwarded into a second room.", code="not_supported")

    async def perform_rpc(self, room: str, identity: str, method: str, payload: str, timeout_s: float) -> str:
        """Calls a method of a participant and returns its answer.

        Raises:
            UsageError: room_not_found, participant_not_found or rpc_too_large.
            VoxError: rpc_timeout, or rpc_failed with the participant's own message.
        """
        found, _ = self.find(room, identity)
        if len(payload.encode()) > self.context.limits.data_bytes // 4:
            raise UsageError("The payload of the call is too large.", code="rpc_too_large")
        answer: asyncio.Future[models.RpcResponse] = asyncio.get_running_loop().create_future()

        def take(reply: models.RpcResponse | models.RpcAck) -> None:
            if isinstance(reply, models.RpcResponse) and not answer.done():
                answer.set_result(reply)

        request = models.RpcRequest(
            id=self.context.new_id("rpc"),
            method=method,
            payload=payload,
            response_timeout_ms=int(timeout_s * 1000),
            version=RPC_VERSION,
        )
        packet = models.DataPacket(rpc_request=request, participant_identity="server")
        found.replies[request.id] = take
        try:
            data.deliver(found, packet, frozenset({identity}), reliable=True)
            async with asyncio.timeout(timeout_s):
                reply = await answer
        except TimeoutError:
            raise VoxError("The participant did not answer in time.", code="rpc_timeout", retryable=True) from None
        finally:
            found.replies.pop(request.id, None)
        if reply.WhichOneof("value") == "error":
            raise VoxError(f"{reply.error.code}: {reply.error.message}", code="rpc_failed")
        return reply.payload

    def drain(self, regions: Sequence[rtc.RegionInfo] = (), *, at_most: int | None = None) -> int:
        """Takes no one else, and sends participants elsewhere by the protocol's own leave message.

        Args:
            regions: where to.
            at_most: how many to send in this call; None for all.

        Returns:
            How many are still here.
        """
        self._is_draining = True
        reason = models.DisconnectReason.SERVER_SHUTDOWN
        everyone = [(room, one) for room in self._rooms.values() for one in room.participants.values()]
        for room, participant in everyone[:at_most]:
            message = leave_request(reason, rtc.LeaveRequest.RECONNECT, tuple(regions))
            membership.leave(room, participant, reason, message)
        return self.participants_count

    def join(
        self, claims: RoomClaims, settings: JoinSettings, outbox: Outbox, *, is_voice: bool = False
    ) -> tuple[Room, Participant]:
        """Lets the holder of a checked token in.

        Raises:
            UsageError: relay_draining, relay_full, room_full, rooms_full, room_not_found, name_invalid or metadata_too_large.
        """
        room = self.check_join(claims)
        if room is None:
            room = self._open(claims.video.room, claims.room_config or {})
        participant = membership.join(room, claims, settings, outbox, is_voice=is_voice)
        for peer in {participant.publisher, participant.subscriber} - {0}:
            self.media.peers[peer] = (room, participant)
        return room, participant

    def check_join(self, claims: RoomClaims) -> Room | None:
        """Finds the room of a token; None where joining makes it.

        Raises:
            UsageError: relay_draining, relay_full, name_invalid or room_not_found.
        """
        if self._is_draining:
            raise UsageError("The relay takes no new participants.", code="relay_draining", retryable=True)
        room = self._rooms.get(claims.video.room)
        if room is None:
            self._check_name(claims.video.room)
            if not self.context.limits.is_auto_create and not claims.video.room_create:
                raise UsageError("requested room does not exist", code="room_not_found")
        most = self.context.limits.participants_in_all
        is_back = room is not None and claims.sub in room.participants
        if most and not is_back and self.participants_count >= most:
            raise UsageError(f"The relay has {most} participants, which is its limit.", code="relay_full")
        return room

    def resume(self, claims: RoomClaims, sid: str, settings: JoinSettings, outbox: Outbox) -> tuple[Room, Participant]:
        """Brings a participant back whose signalling was lost.

        Raises:
            UsageError: participant_not_found: they have to join afresh.
        """
        room = self._rooms.get(claims.video.room)
        participant = room.participants.get(claims.sub) if room is not None else None
        if room is None or participant is None or participant.is_voice or (sid and participant.sid != sid):
            raise UsageError("There is no such session to resume.", code="participant_not_found")
        membership.resume(room, participant, outbox, settings)
        return room, participant

    def take(self, event: Event) -> None:
        """One event of the engine."""
        self.media.take(event)

    def beat(self) -> None:
        """Ends what is overdue; to be called a few times a second."""
        now = self.context.clock.now()
        for room in self._rooms.values():
            room.announce_due()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        for room in list(self._rooms.values()):
            upkeep.look_after(room, now)
            if upkeep.is_over(room, now):
                self._close(room, models.DisconnectReason.ROOM_CLOSED)
                continue
            for participant in room.participants.values():
                if now - participant.token_at >= self.context.limits.token_lifetime_s / 2:
                    self._refresh(participant)
        self.media.forget()

    def close(self) -> None:
        """Ends every room; the engine stays open."""
        for room in list(self._rooms.values()):
            self._close(room, models.DisconnectReason.SERVER_SHUTDOWN)

    def find_room(self, name: str) -> Room:
        """An open room.

        Raises:
            UsageError: room_not_found.
        """
        room = self._rooms.get(name)
        if room is None:
            raise UsageError("There is no such room.", code="room_not_found")
        return room

    def find(self, name: str, identity: str) -> tuple[Room, Participant]:
        """A participant and their room.

        Raises:
            UsageError: room_not_found or participant_not_found.
        """
        room = self.find_room(name)
        participant = room.participants.get(identity)
        if participant is None:
            raise UsageError("There is no such participant.", code="participant_not_found")
        return room, participant

    def _track(self, room: Room, sid: str) -> Track:
        track = room.tracks.get(sid)
        if track is None:
            raise UsageError("There is no such track.", code="track_not_found")
        return track

    def _open(self, name: str, config: Mapping[str, Any]) -> Room:
        self._check_name(name)
        limits, clock = self.context.limits, self.context.clock
        if self._is_draining:
            raise UsageError("The relay takes no new rooms.", code="relay_draining", retryable=True)
        if len(self._rooms) >= limits.rooms:
            raise UsageError(f"The relay has {limits.rooms} rooms, which is its limit.", code="rooms_full")
        metadata = _text(config, "metadata")
        self._check_metadata(metadata)
        room = Room(
            context=self.context,
            handle=self.context.handle(),
            state=models.Room(
                sid=self.context.new_id("RM"),
                name=name,
                empty_timeout=_number(config, "empty_timeout", int(limits.empty_timeout_s)),
                departure_timeout=_number(config, "departure_timeout", int(limits.departure_timeout_s)),
                max_participants=_number(config, "max_participants", limits.participants),
                creation_time=clock.unix_s(),
                creation_time_ms=clock.unix_ms(),
                metadata=metadata,
            ),
            created_at=clock.now(),
            config=dict(config),
            empty_since=clock.now(),
        )
        self.context.engine.open_room(room.handle, top_speakers=limits.top_speakers)
        self._rooms[name] = self.media.rooms[room.handle] = room
        self.context.emit(RoomStarted(room.info, room.config))
        return room

    def _close(self, room: Room, reason: "models.DisconnectReason") -> None:
        for participant in list(room.participants.values()):
            membership.leave(room, participant, reason)
        room.is_open = False
        self._rooms.pop(room.name, None)
        self.media.rooms.pop(room.handle, None)
        with if_known():
            self.context.engine.close_room(room.handle)
        self.context.emit(RoomFinished(room.info))

    def _refresh(self, participant: Participant) -> None:
        participant.token_at = self.context.clock.now()
        if self._sign is not None and not participant.is_voice:
            claims = membership.claims_now(participant)
            participant.tell(rtc.SignalResponse(refresh_token=self._sign(claims)))

    def _check_name(self, name: str) -> None:
        if not name or len(name.encode()) > self.context.limits.name_bytes:
            raise UsageError(f"A room's name has 1 to {self.context.limits.name_bytes} bytes.", code="name_invalid")

    def _check_metadata(self, metadata: str) -> None:
        if len(metadata.encode()) > self.context.limits.metadata_bytes:
            raise UsageError(
                f"Metadata may have {self.context.limits.metadata_bytes} bytes.", code="metadata_too_large"
            )

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def list(self, names: Collection[str] = ()) -> Sequence[models.Room]:
        """The rooms of these names, or all."""
        return [room.info for name, room in self._rooms.items() if not names or name in names]


def _call_soon(work: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_soon(work)


def _call_later(seconds: float, work: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, work)


def _text(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    return value if isinstance(value, str) else ""


def _number(config: Mapping[str, Any], key: str, otherwise: int) -> int:
    """A number of a room's configuration, whose keys come in either of protobuf's two spellings."""
    head, *rest = key.split("_")
    value = config.get(key, config.get(head + "".join(one.title() for one in rest)))
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31 else otherwise
