//! Taps and mixes of one room, and its speakers.

mod common;

use std::time::{Duration, Instant};

use common::{Chance, packets, samples, strength, tone};
use vox_voices::{
    AudioLevel, Codec, Ears, FRAME, Rate, Speaker, SpeakerSettings, Speakers, Spoken,
};

const VOICE: u64 = 1;
const OTHER: u64 = 2;

fn level(level: u8) -> AudioLevel {
    AudioLevel {
        level,
        is_voice: level < 50,
    }
}

/// Lets voices with constant samples speak for that many ticks.
fn speak(ears: &mut Ears, voices: &[(u64, i16)], ticks: u32) -> usize {
    let now = Instant::now();
    (0..ticks)
        .map(|tick| {
            for &(track, sample) in voices {
                if ears.wants(track) {
                    ears.voice_frame(
                        track,
                        Spoken {
                            pcm: &[sample; 160],
                            rate: Rate::Hz8000,
                        },
                    );
                }
            }
            usize::from(!ears.tick(now + FRAME * tick).is_empty())
        })
        .sum()
}

#[test]
fn a_track_is_decoded_for_all_its_taps() {
    let now = Instant::now();
    let mut ears = Ears::new();
    ears.add_track(VOICE);
    assert!(!ears.wants(VOICE), "nobody hears it");
    let mut readers: Vec<_> = Rate::ALL
        .into_iter()
        .zip(10..)
        .map(|(rate, tap)| ears.open_tap(tap, VOICE, rate))
        .collect();
    assert!(ears.wants(VOICE));
    for (tick, sent) in packets(50, 0, 0).iter().enumerate() {
        let at = now + FRAME * tick as u32;
        ears.packet(
            at,
            VOICE,
            Codec::Opus,
            sent.sequence,
            sent.timestamp,
            &sent.payload,
        );
        let heard = ears.tick(at).len();
        assert!(heard == 0 || heard == 4);
    }
    for reader in &mut readers {
        let rate = reader.rate();
        let pcm = samples(&reader.read());
        assert!(pcm.len() >= 47 * rate.frame());
        assert!(
            strength(&pcm[rate.frame() * 5..rate.frame() * 45], rate, 440.0) > 7_000.0,
            "{rate:?}"
        );
    }
}

#[test]
fn a_mix_is_the_sum_of_all_but_those_left_out() {
    let mut ears = Ears::new();
    for track in 1..=4 {
        ears.add_track(track);
    }
    let mut all = ears.open_mix(10, Rate::Hz8000, &[]);
    let mut without_one = ears.open_mix(11, Rate::Hz8000, &[1]);
    let mut without_most = ears.open_mix(12, Rate::Hz8000, &[1, 2]);
    assert!(ears.exclude(12, 3));
    assert!(!ears.exclude(99, 3));
    assert_eq!(speak(&mut ears, &[(1, 100), (2, 20), (3, 3)], 2), 2);
    assert_eq!(samples(&all.read()), [123; 320]);
    assert_eq!(samples(&without_one.read()), [23; 320]);
    assert!(
        without_most.read().is_empty(),
        "only those who are left out speak"
    );
}

#[test]
fn a_mix_saturates() {
    let mut ears = Ears::new();
    ears.add_track(1);
    ears.add_track(2);
    let mut all = ears.open_mix(10, Rate::Hz8000, &[]);
    speak(&mut ears, &[(1, 30_000), (2, 30_000)], 1);
    speak(&mut ears, &[(1, -30_000), (2, -30_000)], 1);
    let heard = samples(&all.read());
    assert_eq!((heard[0], heard[319]), (i16::MAX, i16::MIN));
}

#[test]
fn silence_follows_for_two_seconds_and_then_nobody_is_woken() {
    let mut ears = Ears::new();
    ears.add_track(VOICE);
    let mut tap = ears.open_tap(10, VOICE, Rate::Hz8000);
    assert_eq!(speak(&mut ears, &[], 10), 0);
    speak(&mut ears, &[(VOICE, 5)], 1);
    assert_eq!(speak(&mut ears, &[], 200), 100);
    assert_eq!(tap.read().len(), 100 * 320);
}

