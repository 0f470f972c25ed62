//! From one of the four rates to another, frame after frame without a seam: a windowed sinc, one filter for each phase.
//!
//! Images and aliases lie 70 dB below; the band is flat up to 0.8 of the lower rate's half. The delay is 24 samples of the
//! lower rate (3 ms at 8 kHz).

use std::f64::consts::PI;
use std::sync::OnceLock;

use crate::Rate;

/// Filter taps for each sample of the lower rate.
const WIDTH: usize = 48;
/// The middle of the filter's slope, in parts of the lower rate's half.
const CUTOFF: f64 = 0.91;
/// Kaiser's parameter for 70 dB.
const BETA: f64 = 6.76;

/// The filters of one pair of rates, one for each phase, each oldest sample first.
struct Filter {
    up: usize,
    down: usize,
    /// Input samples that one output needs.
    length: usize,
    phases: Vec<Vec<f32>>,
}

/// Converts one stream.
pub struct Resampler {
    from: Rate,
    to: Rate,
    filter: Option<&'static Filter>,
    /// The last `length - 1` samples of the input, then those of this call.
    history: Vec<f32>,
    /// Where the next output lies beyond the history, in parts of `1 / up` of an input sample.
    position: usize,
}

impl Resampler {
    #[must_use]
    pub fn new(from: Rate, to: Rate) -> Resampler {
        let filter = (from != to).then(|| filter(from, to));
        let history = vec![0.0; filter.map_or(0, |filter| filter.length - 1)];
        Resampler {
            from,
            to,
            filter,
            history,
            position: 0,
        }
    }

    #[must_use]
    pub fn from(&self) -> Rate {
        self.from
    }

    #[must_use]
    pub fn to(&self) -> Rate {
        self.to
    }

    /// Appends `pcm` at the other rate: for whole frames of 20 ms exactly as many frames, for other lengths as many samples
    /// as are due by then.
    pub fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        let Some(filter) = self.filter else {
            out.extend_from_slice(pcm);
            return;
        };
        self.history
            .extend(pcm.iter().map(|&sample| f32::from(sample)));
        let last = pcm.len() * filter.up;
        while self.position < last {
            let at = self.position / filter.up;
            let taps = &filter.phases[self.position % filter.up];
            out.push(dot(taps, &self.history[at..at + filter.length]).round() as i16);
            self.position += filter.down;
        }
        self.position -= last;
        self.history.drain(..pcm.len());
    }

    /// Forgets what came before, so that a new stream begins in silence.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.position = 0;
    }
}

