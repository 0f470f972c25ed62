"""What happens in rooms, for webhooks, agent dispatch and metrics.

Each event is a snapshot: the messages in it are copies that later changes do not reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livekit.protocol import models


@dataclass(frozen=True, slots=True)
class RoomStarted:
    """A room has come into being; `config` is what the token or request that made it says, as JSON."""

    room: models.Room
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RoomFinished:
    """A room is gone."""

    room: models.Room


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """A participant's media is connected; hidden ones are announced, too."""

    room: models.Room
    participant: models.ParticipantInfo


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """A participant who had joined is gone; the info has the reason."""

    room: models.Room
    participant: models.ParticipantInfo


@dataclass(frozen=True, slots=True)
class ParticipantAborted:
    """A participant is gone whose media never connected."""

    room: models.Room
    participant: models.ParticipantInfo


@dataclass(frozen=True, slots=True)
class TrackPublished:
    """A track can be subscribed to."""

    room: models.Room
    participant: models.ParticipantInfo
    track: models.TrackInfo


@dataclass(frozen=True, slots=True)
class TrackUnpublished:
    """A track is gone."""

    room: models.Room
    participant: models.ParticipantInfo
    track: models.TrackInfo


RoomEvent = (
    RoomStarted
    | RoomFinished
    | ParticipantJoined
    | ParticipantLeft
    | ParticipantAborted
    | TrackPublished
    | TrackUnpublished
)
