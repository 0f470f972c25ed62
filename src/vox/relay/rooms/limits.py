"""Bounds of rooms and of what participants may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Bounds of a relay; times in seconds, sizes in bytes.

    Args:
        rooms: rooms at the same time.
        participants: in one room, where the room itself says nothing; 0 for any number.
        participants_in_all: in all rooms together; 0 for any number.
        empty_timeout_s: how long a room waits for its first participant.
        departure_timeout_s: how long a room stays after its last participant.
        join_within_s: how long a participant may take until media is connected.
        resume_within_s: how long a participant stays whose signalling or media is lost.
        publish_within_s: how long an announced track may take until it is negotiated.
        tracks: published and announced tracks of one participant.
        name_bytes: of rooms, identities, participants and tracks.
        metadata_bytes: metadata, and all attributes together, of a participant or a room.
        sdp_bytes: one offer or answer.
        data_bytes: one data packet.
        replay_bytes: reliable data kept per sender for listeners who resume.
        backlog_bytes: reliable data that waits for one participant's channel.
        top_speakers: audio tracks that a room forwards at a time, the loudest; 0 for all.
        token_lifetime_s: of the fresh tokens that clients get while they are in a room.
        is_auto_create: whether a room comes into being when the first participant joins.
    """

    rooms: int = 10_000
    participants: int = 0
    participants_in_all: int = 0
    empty_timeout_s: float = 300.0
    departure_timeout_s: float = 20.0
    join_within_s: float = 30.0
    resume_within_s: float = 30.0
    publish_within_s: float = 30.0
    tracks: int = 64
    name_bytes: int = 256
    metadata_bytes: int = 64_000
    sdp_bytes: int = 512_000
    data_bytes: int = 64_000
    replay_bytes: int = 256_000
    backlog_bytes: int = 1_000_000
    top_speakers: int = 0
    token_lifetime_s: float = 600.0
    is_auto_create: bool = True