#[test]
fn muted_and_removed_tracks_are_silent() {
    let mut ears = Ears::new();
    ears.add_track(VOICE);
    ears.add_track(OTHER);
    let mut mix = ears.open_mix(10, Rate::Hz8000, &[]);
    ears.mute(VOICE, true);
    assert!(!ears.wants(VOICE));
    speak(&mut ears, &[(VOICE, 5), (OTHER, 7)], 1);
    ears.mute(VOICE, false);
    ears.remove_track(OTHER);
    speak(&mut ears, &[(VOICE, 5), (OTHER, 7)], 1);
    let heard = samples(&mix.read());
    assert_eq!((heard[0], heard[319]), (7, 5));
    assert!(ears.close(10));
    assert!(!ears.close(10));
    assert!(!ears.wants(VOICE));
}

#[test]
fn a_tap_may_be_opened_before_its_track() {
    let mut ears = Ears::new();
    let mut tap = ears.open_tap(10, VOICE, Rate::Hz16000);
    ears.add_track(VOICE);
    speak(&mut ears, &[(VOICE, 1_000)], 10);
    let heard = samples(&tap.read());
    assert_eq!(heard.len(), 3_200);
    assert!((990..=1_010).contains(&heard[3_000]));
}

#[test]
fn rates_that_differ_meet_in_one_mix() {
    let mut ears = Ears::new();
    ears.add_track(1);
    ears.add_track(2);
    let mut mix = ears.open_mix(10, Rate::Hz16000, &[]);
    let (high, low) = (
        tone(Rate::Hz24000, 440.0, 480 * 50, 6_000.0),
        tone(Rate::Hz8000, 1_000.0, 160 * 50, 6_000.0),
    );
    for (high, low) in high.chunks_exact(480).zip(low.chunks_exact(160)) {
        ears.voice_frame(
            1,
            Spoken {
                pcm: high,
                rate: Rate::Hz24000,
            },
        );
        ears.voice_frame(
            2,
            Spoken {
                pcm: low,
                rate: Rate::Hz8000,
            },
        );
        ears.tick(Instant::now());
    }
    let heard = samples(&mix.read());
    for hz in [440.0, 1_000.0] {
        let found = strength(&heard[1_600..], Rate::Hz16000, hz);
        assert!((5_900.0..6_100.0).contains(&found), "{hz}: {found}");
    }
}

// Speakers

/// One room with levels that change by the tick.
struct Room {
    speakers: Speakers,
    now: Instant,
    told: Vec<Vec<Speaker>>,
    forwarded: Vec<Vec<bool>>,
}

impl Room {
    fn new(top: usize) -> Room {
        let settings = SpeakerSettings {
            top,
            ..SpeakerSettings::default()
        };
        Room {
            speakers: Speakers::new(settings),
            now: Instant::now(),
            told: Vec::new(),
            forwarded: Vec::new(),
        }
    }

    fn run(&mut self, ticks: u32, mut levels: impl FnMut(u32) -> Vec<u8>) {
        for tick in 0..ticks {
            self.now += FRAME;
            let forwarded = levels(tick)
                .into_iter()
                .enumerate()
                .map(|(track, loudness)| {
                    self.speakers.level(self.now, track as u64, level(loudness))
                })
                .collect();
            self.forwarded.push(forwarded);
            self.told.extend(self.speakers.update(self.now));
        }
    }

    fn active(&self) -> Vec<u64> {
        self.speakers
            .current()
            .iter()
            .map(|speaker| speaker.track)
            .collect()
    }
}

#[test]
fn who_speaks_is_told_within_a_window_and_that_he_stopped_too() {
    let mut room = Room::new(0);
    room.run(60, |_| vec![20, 90]);
    assert_eq!(room.active(), [0]);
    assert!(room.told[0][0].is_active && room.told[0][0].track == 0);
    room.run(75, |_| vec![90, 90]);
    assert!(room.active().is_empty());
    let stopped = Speaker {
        track: 0,
        level: 0.0,
        is_active: false,
    };
    assert_eq!(room.told.last().unwrap(), &[stopped]);
    assert_eq!(
        room.told
            .iter()
            .filter(|told| told.contains(&stopped))
            .count(),
        1,
        "told once"
    );
}

#[test]
fn less_than_forty_percent_is_no_speech() {
    let mut room = Room::new(0);
    room.run(200, |tick| {
        vec![
            if tick % 10 < 3 { 20 } else { 100 },
            if tick % 10 < 6 { 20 } else { 100 },
        ]
    });
    assert_eq!(room.active(), [1]);
}

#[test]
fn a_steady_level_is_not_told_again_and_again() {
    let mut room = Room::new(0);
    room.run(1_000, |_| vec![25]);
    assert!(room.told.len() <= 8, "told {} times", room.told.len());
    let settled = room.told.len();
    room.run(1_000, |_| vec![25]);
    assert_eq!(room.told.len(), settled);
}

