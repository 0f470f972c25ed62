//! Who speaks: the levels that are told to members, and the loudest tracks that are forwarded.
//!
//! Active is who was at least as loud as the threshold in 40 % of a window of 500 ms; levels are smoothed over four windows.
//!
//! Forwarded are the `top` loudest by a slower measure of loudness, decided every 100 ms. Who is forwarded stays so for the
//! hangover after his last words, unless the places are needed; and a place that is taken goes to another only where that one
//! has been louder for a while, so that two who are equally loud do not take it from each other with every syllable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::level::AudioLevel;
use crate::{FRAME, TrackId};

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
    /// How long a track keeps its place after it last spoke, while nobody needs the place.
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

/// Places are given anew in this time.
const SELECT_EVERY: Duration = Duration::from_millis(100);
/// A place is taken from one who speaks only by one who is this much louder, in dB, …
const MARGIN: f32 = 6.0;
/// … and only after the place was held for so long.
const MIN_HOLD: Duration = Duration::from_millis(1_000);
/// How fast the slow loudness follows, in parts of the difference per packet: rising in about 100 ms, falling in 600.
const RISE: f32 = 0.2;
const FALL: f32 = 0.03;
/// A change of a level that is told, as amplitude.
const LEVEL_STEP: f32 = 0.01;

/// One member of the set that members are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speaker {
    pub track: TrackId,
    /// 0 for silence to 1 for full scale, smoothed.
    pub level: f32,
    pub is_active: bool,
}

#[derive(Debug)]
struct Track {
    is_muted: bool,
    /// Of this window: packets that count, and the loudest.
    loud: u32,
    loudest: u8,
    level: f32,
    is_active: bool,
    /// What was told last; `None` for nothing, or that it is silent.
    told: Option<f32>,
    /// The slow loudness: dB above silence, 0 to 127.
    loudness: f32,
    spoke_at: Option<Instant>,
    /// Since when it has a place.
    place_since: Option<Instant>,
}

impl Default for Track {
    fn default() -> Self {
        Track {
            is_muted: false,
            loud: 0,
            loudest: 127,
            level: 0.0,
            is_active: false,
            told: None,
            loudness: 0.0,
            spoke_at: None,
            place_since: None,
        }
    }
}

/// The speakers of one room.
pub struct Speakers {
    settings: SpeakerSettings,
    tracks: HashMap<TrackId, Track>,
    window_began: Option<Instant>,
    selected_at: Option<Instant>,
    places: usize,
    /// Tracks that were told as active and are gone.
    gone: Vec<TrackId>,
}

impl Speakers {
    #[must_use]
    pub fn new(settings: SpeakerSettings) -> Speakers {
        Speakers {
            settings,
            tracks: HashMap::new(),
            window_began: None,
            selected_at: None,
            places: 0,
            gone: Vec::new(),
        }
    }

    /// Takes the level of one packet of 20 ms of a track, and says whether that packet is forwarded.
    /// A track is known from its first level until `remove`.
    pub fn level(&mut self, now: Instant, track: TrackId, level: AudioLevel) -> bool {
        let known = self.tracks.entry(track).or_default();
        if known.is_muted {
            return false;
        }
        let counts = level.level <= self.settings.threshold;
        known.loud += u32::from(counts);
        known.loudest = known.loudest.min(level.level);
        let loudness = f32::from(127 - level.level.min(127));
        let step = if loudness > known.loudness {
            RISE
        } else {
            FALL
        };
        known.loudness += (loudness - known.loudness) * step;
        if counts {
            known.spoke_at = Some(now);
        }
        if self.settings.top == 0 {
            return true;
        }
        if counts && known.place_since.is_none() && self.places < self.settings.top {
            // A free place is taken with the first word, so that it is not cut off.
            known.place_since = Some(now);
            self.places += 1;
        } else if self
            .selected_at
            .is_none_or(|at| now.saturating_duration_since(at) >= SELECT_EVERY)
        {
            self.selected_at = Some(now);
            self.select(now);
        }
        self.is_forwarded(track)
    }

    /// Whether a packet of a track without a level in its header is forwarded: while the track has a place.
    #[must_use]
    pub fn is_forwarded(&self, track: TrackId) -> bool {
        let known = self.tracks.get(&track);
        if known.is_some_and(|known| known.is_muted) {
            return false;
        }
        self.settings.top == 0 || known.is_some_and(|known| known.place_since.is_some())
    }

    /// A track is gone.
    pub fn remove(&mut self, track: TrackId) {
        let Some(known) = self.tracks.remove(&track) else {
            return;
        };
        self.places -= usize::from(known.place_since.is_some());
        if known.told.is_some() {
            self.gone.push(track);
        }
    }

    /// A track is muted: its speech ends at once, and its place is free.
    pub fn mute(&mut self, track: TrackId, muted: bool) {
        let known = self.tracks.entry(track).or_default();
        self.places -= usize::from(muted && known.place_since.is_some());
        *known = Track {
            is_muted: muted,
            told: known.told,
            ..Track::default()
        };
    }

