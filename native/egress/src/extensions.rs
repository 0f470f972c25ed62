//! The header extensions we write (RFC 8285), under the ids that each listener negotiated.

use crate::packet::Packet;

const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;
/// Longest mid that is written; clients make them of a few characters.
const LONGEST_MID: usize = 16;

/// Negotiated ids, 0 where the listener does not have the extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`
    pub level: u8,
    /// `urn:3gpp:video-orientation`
    pub orientation: u8,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub send_time: u8,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: u8,
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: u8,
}

/// The ids with the value of the mid, and the form that fits them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    ids: ExtensionIds,
    mid: [u8; LONGEST_MID],
    mid_length: u8,
    wide: bool,
}

impl Extensions {
    /// A mid that is longer than 16 bytes is not written: the SSRC in the SDP says the same.
    pub(crate) fn new(mut ids: ExtensionIds, mid: &str) -> Extensions {
        let mut value = [0; LONGEST_MID];
        if mid.is_empty() || mid.len() > LONGEST_MID {
            ids.mid = 0;
        } else {
            value[..mid.len()].copy_from_slice(mid.as_bytes());
        }
        let all = [
            ids.level,
            ids.orientation,
            ids.send_time,
            ids.transport_cc,
            ids.mid,
        ];
        Extensions {
            ids,
            mid: value,
            mid_length: if ids.mid == 0 { 0 } else { mid.len() as u8 },
            wide: all.iter().any(|id| *id > 14),
        }
    }

    pub(crate) fn has_transport_cc(&self) -> bool {
        self.ids.transport_cc != 0
    }

    /// Bytes of the whole block for that packet, 0 where it has none.
    pub(crate) fn length(&self, packet: &Packet<'_>) -> usize {
        let head = if self.wide { 2 } else { 1 };
        let mut bytes = 0;
        if self.ids.level != 0 && packet.level.is_some() {
            bytes += head + 1;
        }
        if self.ids.orientation != 0 && packet.orientation.is_some() {
            bytes += head + 1;
        }
        if self.ids.send_time != 0 {
            bytes += head + 3;
        }
        if self.ids.transport_cc != 0 {
            bytes += head + 2;
        }
        if self.ids.mid != 0 {
            bytes += head + usize::from(self.mid_length);
        }
        if bytes == 0 {
            0
        } else {
            4 + bytes.next_multiple_of(4)
        }
    }

    /// Writes the block into `block`, which has exactly [`Extensions::length`] bytes.
    pub(crate) fn write(&self, block: &mut [u8], packet: &Packet<'_>, transport: u16) {
        if block.is_empty() {
            return;
        }
        let form = if self.wide { TWO_BYTE } else { ONE_BYTE };
        let words = (block.len() / 4 - 1) as u16;
        block[..2].copy_from_slice(&form.to_be_bytes());
        block[2..4].copy_from_slice(&words.to_be_bytes());
        let mut at = 4;
        if let Some(level) = packet.level {
            self.element(block, &mut at, self.ids.level, &[level.byte()]);
        }
        if let Some(orientation) = packet.orientation {
            self.element(block, &mut at, self.ids.orientation, &[orientation]);
        }
        let seconds = absolute_send_time(packet.arrived_us).to_be_bytes();
        self.element(block, &mut at, self.ids.send_time, &seconds[1..]);
        self.element(
            block,
            &mut at,
            self.ids.transport_cc,
            &transport.to_be_bytes(),
        );
        let mid = &self.mid[..usize::from(self.mid_length)];
        self.element(block, &mut at, self.ids.mid, mid);
        block[at..].fill(0);
    }

    fn element(&self, block: &mut [u8], at: &mut usize, id: u8, value: &[u8]) {
        if id == 0 {
            return;
        }
        if self.wide {
            block[*at] = id;
            block[*at + 1] = value.len() as u8;
            *at += 2;
        } else {
            block[*at] = id << 4 | (value.len() - 1) as u8;
            *at += 1;
        }
        block[*at..*at + value.len()].copy_from_slice(value);
        *at += value.len();
    }
}

/// 24 bits of seconds in 6.18 fixed point. Made of the time of arrival, not of sending, so that a
/// packet sent again is the same packet.
fn absolute_send_time(arrived_us: u64) -> u32 {
    let micros = arrived_us % 64_000_000;
    ((micros << 18) / 1_000_000) as u32 & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Level, Span};

    fn speech() -> Packet<'static> {
        Packet {
            index: 1,
            timestamp: 0,
            marker: false,
            payload: b"x",
            level: Some(Level {
                dbov: 30,
                voice: true,
            }),
            orientation: None,
            arrived_us: 1_500_000,
            span: Span::default(),
        }
    }

    fn block(extensions: &Extensions, packet: &Packet<'_>) -> Vec<u8> {
        let mut block = vec![0xaa; extensions.length(packet)];
        extensions.write(&mut block, packet, 0x0102);
        block
    }

    #[test]
    fn short_ids_are_written_in_the_one_byte_form() {
        let ids = ExtensionIds {
            level: 1,
            send_time: 2,
            transport_cc: 3,
            mid: 4,
            orientation: 5,
        };
        let expected = [
            0xbe,
            0xde,
            0,
            3,
            0x10,
            0x80 | 30,
            0x22,
            0x06,
            0,
            0,
            0x31,
            1,
            2,
            0x40,
            b'0',
            0,
        ];
        assert_eq!(block(&Extensions::new(ids, "0"), &speech()), expected);
    }

    #[test]
    fn ids_above_fourteen_take_the_two_byte_form() {
        let ids = ExtensionIds {
            level: 15,
            ..ExtensionIds::default()
        };
        let expected = [0x10, 0, 0, 1, 15, 1, 0x80 | 30, 0];
        assert_eq!(block(&Extensions::new(ids, ""), &speech()), expected);
    }

    #[test]
    fn a_packet_without_values_has_no_block() {
        let ids = ExtensionIds {
            level: 1,
            orientation: 2,
            mid: 3,
            ..ExtensionIds::default()
        };
        let silent = Packet {
            level: None,
            ..speech()
        };
        let extensions = Extensions::new(ids, "a mid that is far too long");
        assert_eq!(block(&extensions, &silent), []);
    }
}
