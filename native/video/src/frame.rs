//! What the first bytes of a video payload say, in the terms that all codecs share.

use crate::{av1, h264, vp8, vp9};

/// The codecs whose key frames are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    Vp8,
    Vp9,
    H264,
    Av1,
}

/// The counter of a picture in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub id: u16,
    /// 15 bits, else 7.
    pub long: bool,
}

/// One packet of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The first packet of a frame that needs no other frame: decoding can start here.
    pub starts_key: bool,
    /// The first packet of its frame.
    pub begins: bool,
    /// Layers of the frame rate: 0 is what all others build on.
    pub temporal: u8,
    /// A listener may begin to take this temporal layer here.
    pub sync: bool,
    pub picture: Option<Picture>,
    /// VP8's count of frames of temporal layer 0.
    pub tl0: Option<u8>,
}

impl VideoCodec {
    /// Reads the start of a payload; what is cut short counts as the middle of a frame.
    pub fn read(self, payload: &[u8]) -> Frame {
        match self {
            VideoCodec::Vp8 => vp8::read(payload),
            VideoCodec::Vp9 => vp9::read(payload),
            VideoCodec::H264 => h264::read(payload).map(|read| read.frame),
            VideoCodec::Av1 => av1::read(payload),
        }
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    #[test]
    fn whatever_is_written_is_read_without_a_panic() {
        let mut dice = Dice::new(3);
        for codec in [
            VideoCodec::Vp8,
            VideoCodec::Vp9,
            VideoCodec::H264,
            VideoCodec::Av1,
        ] {
            for _ in 0..200_000 {
                let mut payload: Vec<u8> = (0..dice.below(24)).map(|_| dice.next() as u8).collect();
                if let Some(first) = payload.first_mut()
                    && dice.below(2) == 0
                {
                    *first = [0x78, 0x7c, 0x67, 0x90, 0xff, 0x8f][dice.below(6) as usize];
                }
                codec.read(&payload);
            }
        }
    }
}