    /// Once per window: who speaks, loudest first, if that is news; those who stopped come once with `is_active` false.
    /// Cheap where no window has ended.
    pub fn update(&mut self, now: Instant) -> Option<Vec<Speaker>> {
        let began = *self.window_began.get_or_insert(now);
        let window = self.settings.window;
        let passed = now.saturating_duration_since(began);
        if passed < window {
            return None;
        }
        // Windows follow one another without a rest, unless a whole one was missed.
        self.window_began = Some(if passed < window * 2 {
            began + window
        } else {
            now
        });
        let frames = (window.as_millis() / FRAME.as_millis()) as u32;
        let wanted = (frames * self.settings.active_percent).div_ceil(100).max(1);
        let mut is_news = !self.gone.is_empty();
        let mut stopped: Vec<TrackId> = self.gone.drain(..).collect();
        for (&track, known) in &mut self.tracks {
            known.end_window(wanted, self.settings.smoothing);
            match (known.is_active, known.told) {
                (true, Some(told)) if (told - known.level).abs() < LEVEL_STEP => {}
                (true, _) => {
                    is_news = true;
                    known.told = Some(known.level);
                }
                (false, Some(_)) => {
                    is_news = true;
                    known.told = None;
                    stopped.push(track);
                }
                (false, None) => {}
            }
        }
        is_news.then(|| {
            let mut speakers = self.current();
            speakers.extend(stopped.into_iter().map(|track| Speaker {
                track,
                level: 0.0,
                is_active: false,
            }));
            speakers
        })
    }

    /// Who speaks, loudest first, for one who has just joined.
    #[must_use]
    pub fn current(&self) -> Vec<Speaker> {
        let mut speakers: Vec<Speaker> = self
            .tracks
            .iter()
            .filter(|(_, known)| known.is_active)
            .map(|(&track, known)| Speaker {
                track,
                level: known.level,
                is_active: true,
            })
            .collect();
        speakers.sort_by(|one, other| {
            other
                .level
                .total_cmp(&one.level)
                .then(one.track.cmp(&other.track))
        });
        speakers
    }

    /// Gives the places: first those who no longer speak lose theirs, then the loudest speakers without one get the free
    /// ones, and one who is clearly louder gets that of the quietest.
    fn select(&mut self, now: Instant) {
        let hangover = self.settings.hangover;
        for known in self.tracks.values_mut() {
            if known.place_since.is_some() && !known.spoke_within(now, hangover) {
                known.place_since = None;
                self.places -= 1;
            }
        }
        let mut waiting: Vec<(TrackId, f32)> = self
            .tracks
            .iter()
            .filter(|(_, known)| {
                known.place_since.is_none() && known.spoke_within(now, SELECT_EVERY * 2)
            })
            .map(|(&track, known)| (track, known.loudness))
            .collect();
        waiting.sort_by(|one, other| other.1.total_cmp(&one.1));
        for (track, loudness) in waiting {
            if self.places >= self.settings.top && !self.free_a_place(now, loudness) {
                break;
            }
            if let Some(known) = self.tracks.get_mut(&track) {
                known.place_since = Some(now);
                self.places += 1;
            }
        }
    }

    /// Takes the place of one who has stopped speaking, or of the quietest who is clearly quieter than that and has held it
    /// for a while.
    fn free_a_place(&mut self, now: Instant, loudness: f32) -> bool {
        let quietest = self
            .tracks
            .values_mut()
            .filter(|known| {
                known
                    .place_since
                    .is_some_and(|since| now.saturating_duration_since(since) >= MIN_HOLD)
                    && (!known.spoke_within(now, MIN_HOLD / 2)
                        || known.loudness + MARGIN < loudness)
            })
            .min_by(|one, other| one.loudness.total_cmp(&other.loudness));
        let Some(quietest) = quietest else {
            return false;
        };
        quietest.place_since = None;
        self.places -= 1;
        true
    }
}

impl Track {
    fn spoke_within(&self, now: Instant, time: Duration) -> bool {
        self.spoke_at
            .is_some_and(|at| now.saturating_duration_since(at) < time)
    }

    fn end_window(&mut self, wanted: u32, smoothing: u32) {
        let is_active = self.loud >= wanted;
        let level = if is_active {
            AudioLevel {
                level: self.loudest,
                is_voice: true,
            }
            .amplitude()
        } else {
            0.0
        };
        // The smoothing of an exponential average over that many windows; a pause of a breath keeps one active.
        let share = if smoothing == 0 {
            1.0
        } else {
            2.0 / (smoothing as f32 + 1.0)
        };
        self.level += (level - self.level) * share;
        let floor = AudioLevel {
            level: 60,
            is_voice: false,
        }
        .amplitude();
        self.is_active =
            is_active || (self.is_active && self.level > floor && smoothing > 0 && self.loud > 0);
        if !self.is_active {
            self.level = 0.0;
        }
        self.loud = 0;
        self.loudest = 127;
    }
}
