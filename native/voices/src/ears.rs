//! What Python hears of one room: taps of single tracks and mixes of all but some, each track decoded once for all of them.
//!
//! A tap has a frame in each tick in which its track sounds, and silence for two seconds after, so that who listens hears
//! that somebody has finished. After that nothing comes, and nobody is woken, until the track sounds again.

use std::collections::HashMap;
use std::time::Instant;

use crate::jitter::Codec;
use crate::resample::Resampler;
use crate::ring::{TapReader, TapWriter, tap};
use crate::track::Track;
use crate::voice::Spoken;
use crate::{Rate, TapId, TrackId};

/// How many frames of silence follow the last sound: 2 s.
const TAIL_FRAMES: u32 = 100;
const RATES: usize = Rate::ALL.len();

/// All taps and mixes of one room.
#[derive(Default)]
pub struct Ears {
    tracks: HashMap<TrackId, Heard>,
    taps: Vec<Tap>,
    /// The sums of this tick, by rate; empty where nothing sounds.
    sums: [Vec<i32>; RATES],
    spoke: Vec<TapId>,
    scratch: Vec<i16>,
}

/// A track of the room.
#[derive(Default)]
struct Heard {
    /// Its packets' decoder, from the first packet that somebody hears.
    track: Option<Box<Track>>,
    is_muted: bool,
    /// At which rates it is heard, by taps and by mixes.
    tapped: [bool; RATES],
    mixed: [bool; RATES],
    /// This tick's frame, at the rate at which it came and at those that are heard; empty where it is silent.
    frames: [Vec<i16>; RATES],
    source: Option<Rate>,
    converters: [Option<Box<Resampler>>; RATES],
}

struct Tap {
    tap: TapId,
    rate: Rate,
    of: Source,
    writer: TapWriter,
    /// Frames of silence that may still follow.
    tail: u32,
}

enum Source {
    Track(TrackId),
    AllBut(Vec<TrackId>),
}

impl Ears {
    #[must_use]
    pub fn new() -> Ears {
        Ears::default()
    }

    /// A track of audio is in the room; mixes hear it from now on, and it may be tapped.
    pub fn add_track(&mut self, track: TrackId) {
        self.tracks.entry(track).or_default();
        self.note_listeners();
    }

    /// A track is gone; its taps stay open and fall silent.
    pub fn remove_track(&mut self, track: TrackId) {
        self.tracks.remove(&track);
    }

    /// What was buffered of a track is dropped, and it is silent until `false`.
    pub fn mute(&mut self, track: TrackId, muted: bool) {
        if let Some(heard) = self.tracks.get_mut(&track) {
            heard.is_muted = muted;
            heard.track = None;
        }
    }

    /// Opens a tap of one track, which may be added later.
    pub fn open_tap(&mut self, tap: TapId, track: TrackId, rate: Rate) -> TapReader {
        self.open(tap, rate, Source::Track(track))
    }

    /// Opens the sum of all tracks but those of `without`. A mix has a frame in every tick in which one of them sounds.
    pub fn open_mix(&mut self, tap: TapId, rate: Rate, without: &[TrackId]) -> TapReader {
        self.open(tap, rate, Source::AllBut(without.to_vec()))
    }

    /// Leaves one more track out of a mix. False where the tap is not a mix of this room.
    pub fn exclude(&mut self, tap: TapId, track: TrackId) -> bool {
        let Some(Source::AllBut(without)) = self
            .taps
            .iter_mut()
            .find(|one| one.tap == tap)
            .map(|one| &mut one.of)
        else {
            return false;
        };
        if !without.contains(&track) {
            without.push(track);
        }
        self.note_listeners();
        true
    }

    /// Closes a tap or a mix; its reader may still read what is left. False where it is not of this room.
    pub fn close(&mut self, tap: TapId) -> bool {
        let before = self.taps.len();
        self.taps.retain(|one| one.tap != tap);
        self.note_listeners();
        self.taps.len() < before
    }

    /// Whether anybody hears this track, so that its packets are to be handed in.
    #[must_use]
    pub fn wants(&self, track: TrackId) -> bool {
        self.tracks
            .get(&track)
            .is_some_and(|heard| !heard.is_muted && heard.highest_rate().is_some())
    }

    /// A packet of a track arrived; its SRTP is opened, its padding removed. `codec` may change between packets.
    pub fn packet(
        &mut self,
        now: Instant,
        track: TrackId,
        codec: Codec,
        sequence: u16,
        timestamp: u32,
        payload: &[u8],
    ) {
        let Some(heard) = self.tracks.get_mut(&track).filter(|heard| !heard.is_muted) else {
            return;
        };
        if let Some(rate) = heard.highest_rate() {
            let track = heard
                .track
                .get_or_insert_with(|| Box::new(Track::new(rate)));
            track.packet(now, codec, sequence, timestamp, payload);
        }
    }

    /// This tick's frame of a voice of ours.
    pub fn voice_frame(&mut self, track: TrackId, spoken: Spoken<'_>) {
        if let Some(heard) = self.tracks.get_mut(&track).filter(|heard| !heard.is_muted) {
            heard.take(spoken.rate, spoken.pcm);
        }
    }

