//! Sound of the relay: what people say is decoded here, and what we say is encoded.
//!
//! Everything is pure: no socket, no thread, no clock. Time is an `Instant` that the caller passes in, and the media thread
//! that owns a value is the only one that touches it; [`VoiceWriter`] and [`TapReader`] are the halves that Python's thread
//! holds, and neither waits for the other side.
//!
//! A media thread does this each 20 ms (`FRAME`), in phase for all of its rooms:
//!
//! 1. for each [`Voice`]: [`Voice::tick`]; where it speaks, [`Speakers::level`], [`Ears::voice_frame`] if
//!    [`Ears::wants`] it, and [`Voice::packet`] if anybody listens (only then it is encoded);
//! 2. [`Ears::tick`]: one wake-up with the taps that have new audio;
//! 3. [`Speakers::update`]: `Some` where members should be told.
//!
//! And for each packet that arrives: [`Speakers::level`] with the level of its header (it says whether the packet is
//! forwarded), and [`Ears::packet`] if [`Ears::wants`] the track.

pub mod ears;
pub mod g711;
pub mod jitter;
pub mod level;
pub mod opus;
pub mod resample;
pub mod ring;
pub mod speakers;
pub mod stretch;
pub mod track;
pub mod voice;

use std::time::Duration;

pub use ears::Ears;
pub use jitter::Codec;
pub use level::AudioLevel;
pub use ring::TapReader;
pub use speakers::{Speaker, SpeakerSettings, Speakers};
pub use voice::{Spoken, Voice, VoiceError, VoicePacket, VoiceTick, VoiceWriter, voice};

/// The time that one frame of audio lasts, and that passes between two ticks.
pub const FRAME: Duration = Duration::from_millis(20);

/// Ticks of the RTP clock of Opus in one frame: it counts at 48 kHz whatever rate is encoded (RFC 7587, section 4.1).
pub const FRAME_TICKS: u32 = 960;

/// A track, by the number that Python chose.
pub type TrackId = u64;
/// A tap or a mix, by the number that Python chose.
pub type TapId = u64;

/// A sample rate that Opus encodes and decodes as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    Hz8000,
    Hz16000,
    Hz24000,
    Hz48000,
}

impl Rate {
    /// All of them, lowest first.
    pub const ALL: [Rate; 4] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz24000, Rate::Hz48000];

    /// The rate of that many samples a second; `None` for one that is not among them.
    #[must_use]
    pub const fn of(hz: u32) -> Option<Rate> {
        match hz {
            8_000 => Some(Rate::Hz8000),
            16_000 => Some(Rate::Hz16000),
            24_000 => Some(Rate::Hz24000),
            48_000 => Some(Rate::Hz48000),
            _ => None,
        }
    }

    /// Samples a second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        match self {
            Rate::Hz8000 => 8_000,
            Rate::Hz16000 => 16_000,
            Rate::Hz24000 => 24_000,
            Rate::Hz48000 => 48_000,
        }
    }

    /// Samples of one frame of 20 ms.
    #[must_use]
    pub const fn frame(self) -> usize {
        self.hz() as usize / 50
    }

    /// Ticks of the 48 kHz clock that one sample lasts.
    #[must_use]
    pub const fn ticks_per_sample(self) -> u32 {
        48_000 / self.hz()
    }
}
