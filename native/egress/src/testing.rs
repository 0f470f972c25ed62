//! Seeded randomness and a listener that checks what it gets, for the tests.

use std::collections::HashMap;

use crate::keys::{Keys, Profile};
use crate::packet::{Packet, RtpHeader, Span, parse_rtp};

/// SplitMix64: the same numbers in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
/// A pair of ends that share keys: ours, and the listener's.
pub(crate) fn keys(profile: Profile) -> (Keys, Keys) {
    let material: Vec<u8> = (0..profile.material() as u8).collect();
    let ours = Keys::derive(profile, &material, true).unwrap();
    (ours, Keys::derive(profile, &material, false).unwrap())
}

pub(crate) fn packet(index: u64, payload: &[u8]) -> Packet<'_> {
    Packet {
        index,
        timestamp: (index as u32).wrapping_mul(960),
        marker: false,
        payload,
        level: None,
        orientation: None,
        arrived_us: index * 20_000,
        span: Span::default(),
    }
}

/// A packet as the listener decrypted it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) index: u64,
    pub(crate) header: RtpHeader,
    pub(crate) payload: Vec<u8>,
}

/// A listener that follows the roll-over counter as RFC 3711 says, and holds us to never sealing
/// two packets under one index.
pub(crate) struct Listener {
    keys: Keys,
    highest: HashMap<u32, u64>,
    seen: HashMap<(u32, u64), Vec<u8>>,
}

impl Listener {
    pub(crate) fn new(keys: Keys) -> Listener {
        Listener {
            keys,
            highest: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    /// Whether it is new, and what is in it; panics where it does not decrypt.
    pub(crate) fn hear(&mut self, sealed: &[u8]) -> (bool, Heard) {
        let header = parse_rtp(sealed).expect("a header");
        let highest = self.highest.get(&header.ssrc).copied();
        let index = match highest {
            None => u64::from(header.sequence),
            Some(highest) => {
                let step = header.sequence.wrapping_sub(highest as u16) as i16;
                (highest as i64 + i64::from(step)) as u64
            }
        };
        let mut plain = sealed.to_vec();
        let end = self
            .keys
            .open_rtp(&mut plain, header.length, header.ssrc, index);
        let end = end.expect("an authentic packet");
        let padding = if header.padded {
            usize::from(plain[end - 1])
        } else {
            0
        };
        let payload = plain[header.length..end - padding].to_vec();
        self.highest.insert(
            header.ssrc,
            highest.map_or(index, |highest| highest.max(index)),
        );
        let before = self.seen.insert((header.ssrc, index), sealed.to_vec());
        if let Some(before) = &before {
            assert_eq!(before, sealed, "two packets under one index");
        }
        (
            before.is_none(),
            Heard {
                index,
                header,
                payload,
            },
        )
    }
}

/// Takes the frames of RFC 4571 apart.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (frame, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        all.push(frame.to_vec());
        bytes = after;
    }
    all
}
