use super::*;
use crate::batch::{Work, frame_forward, frame_resend};
use crate::keys::Profile;
use crate::packet::Level;
use crate::testing::{Dice, Heard, Listener, frames, keys, packet};

fn options(size: RingSize) -> StreamOptions<'static> {
    let ids = ExtensionIds {
        level: 1,
        transport_cc: 3,
        ..ExtensionIds::default()
    };
    StreamOptions {
        ssrc: 7,
        payload_type: 111,
        clock_rate: 48_000,
        size,
        ids,
        mid: "",
        first_sequence: 0xfff0,
    }
}

/// One track, one listener, everything decrypted again.
struct Line {
    ours: Keys,
    listener: Listener,
    streams: Vec<Stream>,
    rings: Vec<Ring>,
}

impl Line {
    fn new(size: RingSize) -> Line {
        let (ours, theirs) = keys(Profile::AeadAes128Gcm);
        let rings = (0..3).map(|_| Ring::new(size)).collect();
        let streams = vec![Stream::new(&options(size))];
        Line {
            ours,
            listener: Listener::new(theirs),
            streams,
            rings,
        }
    }

    /// Comes in at a layer and is forwarded, where anything is to be forwarded.
    fn comes(&mut self, packet: &Packet<'_>, rewrite: Rewrite) -> Option<Heard> {
        let ring = &mut self.rings[usize::from(rewrite.source)];
        if !ring.push(packet) {
            return None;
        }
        let packet = ring.get(packet.index)?;
        let mut out = Vec::new();
        let work = [Work {
            stream: 0,
            packet,
            rewrite,
        }];
        frame_forward(&mut self.ours, &mut self.streams, &work, &mut out);
        let sealed = frames(&out).pop()?;
        let (new, heard) = self.listener.hear(&sealed);
        assert!(new);
        assert_eq!(heard.header.ssrc, 7);
        Some(heard)
    }

    fn again(&mut self, sequence: u16) -> Option<Heard> {
        let rings: Vec<&Ring> = self.rings.iter().collect();
        let mut out = Vec::new();
        if !frame_resend(&self.ours, &mut self.streams[0], &rings, sequence, &mut out) {
            assert!(out.is_empty());
            return None;
        }
        let (new, heard) = self.listener.hear(&frames(&out)[0]);
        assert!(!new, "sent again before it was sent");
        Some(heard)
    }
}

fn plain() -> Rewrite {
    Rewrite::default()
}

fn layer(source: u8) -> Rewrite {
    Rewrite {
        source,
        ..Rewrite::default()
    }
}

#[test]
fn a_late_joiner_starts_at_roll_over_zero_and_decrypts() {
    let mut line = Line::new(RingSize::Audio);
    let first = line.comes(&packet(1_000_000, b"hello"), plain()).unwrap();
    assert_eq!(
        (first.index, first.payload.as_slice()),
        (0x7ff0, &b"hello"[..])
    );
    for index in 1_000_001..1_100_000 {
        line.comes(&packet(index, b"on"), plain()).unwrap();
    }
    let newest = line.comes(&packet(1_100_000, b"end"), plain()).unwrap();
    assert_eq!(newest.index, 0x7ff0 + 100_000);
}

#[test]
fn header_extensions_are_the_listeners() {
    let mut line = Line::new(RingSize::Audio);
    let level = Some(Level {
        dbov: 20,
        voice: true,
    });
    let heard = line
        .comes(
            &Packet {
                level,
                marker: true,
                ..packet(5, b"x")
            },
            plain(),
        )
        .unwrap();
    assert_eq!(heard.header.length, 12 + 4 + 8);
    assert!(heard.header.marker);
    assert_eq!(heard.header.payload_type, 111);
    assert_eq!(line.again(0x7ff0), Some(heard));
}

#[test]
fn losses_of_the_source_stay_gaps_and_late_packets_fill_them() {
    let mut line = Line::new(RingSize::Audio);
    let at = |line: &mut Line, index| line.comes(&packet(index, b"x"), plain()).map(|h| h.index);
    assert_eq!(at(&mut line, 10), Some(0x7ff0));
    assert_eq!(at(&mut line, 13), Some(0x7ff3));
    assert_eq!(line.again(0x7ff1), None);
    assert_eq!(at(&mut line, 11), Some(0x7ff1));
    assert_eq!(at(&mut line, 11), None);
    assert!(line.again(0x7ff1).is_some());
    assert_eq!(at(&mut line, 9), None);
}

