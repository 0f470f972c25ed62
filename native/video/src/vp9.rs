//! The VP9 payload descriptor (RFC 9628 §4.2).

use crate::frame::{Frame, Picture};

pub(crate) fn read(payload: &[u8]) -> Option<Frame> {
    let first = *payload.first()?;
    let predicted = first & 0x40 != 0;
    let layered = first & 0x20 != 0;
    let mut frame = Frame::default();
    let mut at = 1;
    if first & 0x80 != 0 {
        let byte = *payload.get(at)?;
        let long = byte & 0x80 != 0;
        let mut id = u16::from(byte & 0x7f);
        at += 1;
        if long {
            id = id << 8 | u16::from(*payload.get(at)?);
        }
        frame.picture = Some(Picture { id, long });
        at += usize::from(long);
    }
    let mut spatial = 0;
    if layered {
        let byte = *payload.get(at)?;
        frame.temporal = byte >> 5;
        frame.sync = byte & 0x10 != 0;
        spatial = byte >> 1 & 7;
    }
    // All spatial layers of a picture count as one frame: they share its id and its timestamp.
    frame.begins = first & 0x08 != 0 && spatial == 0;
    frame.starts_key = frame.begins && !predicted;
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_pictures_and_layers_are_told() {
        let frame = read(&[0x80 | 0x20 | 0x08, 0x81, 0x02, 2 << 5 | 0x10, 7]).unwrap();
        assert!(frame.starts_key && frame.sync);
        assert_eq!(frame.temporal, 2);
        assert_eq!(
            frame.picture,
            Some(Picture {
                id: 0x102,
                long: true
            })
        );
        assert!(!read(&[0x80 | 0x40 | 0x08, 5, 1]).unwrap().starts_key);
        assert!(!read(&[0xa8, 5, 1 << 1, 1]).unwrap().begins);
        assert_eq!(read(&[0x80, 0x80]), None);
    }
}
