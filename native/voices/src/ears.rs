//! What Python hears of one room: taps of single tracks and mixes of all but some, each track decoded once for all of them.

use std::time::Instant;

use crate::ring::TapReader;
use crate::track::Codec;
use crate::voice::Spoken;
use crate::{Rate, TapId, TrackId};

/// All taps and mixes of one room.
#[derive(Default)]
pub struct Ears {}

impl Ears {
    #[must_use]
    pub fn new() -> Ears {
        Ears::default()
    }

    /// A track of audio is in the room; mixes hear it from now on, and it may be tapped.
    pub fn add_track(&mut self, _track: TrackId) {}

    /// A track is gone; its taps stay open and fall silent.
    pub fn remove_track(&mut self, _track: TrackId) {}

    /// What was buffered of a track is dropped, and it is silent until `false`.
    pub fn mute(&mut self, _track: TrackId, _muted: bool) {}

    /// Opens a tap of one track, which may be added later.
    pub fn open_tap(&mut self, _tap: TapId, _track: TrackId, rate: Rate) -> TapReader {
        crate::ring::tap(rate).1
    }

    /// Opens the sum of all tracks but those of `without`. A mix has a frame in every tick in which any track sounds.
    pub fn open_mix(&mut self, _tap: TapId, rate: Rate, _without: &[TrackId]) -> TapReader {
        crate::ring::tap(rate).1
    }

    /// Leaves one more track out of a mix. False where the tap is not a mix of this room.
    pub fn exclude(&mut self, _tap: TapId, _track: TrackId) -> bool {
        false
    }

    /// Closes a tap or a mix; its reader may still read what is left. False where it is not of this room.
    pub fn close(&mut self, _tap: TapId) -> bool {
        false
    }

    /// Whether anybody hears this track, so that its packets are to be handed in.
    #[must_use]
    pub fn wants(&self, _track: TrackId) -> bool {
        false
    }

    /// A packet of a track arrived; its SRTP is opened, its padding removed. `codec` may change between packets.
    pub fn packet(
        &mut self,
        _now: Instant,
        _track: TrackId,
        _codec: Codec,
        _sequence: u16,
        _timestamp: u32,
        _payload: &[u8],
    ) {
    }

    /// This tick's frame of a voice of ours.
    pub fn voice_frame(&mut self, _track: TrackId, _spoken: Spoken<'_>) {}

    /// Makes one frame of every track that is heard and hands it to its taps and mixes; the taps that have new audio.
    /// Called once per 20 ms, after the voices of the same tick.
    pub fn tick(&mut self, _now: Instant) -> &[TapId] {
        &[]
    }
}
