"""All rooms of a relay: every operation that a server may ask for, and the beat that ends what has outlived its time.

Rooms open no socket and start no task. They are used on the event loop's thread only.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from livekit.protocol import models

from vox.relay.rooms.events import RoomEvent


class Rooms:
    """The rooms of this process."""

    def observe(self, callback: Callable[[RoomEvent], None]) -> None:
        """Calls back for what happens in rooms, in order, at once; the callback must not raise."""
        raise NotImplementedError

    def create(
        self,
        name: str,
        *,
        empty_timeout_s: int | None = None,
        departure_timeout_s: int | None = None,
        max_participants: int = 0,
        metadata: str = "",
    ) -> models.Room:
        """Makes a room, or returns the one that has the name."""
        raise NotImplementedError

    def list(self, names: Collection[str] = ()) -> list[models.Room]:
        """The rooms of these names, or all."""
        raise NotImplementedError

    def delete(self, name: str) -> None:
        """Ends a room; everyone in it is disconnected. Raises room_not_found."""
        raise NotImplementedError

    def participants(self, room: str) -> list[models.ParticipantInfo]:
        """Who is in a room, hidden ones too. Raises room_not_found."""
        raise NotImplementedError

    def participant(self, room: str, identity: str) -> models.ParticipantInfo:
        """One participant. Raises participant_not_found."""
        raise NotImplementedError

    def remove(
        self,
        room: str,
        identity: str,
        *,
        reason: "models.DisconnectReason" = models.DisconnectReason.PARTICIPANT_REMOVED,
    ) -> None:
        """Disconnects a participant. Raises participant_not_found."""
        raise NotImplementedError

    def mute_track(self, room: str, identity: str, track_sid: str, muted: bool) -> models.TrackInfo:
        """Mutes a track at its ingress and asks its publisher to do so. Raises participant_not_found, track_not_found."""
        raise NotImplementedError

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
        """Changes what is given; an attribute with an empty value is removed. Permissions hold at once."""
        raise NotImplementedError

    def update_subscriptions(self, room: str, identity: str, track_sids: Sequence[str], subscribe: bool) -> None:
        """Subscribes a participant to tracks, or ends that. Raises participant_not_found, track_not_found."""
        raise NotImplementedError

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
        """Sends a user packet of the server to a room, or to some in it. Raises room_not_found."""
        raise NotImplementedError

    def update_room_metadata(self, room: str, metadata: str) -> models.Room:
        """Replaces a room's metadata and informs everyone in it. Raises room_not_found."""
        raise NotImplementedError

    def move(self, room: str, identity: str, destination: str) -> None:
        """Moves a participant into another room. Raises participant_not_found."""
        raise NotImplementedError

    def drain(self, regions: Sequence[models.RoomAgentDispatch] = ()) -> None:
        """Sends everyone elsewhere by the protocol's own leave message."""
        raise NotImplementedError
