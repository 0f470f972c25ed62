//! Puts the packets of one track in order and says at each tick what to play: the adaptive jitter buffer.
//!
//! It waits as long as packets come late, between 20 and 60 ms. Sequence numbers order packets and tell which are lost;
//! timestamps tell how long a pause was; neither is believed further than that, so a stream that starts anew, or whose clock
//! jumps, goes on after a packet. Where more has piled up than it wants (a burst after a stall, a sender whose clock runs
//! fast), it asks to play faster; nothing is thrown away for that.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{FRAME_TICKS, g711::Law, opus};

/// The most packets that wait; beyond them the oldest go.
const MAX_PACKETS: usize = 64;
/// A sequence number that far from the expected one begins another stream, if the next one follows it.
const MAX_JUMP: i64 = 500;
/// The longest loss that is filled in, in ticks of 48 kHz; beyond it, it was a pause.
const MAX_LOSS: i64 = 5 * FRAME_TICKS as i64;
const MIN_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_millis(60);
/// Lateness is forgotten by half in this time.
const FORGET: f64 = 3.0;
/// How fast the earliest arrival is forgotten, so that a sender's slow clock is no lateness: 1 ms a second.
const DRIFT: f64 = 0.001;
/// An arrival that far off its timestamp says that the clock jumped, not that the packet is late.
const CLOCK_JUMP: f64 = 1.0;
/// Ticks over which a surplus must last before it is played away.
const SURPLUS_TICKS: u32 = 25;
/// With that much more than wanted waiting, it is played away at once: 80 ms.
const BURST: u32 = 4 * FRAME_TICKS;

/// What the packets of a track carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Opus,
    G711(Law),
}

impl Codec {
    /// Ticks of 48 kHz that one tick of this codec's RTP clock lasts.
    fn scale(self) -> i64 {
        match self {
            Codec::Opus => 1,
            Codec::G711(_) => 6,
        }
    }

    /// How long a payload lasts, in ticks of 48 kHz; `None` where it is not of this codec, or longer than 120 ms.
    #[must_use]
    pub fn duration(self, payload: &[u8]) -> Option<u32> {
        match self {
            Codec::Opus => opus::duration(payload),
            Codec::G711(_) => (1..=opus::MAX_TICKS as usize / 6)
                .contains(&payload.len())
                .then_some(payload.len() as u32 * 6),
        }
    }
}

/// One packet in the buffer.
#[derive(Debug)]
pub struct Packet {
    pub codec: Codec,
    pub payload: Vec<u8>,
    /// How long it lasts, in ticks of 48 kHz.
    pub ticks: u32,
    sequence: i64,
    timestamp: u32,
    arrived: Instant,
}

/// What to play next.
#[derive(Debug)]
pub enum Next {
    /// Decode this.
    Packet(Packet),
    /// Fill in so many ticks of 48 kHz; where `is_last`, the packet after them is [`Jitter::waiting`], and may hold a copy.
    Lost { ticks: u32, is_last: bool },
    /// The next packet should be here and is not: fill in, for a while.
    Starved,
    /// Nothing is to be heard now.
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Packets gather until the first has waited long enough.
    Gathering,
    Playing,
}

/// The jitter buffer of one track.
#[derive(Debug)]
pub struct Jitter {
    packets: VecDeque<Packet>,
    state: State,
    /// The sequence number that plays next, extended, and the timestamp it should have.
    next: i64,
    expected: Option<(Codec, u32)>,
    /// The highest sequence number so far; `None` before the first packet.
    highest: Option<i64>,
    /// The last number that was too far away.
    jump: Option<u16>,
    /// Ticks that were filled in while starved, of packets that may still come.
    starved: u32,
    arrivals: Option<Arrivals>,
    least: u32,
    least_over: u32,
    surplus: u32,
    /// Empty payloads, to be used again.
    spare: Vec<Vec<u8>>,
}

/// How late packets come.
#[derive(Debug)]
struct Arrivals {
    at: Instant,
    timestamp: u32,
    codec: Codec,
    /// Seconds by which the last packet came later than the earliest one, by their timestamps.
    late: f64,
    /// The most of that lately.
    peak: f64,
}

impl Default for Jitter {
    fn default() -> Self {
        Jitter::new()
    }
}

