//! Rewriting of VP8 picture ids inside a payload, as a switch between layers asks for it.

/// What a video's layer switch changes in a packet; the default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Which of the track's rings the packet lies in: the simulcast layer; audio has only 0.
    pub source: u8,
    /// Added to the picture id of a VP8 payload.
    pub picture: u16,
    /// Added to the TL0PICIDX of a VP8 payload.
    pub tl0: u8,
    /// The packet is not for this listener (a dropped frame): its place in the numbers closes.
    pub skip: bool,
}

/// Where the counters of a VP8 payload descriptor lie (RFC 7741 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    /// Offset of the picture id, and whether it has 15 bits.
    picture: Option<(usize, bool)>,
    tl0: Option<usize>,
}

/// Adds the shifts to the counters in a VP8 payload; leaves alone what is cut short.
pub(crate) fn shift_vp8(payload: &mut [u8], rewrite: &Rewrite) {
    let counters = counters(payload);
    if let Some((at, long)) = counters.picture {
        if long {
            let id = u16::from_be_bytes([payload[at], payload[at + 1]]);
            let id = id.wrapping_add(rewrite.picture) & 0x7fff | 0x8000;
            payload[at..at + 2].copy_from_slice(&id.to_be_bytes());
        } else {
            payload[at] = payload[at].wrapping_add(rewrite.picture as u8) & 0x7f;
        }
    }
    if let Some(at) = counters.tl0 {
        payload[at] = payload[at].wrapping_add(rewrite.tl0);
    }
}

fn counters(payload: &[u8]) -> Counters {
    let mut found = Counters::default();
    let [first, flags, ..] = *payload else {
        return found;
    };
    if first & 0x80 == 0 {
        return found;
    }
    let mut at = 2;
    if flags & 0x80 != 0 {
        let Some(byte) = payload.get(at) else {
            return found;
        };
        let long = byte & 0x80 != 0;
        let end = at + 1 + usize::from(long);
        if payload.len() < end {
            return found;
        }
        found.picture = Some((at, long));
        at = end;
    }
    if flags & 0x40 != 0 && at < payload.len() {
        found.tl0 = Some(at);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_picture_ids_wrap_in_their_width() {
        let rewrite = Rewrite {
            picture: 3,
            tl0: 250,
            ..Rewrite::default()
        };
        let mut payload = [0x90, 0xc0, 0xff, 0xfe, 10, 1];
        shift_vp8(&mut payload, &rewrite);
        assert_eq!(payload, [0x90, 0xc0, 0x80, 0x01, 4, 1]);
        let mut payload = [0x90, 0xc0, 0x7e, 10, 1];
        shift_vp8(&mut payload, &rewrite);
        assert_eq!(payload, [0x90, 0xc0, 0x01, 4, 1]);
    }

    #[test]
    fn payloads_without_or_with_half_a_descriptor_stay_as_they_are() {
        let rewrite = Rewrite {
            picture: 1,
            tl0: 1,
            ..Rewrite::default()
        };
        for payload in [
            &[][..],
            &[0x90],
            &[0x10, 0xff, 1],
            &[0x90, 0xc0],
            &[0x90, 0xc0, 0x80],
        ] {
            let mut copy = payload.to_vec();
            shift_vp8(&mut copy, &rewrite);
            assert_eq!(copy, payload);
        }
    }
}
