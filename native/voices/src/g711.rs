//! G.711: the 8-bit codes of telephone audio at 8 kHz, μ-law and A-law (ITU-T G.711).

/// Which of the two codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// μ-law: North America and Japan; RTP payload type 0.
    Ulaw,
    /// A-law: elsewhere; RTP payload type 8.
    Alaw,
}

impl Law {
    /// The law by its name at the border to Python, `ulaw` or `alaw`.
    #[must_use]
    pub fn named(name: &str) -> Option<Law> {
        match name {
            "ulaw" => Some(Law::Ulaw),
            "alaw" => Some(Law::Alaw),
            _ => None,
        }
    }

    /// The code of silence.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Law::Ulaw => 0xFF,
            Law::Alaw => 0xD5,
        }
    }

    /// One code as a sample.
    #[must_use]
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Law::Ulaw => ULAW[code as usize],
            Law::Alaw => ALAW[code as usize],
        }
    }

    /// One sample as the nearest code.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Ulaw => ulaw_code(sample),
            Law::Alaw => alaw_code(sample),
        }
    }

    /// Appends the samples of `codes`.
    pub fn decode_into(self, codes: &[u8], pcm: &mut Vec<i16>) {
        pcm.extend(codes.iter().map(|&code| self.decode(code)));
    }

    /// Appends the codes of `pcm`.
    pub fn encode_into(self, pcm: &[i16], codes: &mut Vec<u8>) {
        codes.extend(pcm.iter().map(|&sample| self.encode(sample)));
    }
}

static ULAW: [i16; 256] = ulaw_table();
static ALAW: [i16; 256] = alaw_table();

const ULAW_BIAS: i32 = 0x84;
const ULAW_CLIP: i32 = 32_635;

const fn ulaw_sample(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 7;
    let magnitude = ((((code & 0x0F) as i32) << 3) + ULAW_BIAS) << exponent;
    let value = magnitude - ULAW_BIAS;
    (if code & 0x80 != 0 { -value } else { value }) as i16
}

const fn alaw_sample(code: u8) -> i16 {
    let code = code ^ 0x55;
    let exponent = (code >> 4) & 7;
    let mut magnitude = ((code & 0x0F) as i32) << 4;
    if exponent == 0 {
        magnitude += 8;
    } else {
        magnitude = (magnitude + 0x108) << (exponent - 1);
    }
    (if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

const fn ulaw_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = ulaw_sample(code as u8);
        code += 1;
    }
    table
}

const fn alaw_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = alaw_sample(code as u8);
        code += 1;
    }
    table
}

fn ulaw_code(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(ULAW_CLIP) + ULAW_BIAS;
    let exponent = (magnitude >> 7).ilog2().min(7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | ((exponent as u8) << 4) | mantissa as u8)
}

fn alaw_code(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = if sample < 0 {
        i32::from(!sample)
    } else {
        i32::from(sample)
    };
    let code = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let exponent = (magnitude >> 7).ilog2();
        ((exponent as u8) << 4) | ((magnitude >> (exponent + 3)) & 0x0F) as u8
    };
    (sign | code) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::Law;

    #[test]
    fn every_code_comes_back() {
        for law in [Law::Ulaw, Law::Alaw] {
            for code in 0..=255_u8 {
                let sample = law.decode(code);
                let again = law.encode(sample);
                assert_eq!(law.decode(again), sample, "{law:?} {code:#x}");
            }
        }
    }

    #[test]
    fn known_values() {
        assert_eq!(Law::Ulaw.decode(0x00), -32_124);
        assert_eq!(Law::Ulaw.decode(0x80), 32_124);
        assert_eq!(Law::Ulaw.decode(0xFF), 0);
        assert_eq!(Law::Alaw.decode(0xD5), 8);
        assert_eq!(Law::Alaw.decode(0x55), -8);
        assert_eq!(Law::Alaw.decode(0xAA), 32_256);
        assert_eq!(Law::Alaw.decode(0x2A), -32_256);
        assert_eq!(Law::Ulaw.encode(0), Law::Ulaw.silence());
        assert_eq!(Law::Alaw.encode(0), Law::Alaw.silence());
    }

    #[test]
    fn every_sample_becomes_its_nearest_code() {
        for law in [Law::Ulaw, Law::Alaw] {
            for sample in i16::MIN..=i16::MAX {
                let got = i32::from(law.decode(law.encode(sample)));
                let error = (got - i32::from(sample)).abs();
                let allowed = (i32::from(sample).abs() / 16).max(16);
                assert!(error <= allowed.min(1_024), "{law:?} {sample} became {got}");
            }
        }
    }
}
