//! What the tests share: chance by seed, sounds, and packets of them.
#![allow(dead_code, reason = "each test program uses a part")]

use std::f64::consts::TAU;

use vox_voices::opus::{Encoder, MAX_PACKET};
use vox_voices::{FRAME_TICKS, Rate};

/// Chance that comes again with its seed (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A tone of that many samples, from `phase` samples on.
pub fn tone(rate: Rate, hz: f64, samples: usize, amplitude: f64) -> Vec<i16> {
    (0..samples)
        .map(|n| (amplitude * (TAU * hz * n as f64 / f64::from(rate.hz())).sin()) as i16)
        .collect()
}

/// As s16le.
pub fn bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// As samples.
pub fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

/// How strong `hz` is in it, as amplitude.
pub fn strength(pcm: &[i16], rate: Rate, hz: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, &sample) in pcm.iter().enumerate() {
        let angle = TAU * hz * n as f64 / f64::from(rate.hz());
        sine += f64::from(sample) * angle.sin();
        cosine += f64::from(sample) * angle.cos();
    }
    (sine * sine + cosine * cosine).sqrt() * 2.0 / pcm.len().max(1) as f64
}

/// The steepest step between two samples.
pub fn steepest(pcm: &[i16]) -> i32 {
    pcm.windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
        .max()
        .unwrap_or(0)
}

pub struct Sent {
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// A tone of 440 Hz in that many packets of Opus, beginning at these numbers.
pub fn packets(count: usize, sequence: u16, timestamp: u32) -> Vec<Sent> {
    let rate = Rate::Hz16000;
    let mut encoder = Encoder::new(rate, 32_000);
    let mut packet = [0; MAX_PACKET];
    tone(rate, 440.0, rate.frame() * count, 8_000.0)
        .chunks_exact(rate.frame())
        .enumerate()
        .map(|(number, frame)| {
            let size = encoder.encode(frame, &mut packet);
            Sent {
                sequence: sequence.wrapping_add(number as u16),
                timestamp: timestamp.wrapping_add(number as u32 * FRAME_TICKS),
                payload: packet[..size].to_vec(),
            }
        })
        .collect()
}
