"""Requests and responses of voice rooms; field names and their order are those of the original server."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from vox.chat.api.fields import Id
from vox.chat.events.ids import RoomId, UserId

MAX_RTTS = 100
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class VoiceMember(Struct, frozen=True):
    """A user in a room."""

    user_id: UserId
    mute: bool
    deaf: bool
    video: bool
    streaming: bool
    server_mute: bool
    server_deaf: bool
    joined_at: int


class VoiceGuest(Struct, frozen=True):
    """An agent or telephone caller in a room; `joined_at` is empty until it has come."""

    guest_id: int
    kind: Literal["agent", "caller"]
    identity: str
    name: str
    inviter_id: UserId | None
    joined_at: int | None


class VoiceRoom(Struct, frozen=True):
    """Who is in a room; `speakers` are those who were let on its stage."""

    room_id: RoomId
    members: list[VoiceMember]
    guests: list[VoiceGuest]
    topic: str | None
    speakers: list[UserId]


class JoinRoom(Struct, frozen=True):
    """How a user joins.

    Args:
        self_mute: whether muted.
        self_deaf: whether deafened.
        latitude: where the client is, so that a relay near it is taken; with `longitude`, or neither.
        longitude: likewise.
        region: a relay's region the client prefers.
        rtts: round trips in ms that the client has measured, by relay id.
    """

    self_mute: bool = False
    self_deaf: bool = False
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    region: Annotated[str, Meta(max_length=64)] | None = None
    rtts: Annotated[dict[str, Annotated[float, Meta(ge=0, le=60_000)]], Meta(max_length=MAX_RTTS)] | None = None


class Joined(Struct, frozen=True):
    """Where the room's media is, and the token for it (a JWT, valid until `expires_at`)."""

    media_url: str
    media_token: str
    members: list[VoiceMember]
    guests: list[VoiceGuest]
    expires_at: int


class MediaToken(Struct, frozen=True):
    """A new token for the room's media."""

    media_token: str
    media_url: str
    expires_at: int


class Target(Struct, frozen=True):
    """A member of the room."""

    user_id: Id


class MoveMember(Struct, frozen=True):
    """A member, and the room to go to."""

    user_id: Id
    to_room_id: Id


class MuteMember(Struct, frozen=True):
    """Whether a member is muted by a moderator."""

    user_id: Id
    muted: bool


class DeafenMember(Struct, frozen=True):
    """Whether a member is deafened by a moderator."""

    user_id: Id
    deafened: bool


class VoiceSettings(Struct, frozen=True):
    """Settings of a room's voice.

    Args:
        transcript_feed_id: the feed that transcripts are written to; null: none.
        max_members: how many members the room takes; null: as many as the limit `voice_room_max_members`.
    """

    transcript_feed_id: Id | None = None
    max_members: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