    /// Makes one frame of every track that is heard and hands it to its taps and mixes; the taps that have new audio.
    /// Called once per 20 ms, after the voices of the same tick.
    pub fn tick(&mut self, now: Instant) -> &[TapId] {
        self.spoke.clear();
        if self.taps.is_empty() {
            return &self.spoke;
        }
        self.sums.iter_mut().for_each(Vec::clear);
        for heard in self.tracks.values_mut() {
            heard.hear(now);
            heard.convert();
            for rate in Rate::ALL
                .into_iter()
                .filter(|&rate| heard.mixed[rate as usize])
            {
                add(&mut self.sums[rate as usize], &heard.frames[rate as usize]);
            }
        }
        for tap in &mut self.taps {
            if tap.hear(&self.tracks, &self.sums, &mut self.scratch) {
                self.spoke.push(tap.tap);
            }
        }
        for heard in self.tracks.values_mut() {
            heard.forget_frame();
        }
        &self.spoke
    }

    fn open(&mut self, tap_id: TapId, rate: Rate, of: Source) -> TapReader {
        self.taps.retain(|one| one.tap != tap_id);
        let (writer, reader) = tap(rate);
        self.taps.push(Tap {
            tap: tap_id,
            rate,
            of,
            writer,
            tail: 0,
        });
        self.note_listeners();
        reader
    }

    /// Works out anew which track is heard at which rates.
    fn note_listeners(&mut self) {
        for (&track, heard) in &mut self.tracks {
            heard.tapped = [false; RATES];
            heard.mixed = [false; RATES];
            for tap in &self.taps {
                match &tap.of {
                    Source::Track(of) => heard.tapped[tap.rate as usize] |= *of == track,
                    Source::AllBut(without) => {
                        heard.mixed[tap.rate as usize] |= !without.contains(&track)
                    }
                }
            }
            // What one mix leaves out is subtracted from the sum of all, so it is in that sum.
            heard.settle();
        }
    }
}

impl Heard {
    fn highest_rate(&self) -> Option<Rate> {
        Rate::ALL
            .into_iter()
            .rev()
            .find(|&rate| self.is_heard_at(rate))
    }

    fn is_heard_at(&self, rate: Rate) -> bool {
        self.tapped[rate as usize] || self.mixed[rate as usize]
    }

    /// Lets the decoder follow those who listen.
    fn settle(&mut self) {
        match (self.highest_rate(), &mut self.track) {
            (Some(rate), Some(track)) => track.set_rate(rate),
            (None, track) => *track = None,
            (Some(_), None) => {}
        }
    }

    fn hear(&mut self, now: Instant) {
        if let Some(mut track) = self.track.take() {
            let rate = track.rate();
            if let Some(frame) = track.frame(now) {
                self.take(rate, frame);
            }
            self.track = Some(track);
        }
    }

    fn take(&mut self, rate: Rate, frame: &[i16]) {
        self.forget_frame();
        self.source = Some(rate);
        self.frames[rate as usize].extend_from_slice(frame);
    }

    /// Makes the frames at the other rates that are heard.
    fn convert(&mut self) {
        let Some(source) = self.source else {
            self.converters
                .iter_mut()
                .flatten()
                .for_each(|converter| converter.reset());
            return;
        };
        for rate in Rate::ALL.into_iter().filter(|&rate| rate != source) {
            if !self.is_heard_at(rate) {
                self.converters[rate as usize] = None;
                continue;
            }
            let slot = &mut self.converters[rate as usize];
            if slot
                .as_ref()
                .is_none_or(|converter| converter.from() != source)
            {
                *slot = Some(Box::new(Resampler::new(source, rate)));
            }
            let mut converted = std::mem::take(&mut self.frames[rate as usize]);
            if let Some(converter) = slot {
                converter.process(&self.frames[source as usize], &mut converted);
            }
            self.frames[rate as usize] = converted;
        }
    }

    fn forget_frame(&mut self) {
        self.source = None;
        self.frames.iter_mut().for_each(Vec::clear);
    }
}

impl Tap {
    /// Writes this tick's frame; false where there is none.
    fn hear(
        &mut self,
        tracks: &HashMap<TrackId, Heard>,
        sums: &[Vec<i32>; RATES],
        scratch: &mut Vec<i16>,
    ) -> bool {
        let rate = self.rate as usize;
        let sounds = match &self.of {
            Source::Track(track) => match tracks.get(track).map(|heard| &heard.frames[rate]) {
                Some(frame) if !frame.is_empty() => {
                    self.writer.write(frame);
                    true
                }
                _ => false,
            },
            Source::AllBut(without) => {
                let others: Vec<&Vec<i16>> = without
                    .iter()
                    .filter_map(|track| tracks.get(track))
                    .filter(|heard| heard.mixed[rate])
                    .map(|heard| &heard.frames[rate])
                    .filter(|frame| !frame.is_empty())
                    .collect();
                let sounding = tracks
                    .values()
                    .filter(|heard| heard.mixed[rate] && !heard.frames[rate].is_empty())
                    .count();
                if sounding > others.len() {
                    scratch.clear();
                    scratch.extend(sums[rate].iter().enumerate().map(|(at, &sum)| {
                        let rest =
                            sum - others.iter().map(|frame| i32::from(frame[at])).sum::<i32>();
                        rest.clamp(i16::MIN.into(), i16::MAX.into()) as i16
                    }));
                    self.writer.write(scratch);
                }
                sounding > others.len()
            }
        };
        if sounds {
            self.tail = TAIL_FRAMES;
            return true;
        }
        if self.tail == 0 {
            return false;
        }
        self.tail -= 1;
        scratch.clear();
        scratch.resize(self.rate.frame(), 0);
        self.writer.write(scratch);
        true
    }
}

fn add(sum: &mut Vec<i32>, frame: &[i16]) {
    if sum.is_empty() && !frame.is_empty() {
        sum.resize(frame.len(), 0);
    }
    for (sum, &sample) in sum.iter_mut().zip(frame) {
        *sum += i32::from(sample);
    }
}
