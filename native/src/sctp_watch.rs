//! What a peer's data channels may cost: SCTP beside which we listen, because the implementation counts bytes of payload alone.
//!
//! A chunk that begins a message and is never followed by its end is kept with all that stands around its few bytes. The receiver's
//! window bounds the bytes, so a peer could have a million empty or one-byte chunks kept. Seen from outside: each SACK of ours says
//! how much is held; a peer that sends thousands of small chunks while something is held, or chunks that no client sends, is ended.
//!
//! Whole messages behind a chunk that is missing are handed on, and their bytes do not count, but they are kept until the gap
//! closes: how far ahead of it a peer may send is bounded as well.

/// Streams that clients may use; browsers negotiate fewer.
const MAX_STREAM: u16 = 1_024;
/// Small DATA chunks since we last held as good as nothing.
const MAX_UNFINISHED: u32 = 8_192;
/// Chunks from the last that we have together with all before it, to the newest.
const MAX_AHEAD: u32 = 8_192;
/// Bytes of payload from which on the window alone bounds how many chunks are held: 2,048.
const LARGE: usize = 512;
/// Bytes held that are as good as nothing.
const SLACK: u32 = 2_048;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const COMMON_HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
/// Type, flags, length, TSN, stream, sequence, protocol (RFC 9260, 3.3.1).
const DATA_HEADER: usize = 16;

/// One association.
#[derive(Default)]
pub struct SctpWatch {
    /// The window that we began with.
    window: u32,
    /// The last chunk that we acknowledged together with all before it.
    acknowledged: Option<u32>,
    /// Small DATA chunks since we last held as good as nothing.
    unfinished: u32,
}

impl SctpWatch {
    /// A packet of the peer; `false` where it is more than a client may send.
    pub fn incoming(&mut self, packet: &[u8]) -> bool {
        for (kind, chunk) in chunks(packet) {
            if kind != DATA {
                continue;
            }
            let stream = number16(chunk, 8);
            if chunk.len() <= DATA_HEADER || stream.is_none_or(|stream| stream >= MAX_STREAM) {
                return false;
            }
            let sequence = number32(chunk, 4).unwrap_or_default();
            let ahead = self.acknowledged.map(|last| sequence.wrapping_sub(last));
            // In the upper half lies what came before and is sent again.
            if ahead.is_some_and(|ahead| (MAX_AHEAD + 1..1 << 31).contains(&ahead)) {
                return false;
            }
            if chunk.len() - DATA_HEADER < LARGE {
                self.unfinished = self.unfinished.saturating_add(1);
            }
        }
        self.unfinished <= MAX_UNFINISHED
    }

    /// A packet of ours.
    pub fn outgoing(&mut self, packet: &[u8]) {
        for (kind, chunk) in chunks(packet) {
            let Some(window) = number32(chunk, 8) else {
                continue;
            };
            match kind {
                INIT | INIT_ACK => self.window = window,
                SACK => {
                    self.acknowledged = number32(chunk, 4);
                    if window.saturating_add(SLACK) >= self.window {
                        self.unfinished = 0;
                    }
                }
                _ => {}
            }
        }
    }
}

/// Types and bytes of a packet's chunks, without their padding.
fn chunks(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = packet.get(COMMON_HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(number16(rest, 2)?);
        let chunk = rest.get(..length).filter(|_| length >= CHUNK_HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((chunk[0], chunk))
    })
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = vec![0; COMMON_HEADER];
        for (kind, body) in chunks {
            let length = (CHUNK_HEADER + body.len()) as u16;
            packet.extend([*kind, 0]);
            packet.extend(length.to_be_bytes());
            packet.extend(*body);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        packet
    }

    fn data(stream: u16, payload: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 12];
        body[4..6].copy_from_slice(&stream.to_be_bytes());
        body.extend(payload);
        packet(&[(DATA, &body)])
    }

    fn numbered(sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = data(0, payload);
        packet[16..20].copy_from_slice(&sequence.to_be_bytes());
        packet
    }

    fn told(kind: u8, window: u32) -> Vec<u8> {
        acknowledged(kind, 0, window)
    }

    fn acknowledged(kind: u8, last: u32, window: u32) -> Vec<u8> {
        let mut body = vec![0; 12];
        body[..4].copy_from_slice(&last.to_be_bytes());
        body[4..8].copy_from_slice(&window.to_be_bytes());
        packet(&[(kind, &body)])
    }

    #[test]
    fn empty_chunks_and_streams_beyond_the_bound_are_refused() {
        let mut watch = SctpWatch::default();
        assert!(watch.incoming(&data(0, b"x")));
        assert!(watch.incoming(&data(1_023, b"x")));
        assert!(!watch.incoming(&data(0, b"")));
        assert!(!watch.incoming(&data(1_024, b"x")));
    }

    #[test]
    fn chunks_count_until_nothing_is_held() {
        let mut watch = SctpWatch::default();
        watch.outgoing(&told(INIT_ACK, 100_000));
        for _ in 0..MAX_UNFINISHED {
            assert!(watch.incoming(&data(0, b"x")));
        }
        watch.outgoing(&told(SACK, 100_000 - SLACK - 1));
        assert!(!watch.incoming(&data(0, b"x")));
        watch.outgoing(&told(SACK, 100_000 - SLACK));
        assert!(watch.incoming(&data(0, b"x")));
    }

    #[test]
    fn large_chunks_are_the_windows_to_bound() {
        let mut watch = SctpWatch::default();
        watch.outgoing(&told(INIT_ACK, 1 << 20));
        for sequence in 1..100_000 {
            assert!(watch.incoming(&numbered(sequence, &[7; 1_150])));
            watch.outgoing(&acknowledged(SACK, sequence, 1 << 18));
        }
    }

    #[test]
    fn chunks_far_behind_a_gap_are_refused() {
        let mut watch = SctpWatch::default();
        watch.outgoing(&told(INIT_ACK, 1 << 20));
        let last = u32::MAX - 5;
        watch.outgoing(&acknowledged(SACK, last, 1 << 20));
        assert!(watch.incoming(&numbered(last.wrapping_add(MAX_AHEAD), b"x")));
        assert!(watch.incoming(&numbered(last - 900, b"sent again")));
        assert!(!watch.incoming(&numbered(last.wrapping_add(MAX_AHEAD + 1), b"x")));
    }

    #[test]
    fn several_chunks_of_a_packet_are_seen_behind_their_padding() {
        let mut body = vec![0; 12];
        body.extend(b"abc");
        let mut watch = SctpWatch::default();
        assert!(!watch.incoming(&packet(&[
            (SACK, &[0; 13]),
            (DATA, &body),
            (DATA, &[0; 12])
        ])));
    }

    #[test]
    fn whatever_comes_is_read_within_its_bounds() {
        let mut seed = 7_u64;
        let mut watch = SctpWatch::default();
        for size in 0..2_000 {
            let bytes: Vec<u8> = (0..size % 97)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 60) as u8
                })
                .collect();
            watch.incoming(&bytes);
            watch.outgoing(&bytes);
        }
    }
}
