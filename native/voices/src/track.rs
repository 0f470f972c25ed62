//! One track that somebody listens to: its packets become frames of 20 ms, decoded once for all who listen.

use std::time::Instant;

use crate::jitter::{Codec, Jitter, Next};
use crate::opus::{self, Decoder};
use crate::resample::Resampler;
use crate::{FRAME_TICKS, Rate, stretch};

/// How long a sender that says nothing is filled in for, in ticks of 48 kHz: 60 ms.
const MAX_STARVED: u32 = 3 * FRAME_TICKS;

/// Decodes one track.
pub struct Track {
    jitter: Jitter,
    rate: Rate,
    opus: Decoder,
    /// From G.711's 8 kHz to `rate`.
    narrow: Resampler,
    /// Decoded samples that were not played yet.
    pcm: Vec<i16>,
    narrow_pcm: Vec<i16>,
    starved: u32,
    /// Whether the last packet said that the sender pauses.
    pauses: bool,
    frame: Vec<i16>,
}

impl Track {
    /// A track whose frames are at `rate`.
    #[must_use]
    pub fn new(rate: Rate) -> Track {
        Track {
            jitter: Jitter::new(),
            rate,
            opus: Decoder::new(rate),
            narrow: Resampler::new(Rate::Hz8000, rate),
            pcm: Vec::new(),
            narrow_pcm: Vec::new(),
            starved: 0,
            pauses: true,
            frame: Vec::new(),
        }
    }

    /// The rate of its frames.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Goes on at another rate; what was decoded is lost, what waits is not.
    pub fn set_rate(&mut self, rate: Rate) {
        if rate != self.rate {
            self.rate = rate;
            self.opus = Decoder::new(rate);
            self.narrow = Resampler::new(Rate::Hz8000, rate);
            self.pcm.clear();
        }
    }

    /// Takes a packet that has arrived.
    pub fn packet(
        &mut self,
        now: Instant,
        codec: Codec,
        sequence: u16,
        timestamp: u32,
        payload: &[u8],
    ) {
        self.jitter.put(now, codec, sequence, timestamp, payload);
    }

    /// The next 20 ms, or `None` where the sender is silent. Called once a tick.
    pub fn frame(&mut self, now: Instant) -> Option<&[i16]> {
        let size = self.rate.frame();
        self.fill(now, size);
        if self.jitter.has_surplus(self.ticks(self.pcm.len())) {
            self.fill_ready(now, stretch::needed(self.rate).max(size * 2));
            let taken = stretch::shorten(&mut self.pcm, self.rate);
            self.jitter.played_away(self.ticks(taken));
            self.fill(now, size);
        }
        if self.pcm.is_empty() {
            return None;
        }
        self.frame.clear();
        let taken = self.pcm.len().min(size);
        self.frame.extend(self.pcm.drain(..taken));
        self.frame.resize(size, 0);
        Some(&self.frame)
    }

    /// What waits is dropped: the track was muted, or begins anew.
    pub fn reset(&mut self) {
        self.jitter.reset();
        self.pcm.clear();
        self.narrow.reset();
        self.starved = 0;
        self.pauses = true;
    }

    /// Decodes until so many samples lie ready, or nothing is left to play.
    fn fill(&mut self, now: Instant, wanted: usize) {
        while self.pcm.len() < wanted {
            match self.jitter.next(now) {
                Next::Packet(packet) => {
                    self.decode(packet.codec, &packet.payload, packet.ticks);
                    self.starved = 0;
                    self.jitter.recycle(packet);
                }
                Next::Lost { ticks, is_last } => self.fill_in(ticks, is_last),
                Next::Starved if !self.pauses && self.starved < MAX_STARVED => {
                    self.starved += FRAME_TICKS;
                    self.jitter.filled_in(FRAME_TICKS);
                    self.fill_in(FRAME_TICKS, false);
                }
                Next::Starved => {
                    self.jitter.pause();
                    self.starved = 0;
                    break;
                }
                Next::Pause => break,
            }
        }
    }

    /// Like `fill`, with what has come alone.
    fn fill_ready(&mut self, now: Instant, wanted: usize) {
        while self.pcm.len() < wanted && self.jitter.waiting().is_some() {
            let before = self.pcm.len();
            self.fill(now, before + 1);
            if self.pcm.len() == before {
                break;
            }
        }
    }

    fn decode(&mut self, codec: Codec, payload: &[u8], ticks: u32) {
        match codec {
            Codec::Opus => {
                self.pauses = opus::is_pause(payload);
                self.narrow_pcm.clear();
                if self.opus.decode(payload, &mut self.pcm).is_err() {
                    self.opus.conceal(ticks, &mut self.pcm);
                }
            }
            Codec::G711(law) => {
                self.pauses = false;
                self.narrow_pcm.clear();
                law.decode_into(payload, &mut self.narrow_pcm);
                self.narrow.process(&self.narrow_pcm, &mut self.pcm);
            }
        }
    }

    fn fill_in(&mut self, ticks: u32, is_last: bool) {
        match self.jitter.waiting() {
            Some(next) if is_last && next.codec == Codec::Opus => {
                self.opus.recover(&next.payload, ticks, &mut self.pcm)
            }
            Some(next) if next.codec != Codec::Opus => self.repeat(ticks),
            None if !self.narrow_pcm.is_empty() => self.repeat(ticks),
            _ => self.opus.conceal(ticks, &mut self.pcm),
        }
    }

    /// G.711 knows no concealment: the last packet again, at half the loudness each time.
    fn repeat(&mut self, ticks: u32) {
        let wanted = (ticks / Rate::Hz8000.ticks_per_sample()) as usize;
        self.narrow_pcm.iter_mut().for_each(|sample| *sample /= 2);
        let again: Vec<i16> = self
            .narrow_pcm
            .iter()
            .copied()
            .cycle()
            .take(wanted)
            .collect();
        self.narrow.process(&again, &mut self.pcm);
    }

    fn ticks(&self, samples: usize) -> u32 {
        samples as u32 * self.rate.ticks_per_sample()
    }
}
