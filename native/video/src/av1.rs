//! The AV1 aggregation header (RTP payload format for AV1, §4.4) and the first unit's layer.

use crate::frame::Frame;

pub(crate) fn read(payload: &[u8]) -> Option<Frame> {
    let head = *payload.first()?;
    let continues = head & 0x80 != 0;
    let mut frame = Frame {
        begins: !continues,
        starts_key: head & 0x08 != 0 && !continues,
        ..Frame::default()
    };
    if !continues {
        frame.temporal = first_layer(payload, head >> 4 & 3).unwrap_or(0);
    }
    Some(frame)
}

/// The temporal layer in the header extension of the first unit that has one.
fn first_layer(payload: &[u8], units: u8) -> Option<u8> {
    let mut at = 1;
    if units != 1 {
        // Its length in front, in seven bits a byte.
        while payload.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    let unit = payload.get(at)?;
    let extended = unit & 0x04 != 0;
    extended
        .then(|| payload.get(at + 1))
        .flatten()
        .map(|layer| layer >> 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_sequence_starts_a_key_frame() {
        assert!(read(&[0x18, 0x0a]).unwrap().starts_key);
        assert!(!read(&[0x10, 0x32]).unwrap().starts_key);
        assert!(!read(&[0x98, 0x0a]).unwrap().begins);
    }

    #[test]
    fn the_temporal_layer_stands_in_the_units_extension() {
        assert_eq!(read(&[0x10, 0x34, 2 << 5]).unwrap().temporal, 2);
        assert_eq!(read(&[0x00, 0x81, 0x01, 0x34, 1 << 5]).unwrap().temporal, 1);
        assert_eq!(read(&[0x00, 0x80]).unwrap().temporal, 0);
    }
}