impl Jitter {
    #[must_use]
    pub fn new() -> Jitter {
        Jitter {
            packets: VecDeque::new(),
            state: State::Gathering,
            next: 0,
            expected: None,
            highest: None,
            jump: None,
            starved: 0,
            arrivals: None,
            least: u32::MAX,
            least_over: 0,
            surplus: 0,
            spare: Vec::new(),
        }
    }

    /// Takes a packet; those that are malformed, late, double or of nowhere are dropped.
    pub fn put(&mut self, now: Instant, codec: Codec, number: u16, timestamp: u32, payload: &[u8]) {
        let Some(ticks) = codec.duration(payload) else {
            return;
        };
        let Some(sequence) = self.extended(number) else {
            return;
        };
        self.note_arrival(now, codec, timestamp);
        if sequence < self.next && self.highest.is_some() {
            return;
        }
        let place = self
            .packets
            .iter()
            .rposition(|packet| packet.sequence <= sequence);
        if place.is_some_and(|place| self.packets[place].sequence == sequence) {
            return;
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(payload);
        let packet = Packet {
            codec,
            payload: kept,
            ticks,
            sequence,
            timestamp,
            arrived: now,
        };
        self.packets
            .insert(place.map_or(0, |place| place + 1), packet);
        self.highest = self.highest.max(Some(sequence));
        if self.packets.len() > MAX_PACKETS {
            let oldest = self.packets.pop_front();
            self.next = self
                .packets
                .front()
                .map_or(self.next, |front| front.sequence);
            self.expected = self
                .packets
                .front()
                .map(|front| (front.codec, front.timestamp));
            if let Some(oldest) = oldest {
                self.recycle(oldest);
            }
        }
    }

    /// What to play next; called as often as a tick needs to have its samples together.
    pub fn next(&mut self, now: Instant) -> Next {
        let Some(front) = self.packets.front() else {
            return if self.state == State::Playing {
                Next::Starved
            } else {
                Next::Pause
            };
        };
        let sequence = front.sequence;
        if self.state == State::Gathering {
            let has_waited =
                now.saturating_duration_since(front.arrived) + MIN_DELAY >= self.target();
            if !has_waited && self.buffered() < ticks(self.target()) {
                return Next::Pause;
            }
            self.state = State::Playing;
            self.next = sequence;
            self.expected = None;
            self.starved = 0;
        }
        let gap = self.gap();
        let is_next = sequence == self.next;
        if (is_next && gap > 0) || gap > MAX_LOSS {
            // The sender paused: how long the rest waits is decided anew.
            self.next = sequence;
            self.state = State::Gathering;
            self.expected = None;
            return self.next(now);
        }
        if !is_next {
            // Lost. What was filled in while nothing had come counts.
            let filled = self.starved.min(gap.max(0) as u32);
            self.starved = 0;
            let left = gap.max(0) as u32 - filled;
            let lost = left.min(FRAME_TICKS);
            self.expect_later(filled + lost);
            let is_last = lost == left;
            if is_last {
                self.next = sequence;
            }
            if lost > 0 {
                return Next::Lost {
                    ticks: lost,
                    is_last,
                };
            }
        }
        let Some(packet) = self.packets.pop_front() else {
            return Next::Pause;
        };
        self.next = packet.sequence + 1;
        self.starved = 0;
        self.expected = Some((
            packet.codec,
            packet
                .timestamp
                .wrapping_add(packet.ticks / packet.codec.scale() as u32),
        ));
        Next::Packet(packet)
    }

    /// The packet that plays next, if it has come.
    #[must_use]
    pub fn waiting(&self) -> Option<&Packet> {
        self.packets.front()
    }

    /// So much was filled in after `Starved`.
    pub fn filled_in(&mut self, ticks: u32) {
        self.starved += ticks;
    }

    /// The sender is silent: the next packet gathers others again.
    pub fn pause(&mut self) {
        self.state = State::Gathering;
        self.expected = None;
        self.starved = 0;
        self.reset_surplus();
    }

    /// Everything that waits is dropped, and a stream that starts anew is expected.
    pub fn reset(&mut self) {
        self.packets.clear();
        self.highest = None;
        self.arrivals = None;
        self.jump = None;
        self.next = 0;
        self.pause();
    }

    /// Takes the memory of a packet that was played.
    pub fn recycle(&mut self, packet: Packet) {
        if self.spare.len() < 8 {
            let mut payload = packet.payload;
            payload.clear();
            self.spare.push(payload);
        }
    }

    /// How long packets wait here at present, 20 to 60 ms.
    #[must_use]
    pub fn target(&self) -> Duration {
        let peak = self
            .arrivals
            .as_ref()
            .map_or(FRAME_SECONDS, |arrivals| arrivals.peak);
        (MIN_DELAY + Duration::from_secs_f64(peak)).clamp(MIN_DELAY, MAX_DELAY)
    }

    /// How much waits without a gap of timestamps in it, in ticks of 48 kHz.
    #[must_use]
    pub fn buffered(&self) -> u32 {
        self.packets.iter().map(|packet| packet.ticks).sum()
    }

    /// Told once a tick how much waits in all, decoded samples included; whether a bit should be played away now.
    pub fn has_surplus(&mut self, decoded: u32) -> bool {
        if self.state != State::Playing {
            return false;
        }
        let wanted = ticks(self.target());
        let waits = self.buffered() + decoded;
        self.least = self.least.min(waits);
        self.least_over += 1;
        if self.least_over >= SURPLUS_TICKS {
            self.surplus = self.least.saturating_sub(wanted + FRAME_TICKS / 2);
            self.least = u32::MAX;
            self.least_over = 0;
        }
        self.surplus > 0 || waits > wanted + BURST
    }

    /// So much was played away.
    pub fn played_away(&mut self, ticks: u32) {
        self.surplus = self.surplus.saturating_sub(ticks);
        self.least = u32::MAX;
        self.least_over = 0;
    }

    fn reset_surplus(&mut self) {
        self.least = u32::MAX;
        self.least_over = 0;
        self.surplus = 0;
    }

    /// The sequence number without its wrap; `None` where it is too far from the others to be believed yet.
    fn extended(&mut self, number: u16) -> Option<i64> {
        let Some(highest) = self.highest else {
            self.next = i64::from(number);
            return Some(i64::from(number));
        };
        let distance = i64::from(number.wrapping_sub(highest as u16) as i16);
        if distance.abs() <= MAX_JUMP {
            self.jump = None;
            return Some(highest + distance);
        }
        if self.jump.replace(number) != Some(number.wrapping_sub(1)) {
            return None;
        }
        self.reset();
        self.next = i64::from(number);
        Some(i64::from(number))
    }

    /// Ticks of 48 kHz between the end of what was played and the first packet; negative where its clock went back.
    fn gap(&self) -> i64 {
        match (self.expected, self.packets.front()) {
            (Some((codec, expected)), Some(front)) if codec == front.codec => {
                i64::from(front.timestamp.wrapping_sub(expected) as i32) * codec.scale()
            }
            _ => 0,
        }
    }

    fn expect_later(&mut self, ticks: u32) {
        if let Some((codec, expected)) = &mut self.expected {
            *expected = expected.wrapping_add(ticks / codec.scale() as u32);
        }
    }

    fn note_arrival(&mut self, now: Instant, codec: Codec, timestamp: u32) {
        let Some(last) = &mut self.arrivals else {
            self.arrivals = Some(Arrivals {
                at: now,
                timestamp,
                codec,
                late: 0.0,
                peak: FRAME_SECONDS,
            });
            return;
        };
        let passed = now.saturating_duration_since(last.at).as_secs_f64();
        let media = f64::from(timestamp.wrapping_sub(last.timestamp) as i32) * codec.scale() as f64
            / 48_000.0;
        last.peak *= 0.5_f64.powf(passed / FORGET);
        if last.codec == codec && (passed - media).abs() < CLOCK_JUMP {
            // The earliest packet so far is the measure, and creeps after those that come.
            last.late = (last.late + passed - media - passed * DRIFT).max(0.0);
            last.peak = last.peak.max(last.late).min(MAX_DELAY.as_secs_f64());
        } else {
            last.late = 0.0;
        }
        (last.at, last.timestamp, last.codec) = (now, timestamp, codec);
    }
}

const FRAME_SECONDS: f64 = 0.02;

fn ticks(duration: Duration) -> u32 {
    (duration.as_micros() as u64 * 48 / 1_000) as u32
}