#[test]
fn mute_selection_and_pause_leave_no_gap_and_time_runs_on() {
    let mut line = Line::new(RingSize::Audio);
    let first = line.comes(&packet(10, b"x"), plain()).unwrap();
    line.rings[0].resume();
    let second = line.comes(&packet(60, b"x"), plain()).unwrap();
    assert_eq!(second.index, first.index + 1);
    assert_eq!(second.header.timestamp - first.header.timestamp, 50 * 960);
    line.streams[0].resume();
    let third = line.comes(&packet(70, b"x"), plain()).unwrap();
    assert_eq!(third.index, first.index + 2);
    assert_eq!(line.comes(&packet(65, b"late"), plain()), None);
    let jump = line.comes(&packet(50_000, b"x"), plain()).unwrap();
    assert_eq!(jump.index, first.index + 3);
    assert_eq!(jump.header.timestamp, first.header.timestamp + 49_990 * 960);
}

#[test]
fn another_source_goes_on_in_number_and_time() {
    let mut line = Line::new(RingSize::Audio);
    let first = line.comes(&packet(10, b"old"), plain()).unwrap();
    line.rings[0].restart();
    let fresh = Packet {
        timestamp: 5,
        arrived_us: 260_000,
        ..packet(10, b"new")
    };
    let second = line.comes(&fresh, plain()).unwrap();
    assert_eq!(second.index, first.index + 1);
    assert_eq!(second.header.timestamp - first.header.timestamp, 60 * 48);
    assert_eq!(line.again(first.index as u16), None);
    assert_eq!(line.again(second.index as u16).unwrap().payload, b"new");
}

#[test]
fn a_stream_turned_to_another_track_goes_on_and_sends_nothing_of_the_old_one() {
    let mut line = Line::new(RingSize::Audio);
    let first = line.comes(&packet(5_000, b"old"), plain()).unwrap();
    line.rings[0] = Ring::new(RingSize::Audio);
    let second = line.comes(&packet(4_999, b"new"), plain()).unwrap();
    assert_eq!(second.index, first.index + 1);
    line.comes(&packet(5_000, b"new"), plain()).unwrap();
    assert_eq!(line.again(first.index as u16), None);
}

#[test]
fn dropped_frames_close_and_their_neighbours_are_sent_again_as_they_were() {
    let mut line = Line::new(RingSize::Video);
    let vp8 = |id: u8| [0x90, 0x80, id, 1, 2];
    let first = line.comes(&packet(1, &vp8(1)), plain()).unwrap();
    for index in [2, 3] {
        line.rings[0].push(&packet(index, b"dropped"));
        line.streams[0].skip(&line.rings[0].get(index).unwrap(), 0);
    }
    let moved = Rewrite {
        picture: 0x7fff,
        ..plain()
    };
    let second = line.comes(&packet(4, &vp8(3)), moved).unwrap();
    assert_eq!(second.index, first.index + 1);
    assert_eq!(second.payload[2], 2);
    assert_eq!(line.again(first.index as u16), Some(first));
    assert_eq!(line.again(second.index as u16), Some(second));
}

#[test]
fn a_renegotiation_forgets_what_had_other_extensions() {
    let mut line = Line::new(RingSize::Audio);
    let first = line.comes(&packet(1, b"x"), plain()).unwrap();
    line.streams[0].renegotiate(
        112,
        ExtensionIds {
            level: 2,
            ..Default::default()
        },
        "",
    );
    assert_eq!(line.again(first.index as u16), None);
    let second = line.comes(&packet(2, b"x"), plain()).unwrap();
    assert_eq!(
        (second.index, second.header.payload_type),
        (first.index + 1, 112)
    );
}

#[test]
fn asking_again_for_ever_is_answered_a_few_times() {
    let mut line = Line::new(RingSize::Audio);
    let first = line.comes(&packet(1, b"x"), plain()).unwrap();
    let answers = (0..1_000)
        .filter(|_| line.again(first.index as u16).is_some())
        .count();
    assert!(answers <= 65, "{answers}");
}

