//! What listeners report: losses, wishes for key frames, bandwidth (RFC 3550, 4585, 5104, REMB and
//! transport-wide congestion control). Reads what anybody may have written: every length is
//! checked, nothing is allocated, and what is not understood is skipped.

/// Arrival times of one compound packet at most; real reports have a few hundred.
const MOST_STATUSES: u16 = 4_096;

/// One thing that a listener says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feedback<'a> {
    /// Packets of ours that it lost.
    Nack { media: u32, lost: Nacks<'a> },
    /// A picture of this stream is needed that stands for itself.
    Pli { media: u32 },
    /// The same, in its older form.
    Fir { media: u32 },
    /// How one of our streams arrives.
    Report {
        media: u32,
        /// Since the last report, in 1/256.
        fraction_lost: u8,
        /// Since the start; duplicates make it negative.
        total_lost: i32,
        /// Highest extended sequence number seen.
        highest: u32,
        /// In ticks of the stream's clock.
        jitter: u32,
        /// Middle bits of the NTP time of our last report it saw, 0 for none.
        last_report: u32,
        /// Since then, in 1/65,536 s.
        delay: u32,
    },
    /// The listener's own estimate of what it can take, in bit/s.
    Remb { bitrate: u64 },
    /// When each packet came in, for an estimate of ours.
    TransportCc(TransportCc<'a>),
    /// What it sends itself: the other half of its clock.
    Sender { ssrc: u32, ntp: u64, timestamp: u32 },
    /// It stops sending on that SSRC.
    Bye { ssrc: u32 },
}

/// Lost sequence numbers: pairs of a number and a bit mask of the sixteen after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nacks<'a>(&'a [u8]);

impl Nacks<'_> {
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.chunks_exact(4).flat_map(|pair| {
            let first = u16::from_be_bytes([pair[0], pair[1]]);
            let mask = u16::from_be_bytes([pair[2], pair[3]]);
            let after = (0..16u16).filter(move |bit| mask >> bit & 1 != 0);
            std::iter::once(first).chain(after.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

/// A transport-wide report: for each packet from `base` on, whether and when it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportCc<'a> {
    pub base: u16,
    pub count: u16,
    /// Start of the report in units of 64 ms, 24 bits, signed.
    pub reference: i32,
    chunks: &'a [u8],
}

impl TransportCc<'_> {
    /// Sequence number and time of arrival in microseconds of the receiver's clock, `None` for
    /// lost; ends early where the report is cut short.
    pub fn arrivals(&self) -> impl Iterator<Item = (u16, Option<i64>)> + '_ {
        let mut deltas = self.deltas_at();
        let mut time_us = i64::from(self.reference) * 64_000;
        let mut cut = false;
        self.symbols().enumerate().map_while(move |(at, symbol)| {
            let sequence = self.base.wrapping_add(at as u16);
            let size = match symbol {
                1 => 1,
                2 => 2,
                _ => 0,
            };
            let bytes = self.chunks.get(deltas..deltas + size);
            cut = cut || bytes.is_none();
            let bytes = bytes.filter(|_| !cut)?;
            deltas += size;
            let delta = match *bytes {
                [small] => i64::from(small),
                [high, low] => i64::from(i16::from_be_bytes([high, low])),
                _ => return Some((sequence, None)),
            };
            time_us += delta * 250;
            Some((sequence, Some(time_us)))
        })
    }

    /// Where the chunks end and the deltas begin.
    fn deltas_at(&self) -> usize {
        let mut left = usize::from(self.count);
        let mut at = 0;
        while left > 0 && at + 2 <= self.chunks.len() {
            let chunk = u16::from_be_bytes([self.chunks[at], self.chunks[at + 1]]);
            left = left.saturating_sub(usize::from(chunk_length(chunk)).max(1));
            at += 2;
        }
        at
    }

    fn symbols(&self) -> impl Iterator<Item = u8> + '_ {
        self.chunks
            .chunks_exact(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
            .flat_map(|chunk| (0..chunk_length(chunk)).map(move |at| chunk_symbol(chunk, at)))
            .take(usize::from(self.count))
    }
}

/// Packets that a status chunk speaks of.
fn chunk_length(chunk: u16) -> u16 {
    match chunk >> 14 {
        0b10 => 14,
        0b11 => 7,
        _ => chunk & 0x1fff,
    }
}

fn chunk_symbol(chunk: u16, at: u16) -> u8 {
    let symbol = match chunk >> 14 {
        0b10 => chunk >> (13 - at) & 1,
        0b11 => chunk >> (12 - 2 * at) & 3,
        _ => chunk >> 13 & 3,
    };
    symbol as u8
}

/// Tells `each` what a decrypted compound packet says; `false` where it is not well formed, after
/// what was read until there.
pub fn parse_rtcp(compound: &[u8], mut each: impl FnMut(Feedback<'_>)) -> bool {
    let mut rest = compound;
    let mut statuses = MOST_STATUSES;
    while !rest.is_empty() {
        let Some(length) = packet_length(rest) else {
            return false;
        };
        let (packet, after) = rest.split_at(length);
        rest = after;
        let count = packet[0] & 0x1f;
        let padding = if packet[0] & 0x20 != 0 {
            usize::from(packet[length - 1])
        } else {
            0
        };
        let Some(body) = packet.get(4..length.saturating_sub(padding)) else {
            return false;
        };
        match packet[1] {
            200 => read_sender(body, count, &mut each),
            201 => read_reports(body.get(4..).unwrap_or_default(), count, &mut each),
            203 => read_bye(body, count, &mut each),
            205 => read_transport(body, count, &mut statuses, &mut each),
            206 => read_payload(body, count, &mut each),
            _ => {}
        }
    }
    true
}

/// Length in bytes of the first packet, where it is RTCP and all there.
fn packet_length(rest: &[u8]) -> Option<usize> {
    let head = rest.get(..4)?;
    let length = 4 * (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1);
    (head[0] >> 6 == 2 && length <= rest.len()).then_some(length)
}

fn word(body: &[u8], at: usize) -> Option<u32> {
    let bytes = body.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn read_sender(body: &[u8], count: u8, each: &mut impl FnMut(Feedback<'_>)) {
    let words = (word(body, 0), word(body, 4), word(body, 8), word(body, 12));
    if let (Some(ssrc), Some(seconds), Some(fraction), Some(timestamp)) = words {
        let ntp = u64::from(seconds) << 32 | u64::from(fraction);
        each(Feedback::Sender {
            ssrc,
            ntp,
            timestamp,
        });
        read_reports(body.get(24..).unwrap_or_default(), count, each);
    }
}

fn read_reports(blocks: &[u8], count: u8, each: &mut impl FnMut(Feedback<'_>)) {
    for block in blocks.chunks_exact(24).take(usize::from(count)) {
        let at = |offset: usize| word(block, offset).unwrap_or(0);
        each(Feedback::Report {
            media: at(0),
            fraction_lost: block[4],
            // 24 bits, signed
            total_lost: (at(4) << 8) as i32 >> 8,
            highest: at(8),
            jitter: at(12),
            last_report: at(16),
            delay: at(20),
        });
    }
}

fn read_bye(body: &[u8], count: u8, each: &mut impl FnMut(Feedback<'_>)) {
    for at in 0..usize::from(count) {
        if let Some(ssrc) = word(body, 4 * at) {
            each(Feedback::Bye { ssrc });
        }
    }
}

fn read_transport(body: &[u8], kind: u8, statuses: &mut u16, each: &mut impl FnMut(Feedback<'_>)) {
    let (Some(media), Some(rest)) = (word(body, 4), body.get(8..)) else {
        return;
    };
    match (kind, rest) {
        (1, lost) => each(Feedback::Nack {
            media,
            lost: Nacks(lost),
        }),
        (15, [b0, b1, c0, c1, r0, r1, r2, _, chunks @ ..]) => {
            let count = u16::from_be_bytes([*c0, *c1]);
            let Some(left) = statuses.checked_sub(count) else {
                return;
            };
            *statuses = left;
            each(Feedback::TransportCc(TransportCc {
                base: u16::from_be_bytes([*b0, *b1]),
                count,
                reference: i32::from_be_bytes([*r0, *r1, *r2, 0]) >> 8,
                chunks,
            }));
        }
        _ => {}
    }
}

fn read_payload(body: &[u8], kind: u8, each: &mut impl FnMut(Feedback<'_>)) {
    let (Some(media), Some(rest)) = (word(body, 4), body.get(8..)) else {
        return;
    };
    match (kind, rest) {
        (1, _) => each(Feedback::Pli { media }),
        (4, entries) => {
            for entry in entries.chunks_exact(8) {
                each(Feedback::Fir {
                    media: word(entry, 0).unwrap_or(0),
                });
            }
        }
        (15, [b'R', b'E', b'M', b'B', _, b0, b1, b2, ..]) => {
            let exponent = b0 >> 2;
            let mantissa = u64::from(b0 & 3) << 16 | u64::from(*b1) << 8 | u64::from(*b2);
            // More than 2^46 bit/s is no estimate but nonsense.
            if exponent <= 28 {
                each(Feedback::Remb {
                    bitrate: mantissa << exponent,
                });
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    fn packet(kind: u8, count: u8, body: &[u8]) -> Vec<u8> {
        assert_eq!(body.len() % 4, 0);
        let mut packet = vec![0x80 | count, kind];
        packet.extend((body.len() as u16 / 4).to_be_bytes());
        packet.extend(body);
        packet
    }

    fn told(compound: &[u8]) -> (bool, Vec<String>) {
        let mut all = Vec::new();
        let whole = parse_rtcp(compound, |feedback| {
            all.push(match feedback {
                Feedback::Nack { media, lost } => {
                    format!("nack {media} {:?}", lost.iter().collect::<Vec<_>>())
                }
                Feedback::TransportCc(report) => {
                    format!("cc {:?}", report.arrivals().collect::<Vec<_>>())
                }
                other => format!("{other:?}"),
            });
        });
        (whole, all)
    }

    #[test]
    fn losses_and_picture_requests_of_one_compound_are_all_told() {
        let mut report = vec![0, 0, 0, 1];
        report.extend([0, 0, 0, 7, 128, 0xff, 0xff, 0xff, 0, 1, 0, 5]);
        report.extend([0, 0, 0, 9, 0, 0, 0, 10, 0, 1, 0, 0]);
        let mut compound = packet(201, 1, &report);
        compound.extend(packet(205, 1, &[0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 5]));
        compound.extend(packet(206, 1, &[0, 0, 0, 1, 0, 0, 0, 8]));
        compound.extend(packet(
            206,
            4,
            &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0],
        ));
        let remb = [
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
            b'R',
            b'E',
            b'M',
            b'B',
            1,
            4 << 2 | 1,
            0,
            1,
            0,
            0,
            0,
            7,
        ];
        compound.extend(packet(206, 15, &remb));
        compound.extend(packet(203, 1, &[0, 0, 0, 1]));
        let (whole, all) = told(&compound);
        assert!(whole);
        assert_eq!(
            all,
            [
                "Report { media: 7, fraction_lost: 128, total_lost: -1, highest: 65541, jitter: 9, \
                 last_report: 10, delay: 65536 }",
                "nack 7 [65535, 0, 2]",
                "Pli { media: 8 }",
                "Fir { media: 9 }",
                "Remb { bitrate: 1048592 }",
                "Bye { ssrc: 1 }",
            ]
        );
    }

    #[test]
    fn arrivals_are_read_from_run_lengths_and_vectors() {
        let mut body = vec![0, 0, 0, 1, 0, 0, 0, 7, 0, 100, 0, 6, 0, 0, 2, 9];
        body.extend((0b001 << 13 | 2u16).to_be_bytes());
        body.extend((0b11 << 14 | 0b00_10_01_00_00_00_00u16).to_be_bytes());
        body.extend([4, 8, 0xff, 0xfc, 1, 0, 0, 0]);
        let (whole, all) = told(&packet(205, 15, &body));
        assert!(whole);
        let expected = "cc [(100, Some(129000)), (101, Some(131000)), (102, None), \
                        (103, Some(130000)), (104, Some(130250)), (105, None)]";
        assert_eq!(all, [expected]);
    }

    #[test]
    fn a_report_of_endless_statuses_is_not_walked() {
        let body = [
            0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0, 0,
        ];
        assert_eq!(told(&packet(205, 15, &body)), (true, vec![]));
    }

    #[test]
    fn whatever_is_written_is_read_without_a_panic() {
        let mut dice = Dice::new(1);
        for _ in 0..200_000 {
            let mut compound = Vec::new();
            for _ in 0..dice.below(4) {
                let kind = [200, 201, 203, 205, 206, 207][dice.below(6) as usize];
                let count = [0, 1, 4, 15, 31][dice.below(5) as usize];
                let mut body: Vec<u8> =
                    (0..4 * dice.below(12)).map(|_| dice.next() as u8).collect();
                if body.len() >= 12 && dice.below(2) == 0 {
                    body[8..12].copy_from_slice(b"REMB");
                }
                compound.extend(packet(kind, count, &body));
            }
            if !compound.is_empty() && dice.below(2) == 0 {
                let at = dice.below(compound.len() as u64) as usize;
                compound[at] = dice.next() as u8;
                compound.truncate(compound.len() - dice.below(3) as usize);
            }
            told(&compound);
        }
    }
}
