//! One track at one listener: its numbering, and what it must remember to send a packet again.
//!
//! Sequence numbers of the source are kept with their gaps, so that a listener can ask for what
//! was lost on the way in; gaps we made ourselves (mute, selection, pause, another layer, dropped
//! frames) are closed. Each closing is a [`Change`], and the last few are kept.

use std::collections::VecDeque;

use crate::extensions::{ExtensionIds, Extensions};
use crate::keys::Keys;
use crate::packet::{Packet, Span};
use crate::picture::{Rewrite, shift_vp8};
use crate::ring::{Ring, RingSize};

/// A jump of the source beyond which its gap is closed: a receiver follows less than 2^15.
const LONGEST_GAP: u64 = 2_000;
/// No packet of that number was sent.
const UNSENT: u8 = 0xff;
/// Most padding of one packet, in bytes.
pub(crate) const MOST_PADDING: usize = 0xfe;
/// Packets sent again beyond those sent since: what a burst of loss may ask for at once.
const RESEND_CREDIT: u16 = 64;

/// What a stream is made of.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions<'a> {
    /// As the SDP announces it; unique in the peer connection.
    pub ssrc: u32,
    pub payload_type: u8,
    /// Ticks of the timestamp in a second: 48,000 for Opus, 90,000 for video.
    pub clock_rate: u32,
    pub size: RingSize,
    pub ids: ExtensionIds,
    /// Value of the mid extension; empty for none.
    pub mid: &'a str,
    /// Random; its highest bit is ignored, so that a receiver never mistakes the first roll-over.
    pub first_sequence: u16,
}

/// From `from_in` of a source on, its packets are numbered `index + delta`.
#[derive(Clone, Copy, Debug)]
struct Change {
    from_in: u64,
    from_out: u64,
    delta: i64,
    /// Added to the source's timestamps.
    shift: u32,
    rewrite: Rewrite,
    span: Span,
    /// A packet was sent under it, so its rewriting is settled.
    used: bool,
}

/// A packet that was given its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// The SRTP packet index.
    pub(crate) out: u64,
    pub(crate) timestamp: u32,
    pub(crate) header: usize,
    pub(crate) rewrite: Rewrite,
}

/// The state of one track at one listener.
pub struct Stream {
    ssrc: u32,
    payload_type: u8,
    clock_rate: u32,
    size: RingSize,
    extensions: Extensions,
    changes: VecDeque<Change>,
    next_out: u64,
    highest_in: u64,
    resuming: bool,
    newest_timestamp: u32,
    newest_arrived_us: u64,
    /// By number modulo its length: the padding it was sent with, or [`UNSENT`].
    history: Vec<u8>,
    /// By number modulo its length: the transport-wide number it was sent with.
    transport: Vec<u16>,
    /// Nothing before it is sent again: it had other header extensions.
    oldest_out: u64,
    credit: u16,
    packets: u64,
    octets: u64,
}