/// In eight sums, which the compiler keeps in one register.
fn dot(taps: &[f32], samples: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (tap_chunks, sample_chunks) = (taps.chunks_exact(8), samples.chunks_exact(8));
    let rest: f32 = tap_chunks
        .remainder()
        .iter()
        .zip(sample_chunks.remainder())
        .map(|(tap, sample)| tap * sample)
        .sum();
    for (taps, samples) in tap_chunks.zip(sample_chunks) {
        for (sum, (tap, sample)) in sums.iter_mut().zip(taps.iter().zip(samples)) {
            *sum += tap * sample;
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn filter(from: Rate, to: Rate) -> &'static Filter {
    static FILTERS: [[OnceLock<Filter>; 4]; 4] = [const { [const { OnceLock::new() }; 4] }; 4];
    FILTERS[from as usize][to as usize].get_or_init(|| Filter::new(from, to))
}

impl Filter {
    fn new(from: Rate, to: Rate) -> Filter {
        let (from, to) = (from.hz() as usize, to.hz() as usize);
        let common = gcd(from, to);
        let (up, down) = (to / common, from / common);
        let slower = up.max(down);
        // The prototype runs at `from * up` Hz; its length is a whole number of input samples.
        let length = (WIDTH * slower / up).next_multiple_of(8);
        let taps = length * up;
        let cutoff = CUTOFF / slower as f64;
        let middle = (taps - 1) as f64 / 2.0;
        let prototype: Vec<f64> = (0..taps)
            .map(|tap| {
                let x = tap as f64 - middle;
                let sinc = if x == 0.0 {
                    cutoff
                } else {
                    (PI * cutoff * x).sin() / (PI * x)
                };
                let side = x / (middle + 1.0);
                sinc * bessel(BETA * (1.0 - side * side).sqrt()) / bessel(BETA)
            })
            .collect();
        let phases = (0..up)
            .map(|phase| {
                // The output at phase p weighs input k samples ago with tap p + k * up.
                let taps: Vec<f64> = (0..length)
                    .rev()
                    .map(|back| prototype[phase + back * up])
                    .collect();
                let sum: f64 = taps.iter().sum();
                taps.iter().map(|tap| (tap / sum) as f32).collect()
            })
            .collect();
        Filter {
            up,
            down,
            length,
            phases,
        }
    }
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for step in 1..40 {
        term *= (x / (2.0 * f64::from(step))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::Resampler;
    use crate::Rate;

    fn tone(rate: Rate, hz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| (10_000.0 * (TAU * hz * n as f64 / f64::from(rate.hz())).sin()) as i16)
            .collect()
    }

    /// How strong `hz` is, and how strong all the rest, as amplitudes.
    fn split(pcm: &[i16], rate: Rate, hz: f64) -> (f64, f64) {
        let (mut sine, mut cosine, mut energy) = (0.0, 0.0, 0.0);
        for (n, &sample) in pcm.iter().enumerate() {
            let angle = TAU * hz * n as f64 / f64::from(rate.hz());
            sine += f64::from(sample) * angle.sin();
            cosine += f64::from(sample) * angle.cos();
            energy += f64::from(sample).powi(2);
        }
        let half = pcm.len() as f64 / 2.0;
        let amplitude = (sine * sine + cosine * cosine).sqrt() / half;
        (
            amplitude,
            (energy / half - amplitude * amplitude).max(0.0).sqrt(),
        )
    }

    #[test]
    fn a_tone_stays_a_tone_between_all_rates() {
        for from in Rate::ALL {
            for to in Rate::ALL {
                let mut resampler = Resampler::new(from, to);
                let mut out = Vec::new();
                for frame in tone(from, 1_000.0, from.frame() * 50).chunks(from.frame()) {
                    resampler.process(frame, &mut out);
                }
                assert_eq!(out.len(), to.frame() * 50, "{from:?} {to:?}");
                let (amplitude, rest) = split(&out[to.frame() * 10..], to, 1_000.0);
                assert!(
                    (9_900.0..10_100.0).contains(&amplitude),
                    "{from:?} {to:?} {amplitude}"
                );
                assert!(rest < 15.0, "{from:?} {to:?}: {rest} beside the tone");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        for (from, to, hz) in [
            (Rate::Hz48000, Rate::Hz8000, 4_100.0),
            (Rate::Hz48000, Rate::Hz16000, 9_000.0),
            (Rate::Hz16000, Rate::Hz8000, 5_000.0),
            (Rate::Hz24000, Rate::Hz16000, 9_000.0),
        ] {
            let mut out = Vec::new();
            Resampler::new(from, to).process(&tone(from, hz, from.frame() * 50), &mut out);
            let loudest = out[to.frame()..]
                .iter()
                .map(|sample| sample.unsigned_abs())
                .max();
            assert!(loudest < Some(30), "{from:?} {to:?}: {loudest:?}");
        }
    }

    #[test]
    fn cuts_anywhere_give_the_same_samples() {
        for (from, to) in [
            (Rate::Hz24000, Rate::Hz16000),
            (Rate::Hz8000, Rate::Hz48000),
            (Rate::Hz48000, Rate::Hz24000),
        ] {
            let pcm = tone(from, 700.0, 5_000);
            let mut whole = Vec::new();
            Resampler::new(from, to).process(&pcm, &mut whole);
            let mut pieces = Vec::new();
            let mut resampler = Resampler::new(from, to);
            let (mut at, mut step) = (0, 1);
            while at < pcm.len() {
                let end = (at + step).min(pcm.len());
                resampler.process(&pcm[at..end], &mut pieces);
                at = end;
                step = (step * 7 + 3) % 331;
            }
            assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn full_scale_saturates() {
        let mut out = Vec::new();
        let square: Vec<i16> = (0..4_800)
            .map(|n| if n / 24 % 2 == 0 { i16::MAX } else { i16::MIN })
            .collect();
        Resampler::new(Rate::Hz48000, Rate::Hz16000).process(&square, &mut out);
        assert!(out[320..].contains(&i16::MAX));
    }
}
