//! From what is new in a wake to datagrams: merging, sealing in an arena, sending in batches.
//!
//! Packets of one listener that are known together leave as one segmented datagram, which costs
//! the kernel one walk instead of several. Segments must be equally long, so shorter packets get
//! RTP padding; merging is left where that would cost more than [`PADDING_SHARE`] of the bytes.

use std::io;
use std::os::fd::RawFd;

use crate::keys::Keys;
use crate::packet::Packet;
use crate::picture::Rewrite;
use crate::ring::Ring;
use crate::stream::{Admitted, MOST_PADDING, Stream};
use crate::udp::{Datagrams, Destination, Message, UdpSocket};

/// The arena is sent when this much is in it: it stays in the second-level cache.
const FLUSH_AT: usize = 96 * 1024;
/// Room behind it for one more merged datagram.
const ARENA: usize = FLUSH_AT + 64 * 1024;
/// Messages that wait at most.
const MOST_MESSAGES: usize = 1_024;
/// Fewer packets than this are sent one by one: a pair gains next to nothing.
const MERGE_FROM: usize = 3;
/// Segments of one datagram, and its bytes, that every kernel takes.
const MOST_SEGMENTS: usize = 64;
const MOST_MERGED: usize = 60_000;
/// Longer packets go alone: a segment above the path's MTU would be refused by the kernel.
const LONGEST_SEGMENT: usize = 1_232;
/// Padding is at most this part of a merged datagram: 1/8.
const PADDING_SHARE: usize = 8;

/// One packet for one of a listener's streams.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// Which of the listener's streams.
    pub stream: usize,
    pub packet: Packet<'a>,
    pub rewrite: Rewrite,
}

/// What became of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nothing waits.
    Done,
    /// The socket's buffer is full: flush again once it is writable.
    Blocked,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets and bytes that the kernel took, without IP and UDP headers.
    pub packets: u64,
    pub bytes: u64,
    /// Datagrams handed over, a merged one counted once.
    pub datagrams: u64,
    /// Bytes of padding.
    pub padding: u64,
    /// Packets refused by the kernel or given up because its buffer stayed full.
    pub dropped: u64,
    /// Packets sent once more for a listener that lost them.
    pub resent: u64,
}

struct Planned {
    work: usize,
    stream: usize,
    admitted: Admitted,
    /// Length of the sealed packet without padding.
    length: usize,
}

/// The outgoing side of one media thread's socket.
pub struct Batch<D: Datagrams = UdpSocket> {
    socket: D,
    arena: Vec<u8>,
    used: usize,
    messages: Vec<Message>,
    sent: usize,
    planned: Vec<Planned>,
    merging: bool,
    totals: Totals,
}

impl Batch<UdpSocket> {
    /// For a non-blocking UDP socket that stays open as long as the batch lives.
    pub fn new(fd: RawFd) -> Batch<UdpSocket> {
        Batch::over(UdpSocket::new(fd))
    }
}

impl<D: Datagrams> Batch<D> {
    pub fn over(socket: D) -> Batch<D> {
        Batch {
            socket,
            arena: vec![0; ARENA],
            used: 0,
            messages: Vec::with_capacity(MOST_MESSAGES),
            sent: 0,
            planned: Vec::new(),
            merging: true,
            totals: Totals::default(),
        }
    }

