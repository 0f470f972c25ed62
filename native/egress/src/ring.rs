//! The last packets of a track in plaintext: one copy for all listeners, from which packets are
//! forwarded and sent again.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::packet::{Level, Packet, Span};

/// The next ring's identity: a stream that is turned to another track must notice by itself, since
/// equal indices of two rings are not the same packet.
static NEXT_RING: AtomicU64 = AtomicU64::new(0);

/// How much a track keeps, and a listener remembers of what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingSize {
    /// 200 packets: 4 s of speech in frames of 20 ms.
    Audio,
    /// 500 packets: 2–5 s of video.
    Video,
}

impl RingSize {
    /// Packets kept.
    pub const fn packets(self) -> u64 {
        match self {
            RingSize::Audio => 200,
            RingSize::Video => 500,
        }
    }
}

struct Slot {
    index: u64,
    timestamp: u32,
    marker: bool,
    level: Option<Level>,
    orientation: Option<u8>,
    arrived_us: u64,
    span: Span,
    payload: Vec<u8>,
}

/// A bounded store by index; payloads reuse their buffers, so a warm ring allocates nothing.
pub struct Ring {
    slots: Vec<Option<Slot>>,
    newest: Option<u64>,
    span: Span,
}

impl Ring {
    pub fn new(size: RingSize) -> Ring {
        let slots = (0..size.packets()).map(|_| None).collect();
        let ring = NEXT_RING.fetch_add(1, Ordering::Relaxed);
        Ring {
            slots,
            newest: None,
            span: Span {
                ring,
                ..Span::default()
            },
        }
    }

    /// Keeps a copy; `false` when the packet is older than all that is kept, or already there.
    pub fn push(&mut self, packet: &Packet<'_>) -> bool {
        let capacity = self.slots.len() as u64;
        if self
            .newest
            .is_some_and(|newest| packet.index + capacity <= newest)
        {
            return false;
        }
        let at = (packet.index % capacity) as usize;
        let slot = &mut self.slots[at];
        let mut payload = match slot.take() {
            Some(old) if old.index == packet.index => {
                *slot = Some(old);
                return false;
            }
            Some(old) => old.payload,
            None => Vec::new(),
        };
        payload.clear();
        payload.extend_from_slice(packet.payload);
        *slot = Some(Slot {
            index: packet.index,
            timestamp: packet.timestamp,
            marker: packet.marker,
            level: packet.level,
            orientation: packet.orientation,
            arrived_us: packet.arrived_us,
            span: self.span,
            payload,
        });
        self.newest = self.newest.max(Some(packet.index));
        true
    }

    /// The packet of that index, where it is still there.
    pub fn get(&self, index: u64) -> Option<Packet<'_>> {
        let at = (index % self.slots.len() as u64) as usize;
        let slot = self.slots[at].as_ref().filter(|slot| slot.index == index)?;
        Some(Packet {
            index,
            timestamp: slot.timestamp,
            marker: slot.marker,
            payload: &slot.payload,
            level: slot.level,
            orientation: slot.orientation,
            arrived_us: slot.arrived_us,
            span: slot.span,
        })
    }

    /// The track is forwarded again after it was muted or not selected: each stream closes the gap
    /// in its sequence numbers by itself, while timestamps run on.
    pub fn resume(&mut self) {
        self.span.run = self.span.run.wrapping_add(1);
    }

    /// Another source feeds the track (a new SSRC): indices and timestamps start anew, nothing of
    /// the old one is sent again, and streams go on in both without a jump.
    pub fn restart(&mut self) {
        self.span.epoch = self.span.epoch.wrapping_add(1);
        self.newest = None;
        for slot in &mut self.slots {
            *slot = None;
        }
    }

    /// The highest index that came in.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(index: u64, payload: &[u8]) -> Packet<'_> {
        Packet {
            index,
            timestamp: index as u32,
            marker: false,
            payload,
            level: None,
            orientation: None,
            arrived_us: 0,
            span: Span::default(),
        }
    }

    #[test]
    fn the_last_two_hundred_are_there_and_nothing_older() {
        let mut ring = Ring::new(RingSize::Audio);
        for index in 1000..2000u64 {
            assert!(ring.push(&packet(index, &index.to_be_bytes())));
        }
        for index in 1800..2000u64 {
            assert_eq!(ring.get(index).unwrap().payload, index.to_be_bytes());
        }
        assert_eq!(ring.get(1799), None);
        assert_eq!(ring.get(2000), None);
        assert!(!ring.push(&packet(1799, b"late")));
        assert!(!ring.push(&packet(1999, b"again")));
        assert_eq!(ring.get(1999).unwrap().payload, 1999u64.to_be_bytes());
    }
}
