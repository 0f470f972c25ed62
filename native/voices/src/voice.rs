//! A voice of ours: what Python writes, at any of four rates, as μ-law, A-law or ready Opus, goes out 20 ms at a time.
//!
//! Python's thread holds the [`VoiceWriter`], the media thread the [`Voice`]; between them is a chain of chunks that each
//! side walks on its own, so neither waits. At most 30 s wait in it, and a flush takes effect with the next tick.
//!
//! Sequence numbers count packets and timestamps count time: in a pause no packet goes out and the clock runs on.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::g711::Law;
use crate::level::AudioLevel;
use crate::opus::{self, Decoder, Encoder, MAX_PACKET};
use crate::{FRAME_TICKS, Rate};

/// The most that waits, in ticks of 48 kHz: 30 s.
const MAX_QUEUED: u64 = 30 * 48_000;
/// The most pieces that wait: 30 s in pieces of 10 ms, which bounds memory where they are shorter.
const MAX_CHUNKS: usize = 3_000;
/// Frames of silence after the last words, so that a listener's decoder fades into silence and not into their echo.
const TRAILING_FRAMES: u32 = 3;

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoiceError {
    /// 30 s wait already, or would; nothing was taken.
    Full,
    /// An odd number of bytes where samples of two are expected.
    HalfSample,
    /// Not one packet of Opus of 20 ms.
    BadPacket,
}

impl fmt::Display for VoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VoiceError::Full => "30 s of audio wait already",
            VoiceError::HalfSample => "an odd number of bytes is no s16le",
            VoiceError::BadPacket => "not one Opus packet of 20 ms",
        })
    }
}

impl std::error::Error for VoiceError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pcm(Rate),
    G711(Law),
    Opus,
}

/// One piece that was written, and the way to the next.
struct Chunk {
    kind: Kind,
    bytes: Box<[u8]>,
    /// Where it begins, in ticks of 48 kHz since the voice was opened.
    at: u64,
    next: OnceLock<Arc<Chunk>>,
}

impl Chunk {
    fn ticks(&self) -> u64 {
        self.kind.ticks(self.bytes.len())
    }
}

impl Kind {
    /// The rate of the samples; `None` for a packet that is ready.
    fn rate(self) -> Option<Rate> {
        match self {
            Kind::Pcm(rate) => Some(rate),
            Kind::G711(_) => Some(Rate::Hz8000),
            Kind::Opus => None,
        }
    }

    fn ticks(self, bytes: usize) -> u64 {
        match self {
            Kind::Pcm(rate) => (bytes / 2) as u64 * u64::from(rate.ticks_per_sample()),
            Kind::G711(_) => bytes as u64 * 6,
            Kind::Opus => u64::from(FRAME_TICKS),
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // One after the other, because a chain of thousands would otherwise be dropped thousands of calls deep.
        let mut next = self.next.take();
        while let Some(mut chunk) = next.and_then(Arc::into_inner) {
            next = chunk.next.take();
        }
    }
}

#[derive(Default)]
struct Shared {
    /// Ends of what was written, flushed and consumed, in ticks of 48 kHz.
    written: AtomicU64,
    flushed: AtomicU64,
    consumed: AtomicU64,
    chunks: AtomicUsize,
}

impl Shared {
    fn queued(&self) -> u64 {
        let done = self
            .consumed
            .load(Ordering::Acquire)
            .max(self.flushed.load(Ordering::Acquire));
        self.written.load(Ordering::Acquire).saturating_sub(done)
    }
}

/// Both halves of a voice that is encoded towards `bitrate` bit/s. `sequence` and `timestamp` are where its RTP begins:
/// random numbers, the sequence below 2¹⁵.
#[must_use]
pub fn voice(bitrate: u32, sequence: u16, timestamp: u32) -> (VoiceWriter, Voice) {
    let shared = Arc::new(Shared::default());
    let first = Arc::new(Chunk {
        kind: Kind::Opus,
        bytes: Box::default(),
        at: 0,
        next: OnceLock::new(),
    });
    let writer = VoiceWriter {
        shared: Arc::clone(&shared),
        last: Arc::clone(&first),
    };
    let voice = Voice {
        shared,
        offset: first.bytes.len(),
        at: first,
        consumed: 0,
        partial: Vec::new(),
        bitrate,
        loss: 0,
        effort: opus::EFFORT,
        sequence,
        timestamp,
        encoder: None,
        decoder: None,
        pcm: Vec::new(),
        rate: Rate::Hz24000,
        ready: Vec::new(),
        packet: Box::new([0; MAX_PACKET]),
        made: None,
        state: State::Idle,
        goes_on: false,
    };
    (writer, voice)
}

/// The half of the thread that speaks; `&mut self` because chunks have one order.
pub struct VoiceWriter {
    shared: Arc<Shared>,
    last: Arc<Chunk>,
}

impl VoiceWriter {
    /// Adds samples, s16le mono at `rate`, of any length; how many milliseconds now wait.
    ///
    /// # Errors
    /// `Full` or `HalfSample`, and nothing was taken.
    pub fn write(&mut self, pcm: &[u8], rate: Rate) -> Result<u32, VoiceError> {
        if !pcm.len().is_multiple_of(2) {
            return Err(VoiceError::HalfSample);
        }
        self.push(Kind::Pcm(rate), pcm)
    }

