//! Opus, one frame of 20 ms mono at a time, and what its packets say of themselves (RFC 6716, section 3).
//!
//! The codec is a crate in Rust; a packet comes from a stranger, so a panic inside of it ends one packet, not the thread and
//! all of its rooms.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::{Application, OpusDecoder, OpusEncoder};

use crate::Rate;

/// The most bytes one packet of ours takes.
pub const MAX_PACKET: usize = 1_275;
/// The longest a packet lasts, in ticks of 48 kHz: 120 ms.
pub const MAX_TICKS: u32 = 5_760;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPacket;

impl fmt::Display for BadPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a packet of Opus")
    }
}

impl std::error::Error for BadPacket {}

/// How long a packet lasts, in ticks of 48 kHz; `None` for what is not a packet of Opus.
///
/// It reads the table of contents only (RFC 6716, section 3.1), so a packet that passes may still not decode.
#[must_use]
pub fn duration(packet: &[u8]) -> Option<u32> {
    let &toc = packet.first()?;
    let frame = match toc >> 3 {
        config @ 0..12 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        config @ 12..16 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3F),
    };
    let ticks = frame * frames;
    (frames > 0 && ticks <= MAX_TICKS).then_some(ticks)
}

/// Whether a packet says that its sender pauses: no more than the table of contents and one byte (RFC 7587, section 3.1.3).
#[must_use]
pub fn is_pause(packet: &[u8]) -> bool {
    packet.len() <= 2
}

/// Makes packets of 20 ms.
pub struct Encoder {
    /// Boxed, because its state is large and voices are moved.
    opus: Box<OpusEncoder>,
    rate: Rate,
}

impl Encoder {
    /// An encoder for samples at `rate`, towards `bitrate` bit/s, with discontinuous transmission; in-band FEC begins
    /// with the first loss that is told by [`Encoder::expect_loss`].
    ///
    /// # Panics
    /// Never: the four rates are those that Opus takes.
    #[must_use]
    pub fn new(rate: Rate, bitrate: u32) -> Encoder {
        let mut opus =
            OpusEncoder::new(rate.hz() as i32, 1, Application::Voip).expect("a rate of Opus");
        opus.bitrate_bps = bitrate.clamp(6_000, 128_000) as i32;
        opus.complexity = i32::from(EFFORT);
        opus.use_dtx = true;
        opus.use_inband_fec = true;
        Encoder {
            opus: Box::new(opus),
            rate,
        }
    }

    /// The rate of the samples it takes.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The packet of `rate().frame()` samples, in `packet`; its bytes, or 0 where nothing needs to be sent because it is
    /// quiet.
    ///
    /// # Panics
    /// Where `pcm` is not one frame.
    pub fn encode(&mut self, pcm: &[i16], packet: &mut [u8; MAX_PACKET]) -> usize {
        assert_eq!(pcm.len(), self.rate.frame(), "one frame of 20 ms");
        let Encoder { opus, .. } = self;
        let made = catch_unwind(AssertUnwindSafe(|| opus.encode_s16(pcm, pcm.len(), packet)));
        match made {
            Ok(Ok(size)) if !is_pause(&packet[..size]) => size,
            _ => 0,
        }
    }

    /// Provides for a loss of so many percent, of the worst listener: from 1 on, packets carry a copy of the one before.
    pub fn expect_loss(&mut self, percent: u8) {
        self.opus.packet_loss_perc = i32::from(percent.min(30));
    }

    /// How hard it tries, 0 to 10; [`EFFORT`] is where it begins.
    pub fn set_effort(&mut self, effort: u8) {
        self.opus.complexity = i32::from(effort.min(10));
    }
}

/// The encoder's effort on a thread that has time. At 32 kbit/s the next steps cost twice as much for a difference that is
/// hardly heard.
pub const EFFORT: u8 = 5;
/// The effort on a thread that is short of time: less than half the cost, and still clear speech.
pub const LOW_EFFORT: u8 = 1;

/// Makes samples of packets, and something like them of packets that are lost.
pub struct Decoder {
    opus: Box<OpusDecoder>,
    rate: Rate,
    scratch: Vec<i16>,
}

impl Decoder {
    /// A decoder to mono at `rate`; a stereo packet is mixed down.
    ///
    /// # Panics
    /// Never: the four rates are those that Opus takes.
    #[must_use]
    pub fn new(rate: Rate) -> Decoder {
        Decoder {
            opus: Box::new(made(rate)),
            rate,
            scratch: vec![0; rate.frame() * (MAX_TICKS / crate::FRAME_TICKS) as usize],
        }
    }

    /// The rate of the samples it makes.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Appends the samples of a packet.
    ///
    /// # Errors
    /// `BadPacket`, and nothing is appended.
    pub fn decode(&mut self, packet: &[u8], pcm: &mut Vec<i16>) -> Result<(), BadPacket> {
        let ticks = duration(packet).ok_or(BadPacket)?;
        self.run(ticks, pcm, |opus, samples, out| {
            opus.decode_s16(packet, samples, out)
        })
    }

    /// Appends what stands in for a lost packet of that many ticks: what goes on from the sound before, fading.
    pub fn conceal(&mut self, ticks: u32, pcm: &mut Vec<i16>) {
        self.or_silence(ticks, pcm, |opus, samples, out| {
            opus.decode_s16(&[], samples, out)
        });
    }

    /// Appends the lost packet of that many ticks before `next`, from the copy that `next` may carry of it.
    pub fn recover(&mut self, next: &[u8], ticks: u32, pcm: &mut Vec<i16>) {
        if duration(next).is_none() {
            return self.conceal(ticks, pcm);
        }
        self.or_silence(ticks, pcm, |opus, samples, out| {
            opus.decode_fec_s16(next, samples, out)
        });
    }

    fn or_silence(
        &mut self,
        ticks: u32,
        pcm: &mut Vec<i16>,
        decode: impl FnOnce(&mut OpusDecoder, usize, &mut [i16]) -> opus_pure::Result<usize>,
    ) {
        let ticks = ticks.min(MAX_TICKS);
        let due = pcm.len() + (ticks / self.rate.ticks_per_sample()) as usize;
        let _silent_instead = self.run(ticks, pcm, decode);
        pcm.resize(due, 0);
    }

    fn run(
        &mut self,
        ticks: u32,
        pcm: &mut Vec<i16>,
        decode: impl FnOnce(&mut OpusDecoder, usize, &mut [i16]) -> opus_pure::Result<usize>,
    ) -> Result<(), BadPacket> {
        let samples = (ticks / self.rate.ticks_per_sample()) as usize;
        let Decoder {
            opus,
            scratch,
            rate,
        } = self;
        match catch_unwind(AssertUnwindSafe(|| {
            decode(opus, samples, &mut scratch[..samples])
        })) {
            Ok(Ok(made)) => {
                pcm.extend_from_slice(&scratch[..made.min(samples)]);
                Ok(())
            }
            Ok(Err(_)) => Err(BadPacket),
            Err(_) => {
                **opus = made(*rate);
                Err(BadPacket)
            }
        }
    }
}

fn made(rate: Rate) -> OpusDecoder {
    OpusDecoder::new(rate.hz() as i32, 1).expect("a rate of Opus")
}
