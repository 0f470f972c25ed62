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
        top_speakers: audio tracks that a big room forwards at a time; 0 for all.
        big_room: microphones from which on a room is big.
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
    top_speakers: int = 0
    big_room: int = 16