    /// Adds codes of G.711 at 8 kHz, of any length; how many milliseconds now wait.
    ///
    /// # Errors
    /// `Full`, and nothing was taken.
    pub fn write_g711(&mut self, codes: &[u8], law: Law) -> Result<u32, VoiceError> {
        self.push(Kind::G711(law), codes)
    }

    /// Adds one packet of 20 ms, which goes out as it is; how many milliseconds now wait.
    ///
    /// # Errors
    /// `Full` or `BadPacket`, and nothing was taken.
    pub fn write_opus(&mut self, packet: &[u8]) -> Result<u32, VoiceError> {
        if packet.len() > MAX_PACKET || opus::duration(packet) != Some(FRAME_TICKS) {
            return Err(VoiceError::BadPacket);
        }
        self.push(Kind::Opus, packet)
    }

    /// Drops what waits; how many milliseconds that is.
    pub fn flush(&mut self) -> u32 {
        let dropped = self.shared.queued();
        self.shared.flushed.store(
            self.shared.written.load(Ordering::Relaxed),
            Ordering::Release,
        );
        milliseconds(dropped)
    }

    /// How many milliseconds wait.
    #[must_use]
    pub fn queued(&self) -> u32 {
        milliseconds(self.shared.queued())
    }

    fn push(&mut self, kind: Kind, bytes: &[u8]) -> Result<u32, VoiceError> {
        let ticks = kind.ticks(bytes.len());
        let queued = self.shared.queued();
        if ticks == 0 {
            return Ok(milliseconds(queued));
        }
        if queued + ticks > MAX_QUEUED || self.shared.chunks.load(Ordering::Relaxed) >= MAX_CHUNKS {
            return Err(VoiceError::Full);
        }
        let at = self.shared.written.load(Ordering::Relaxed);
        let chunk = Arc::new(Chunk {
            kind,
            bytes: bytes.into(),
            at,
            next: OnceLock::new(),
        });
        self.shared.chunks.fetch_add(1, Ordering::Relaxed);
        self.shared.written.store(at + ticks, Ordering::Release);
        let _nobody_else_writes = self.last.next.set(Arc::clone(&chunk));
        self.last = chunk;
        Ok(milliseconds(queued + ticks))
    }
}

const fn milliseconds(ticks: u64) -> u32 {
    ticks.div_ceil(48) as u32
}

/// What a tick brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceTick {
    /// A frame to send, with the level for its header and for the speakers; `None` in a pause.
    pub speaks: Option<AudioLevel>,
    /// True once, when the last of the queue has gone out or was flushed.
    pub has_run_dry: bool,
}

/// The samples of this tick's frame.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a> {
    pub pcm: &'a [i16],
    pub rate: Rate,
}

/// The packet of this tick's frame.
#[derive(Clone, Copy, Debug)]
pub struct VoicePacket<'a> {
    pub sequence: u16,
    pub timestamp: u32,
    /// The first packet after a pause.
    pub marker: bool,
    pub payload: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was sent lately.
    Idle,
    /// Words are being sent.
    Speaking,
    /// Less than a frame waits; the next tick may bring the rest. `spoke`: words were sent before.
    Waiting { spoke: bool },
    /// The queue is empty; so many frames of silence follow.
    Trailing(u32),
}