    /// Forwards all that a wake brought for one listener, in order within each stream.
    ///
    /// Sends by itself when the arena is full. Work for a stream that is not there is ignored.
    pub fn forward(
        &mut self,
        keys: &mut Keys,
        to: &Destination,
        streams: &mut [Stream],
        work: &[Work<'_>],
    ) {
        let mut planned = std::mem::take(&mut self.planned);
        plan(keys, streams, work, &mut planned);
        let mut first = 0;
        while first < planned.len() {
            let (end, segment) = if self.merging {
                run(&planned[first..])
            } else {
                (1, 0)
            };
            let items = &planned[first..first + end];
            self.write(keys, to, streams, work, items, segment);
            first += end;
        }
        planned.clear();
        self.planned = planned;
    }

    /// Sends a packet once more, as it was; `false` where it is not kept or the budget is spent.
    ///
    /// `rings` are the track's, by source; audio has one.
    pub fn resend(
        &mut self,
        keys: &Keys,
        to: &Destination,
        stream: &mut Stream,
        rings: &[&Ring],
        sequence: u16,
    ) -> bool {
        let Some((packet, admitted, padding, transport)) = stream.recall(rings, sequence) else {
            return false;
        };
        let length = sealed_length(keys, &packet, &admitted) + padding;
        if !self.reserve(length) {
            return false;
        }
        let start = self.used;
        let buffer = &mut self.arena[start..start + length];
        stream.seal(keys, &packet, &admitted, padding, transport, buffer);
        self.used += length;
        self.messages.push(Message {
            to: *to,
            start,
            length,
            segment: 0,
        });
        self.totals.resent += 1;
        true
    }

    /// Queues a datagram that is ready (STUN, DTLS, reports); `false` where nothing more fits.
    pub fn push_plain(&mut self, to: &Destination, datagram: &[u8]) -> bool {
        if datagram.len() > ARENA - FLUSH_AT || !self.reserve(datagram.len()) {
            return false;
        }
        let start = self.used;
        self.arena[start..start + datagram.len()].copy_from_slice(datagram);
        self.used += datagram.len();
        self.messages.push(Message {
            to: *to,
            start,
            length: datagram.len(),
            segment: 0,
        });
        true
    }

    /// Hands all that waits to the kernel.
    pub fn flush(&mut self) -> Flush {
        while self.sent < self.messages.len() {
            match self.socket.send(&self.arena, &self.messages[self.sent..]) {
                Ok(0) => return Flush::Blocked,
                Ok(count) => {
                    for at in self.sent..self.sent + count {
                        self.count(at);
                    }
                    self.sent += count;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Flush::Blocked,
                    _ if self.messages[self.sent].segment != 0 && refuses_segments(&error) => {
                        if self.split() == Flush::Blocked {
                            return Flush::Blocked;
                        }
                    }
                    _ => {
                        self.totals.dropped += self.messages[self.sent].packets() as u64;
                        self.sent += 1;
                    }
                },
            }
        }
        self.messages.clear();
        self.sent = 0;
        self.used = 0;
        Flush::Done
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether datagrams are merged: until the kernel refused one that it took unmerged.
    pub fn is_merging(&self) -> bool {
        self.merging
    }

    /// Seals one run of planned packets into the arena, as one message or as one each.
    fn write(
        &mut self,
        keys: &mut Keys,
        to: &Destination,
        streams: &mut [Stream],
        work: &[Work<'_>],
        items: &[Planned],
        segment: usize,
    ) {
        let total = if segment == 0 {
            items.iter().map(|item| item.length).sum()
        } else {
            segment * items.len()
        };
        if !self.reserve(total) {
            self.totals.dropped += items.len() as u64;
            return;
        }
        let start = self.used;
        for (at, item) in items.iter().enumerate() {
            let last = at + 1 == items.len();
            let padding = if segment == 0 || last {
                0
            } else {
                segment - item.length
            };
            let length = item.length + padding;
            let buffer = &mut self.arena[self.used..self.used + length];
            let stream = &mut streams[item.stream];
            let transport = stream.transport_number(keys);
            let packet = &work[item.work].packet;
            stream.seal(keys, packet, &item.admitted, padding, transport, buffer);
            stream.record(item.admitted.out, padding, transport);
            if segment == 0 {
                self.messages.push(Message {
                    to: *to,
                    start: self.used,
                    length,
                    segment,
                });
            }
            self.used += length;
            self.totals.padding += padding as u64;
        }
        if segment != 0 {
            self.messages.push(Message {
                to: *to,
                start,
                length: self.used - start,
                segment,
            });
        }
    }

    /// Makes room for so many bytes of one message; `false` where the kernel takes nothing.
    fn reserve(&mut self, length: usize) -> bool {
        if self.used >= FLUSH_AT || self.messages.len() >= MOST_MESSAGES {
            self.flush();
        }
        self.used + length <= ARENA && self.messages.len() < MOST_MESSAGES
    }

    /// Sends the segments of the first waiting message one by one, because the kernel refused it
    /// whole. If it takes them so, nothing is merged from now on.
    fn split(&mut self) -> Flush {
        let whole = self.messages[self.sent];
        let mut at = whole.start;
        let end = whole.start + whole.length;
        while at < end {
            let length = whole.segment.min(end - at);
            let single = Message {
                start: at,
                length,
                segment: 0,
                ..whole
            };
            match self.socket.send(&self.arena, &[single]) {
                Ok(count) if count > 0 => {
                    self.merging = false;
                    self.totals.packets += 1;
                    self.totals.bytes += length as u64;
                    self.totals.datagrams += 1;
                    at += length;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    self.totals.dropped += 1;
                    at += length;
                }
                _ => {
                    self.messages[self.sent] = Message {
                        start: at,
                        length: end - at,
                        ..whole
                    };
                    return Flush::Blocked;
                }
            }
        }
        self.sent += 1;
        Flush::Done
    }

    fn count(&mut self, at: usize) {
        let message = &self.messages[at];
        self.totals.packets += message.packets() as u64;
        self.totals.bytes += message.length as u64;
        self.totals.datagrams += 1;
    }
}

/// Appends the same packets to `out`, each behind its length in two bytes (RFC 4571), for a
/// listener behind ICE-TCP.
pub fn frame_forward(
    keys: &mut Keys,
    streams: &mut [Stream],
    work: &[Work<'_>],
    out: &mut Vec<u8>,
) {
    for item in work {
        let Some(stream) = streams.get_mut(item.stream) else {
            continue;
        };
        let Some(admitted) = stream.take(&item.packet, &item.rewrite) else {
            continue;
        };
        let transport = stream.transport_number(keys);
        frame(keys, stream, &item.packet, &admitted, 0, transport, out);
        stream.record(admitted.out, 0, transport);
    }
}

/// [`Batch::resend`] for a listener behind ICE-TCP.
pub fn frame_resend(
    keys: &Keys,
    stream: &mut Stream,
    rings: &[&Ring],
    sequence: u16,
    out: &mut Vec<u8>,
) -> bool {
    let Some((packet, admitted, padding, transport)) = stream.recall(rings, sequence) else {
        return false;
    };
    frame(keys, stream, &packet, &admitted, padding, transport, out);
    true
}

fn frame(
    keys: &Keys,
    stream: &Stream,
    packet: &Packet<'_>,
    admitted: &Admitted,
    padding: usize,
    transport: u16,
    out: &mut Vec<u8>,
) {
    let length = sealed_length(keys, packet, admitted) + padding;
    let Ok(prefix) = u16::try_from(length) else {
        return;
    };
    out.extend_from_slice(&prefix.to_be_bytes());
    let start = out.len();
    out.resize(start + length, 0);
    stream.seal(
        keys,
        packet,
        admitted,
        padding,
        transport,
        &mut out[start..],
    );
}

fn sealed_length(keys: &Keys, packet: &Packet<'_>, admitted: &Admitted) -> usize {
    admitted.header + packet.payload.len() + keys.profile().tag()
}

/// Numbers the work in its order, then sorts it so that neighbours merge well.
fn plan(keys: &Keys, streams: &mut [Stream], work: &[Work<'_>], planned: &mut Vec<Planned>) {
    let mut distinct = true;
    for (at, item) in work.iter().enumerate() {
        let Some(stream) = streams.get_mut(item.stream) else {
            continue;
        };
        let Some(admitted) = stream.take(&item.packet, &item.rewrite) else {
            continue;
        };
        distinct = distinct && work[..at].iter().all(|before| before.stream != item.stream);
        planned.push(Planned {
            work: at,
            stream: item.stream,
            admitted,
            length: sealed_length(keys, &item.packet, &admitted),
        });
    }
    if planned.len() < MERGE_FROM {
        return;
    }
    if distinct {
        planned.sort_unstable_by_key(|item| std::cmp::Reverse(item.length));
    } else {
        planned.sort_by_key(|item| item.stream);
    }
}

/// How many of the first packets make one datagram and how long its segments are; (1, 0) alone.
fn run(planned: &[Planned]) -> (usize, usize) {
    let mut segment = planned[0].length;
    let mut bytes = 0;
    let mut count = 0;
    for item in planned.iter().take(MOST_SEGMENTS) {
        let longest = segment.max(item.length);
        let before = bytes + item.length;
        let padding = (longest * count).saturating_sub(bytes);
        let fits = longest <= LONGEST_SEGMENT && longest * (count + 1) <= MOST_MERGED;
        if !fits || padding * PADDING_SHARE > longest * (count + 1) {
            break;
        }
        segment = longest;
        bytes = before;
        count += 1;
    }
    if count < MERGE_FROM
        || planned[..count - 1]
            .iter()
            .any(|item| segment - item.length > MOST_PADDING)
    {
        (1, 0)
    } else {
        (count, segment)
    }
}

/// The kernel or its device does not segment (a device without checksum offload says EIO).
fn refuses_segments(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::EMSGSIZE)
    )
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
