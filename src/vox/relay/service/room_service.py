"""RoomService: what other servers may do with rooms, by remote call. Checks the grants, then asks `Rooms`."""

from typing import Final

from google.protobuf.json_format import MessageToDict
from livekit.protocol import models, room

from vox.errors import UsageError
from vox.relay.rooms.registry import Rooms
from vox.relay.service.grants import check_name, need, need_admin, need_both
from vox.relay.service.twirp import Method
from vox.security.room_tokens import RoomClaims

SERVICE: Final = "livekit.RoomService"
RPC_TIMEOUT_S: Final = 15.0
RPC_LONGEST_S: Final = 60.0
MAX_TIMEOUT_S: Final = 86_400


class RoomService:
    """The methods.

    Args:
        rooms: the rooms of this relay.
        unmutes: whether a server may unmute a track; participants' privacy is against it.
    """

    def __init__(self, rooms: Rooms, *, unmutes: bool = False) -> None:
        self._rooms = rooms
        self._unmutes = unmutes

    @property
    def methods(self) -> list[Method]:
        """The service as a table."""
        return [
            Method("CreateRoom", room.CreateRoomRequest, self.create, "roomCreate", "Makes a room, or finds it."),
            Method("ListRooms", room.ListRoomsRequest, self.list, "roomList", "The rooms that are open."),
            Method("DeleteRoom", room.DeleteRoomRequest, self.delete, "roomCreate", "Ends a room for everyone in it."),
            Method(
                "ListParticipants", room.ListParticipantsRequest, self.participants, "roomAdmin", "Who is in a room."
            ),
            Method("GetParticipant", room.RoomParticipantIdentity, self.participant, "roomAdmin", "One participant."),
            Method(
                "RemoveParticipant",
                room.RoomParticipantIdentity,
                self.remove,
                "roomAdmin",
                "Disconnects a participant.",
            ),
            Method(
                "MutePublishedTrack",
                room.MuteRoomTrackRequest,
                self.mute,
                "roomAdmin",
                "Mutes a track where it arrives.",
            ),
            Method(
                "UpdateParticipant",
                room.UpdateParticipantRequest,
                self.update,
                "roomAdmin",
                "Changes name, metadata, attributes or permissions.",
            ),
            Method(
                "UpdateSubscriptions",
                room.UpdateSubscriptionsRequest,
                self.subscriptions,
                "roomAdmin",
                "Subscribes a participant to tracks, or ends that.",
            ),
            Method(
                "SendData",
                room.SendDataRequest,
                self.send_data,
                "roomAdmin",
                "Sends a data packet to a room, or to some in it.",
            ),
            Method(
                "UpdateRoomMetadata",
                room.UpdateRoomMetadataRequest,
                self.metadata,
                "roomAdmin",
                "Replaces a room's metadata.",
            ),
            Method(
                "ForwardParticipant",
                room.ForwardParticipantRequest,
                self.forward,
                "roomAdmin, destinationRoom",
                "Shows a participant in another room, too.",
            ),
            Method(
                "MoveParticipant",
                room.MoveParticipantRequest,
                self.move,
                "roomAdmin, destinationRoom",
                "Moves a participant into another room.",
            ),
            Method(
                "PerformRpc",
                room.PerformRpcRequest,
                self.perform_rpc,
                "roomAdmin",
                "Calls a method of a participant and waits for its answer.",
            ),
        ]

    async def create(self, request: room.CreateRoomRequest, claims: RoomClaims) -> models.Room:
        """Makes a room with the agents that it names."""
        need("roomCreate", claims.video.room_create)
        check_name(request.name)
        for what, value in (("empty_timeout", request.empty_timeout), ("departure_timeout", request.departure_timeout)):
            if value > MAX_TIMEOUT_S:
                raise UsageError(f"{what} is longer than {MAX_TIMEOUT_S} s", code="request_invalid")
        if request.HasField("egress"):
            raise UsageError("This relay records nothing, so a room cannot be made with egress.", code="not_supported")
        agents = [MessageToDict(agent, preserving_proto_field_name=True) for agent in request.agents]
        return self._rooms.create(
            request.name,
            empty_timeout_s=request.empty_timeout or None,
            departure_timeout_s=request.departure_timeout or None,
            max_participants=request.max_participants,
            metadata=request.metadata,
            config={"agents": agents} if agents else None,
        )

    async def list(self, request: room.ListRoomsRequest, claims: RoomClaims) -> room.ListRoomsResponse:
        """The rooms of these names, or all."""
        need("roomList", claims.video.room_list)
        return room.ListRoomsResponse(rooms=self._rooms.list(list(request.names)))

    async def delete(self, request: room.DeleteRoomRequest, claims: RoomClaims) -> room.DeleteRoomResponse:
        """Ends a room."""
        need("roomCreate", claims.video.room_create)
        self._rooms.delete(request.room)
        return room.DeleteRoomResponse()

    async def participants(
        self, request: room.ListParticipantsRequest, claims: RoomClaims
    ) -> room.ListParticipantsResponse:
        """Who is in a room."""
        need_admin(claims, request.room)
        return room.ListParticipantsResponse(participants=self._rooms.participants(request.room))

    async def participant(self, request: room.RoomParticipantIdentity, claims: RoomClaims) -> models.ParticipantInfo:
        """One participant."""
        need_admin(claims, request.room)
        return self._rooms.participant(request.room, request.identity)

    async def remove(self, request: room.RoomParticipantIdentity, claims: RoomClaims) -> room.RemoveParticipantResponse:
        """Disconnects a participant; tokens of theirs that are older than the time that is named let them in no more."""
        need_admin(claims, request.room)
        if request.revoke_token_ts > 0:
            self._rooms.revoke_tokens(request.room, request.identity, request.revoke_token_ts)
        self._rooms.remove(request.room, request.identity)
        return room.RemoveParticipantResponse()

    async def mute(self, request: room.MuteRoomTrackRequest, claims: RoomClaims) -> room.MuteRoomTrackResponse:
        """Mutes a track; opening a microphone from afar is the participant's own decision."""
        need_admin(claims, request.room)
        if not request.muted and not self._unmutes:
            raise UsageError("Tracks cannot be unmuted from afar.", code="remote_unmute_refused")
        track = self._rooms.mute_track(request.room, request.identity, request.track_sid, request.muted)
        return room.MuteRoomTrackResponse(track=track)

    async def update(self, request: room.UpdateParticipantRequest, claims: RoomClaims) -> models.ParticipantInfo:
        """Changes what the request names."""
        need_admin(claims, request.room)
        return self._rooms.update_participant(
            request.room,
            request.identity,
            metadata=request.metadata or None,
            name=request.name or None,
            attributes=dict(request.attributes) or None,
            permission=request.permission if request.HasField("permission") else None,
        )

    async def subscriptions(
        self, request: room.UpdateSubscriptionsRequest, claims: RoomClaims
    ) -> room.UpdateSubscriptionsResponse:
        """Subscribes to tracks, or ends that."""
        need_admin(claims, request.room)
        sids = [*request.track_sids, *(sid for one in request.participant_tracks for sid in one.track_sids)]
        self._rooms.update_subscriptions(request.room, request.identity, sids, request.subscribe)
        return room.UpdateSubscriptionsResponse()

    async def send_data(self, request: room.SendDataRequest, claims: RoomClaims) -> room.SendDataResponse:
        """Sends data."""
        need_admin(claims, request.room)
        self._rooms.send_data(
            request.room,
            request.data,
            reliable=request.kind == models.DataPacket.RELIABLE,
            topic=request.topic if request.HasField("topic") else None,
            destination_identities=list(request.destination_identities),
            destination_sids=list(request.destination_sids),
            nonce=request.nonce,
        )
        return room.SendDataResponse()

    async def metadata(self, request: room.UpdateRoomMetadataRequest, claims: RoomClaims) -> models.Room:
        """Replaces a room's metadata."""
        need_admin(claims, request.room)
        return self._rooms.update_room_metadata(request.room, request.metadata)

    async def forward(
        self, request: room.ForwardParticipantRequest, claims: RoomClaims
    ) -> room.ForwardParticipantResponse:
        """Shows a participant in another room, too."""
        need_both(claims, request.room, request.destination_room)
        self._rooms.forward(request.room, request.identity, request.destination_room)
        return room.ForwardParticipantResponse()

    async def move(self, request: room.MoveParticipantRequest, claims: RoomClaims) -> room.MoveParticipantResponse:
        """Moves a participant."""
        need_both(claims, request.room, request.destination_room)
        self._rooms.move(request.room, request.identity, request.destination_room)
        return room.MoveParticipantResponse()

    async def perform_rpc(self, request: room.PerformRpcRequest, claims: RoomClaims) -> room.PerformRpcResponse:
        """Calls a participant's method."""
        need_admin(claims, request.room)
        timeout_s = min(request.response_timeout_ms / 1000 or RPC_TIMEOUT_S, RPC_LONGEST_S)
        payload = await self._rooms.perform_rpc(
            request.room, request.destination_identity, request.method, request.payload, timeout_s
        )
        return room.PerformRpcResponse(payload=payload)