/// The half of the media thread.
pub struct Voice {
    shared: Arc<Shared>,
    /// The chunk that is being read, and its first byte that is not.
    at: Arc<Chunk>,
    offset: usize,
    /// The end of what went out or was flushed; less than a frame beyond it may lie in `partial`.
    consumed: u64,
    partial: Vec<i16>,
    bitrate: u32,
    loss: u8,
    effort: u8,
    sequence: u16,
    timestamp: u32,
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
    /// This tick's frame.
    pcm: Vec<i16>,
    rate: Rate,
    /// This tick's packet where it was written ready.
    ready: Vec<u8>,
    packet: Box<[u8; MAX_PACKET]>,
    /// The bytes of this tick's packet once it is made.
    made: Option<usize>,
    state: State,
    /// Whether the tick before made a packet.
    goes_on: bool,
}

impl Voice {
    /// Takes the next 20 ms out of the queue. Called once a tick, whether anybody listens or not.
    pub fn tick(&mut self) -> VoiceTick {
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        self.goes_on = self.made.take().is_some_and(|size| size > 0);
        self.ready.clear();
        let last = self.pcm.last().copied().unwrap_or(0);
        self.pcm.clear();
        self.skip_flushed();
        if self.take_frame() {
            self.state = State::Speaking;
            return VoiceTick {
                speaks: Some(AudioLevel::of(&self.pcm)),
                has_run_dry: false,
            };
        }
        let (trailing, has_run_dry) = match self.state {
            State::Idle | State::Speaking | State::Trailing(_) if !self.partial.is_empty() => {
                self.state = State::Waiting {
                    spoke: self.state != State::Idle,
                };
                return VoiceTick {
                    speaks: None,
                    has_run_dry: false,
                };
            }
            State::Idle => (0, false),
            State::Speaking | State::Waiting { spoke: true } => (TRAILING_FRAMES, true),
            State::Waiting { spoke: false } => (0, true),
            State::Trailing(left) => (left, false),
        };
        if trailing == 0 {
            self.state = State::Idle;
            return VoiceTick {
                speaks: None,
                has_run_dry,
            };
        }
        self.state = State::Trailing(trailing - 1);
        self.pcm.resize(self.rate.frame(), 0);
        fade_out(last, &mut self.pcm);
        VoiceTick {
            speaks: Some(AudioLevel::SILENCE),
            has_run_dry,
        }
    }