#[test]
fn the_loudest_comes_first_and_a_mute_ends_speech_at_once() {
    let mut room = Room::new(0);
    room.run(120, |_| vec![30, 10, 20]);
    assert_eq!(room.active(), [1, 2, 0]);
    room.speakers.mute(1, true);
    assert_eq!(room.active(), [2, 0]);
    room.run(30, |_| vec![30, 10, 20]);
    assert_eq!(room.active(), [2, 0]);
    assert!(room.told.last().unwrap().contains(&Speaker {
        track: 1,
        level: 0.0,
        is_active: false
    }));
    assert!(!room.speakers.is_forwarded(1));
    room.speakers.remove(2);
    room.run(30, |_| vec![30]);
    assert!(room.told.last().unwrap().contains(&Speaker {
        track: 2,
        level: 0.0,
        is_active: false
    }));
}

#[test]
fn no_more_than_the_top_are_forwarded_and_the_first_word_is_not_cut() {
    let mut room = Room::new(3);
    room.run(100, |_| vec![100; 50]);
    assert!(room.forwarded.iter().flatten().all(|&forwarded| !forwarded));
    room.run(1, |_| {
        let mut levels = vec![100; 50];
        levels[17] = 25;
        levels
    });
    assert!(
        room.forwarded.last().unwrap()[17],
        "the first packet of a word is forwarded"
    );
    let mut chance = Chance::new(5);
    for _ in 0..50 {
        let loud: Vec<u8> = (0..50).map(|_| 10 + chance.below(90) as u8).collect();
        room.run(20, |_| loud.clone());
        let most = room
            .forwarded
            .iter()
            .map(|all| all.iter().filter(|&&one| one).count())
            .max();
        assert!(most <= Some(3));
    }
}

#[test]
fn a_pause_of_a_breath_keeps_the_place_and_a_long_one_frees_it() {
    let mut room = Room::new(1);
    room.run(50, |_| vec![20]);
    room.run(90, |_| vec![100]);
    assert!(room.forwarded.last().unwrap()[0], "within the hangover");
    room.run(40, |_| vec![100]);
    assert!(!room.forwarded.last().unwrap()[0]);
}

#[test]
fn somebody_who_speaks_gets_the_place_of_one_who_has_stopped() {
    let mut room = Room::new(1);
    room.run(100, |_| vec![20, 100]);
    room.run(50, |_| vec![100, 25]);
    let cut = room.forwarded[100..]
        .iter()
        .take_while(|all| !all[1])
        .count();
    assert!(cut <= 30, "cut off for {cut} frames");
}

#[test]
fn two_who_are_equally_loud_do_not_flap() {
    let mut chance = Chance::new(9);
    let mut room = Room::new(1);
    // One minute of both speaking at once, a few dB louder now and then.
    room.run(3_000, |_| {
        vec![25 + chance.below(8) as u8, 25 + chance.below(8) as u8]
    });
    let changes = room
        .forwarded
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    assert!(changes <= 6, "{changes} changes in a minute");
}

#[test]
fn one_who_is_clearly_louder_takes_the_place() {
    let mut room = Room::new(1);
    room.run(200, |_| vec![33, 100]);
    room.run(100, |_| vec![33, 10]);
    assert!(room.forwarded.last().unwrap()[1]);
    assert!(!room.forwarded.last().unwrap()[0]);
}

#[test]
fn updates_are_bounded_whatever_comes() {
    let mut chance = Chance::new(11);
    let mut speakers = Speakers::new(SpeakerSettings {
        top: 3,
        ..SpeakerSettings::default()
    });
    let mut now = Instant::now();
    let mut told: Vec<Instant> = Vec::new();
    for _ in 0..50_000 {
        now += Duration::from_micros(chance.below(4_000));
        let track = chance.below(40);
        match chance.below(30) {
            0 => speakers.remove(track),
            1 => speakers.mute(track, chance.below(2) == 0),
            _ => {
                let forwarded =
                    speakers.level(now, track, AudioLevel::from_byte(chance.next() as u8));
                assert_eq!(forwarded, speakers.is_forwarded(track));
            }
        }
        if speakers.update(now).is_some() {
            told.push(now);
        }
        assert!(
            (0..40)
                .filter(|&track| speakers.is_forwarded(track))
                .count()
                <= 3
        );
    }
    assert!(
        told.windows(20)
            .all(|pair| pair[19] - pair[0] >= Duration::from_millis(9_400))
    );
}
