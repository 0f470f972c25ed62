//! H.264 payloads (RFC 6184): single units, aggregates and fragments.

use crate::frame::Frame;

const SLICE_OF_KEY: u8 = 5;
const PARAMETERS: u8 = 7;
const AGGREGATE: u8 = 24;
const FRAGMENT: u8 = 28;

/// A packet, and whether it is a key frame's beginning only where parameter sets come otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) frame: Frame,
    /// Holds a sequence parameter set.
    pub(crate) parameters: bool,
    /// Begins a slice of a key picture.
    pub(crate) slice_of_key: bool,
}

pub(crate) fn read(payload: &[u8]) -> Option<Read> {
    let first = *payload.first()?;
    let mut parameters = false;
    let mut slice_of_key = false;
    let mut begins = true;
    match first & 0x1f {
        AGGREGATE => {
            let mut rest = &payload[1..];
            while let [high, low, units @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let kind = units.get(..length)?.first()? & 0x1f;
                parameters = parameters || kind == PARAMETERS;
                slice_of_key = slice_of_key || kind == SLICE_OF_KEY;
                rest = &units[length..];
            }
        }
        FRAGMENT => {
            let head = *payload.get(1)?;
            begins = head & 0x80 != 0;
            slice_of_key = begins && head & 0x1f == SLICE_OF_KEY;
        }
        kind => {
            parameters = kind == PARAMETERS;
            slice_of_key = kind == SLICE_OF_KEY;
        }
    }
    let frame = Frame {
        starts_key: parameters,
        begins,
        ..Frame::default()
    };
    Some(Read {
        frame,
        parameters,
        slice_of_key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_start_a_key_frame_alone_or_in_an_aggregate() {
        assert!(read(&[0x67, 1, 2]).unwrap().frame.starts_key);
        let aggregate = [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1, 0, 1, 0x65];
        let told = read(&aggregate).unwrap();
        assert!(told.frame.starts_key && told.slice_of_key);
        assert!(!read(&[0x61, 1]).unwrap().frame.starts_key);
        assert_eq!(read(&[0x78, 0, 9, 0x67]), None);
    }

    #[test]
    fn only_the_first_fragment_begins() {
        assert!(read(&[0x7c, 0x85, 1]).unwrap().slice_of_key);
        assert!(!read(&[0x7c, 0x05, 1]).unwrap().slice_of_key);
        assert!(!read(&[0x7c, 0x05, 1]).unwrap().frame.begins);
    }
}
