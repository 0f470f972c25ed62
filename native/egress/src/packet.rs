//! A packet of a track as all of its listeners share it, and the reading of RTP headers.

/// How loud the speech in a packet is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Level {
    /// Decibels below the overload point: 0 the loudest, 127 silence.
    pub dbov: u8,
    /// The sender found speech in it.
    pub voice: bool,
}

impl Level {
    /// The byte of the extension.
    pub fn byte(self) -> u8 {
        u8::from(self.voice) << 7 | self.dbov & 0x7f
    }
}

/// One packet of a source in plaintext, without the header that its sender gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Extended sequence number of the source: never wraps.
    pub index: u64,
    /// The source's RTP timestamp.
    pub timestamp: u32,
    pub marker: bool,
    pub payload: &'a [u8],
    pub level: Option<Level>,
    /// The byte of the video-orientation extension.
    pub orientation: Option<u8>,
    /// When it came in, in microseconds of any steady clock; the absolute send time is made from it.
    pub arrived_us: u64,
    /// The stretch of forwarding and the incarnation of the source it belongs to: set by the ring.
    pub span: Span,
}

/// What lies between two packets of a ring apart from loss; the ring counts, streams compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// The ring itself: no two in a process have the same.
    pub ring: u64,
    /// Another after each [`crate::Ring::resume`].
    pub run: u32,
    /// Another after each [`crate::Ring::restart`].
    pub epoch: u32,
}

impl Span {
    /// Another value after each resume and restart, as a video's switch wants it.
    pub fn era(self) -> u64 {
        u64::from(self.epoch) << 32 | u64::from(self.run)
    }

    /// Both are of one source, so their timestamps run on one clock.
    pub(crate) fn is_of(self, other: Span) -> bool {
        self.ring == other.ring && self.epoch == other.epoch
    }
}

/// Where the parts of an RTP packet lie (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Bytes of the header with contributing sources and extensions.
    pub length: usize,
    /// The extension block: its profile and where its elements lie.
    pub extension: Option<(u16, usize, usize)>,
    /// The last bytes of the payload are padding.
    pub padded: bool,
}

/// Reads the header of an RTP packet; `None` where it is none or is cut short.
pub fn parse_rtp(packet: &[u8]) -> Option<RtpHeader> {
    let fixed = packet.get(..12)?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut length = 12 + 4 * usize::from(fixed[0] & 0x0f);
    let mut extension = None;
    if fixed[0] & 0x10 != 0 {
        let head = packet.get(length..length + 4)?;
        let profile = u16::from_be_bytes([head[0], head[1]]);
        let start = length + 4;
        length = start + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        extension = Some((profile, start, length));
    }
    if length > packet.len() {
        return None;
    }
    Some(RtpHeader {
        marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7f,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        length,
        extension,
        padded: fixed[0] & 0x20 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_sources_and_extensions_end_where_the_payload_begins() {
        let mut packet = vec![0xb1, 0x80 | 111, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7];
        packet.extend([0, 0, 0, 1]);
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0x85, 0, 0]);
        packet.extend([1, 2, 3, 1]);
        let header = parse_rtp(&packet).unwrap();
        assert_eq!(
            (header.length, header.padded, header.marker),
            (24, true, true)
        );
        assert_eq!((header.payload_type, header.sequence), (111, 0x1234));
        assert_eq!(header.extension, Some((0xbede, 20, 24)));
        for cut in 0..24 {
            assert_eq!(parse_rtp(&packet[..cut]), None);
        }
    }
}
