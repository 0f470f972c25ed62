//! The VP8 payload descriptor (RFC 7741 §4.2).

use crate::frame::{Frame, Picture};

pub(crate) fn read(payload: &[u8]) -> Option<Frame> {
    let first = *payload.first()?;
    let mut frame = Frame {
        begins: first & 0x17 == 0x10,
        ..Frame::default()
    };
    let mut at = 1;
    if first & 0x80 != 0 {
        let flags = *payload.get(at)?;
        at += 1;
        if flags & 0x80 != 0 {
            let byte = *payload.get(at)?;
            let long = byte & 0x80 != 0;
            let mut id = u16::from(byte & 0x7f);
            at += 1;
            if long {
                id = id << 8 | u16::from(*payload.get(at)?);
                at += 1;
            }
            frame.picture = Some(Picture { id, long });
        }
        if flags & 0x40 != 0 {
            frame.tl0 = Some(*payload.get(at)?);
            at += 1;
        }
        if flags & 0x30 != 0 {
            let byte = *payload.get(at)?;
            at += 1;
            if flags & 0x20 != 0 {
                frame.temporal = byte >> 6;
                frame.sync = byte & 0x20 != 0;
            }
        }
    }
    // The payload header begins a frame's first partition; its lowest bit is 0 in a key frame.
    frame.starts_key = frame.begins && payload.get(at)? & 1 == 0;
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_descriptor_is_read() {
        let frame = read(&[0x90, 0xe0, 0x81, 0x02, 9, 0x60, 0x00]).unwrap();
        let picture = Some(Picture {
            id: 0x102,
            long: true,
        });
        let expected = Frame {
            starts_key: true,
            begins: true,
            temporal: 1,
            sync: true,
            picture,
            tl0: Some(9),
        };
        assert_eq!(frame, expected);
    }

    #[test]
    fn only_the_start_of_the_first_partition_starts_a_key_frame() {
        assert!(read(&[0x10, 0x00]).unwrap().starts_key);
        assert!(!read(&[0x10, 0x01]).unwrap().starts_key);
        assert!(!read(&[0x00, 0x00]).unwrap().starts_key);
        assert!(!read(&[0x11, 0x00]).unwrap().begins);
        assert_eq!(read(&[0x10]), None);
    }
}