/// Whatever happens at the source and at the listener: each packet decrypts, no number is used
/// twice, numbers skip only what was lost on the way in, and time never runs back.
#[test]
fn any_mix_of_loss_reordering_layers_and_pauses_stays_continuous() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let mut line = Line::new(if seed % 2 == 0 {
            RingSize::Audio
        } else {
            RingSize::Video
        });
        let mut next = [dice.below(1 << 40), dice.below(1 << 17), 0xfffe];
        let base: [u32; 3] = [dice.next() as u32, dice.next() as u32, dice.next() as u32];
        let mut now_us = 0;
        let mut source = 0usize;
        let mut lost = 0;
        let mut newest: Option<(u64, u32)> = None;
        let mut sent = 0;
        let mut payload = Vec::new();
        for _ in 0..2_000 {
            now_us += 20_000;
            payload.clear();
            payload.extend((0..dice.below(40)).map(|_| dice.next() as u8));
            let index = next[source];
            next[source] += 1;
            let made = Packet {
                timestamp: base[source].wrapping_add((now_us / 1_000 * 48) as u32),
                arrived_us: now_us + dice.below(5_000),
                ..packet(index, &payload)
            };
            match dice.below(40) {
                0 => {
                    lost += 1;
                    continue;
                }
                1 => {
                    line.rings[source].resume();
                    lost = 0;
                }
                2 => {
                    line.streams[0].resume();
                    lost = 0;
                }
                3 => {
                    source = dice.below(3) as usize;
                    lost += 1;
                    continue;
                }
                4 => {
                    line.rings[source].restart();
                    next[source] = dice.below(1 << 20);
                    lost += 1;
                    continue;
                }
                5 => {
                    let span = line.rings[source].get(index - 1).map(|before| before.span);
                    line.streams[0].skip(
                        &Packet {
                            span: span.unwrap_or_default(),
                            ..made
                        },
                        source as u8,
                    );
                    // Where it stood in no known stretch it counts as lost.
                    lost += 1;
                    continue;
                }
                6 => next[source] += dice.below(1 << 33),
                7 if index > 2_000 && line.rings[source].newest() == Some(index - 1) => {
                    let late = packet(index - 1_000, b"late");
                    assert_eq!(line.comes(&late, layer(source as u8)), None);
                }
                _ => {}
            }
            let heard = line
                .comes(&made, layer(source as u8))
                .expect("in order is forwarded");
            assert_eq!(heard.payload, payload);
            if let Some((number, timestamp)) = newest {
                let gap = heard.index - number;
                assert!(
                    (1..=1 + lost).contains(&gap),
                    "seed {seed}: gap {gap}, lost {lost}"
                );
                let step = heard.header.timestamp.wrapping_sub(timestamp) as i32;
                assert!(step > 0, "seed {seed}: time went by {step}");
            }
            newest = Some((heard.index, heard.header.timestamp));
            lost = 0;
            sent += 1;
            let wanted = heard.header.sequence.wrapping_sub(dice.below(600) as u16);
            if let Some(again) = line.again(wanted) {
                assert_eq!(again.header.sequence, wanted);
            }
        }
        assert_eq!(line.streams[0].packets(), sent);
    }
}

/// Packets out of order within a ring's length all arrive, each once.
#[test]
fn reordered_packets_keep_their_places() {
    for seed in 0..50 {
        let mut dice = Dice::new(seed);
        let mut line = Line::new(RingSize::Audio);
        let first = line.comes(&packet(100, b"x"), plain()).unwrap().index;
        let mut order: Vec<u64> = (101..1_101).collect();
        for at in 0..order.len() {
            let other = (at + dice.below(50) as usize).min(order.len() - 1);
            order.swap(at, other);
        }
        for index in order {
            let newest = line.rings[0].newest().unwrap();
            let heard = line.comes(&packet(index, &index.to_be_bytes()), plain());
            if index + 200 <= newest {
                assert_eq!(heard, None);
            } else {
                let heard = heard.unwrap();
                assert_eq!(heard.index - first, index - 100);
                assert_eq!(heard.payload, index.to_be_bytes());
            }
        }
    }
}
