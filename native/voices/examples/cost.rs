//! What sound costs: µs of one thread's CPU for each call. `cargo run --release -p vox_voices --example cost`.
//!
//! The sound is a buzz with the rhythm of syllables; figures of a busy machine are too high, the least of five is told.

use std::hint::black_box;
use std::time::Instant;

use vox_voices::opus::{Decoder, Encoder, MAX_PACKET};
use vox_voices::{FRAME_TICKS, Rate};

const FRAMES: usize = 500;

/// Ten seconds of something like speech.
fn speech(rate: Rate) -> Vec<i16> {
    let hz = rate.hz() as f32;
    let (mut phase, mut low, mut band) = (0.0_f32, 0.0_f32, 0.0_f32);
    (0..rate.frame() * FRAMES)
        .map(|sample| {
            let at = sample as f32 / hz;
            let pitch = 120.0 + 30.0 * (at * 2.1).sin();
            phase = (phase + pitch / hz).fract();
            let formant = 700.0 + 400.0 * (at * 3.3).sin();
            let f = 2.0 * (std::f32::consts::PI * formant / hz).sin();
            let input = if phase < 0.1 { 1.0 } else { -0.11 };
            low += f * band;
            band += f * (input - low - 0.15 * band);
            let syllable = (at * 4.0 * std::f32::consts::PI).sin().max(0.0);
            (band * syllable * 6_000.0).clamp(-32_000.0, 32_000.0) as i16
        })
        .collect()
}

fn least_us(mut run: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed().as_secs_f64() * 1e6 / FRAMES as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    println!(
        "{:>8} {:>10} {:>10} {:>10} {:>8}",
        "Hz", "encode", "decode", "conceal", "bytes"
    );
    for rate in Rate::ALL {
        let pcm = speech(rate);
        let mut packets: Vec<Vec<u8>> = Vec::new();
        let encode = least_us(|| {
            let mut encoder = Encoder::new(rate, 32_000);
            let mut packet = [0; MAX_PACKET];
            packets.clear();
            for frame in pcm.chunks_exact(rate.frame()) {
                let size = encoder.encode(frame, &mut packet);
                packets.push(packet[..size].to_vec());
            }
        });
        let mut out = Vec::new();
        let decode = least_us(|| {
            let mut decoder = Decoder::new(rate);
            for packet in packets.iter().filter(|packet| !packet.is_empty()) {
                out.clear();
                decoder
                    .decode(black_box(packet), &mut out)
                    .expect("our own packet");
            }
        });
        let conceal = least_us(|| {
            let mut decoder = Decoder::new(rate);
            decoder
                .decode(&packets[10], &mut out)
                .expect("our own packet");
            for _ in 0..FRAMES {
                out.clear();
                decoder.conceal(FRAME_TICKS, &mut out);
            }
        });
        let bytes = packets.iter().map(Vec::len).sum::<usize>() / packets.len();
        println!(
            "{:>8} {encode:>10.1} {decode:>10.1} {conceal:>10.1} {bytes:>8}",
            rate.hz()
        );
    }
}
