//! The loudness that travels in RTP headers: RFC 6464, in −dBov from 0 (full scale) to 127 (silence).

use std::sync::LazyLock;

/// A level and whether it is speech, as one byte of the header extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// −dBov: 0 is the loudest, 127 is silence.
    pub level: u8,
    /// The V bit: the sender takes this for speech.
    pub is_voice: bool,
}

impl AudioLevel {
    /// The level of silence.
    pub const SILENCE: AudioLevel = AudioLevel {
        level: 127,
        is_voice: false,
    };

    /// Loudness of these samples, by their root mean square; `is_voice` from −50 dBov up.
    #[must_use]
    pub fn of(pcm: &[i16]) -> AudioLevel {
        if pcm.is_empty() {
            return AudioLevel::SILENCE;
        }
        let energy: u64 = pcm
            .iter()
            .map(|&sample| i64::from(sample).pow(2).unsigned_abs())
            .sum();
        let mean = energy as f64 / pcm.len() as f64 / f64::from(i16::MAX).powi(2);
        if mean <= 0.0 {
            return AudioLevel::SILENCE;
        }
        let level = (-10.0 * mean.log10()).round().clamp(0.0, 127.0) as u8;
        AudioLevel {
            level,
            is_voice: level <= VOICE_LEVEL,
        }
    }

    /// What to take a packet of Opus for whose sender tells no level: speech where it is longer than a pause of
    /// discontinuous transmission, just loud enough to count.
    #[must_use]
    pub const fn guessed(payload: usize) -> AudioLevel {
        if payload > PAUSE_BYTES {
            AudioLevel {
                level: GUESSED_LEVEL,
                is_voice: true,
            }
        } else {
            AudioLevel::SILENCE
        }
    }

    /// The byte of the header extension: V in the highest bit.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        (self.is_voice as u8) << 7 | self.level & 0x7F
    }

    /// Reads the byte of the header extension; every byte is one.
    #[must_use]
    pub const fn from_byte(byte: u8) -> AudioLevel {
        AudioLevel {
            level: byte & 0x7F,
            is_voice: byte & 0x80 != 0,
        }
    }

    /// The level as a linear amplitude, 0 for silence to 1 for full scale.
    #[must_use]
    pub fn amplitude(self) -> f32 {
        AMPLITUDES[usize::from(self.level & 0x7F)]
    }
}

/// From this level up (0 is the loudest), what we send is called speech.
const VOICE_LEVEL: u8 = 50;

/// Comfort noise and pauses take no more bytes than this.
const PAUSE_BYTES: usize = 10;
const GUESSED_LEVEL: u8 = 35;

static AMPLITUDES: LazyLock<[f32; 128]> = LazyLock::new(|| {
    std::array::from_fn(|level| {
        if level == 127 {
            0.0
        } else {
            10_f32.powf(level as f32 / -20.0)
        }
    })
});

#[cfg(test)]
mod tests {
    use super::AudioLevel;

    #[test]
    fn a_full_scale_square_is_zero_and_silence_is_127() {
        assert_eq!(AudioLevel::of(&[i16::MAX; 160]).level, 0);
        assert_eq!(AudioLevel::of(&[0; 160]), AudioLevel::SILENCE);
        assert_eq!(AudioLevel::of(&[]), AudioLevel::SILENCE);
        assert_eq!(AudioLevel::of(&[i16::MIN; 160]).level, 0);
    }

    #[test]
    fn ten_times_quieter_is_twenty_more() {
        assert_eq!(
            AudioLevel::of(&[3_277; 160]),
            AudioLevel {
                level: 20,
                is_voice: true
            }
        );
        assert_eq!(
            AudioLevel::of(&[33; 160]),
            AudioLevel {
                level: 60,
                is_voice: false
            }
        );
    }

    #[test]
    fn a_packet_without_a_level_counts_where_it_is_no_pause() {
        assert_eq!(AudioLevel::guessed(3), AudioLevel::SILENCE);
        assert!(AudioLevel::guessed(60).level <= crate::SpeakerSettings::default().threshold);
    }

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255 {
            assert_eq!(AudioLevel::from_byte(byte).to_byte(), byte);
        }
    }
}