    /// The samples of this tick's frame, for taps and mixes; `None` in a pause.
    #[must_use]
    pub fn spoken(&self) -> Option<Spoken<'_>> {
        (!self.pcm.is_empty()).then_some(Spoken {
            pcm: &self.pcm,
            rate: self.rate,
        })
    }

    /// The packet of this tick's frame, encoded at the first call of the tick; `None` in a pause, and where the encoder
    /// finds that nothing needs to be sent.
    pub fn packet(&mut self) -> Option<VoicePacket<'_>> {
        if self.pcm.is_empty() {
            return None;
        }
        let size = match self.made {
            Some(size) => size,
            None => {
                let size = self.encode();
                self.made = Some(size);
                self.sequence = self.sequence.wrapping_add(u16::from(size > 0));
                size
            }
        };
        (size > 0).then(|| VoicePacket {
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: !self.goes_on,
            payload: if self.ready.is_empty() {
                &self.packet[..size]
            } else {
                &self.ready
            },
        })
    }

    /// Provides for a loss of so many percent of its packets, of the worst listener.
    pub fn expect_loss(&mut self, percent: u8) {
        self.loss = percent;
        if let Some(encoder) = &mut self.encoder {
            encoder.expect_loss(percent);
        }
    }

    /// How hard the encoder tries, 0 to 10: [`opus::EFFORT`] at first, [`opus::LOW_EFFORT`] where time is short.
    pub fn set_effort(&mut self, effort: u8) {
        self.effort = effort;
        if let Some(encoder) = &mut self.encoder {
            encoder.set_effort(effort);
        }
    }

    /// The RTP timestamp of this tick, for sender reports: it runs on in pauses.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// How many milliseconds wait.
    #[must_use]
    pub fn queued(&self) -> u32 {
        milliseconds(self.shared.queued())
    }

    fn encode(&mut self) -> usize {
        if !self.ready.is_empty() {
            return self.ready.len();
        }
        if self
            .encoder
            .as_ref()
            .is_none_or(|encoder| encoder.rate() != self.rate)
        {
            let mut encoder = Encoder::new(self.rate, self.bitrate);
            encoder.expect_loss(self.loss);
            encoder.set_effort(self.effort);
            self.encoder = Some(encoder);
        }
        self.encoder
            .as_mut()
            .map_or(0, |encoder| encoder.encode(&self.pcm, &mut self.packet))
    }

    fn skip_flushed(&mut self) {
        let flushed = self.shared.flushed.load(Ordering::Acquire);
        if flushed <= self.consumed {
            return;
        }
        self.partial.clear();
        while self.at.at + self.at.ticks() <= flushed {
            self.offset = self.at.bytes.len();
            if !self.advance() {
                break;
            }
        }
        self.consume(flushed);
    }

    /// Fills `pcm` with the next frame; false where there is none, or less than one that may still be completed.
    fn take_frame(&mut self) -> bool {
        loop {
            if self.offset >= self.at.bytes.len() {
                if self.advance() {
                    continue;
                }
                return matches!(self.state, State::Waiting { .. }) && self.pad_partial();
            }
            let Some(rate) = self.at.kind.rate() else {
                if self.pad_partial() {
                    return true;
                }
                self.take_packet();
                return true;
            };
            if rate != self.rate && self.pad_partial() {
                return true;
            }
            self.rate = rate;
            self.fill_partial();
            if self.partial.len() == rate.frame() {
                std::mem::swap(&mut self.pcm, &mut self.partial);
                self.consume(self.consumed + u64::from(FRAME_TICKS));
                return true;
            }
        }
    }

    fn fill_partial(&mut self) {
        let wanted = self.rate.frame() - self.partial.len();
        let rest = &self.at.bytes[self.offset..];
        match self.at.kind {
            Kind::Pcm(_) => {
                let taken = &rest[..rest.len().min(wanted * 2)];
                self.partial.extend(
                    taken
                        .chunks_exact(2)
                        .map(|pair| i16::from_le_bytes([pair[0], pair[1]])),
                );
                self.offset += taken.len();
            }
            Kind::G711(law) => {
                let taken = &rest[..rest.len().min(wanted)];
                law.decode_into(taken, &mut self.partial);
                self.offset += taken.len();
            }
            Kind::Opus => {}
        }
    }

    /// Makes a frame of less than one; false where there is nothing.
    fn pad_partial(&mut self) -> bool {
        if self.partial.is_empty() {
            return false;
        }
        let ticks = self.partial.len() as u64 * u64::from(self.rate.ticks_per_sample());
        let last = self.partial.last().copied().unwrap_or(0);
        let from = self.partial.len();
        self.partial.resize(self.rate.frame(), 0);
        fade_out(last, &mut self.partial[from..]);
        std::mem::swap(&mut self.pcm, &mut self.partial);
        self.consume(self.consumed + ticks);
        true
    }

    fn take_packet(&mut self) {
        self.ready.extend_from_slice(&self.at.bytes);
        self.offset = self.at.bytes.len();
        self.rate = Rate::Hz24000;
        let decoder = self
            .decoder
            .get_or_insert_with(|| Decoder::new(Rate::Hz24000));
        if decoder.decode(&self.ready, &mut self.pcm).is_err() {
            self.ready.clear();
        }
        self.pcm.resize(self.rate.frame(), 0);
        self.consume(self.consumed + u64::from(FRAME_TICKS));
    }

    fn advance(&mut self) -> bool {
        let Some(next) = self.at.next.get().map(Arc::clone) else {
            return false;
        };
        self.at = next;
        self.offset = 0;
        self.shared.chunks.fetch_sub(1, Ordering::Relaxed);
        true
    }

    fn consume(&mut self, to: u64) {
        self.consumed = to;
        self.shared.consumed.store(to, Ordering::Release);
    }
}

/// Lets a sound that stops at `last` fade away within 5 ms, because a step to silence clicks.
fn fade_out(last: i16, pcm: &mut [i16]) {
    let length = (pcm.len() / 4).max(1) as f32;
    for (position, sample) in pcm.iter_mut().enumerate().take(length as usize) {
        let left = 1.0 - position as f32 / length;
        *sample = (f32::from(last) * left * left) as i16;
    }
}
