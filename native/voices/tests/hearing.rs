//! A track through a network that delays, loses and reorders: what is heard, and how late.

mod common;

use std::time::{Duration, Instant};

use common::{Chance, Sent, packets, steepest, strength};
use vox_voices::g711::Law;
use vox_voices::track::Track;
use vox_voices::{Codec, FRAME, Rate};

const RATE: Rate = Rate::Hz16000;

/// What one tick heard.
struct Heard {
    frames: Vec<Option<Vec<i16>>>,
}

impl Heard {
    fn pcm(&self) -> Vec<i16> {
        self.frames.iter().flatten().flatten().copied().collect()
    }

    fn sounding(&self) -> usize {
        self.frames.iter().flatten().count()
    }

    /// Frames of less than a tenth of the tone between the first and the last that sound.
    fn gaps(&self) -> usize {
        let loud = |frame: &Option<Vec<i16>>| {
            frame
                .as_ref()
                .is_some_and(|pcm| strength(pcm, RATE, 440.0) > 800.0)
        };
        let first = self.frames.iter().position(loud).unwrap_or(0);
        let last = self.frames.iter().rposition(loud).unwrap_or(0);
        self.frames[first..=last]
            .iter()
            .filter(|frame| !loud(frame))
            .count()
    }

    fn first(&self) -> usize {
        self.frames
            .iter()
            .position(Option::is_some)
            .expect("something is heard")
    }
}

