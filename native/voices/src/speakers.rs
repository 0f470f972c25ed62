//! Who speaks: the levels that are told to members, and the loudest tracks that are forwarded.

use std::time::{Duration, Instant};

use crate::TrackId;
use crate::level::AudioLevel;

/// When somebody counts as a speaker, and how many are forwarded.
#[derive(Clone, Copy, Debug)]
pub struct SpeakerSettings {
    /// −dBov; a packet at this level or louder counts.
    pub threshold: u8,
    /// The share of a window in percent that must count.
    pub active_percent: u32,
    /// The window, and the time between two updates.
    pub window: Duration,
    /// Over how many windows a level is smoothed; 0 for none.
    pub smoothing: u32,
    /// How many tracks are forwarded; 0 for all of them.
    pub top: usize,
    /// How long a track is forwarded after it was last among the loudest.
    pub hangover: Duration,
}

impl Default for SpeakerSettings {
    fn default() -> Self {
        SpeakerSettings {
            threshold: 35,
            active_percent: 40,
            window: Duration::from_millis(500),
            smoothing: 4,
            top: 0,
            hangover: Duration::from_secs(2),
        }
    }
}

/// One member of the set that members are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speaker {
    pub track: TrackId,
    /// 0 for silence to 1 for full scale, smoothed.
    pub level: f32,
    pub is_active: bool,
}

/// The speakers of one room.
pub struct Speakers {
    settings: SpeakerSettings,
}

impl Speakers {
    #[must_use]
    pub fn new(settings: SpeakerSettings) -> Speakers {
        Speakers { settings }
    }

    /// Takes the level of one packet of 20 ms of a track, and says whether that packet is forwarded.
    /// A track is known from its first level until `remove`.
    pub fn level(&mut self, _now: Instant, _track: TrackId, _level: AudioLevel) -> bool {
        self.settings.top == 0
    }

    /// Whether a packet of a track without a level in its header is forwarded: while the track is among the forwarded.
    #[must_use]
    pub fn is_forwarded(&self, _track: TrackId) -> bool {
        self.settings.top == 0
    }

    /// A track is gone.
    pub fn remove(&mut self, _track: TrackId) {}

    /// A track is muted: its speech ends at once, and it leaves the forwarded.
    pub fn mute(&mut self, _track: TrackId, _muted: bool) {}

    /// Once per window: who speaks, loudest first, if that is news; those who stopped come once with `is_active` false.
    /// Cheap where no window has ended.
    pub fn update(&mut self, _now: Instant) -> Option<Vec<Speaker>> {
        None
    }

    /// Who speaks, for one who has just joined.
    #[must_use]
    pub fn current(&self) -> Vec<Speaker> {
        Vec::new()
    }
}