impl Stream {
    pub fn new(options: &StreamOptions<'_>) -> Stream {
        let first = u64::from(options.first_sequence & 0x7fff);
        Stream {
            ssrc: options.ssrc,
            payload_type: options.payload_type,
            clock_rate: options.clock_rate,
            size: options.size,
            extensions: Extensions::new(options.ids, options.mid),
            changes: VecDeque::new(),
            next_out: first,
            highest_in: 0,
            resuming: false,
            newest_timestamp: 0,
            newest_arrived_us: 0,
            history: Vec::new(),
            transport: Vec::new(),
            oldest_out: first,
            credit: RESEND_CREDIT,
            packets: 0,
            octets: 0,
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent, without those sent again.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of payload sent, without headers, padding and what was sent again.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The layer whose packets were sent last.
    pub fn source(&self) -> u8 {
        self.changes
            .back()
            .map_or(0, |change| change.rewrite.source)
    }

    /// This listener gets the track again after a pause of its own: the gap closes.
    pub fn resume(&mut self) {
        self.resuming = true;
    }

    /// Another negotiation may have changed payload type or extension ids: then what was sent before
    /// is not sent again, since it would no longer be the same packet.
    pub fn renegotiate(&mut self, payload_type: u8, ids: ExtensionIds, mid: &str) {
        let extensions = Extensions::new(ids, mid);
        if payload_type != self.payload_type || extensions != self.extensions {
            self.payload_type = payload_type;
            self.extensions = extensions;
            self.oldest_out = self.next_out;
        }
    }

    /// A packet of the source that this listener is not meant to get (a dropped frame): the
    /// numbers close over it, unless a later packet was forwarded already.
    fn skip(&mut self, packet: &Packet<'_>, source: u8) {
        let Some(&last) = self.changes.back() else {
            return;
        };
        let foreign = last.rewrite.source != source || last.span != packet.span;
        if self.resuming || foreign || packet.index <= self.highest_in {
            return;
        }
        if packet.index - self.highest_in > LONGEST_GAP {
            self.resuming = true;
            return;
        }
        self.highest_in = packet.index;
        let change = Change {
            from_in: packet.index + 1,
            from_out: (packet.index as i64 + last.delta) as u64,
            delta: last.delta - 1,
            used: false,
            ..last
        };
        if last.used {
            self.push_change(change);
        } else if let Some(last) = self.changes.back_mut() {
            *last = change;
        }
    }

    /// Admits a packet, or closes its place where it is not for this listener.
    pub(crate) fn take(&mut self, packet: &Packet<'_>, rewrite: &Rewrite) -> Option<Admitted> {
        if rewrite.skip {
            self.skip(packet, rewrite.source);
            return None;
        }
        self.admit(packet, rewrite)
    }

    /// Gives a packet its number and timestamp; `None` where it was sent, is too old, or belongs
    /// to a stretch that was closed.
    fn admit(&mut self, packet: &Packet<'_>, rewrite: &Rewrite) -> Option<Admitted> {
        let out = match self.changes.back() {
            None => self.start(packet, rewrite),
            Some(last) if self.follows(last, packet, rewrite) => self.number(packet, rewrite)?,
            Some(last) if is_older(packet.span, last.span) => return None,
            Some(_) => self.start(packet, rewrite),
        };
        if !self.reserve(out) {
            return None;
        }
        let change = *self.find(out)?;
        let timestamp = packet.timestamp.wrapping_add(change.shift);
        let ahead = timestamp.wrapping_sub(self.newest_timestamp) as i32;
        if ahead > 0 || self.packets == 0 {
            self.newest_timestamp = timestamp;
            self.newest_arrived_us = packet.arrived_us;
        }
        self.packets += 1;
        self.octets += packet.payload.len() as u64;
        self.credit = (self.credit + 1).min(RESEND_CREDIT.max(self.size.packets() as u16));
        Some(Admitted {
            out,
            timestamp,
            header: self.header(packet),
            rewrite: *rewrite,
        })
    }

    /// A sent packet as it was, for one more sending; `None` where it is not kept, was never sent,
    /// or more is asked for than the budget allows.
    ///
    /// Gives the packet, its number and the padding it had.
    pub(crate) fn recall<'r>(
        &mut self,
        rings: &[&'r Ring],
        sequence: u16,
    ) -> Option<(Packet<'r>, Admitted, usize, u16)> {
        let newest = self.next_out.checked_sub(1)?;
        let back = u64::from((newest as u16).wrapping_sub(sequence));
        let out = newest.checked_sub(back)?;
        if back >= self.size.packets() || out < self.oldest_out || self.credit == 0 {
            return None;
        }
        let slot = self.slot(out);
        let padding = *self.history.get(slot)?;
        if padding == UNSENT {
            return None;
        }
        let change = *self.find(out)?;
        let ring = rings.get(usize::from(change.rewrite.source))?;
        let packet = ring.get((out as i64 - change.delta) as u64)?;
        if packet.span != change.span {
            return None;
        }
        self.credit -= 1;
        let admitted = Admitted {
            out,
            timestamp: packet.timestamp.wrapping_add(change.shift),
            header: self.header(&packet),
            rewrite: change.rewrite,
        };
        let transport = self.transport.get(slot).copied().unwrap_or(0);
        Some((packet, admitted, usize::from(padding), transport))
    }

    /// Writes and seals the packet into `buffer`, which is as long as the sealed packet.
    pub(crate) fn seal(
        &self,
        keys: &Keys,
        packet: &Packet<'_>,
        admitted: &Admitted,
        padding: usize,
        transport: u16,
        buffer: &mut [u8],
    ) {
        let header = admitted.header;
        let extended = u8::from(header > 12) << 4;
        buffer[0] = 0x80 | u8::from(padding > 0) << 5 | extended;
        buffer[1] = u8::from(packet.marker) << 7 | self.payload_type;
        buffer[2..4].copy_from_slice(&(admitted.out as u16).to_be_bytes());
        buffer[4..8].copy_from_slice(&admitted.timestamp.to_be_bytes());
        buffer[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        self.extensions
            .write(&mut buffer[12..header], packet, transport);
        let end = header + packet.payload.len();
        let payload = &mut buffer[header..end];
        payload.copy_from_slice(packet.payload);
        if admitted.rewrite.picture != 0 || admitted.rewrite.tl0 != 0 {
            shift_vp8(payload, &admitted.rewrite);
        }
        if padding > 0 {
            buffer[end..end + padding].fill(0);
            buffer[end + padding - 1] = padding as u8;
        }
        keys.seal_rtp(buffer, header, self.ssrc, admitted.out);
    }

    /// The transport-wide number of the next packet, where the listener counts them.
    pub(crate) fn transport_number(&self, keys: &mut Keys) -> u16 {
        if self.extensions.has_transport_cc() {
            keys.transport_sequence()
        } else {
            0
        }
    }

    /// Remembers with what an admitted packet was sealed.
    pub(crate) fn record(&mut self, out: u64, padding: usize, transport: u16) {
        let slot = self.slot(out);
        self.history[slot] = padding as u8;
        if self.extensions.has_transport_cc() {
            if self.transport.is_empty() {
                self.transport = vec![0; self.history.len()];
            }
            self.transport[slot] = transport;
        }
    }

    /// The stream's timestamp that belongs to a timestamp of the source that is sent now.
    pub(crate) fn timestamp_of(&self, source: u32) -> u32 {
        let shift = self.changes.back().map_or(0, |change| change.shift);
        source.wrapping_add(shift)
    }

    fn header(&self, packet: &Packet<'_>) -> usize {
        12 + self.extensions.length(packet)
    }

    fn slot(&self, out: u64) -> usize {
        (out % self.size.packets()) as usize
    }

    fn follows(&self, last: &Change, packet: &Packet<'_>, rewrite: &Rewrite) -> bool {
        last.span == packet.span
            && last.rewrite.source == rewrite.source
            && !self.resuming
            && packet.index <= self.highest_in.saturating_add(LONGEST_GAP)
    }

    /// Numbers a packet from the next free number on, whatever the source counted between.
    fn start(&mut self, packet: &Packet<'_>, rewrite: &Rewrite) -> u64 {
        let shift = match self.changes.back() {
            None => 0,
            Some(last) if last.span.is_of(packet.span) => last.shift,
            Some(_) => self.aligned(packet),
        };
        self.resuming = false;
        self.highest_in = packet.index;
        if self.changes.back().is_some_and(|last| !last.used) {
            self.changes.pop_back();
        }
        self.push_change(Change {
            from_in: packet.index,
            from_out: self.next_out,
            delta: self.next_out as i64 - packet.index as i64,
            shift,
            rewrite: *rewrite,
            span: packet.span,
            used: true,
        });
        self.next_out
    }

    /// The shift with which another source's timestamps go on where the last one stopped, as much
    /// later as the packet came in later, and at least a millisecond.
    fn aligned(&self, packet: &Packet<'_>) -> u32 {
        let elapsed_us = packet
            .arrived_us
            .saturating_sub(self.newest_arrived_us)
            .max(1_000);
        let ticks = (u128::from(elapsed_us) * u128::from(self.clock_rate) / 1_000_000) as u32;
        self.newest_timestamp
            .wrapping_add(ticks)
            .wrapping_sub(packet.timestamp)
    }

    /// The number of a packet of a stretch that is known.
    fn number(&mut self, packet: &Packet<'_>, rewrite: &Rewrite) -> Option<u64> {
        let ahead = packet.index > self.highest_in;
        let newest = self.changes.len().checked_sub(1)?;
        let mut end = u64::MAX;
        let mut found = None;
        for (at, change) in self.changes.iter().enumerate().rev() {
            let same = change.rewrite.source == rewrite.source && change.span == packet.span;
            if same && change.from_in <= packet.index {
                found = Some(at);
                break;
            }
            end = end.min(change.from_out);
        }
        let at = found?;
        let change = &mut self.changes[at];
        let out = u64::try_from(packet.index as i64 + change.delta).ok()?;
        if out >= end || out < change.from_out {
            return None;
        }
        if !change.used {
            change.rewrite = *rewrite;
            change.used = true;
        } else if change.rewrite != *rewrite {
            if !ahead || at != newest {
                return None;
            }
            let next = Change {
                from_in: packet.index,
                from_out: out,
                rewrite: *rewrite,
                ..*change
            };
            self.push_change(next);
        }
        self.highest_in = self.highest_in.max(packet.index);
        Some(out)
    }

    /// Takes a number, once; `false` where it was taken or is too old.
    fn reserve(&mut self, out: u64) -> bool {
        let capacity = self.size.packets();
        if self.history.is_empty() {
            self.history = vec![UNSENT; capacity as usize];
        }
        if out >= self.next_out {
            if out - self.next_out >= capacity {
                self.history.fill(UNSENT);
            } else {
                for hole in self.next_out..out {
                    let slot = self.slot(hole);
                    self.history[slot] = UNSENT;
                }
            }
            self.next_out = out + 1;
            let slot = self.slot(out);
            self.history[slot] = UNSENT;
            return true;
        }
        out + capacity >= self.next_out
            && out >= self.oldest_out
            && self.history[self.slot(out)] == UNSENT
    }

    fn find(&self, out: u64) -> Option<&Change> {
        self.changes
            .iter()
            .rev()
            .find(|change| change.from_out <= out)
    }

    fn push_change(&mut self, change: Change) {
        let most = match self.size {
            RingSize::Audio => 16,
            RingSize::Video => 128,
        };
        if self.changes.len() == most {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

/// The packet comes from before the ring was resumed or restarted the last time we heard of it.
fn is_older(span: Span, than: Span) -> bool {
    let behind = |a: u32, b: u32| (a.wrapping_sub(b) as i32) < 0;
    let older = behind(span.epoch, than.epoch);
    span.ring == than.ring && (older || span.epoch == than.epoch && behind(span.run, than.run))
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