/// Plays packets that arrive at these times, with a tick each `every`.
fn hear(arrivals: &[(Duration, Codec, &Sent)], ticks: usize, every: Duration) -> Heard {
    let began = Instant::now();
    let mut arrivals: Vec<_> = arrivals.iter().collect();
    arrivals.sort_by_key(|(at, ..)| *at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut track = Track::new(RATE);
    let mut frames = Vec::new();
    for tick in 0..ticks {
        let now = every * tick as u32;
        while let Some((at, codec, sent)) = arrivals.next_if(|(at, ..)| *at <= now) {
            track.packet(
                began + *at,
                *codec,
                sent.sequence,
                sent.timestamp,
                &sent.payload,
            );
        }
        frames.push(track.frame(began + now).map(<[i16]>::to_vec));
    }
    Heard { frames }
}

fn at_once(
    sent: &[Sent],
    mut delay: impl FnMut(usize) -> Option<Duration>,
) -> Vec<(Duration, Codec, &Sent)> {
    sent.iter()
        .enumerate()
        .filter_map(|(number, sent)| {
            Some((FRAME * number as u32 + delay(number)?, Codec::Opus, sent))
        })
        .collect()
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_steady_stream_is_heard_whole_and_soon() {
    let sent = packets(200, 65_500, u32::MAX - 20_000);
    let heard = hear(&at_once(&sent, |_| Some(MS(7))), 210, FRAME);
    assert!(heard.first() <= 3, "first heard in tick {}", heard.first());
    assert_eq!(heard.gaps(), 0);
    let pcm = heard.pcm();
    assert!(strength(&pcm[RATE.frame() * 5..RATE.frame() * 190], RATE, 440.0) > 7_000.0);
    assert!(heard.sounding() >= 197);
}

#[test]
fn the_delay_falls_to_one_frame_where_nothing_is_late() {
    let sent = packets(1_500, 0, 0);
    let heard = hear(&at_once(&sent, |_| Some(MS(7))), 1_510, FRAME);
    assert_eq!(heard.gaps(), 0);
    // The last packet leaves at tick 1,499 and arrives by the next: what is heard after is the delay, and what fills in.
    let last = heard.frames.iter().rposition(Option::is_some).unwrap();
    assert!(last <= 1_500 + 4, "still heard in tick {last}");
}

#[test]
fn jitter_of_40_ms_makes_no_gaps_once_it_is_known() {
    let mut chance = Chance::new(1);
    let sent = packets(1_000, 100, 5_000);
    let heard = hear(
        &at_once(&sent, |_| Some(MS(10 + chance.below(40)))),
        1_010,
        FRAME,
    );
    assert!(heard.gaps() <= 2, "{} gaps", heard.gaps());
    assert!(
        (990..=1_010).contains(&heard.sounding()),
        "{} frames",
        heard.sounding()
    );
}

#[test]
fn reordered_packets_are_put_right() {
    let sent = packets(300, 65_400, 0);
    let heard = hear(
        &at_once(&sent, |number| {
            Some(MS(if number % 10 == 5 { 45 } else { 5 }))
        }),
        310,
        FRAME,
    );
    assert!(heard.gaps() <= 1, "{} gaps", heard.gaps());
    assert!(heard.sounding() >= 297, "{}", heard.sounding());
}

#[test]
fn ten_percent_loss_leaves_no_hole_and_no_click() {
    let mut chance = Chance::new(2);
    let sent = packets(1_000, 9, 9);
    let heard = hear(
        &at_once(&sent, |_| (chance.unit() > 0.1).then_some(MS(3))),
        1_010,
        FRAME,
    );
    // Two in a row fade; one is hidden.
    assert!(heard.gaps() <= 20, "{} gaps", heard.gaps());
    assert!(
        (985..=1_010).contains(&heard.sounding()),
        "{} frames",
        heard.sounding()
    );
    assert!(
        steepest(&heard.pcm()) < 8_000,
        "a step of {}",
        steepest(&heard.pcm())
    );
}

#[test]
fn a_pause_of_the_sender_is_silence_of_its_length() {
    let before = packets(50, 10, 1_000);
    // Discontinuous transmission: numbers go on, the clock ran for two seconds more.
    let after = packets(50, 60, 1_000 + 150 * 960);
    let mut arrivals = at_once(&before, |_| Some(MS(5)));
    arrivals.extend(at_once(&after, |_| Some(MS(3_005))));
    let heard = hear(&arrivals, 210, FRAME);
    let silent = heard.frames[60..148]
        .iter()
        .filter(|frame| frame.is_none())
        .count();
    assert_eq!(silent, 88, "nothing is heard in the pause");
    let first = (148..210)
        .find(|&tick| heard.frames[tick].is_some())
        .unwrap();
    assert!((150..=154).contains(&first), "heard again in tick {first}");
    assert!((97..=108).contains(&heard.sounding()));
}

#[test]
fn a_clock_that_jumps_costs_no_more_than_a_pause() {
    for jump in [1_u32 << 31, 48_000 * 3_600, u32::MAX - 100_000] {
        let before = packets(50, 10, 1_000);
        let after = packets(100, 60, jump);
        let mut arrivals = at_once(&before, |_| Some(MS(5)));
        arrivals.extend(at_once(&after, |_| Some(MS(1_005))));
        let heard = hear(&arrivals, 160, FRAME);
        assert!(
            heard.gaps() <= 3,
            "{} gaps after a jump to {jump}",
            heard.gaps()
        );
        assert!(heard.sounding() >= 146, "{}", heard.sounding());
    }
}

#[test]
fn a_sender_that_starts_anew_is_heard_after_a_packet() {
    let before = packets(50, 40_000, 1_000);
    let after = packets(100, 3, 777_777);
    let mut arrivals = at_once(&before, |_| Some(MS(5)));
    arrivals.extend(at_once(&after, |_| Some(MS(1_005))));
    let heard = hear(&arrivals, 160, FRAME);
    assert!(heard.gaps() <= 4, "{} gaps", heard.gaps());
    assert!(heard.sounding() >= 145, "{}", heard.sounding());
}

#[test]
fn a_burst_after_a_stall_loses_no_words_and_is_caught_up() {
    let sent = packets(400, 10, 1_000);
    // Packets 100 to 139 are held back for 0.8 s and come at once.
    let heard = hear(
        &at_once(&sent, |number| {
            Some(
                MS(if (100..140).contains(&number) {
                    (140 - number as u64) * 20
                } else {
                    0
                }) + MS(3),
            )
        }),
        410,
        FRAME,
    );
    // What was played: everything, faster; the end is not late.
    let last = heard.frames.iter().rposition(Option::is_some).unwrap();
    assert!(last <= 406, "still heard in tick {last}");
    let tail = &heard.frames[300..395];
    assert!(tail.iter().all(Option::is_some));
}

#[test]
fn clocks_that_differ_neither_pile_up_nor_starve() {
    for (every, name) in [
        (Duration::from_micros(20_020), "fast sender"),
        (Duration::from_micros(19_980), "slow sender"),
    ] {
        let sent = packets(3_000, 10, 1_000);
        let heard = hear(&at_once(&sent, |_| Some(MS(3))), 3_000, every);
        assert!(heard.gaps() <= 4, "{name}: {} gaps", heard.gaps());
        let last = heard.frames[2_900..2_990]
            .iter()
            .filter(|frame| frame.is_some())
            .count();
        assert!(last >= 88, "{name}: {last} of the last 90");
        assert!(
            steepest(&heard.pcm()) < 6_000,
            "{name}: a step of {}",
            steepest(&heard.pcm())
        );
    }
}

#[test]
fn g711_is_heard_at_16_khz_and_fills_in_what_is_lost() {
    let tone = common::tone(Rate::Hz8000, 440.0, 160 * 200, 8_000.0);
    for law in [Law::Ulaw, Law::Alaw] {
        let sent: Vec<Sent> = tone
            .chunks_exact(160)
            .enumerate()
            .map(|(number, frame)| {
                let mut payload = Vec::new();
                law.encode_into(frame, &mut payload);
                Sent {
                    sequence: number as u16,
                    timestamp: number as u32 * 160,
                    payload,
                }
            })
            .collect();
        let arrivals: Vec<_> = sent
            .iter()
            .enumerate()
            .filter(|(number, _)| number % 20 != 19)
            .map(|(number, sent)| (FRAME * number as u32 + MS(4), Codec::G711(law), sent))
            .collect();
        let heard = hear(&arrivals, 205, FRAME);
        assert_eq!(heard.gaps(), 0, "{law:?}");
        assert!(
            strength(
                &heard.pcm()[RATE.frame() * 5..RATE.frame() * 190],
                RATE,
                440.0
            ) > 6_000.0
        );
    }
}

#[test]
fn packets_of_60_and_10_ms_are_cut_to_frames() {
    let tone = common::tone(Rate::Hz8000, 440.0, 160 * 120, 8_000.0);
    for (length, every) in [(480, 60), (80, 10), (960, 120)] {
        let sent: Vec<Sent> = tone
            .chunks_exact(length)
            .enumerate()
            .map(|(number, frame)| {
                let mut payload = Vec::new();
                Law::Ulaw.encode_into(frame, &mut payload);
                Sent {
                    sequence: number as u16,
                    timestamp: (number * length) as u32,
                    payload,
                }
            })
            .collect();
        let arrivals: Vec<_> = sent
            .iter()
            .enumerate()
            .map(|(number, sent)| {
                (
                    MS(every) * number as u32 + MS(every),
                    Codec::G711(Law::Ulaw),
                    sent,
                )
            })
            .collect();
        let heard = hear(&arrivals, 140, FRAME);
        assert!(heard.gaps() <= 3, "{every} ms: {} gaps", heard.gaps());
        assert!(heard.sounding() >= 118, "{every} ms: {}", heard.sounding());
    }
}

#[test]
fn whatever_arrives_the_track_goes_on() {
    for seed in 0..60 {
        let mut chance = Chance::new(seed);
        let began = Instant::now();
        let mut track = Track::new(Rate::ALL[chance.below(4) as usize]);
        let mut now = began;
        let (mut sequence, mut timestamp) = (chance.next() as u16, chance.next() as u32);
        for _ in 0..400 {
            match chance.below(12) {
                0 => sequence = chance.next() as u16,
                1 => timestamp = chance.next() as u32,
                2 => sequence = sequence.wrapping_sub(chance.below(5) as u16),
                3 => track.set_rate(Rate::ALL[chance.below(4) as usize]),
                4 if chance.below(20) == 0 => track.reset(),
                _ => {}
            }
            sequence = sequence.wrapping_add(1);
            timestamp = timestamp.wrapping_add(960);
            let codec = match chance.below(10) {
                0 => Codec::G711(Law::Alaw),
                1 => Codec::G711(Law::Ulaw),
                _ => Codec::Opus,
            };
            track.packet(now, codec, sequence, timestamp, &chance.bytes(160));
            now += Duration::from_micros(chance.below(40_000));
            if let Some(frame) = track.frame(now).map(<[i16]>::len) {
                assert_eq!(frame, track.rate().frame());
            }
        }
    }
}
