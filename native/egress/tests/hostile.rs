//! What comes from the network, in half a million shapes: nothing panics, and nothing that was not
//! sealed with the key is believed.

use vox_egress::{Feedback, Keys, Profile, parse_rtcp, parse_rtp};

/// SplitMix64: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }
}

fn walk(feedback: Feedback<'_>) -> usize {
    match feedback {
        Feedback::Nack { lost, .. } => lost.iter().count(),
        Feedback::TransportCc(report) => report.arrivals().count(),
        _ => 1,
    }
}

/// A packet of a known shape with a few bytes changed, cut or lengthened.
fn mangle(dice: &mut Dice, packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    for _ in 0..1 + dice.below(4) {
        match dice.below(3) {
            0 if !packet.is_empty() => {
                let at = dice.below(packet.len());
                packet[at] = dice.next() as u8;
            }
            1 => packet.truncate(dice.below(packet.len() + 1)),
            _ => packet.extend(dice.bytes(9)),
        }
    }
    packet
}

#[test]
fn headers_of_any_bytes_are_refused_or_lie_within_the_packet() {
    let mut dice = Dice(1);
    let seed = [
        0x9f, 0xef, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x10, 0x80, 0, 0, 1, 2, 3,
    ];
    for _ in 0..200_000 {
        let packet = if dice.below(2) == 0 {
            dice.bytes(80)
        } else {
            mangle(&mut dice, &seed)
        };
        if let Some(header) = parse_rtp(&packet) {
            assert!(header.length <= packet.len());
            if let Some((_, start, end)) = header.extension {
                assert!(start <= end && end <= header.length);
            }
        }
    }
}

#[test]
fn forged_reports_and_packets_are_not_believed() {
    let mut dice = Dice(2);
    for profile in [
        Profile::Aes128CmSha1_80,
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
    ] {
        let material: Vec<u8> = (0..profile.material() as u8).collect();
        let mut ours = Keys::derive(profile, &material, true).unwrap();
        let mut theirs = Keys::derive(profile, &material, false).unwrap();
        let mut sealed = vec![0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        assert!(theirs.seal_rtcp(&mut sealed, 0));
        let mut plain = Vec::new();
        assert!(ours.open_rtcp(&sealed, &mut plain));
        for _ in 0..30_000 {
            let forged = mangle(&mut dice, &sealed);
            if forged != sealed {
                assert!(!ours.open_rtcp(&forged, &mut plain));
                assert!(plain.is_empty());
                assert!(!ours.reseal_rtcp(&forged, &mut plain));
            }
            let mut packet = dice.bytes(120);
            let header = dice.below(packet.len() + 1);
            let index = dice.next() >> 16;
            assert_eq!(ours.open_rtp(&mut packet, header, 1, index), None);
        }
    }
}

#[test]
fn compounds_of_any_bytes_are_read_in_bounded_work() {
    let mut dice = Dice(3);
    let seed = [
        0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 7, 128, 0xff, 0xff, 0xff, 0, 1, 0, 5, 0, 0, 0, 9, 0,
        0, 0, 10, 0, 1, 0, 0, 0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 7, 0, 100, 0, 6, 0, 0, 2, 9,
        0x20, 2, 0xd2, 0, 0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 5,
    ];
    for _ in 0..200_000 {
        let compound = if dice.below(4) == 0 {
            dice.bytes(1_400)
        } else {
            mangle(&mut dice, &seed)
        };
        let mut told = 0;
        parse_rtcp(&compound, |feedback| told += walk(feedback));
        // A mask names 17 losses in 4 bytes; arrival times are bounded for the whole compound.
        assert!(
            told <= 5 * compound.len() + 4_096,
            "{told} of {} bytes",
            compound.len()
        );
    }
}
