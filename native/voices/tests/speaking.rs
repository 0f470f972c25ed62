//! A voice of ours: what Python writes comes out 20 ms at a time, whatever form it had.

mod common;

use std::thread;

use common::{Chance, bytes, packets, samples, steepest, strength, tone};
use vox_voices::g711::Law;
use vox_voices::opus::{Decoder, LOW_EFFORT};
use vox_voices::{Rate, Voice, VoiceError, VoiceTick, voice};

fn pcm(voice: &Voice) -> Vec<i16> {
    voice
        .spoken()
        .map(|spoken| spoken.pcm.to_vec())
        .unwrap_or_default()
}

#[test]
fn what_is_written_is_said_sample_for_sample() {
    for seed in 0..50 {
        let mut chance = Chance::new(seed);
        let rate = Rate::ALL[chance.below(4) as usize];
        let (mut writer, mut voice) = voice(32_000, 1, 2);
        let said = tone(
            rate,
            300.0,
            rate.frame() * 20 + chance.below(200) as usize,
            9_000.0,
        );
        let mut at = 0;
        while at < said.len() {
            let end = (at + 1 + chance.below(2_000) as usize).min(said.len());
            writer.write(&bytes(&said[at..end]), rate).unwrap();
            at = end;
        }
        let mut heard = Vec::new();
        for _ in 0..30 {
            voice.tick();
            heard.extend(pcm(&voice));
        }
        assert_eq!(heard[..said.len()], said[..]);
        assert!(steepest(&heard) < 4_000, "a click at the end");
        assert_eq!(writer.queued(), 0);
    }
}

#[test]
fn it_decodes_to_what_was_said_with_numbers_that_go_on() {
    let (mut writer, mut voice) = voice(32_000, u16::MAX - 3, u32::MAX - 5_000);
    let said = tone(Rate::Hz24000, 440.0, Rate::Hz24000.frame() * 100, 9_000.0);
    writer.write(&bytes(&said), Rate::Hz24000).unwrap();
    let mut decoder = Decoder::new(Rate::Hz16000);
    let mut heard = Vec::new();
    let mut last = None;
    for number in 0..100 {
        assert!(voice.tick().speaks.unwrap().is_voice);
        let packet = voice.packet().expect("a tone is never left out");
        assert_eq!(packet.marker, number == 0);
        if let Some((sequence, timestamp)) = last {
            assert_eq!(packet.sequence, u16::wrapping_add(sequence, 1));
            assert_eq!(packet.timestamp, u32::wrapping_add(timestamp, 960));
        }
        last = Some((packet.sequence, packet.timestamp));
        decoder.decode(packet.payload, &mut heard).unwrap();
        let again = voice.packet().unwrap();
        assert_eq!(
            Some((again.sequence, again.timestamp)),
            last,
            "encoded once"
        );
    }
    assert!(strength(&heard[3_200..], Rate::Hz16000, 440.0) > 8_000.0);
}

#[test]
fn a_pause_costs_time_and_no_numbers() {
    let (mut writer, mut voice) = voice(32_000, 10, 0);
    let said = bytes(&tone(Rate::Hz16000, 440.0, 320 * 5, 9_000.0));
    writer.write(&said, Rate::Hz16000).unwrap();
    let mut sent = Vec::new();
    let mut dry = 0;
    for tick in 0..60 {
        if tick == 50 {
            writer.write(&said, Rate::Hz16000).unwrap();
        }
        dry += u32::from(voice.tick().has_run_dry);
        if let Some(packet) = voice.packet() {
            sent.push((tick, packet.sequence, packet.timestamp, packet.marker));
        }
    }
    assert_eq!(dry, 2);
    assert!(
        sent.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1),
        "{sent:?}"
    );
    assert!(
        sent.iter()
            .all(|&(tick, _, timestamp, _)| timestamp == (tick + 1) * 960)
    );
    let marked: Vec<u32> = sent
        .iter()
        .filter(|sent| sent.3)
        .map(|sent| sent.0)
        .collect();
    assert_eq!(marked, [0, 50]);
    let silent = (9..50)
        .filter(|tick| sent.iter().all(|sent| sent.0 != *tick))
        .count();
    assert_eq!(silent, 41, "nothing is sent in the pause");
}

#[test]
fn a_flush_takes_effect_with_the_next_tick() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    writer
        .write(&bytes(&vec![5_000; 24_000 * 2]), Rate::Hz24000)
        .unwrap();
    for _ in 0..10 {
        assert!(voice.tick().speaks.is_some());
    }
    assert_eq!(writer.queued(), 1_800);
    assert_eq!(writer.flush(), 1_800);
    assert_eq!((writer.queued(), voice.queued(), writer.flush()), (0, 0, 0));
    let tick = voice.tick();
    assert!(tick.has_run_dry);
    let after = pcm(&voice);
    assert!(
        steepest(&after) < 300 && after[240..].iter().all(|&sample| sample == 0),
        "it fades"
    );
    writer
        .write(&bytes(&vec![-3_000; 960]), Rate::Hz24000)
        .unwrap();
    voice.tick();
    assert_eq!(pcm(&voice), vec![-3_000; 480]);
}

#[test]
fn part_of_a_frame_waits_one_tick_for_the_rest() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    writer.write(&bytes(&[100; 200]), Rate::Hz16000).unwrap();
    assert_eq!(
        voice.tick(),
        VoiceTick {
            speaks: None,
            has_run_dry: false
        }
    );
    writer.write(&bytes(&[100; 120]), Rate::Hz16000).unwrap();
    assert!(voice.tick().speaks.is_some());
    assert_eq!(pcm(&voice), vec![100; 320]);
    writer.write(&bytes(&[100; 40]), Rate::Hz16000).unwrap();
    assert_eq!(
        voice.tick(),
        VoiceTick {
            speaks: None,
            has_run_dry: false
        }
    );
    assert!(
        voice.tick().speaks.is_some(),
        "nothing more came: said with silence"
    );
    assert!(voice.tick().has_run_dry);
}

#[test]
fn flushing_a_part_of_a_frame_leaves_nothing() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    writer.write(&bytes(&[9_000; 100]), Rate::Hz16000).unwrap();
    voice.tick();
    assert_eq!(writer.flush(), 7);
    for _ in 0..5 {
        assert_eq!(voice.tick().speaks, None);
    }
}

#[test]
fn forms_follow_one_another_in_order() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    let mut codes = Vec::new();
    Law::Ulaw.encode_into(&tone(Rate::Hz8000, 440.0, 160 * 3, 9_000.0), &mut codes);
    let ready = packets(3, 0, 0);
    writer.write(&bytes(&[1; 500]), Rate::Hz16000).unwrap();
    writer.write_g711(&codes, Law::Ulaw).unwrap();
    for packet in &ready {
        writer.write_opus(&packet.payload).unwrap();
    }
    writer.write(&bytes(&[2; 480]), Rate::Hz24000).unwrap();
    assert_eq!(writer.queued(), 32 + 60 + 60 + 20);
    let mut said = Vec::new();
    for _ in 0..9 {
        voice.tick();
        let rate = voice.spoken().unwrap().rate;
        said.push((rate, voice.packet().unwrap().payload.to_vec()));
    }
    let rates: Vec<u32> = said.iter().map(|said| said.0.hz()).collect();
    assert_eq!(
        rates,
        [
            16_000, 16_000, 8_000, 8_000, 8_000, 24_000, 24_000, 24_000, 24_000
        ]
    );
    for (said, ready) in said[5..8].iter().zip(&ready) {
        assert_eq!(said.1, ready.payload, "a ready packet goes out as it is");
    }
}

#[test]
fn thirty_seconds_wait_and_no_more() {
    let (mut writer, _voice) = voice(32_000, 0, 0);
    let second = bytes(&[0; 8_000]);
    for queued in 1..=30 {
        assert_eq!(writer.write(&second, Rate::Hz8000), Ok(queued * 1_000));
    }
    assert_eq!(
        writer.write(&bytes(&[0; 8]), Rate::Hz8000),
        Err(VoiceError::Full)
    );
    assert_eq!(writer.write_g711(&[0], Law::Alaw), Err(VoiceError::Full));
    assert_eq!(writer.flush(), 30_000);
    assert_eq!(writer.write(&second, Rate::Hz8000), Ok(1_000));
}

#[test]
fn crumbs_are_bounded_and_dropped_without_depth() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    let mut written = 0;
    while writer.write(&[0, 0], Rate::Hz48000).is_ok() {
        written += 1;
    }
    assert_eq!(written, 3_000);
    writer.flush();
    voice.tick();
    assert!(
        writer.write(&[0, 0], Rate::Hz48000).is_ok(),
        "room again after a flush"
    );
    while writer.write(&[0, 0], Rate::Hz48000).is_ok() {}
    // On a small stack a chain that is dropped one within the other would overflow.
    thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(move || drop((voice, writer)))
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn bad_input_is_refused_by_name() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    assert_eq!(
        writer.write(&[1], Rate::Hz8000),
        Err(VoiceError::HalfSample)
    );
    assert_eq!(writer.write_opus(&[]), Err(VoiceError::BadPacket));
    assert_eq!(
        writer.write_opus(&[0xFF; 2_000]),
        Err(VoiceError::BadPacket)
    );
    assert_eq!(writer.write(&[], Rate::Hz8000), Ok(0));
    for seed in 0..300 {
        let mut chance = Chance::new(seed);
        let _either = writer.write_opus(&chance.bytes(200));
        voice.tick();
        let _nothing_or_something = voice.packet().map(|packet| packet.payload.len());
    }
}

#[test]
fn silence_is_soon_not_sent_at_all() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    writer
        .write(&bytes(&vec![0; 16_000 * 4]), Rate::Hz16000)
        .unwrap();
    let sent = (0..200)
        .filter(|_| {
            voice.tick();
            voice.packet().is_some()
        })
        .count();
    assert!(sent < 60, "{sent} of 200 packets of silence were sent");
}

#[test]
fn a_copy_of_the_packet_before_is_sent_once_loss_is_told() {
    let loudest_after_loss = |loss| {
        let (mut writer, mut voice) = voice(32_000, 0, 0);
        voice.set_effort(LOW_EFFORT);
        voice.expect_loss(loss);
        let mut chance = Chance::new(7);
        // Words come and go: what conceals alone would fill the lost word with the pause before it.
        let said: Vec<i16> = (0..320 * 100)
            .map(|n| {
                if n / 1_600 % 2 == 0 {
                    0
                } else {
                    (chance.below(12_000) as i16) - 6_000
                }
            })
            .collect();
        writer.write(&bytes(&said), Rate::Hz16000).unwrap();
        let mut decoder = Decoder::new(Rate::Hz16000);
        let mut energy = 0.0;
        for number in 0..100 {
            voice.tick();
            let Some(packet) = voice.packet().map(|packet| packet.payload.to_vec()) else {
                continue;
            };
            let mut heard = Vec::new();
            // The first packet of each word is lost.
            if number % 10 == 6 {
                decoder.recover(&packet, 960, &mut heard);
                energy += heard
                    .iter()
                    .map(|&sample| f64::from(sample).powi(2))
                    .sum::<f64>();
            }
            if number % 10 != 5 {
                decoder.decode(&packet, &mut heard).unwrap();
            }
        }
        energy
    };
    let (with, without) = (loudest_after_loss(15), loudest_after_loss(0));
    assert!(
        with > without * 2.0,
        "{with} with copies, {without} without"
    );
}

#[test]
fn both_halves_run_at_once() {
    let (mut writer, mut voice) = voice(32_000, 0, 0);
    let thread = thread::spawn(move || {
        for number in 0..2_000_i32 {
            let frame = bytes(&[(number % 1_000) as i16; 320]);
            while writer.write(&frame, Rate::Hz16000).is_err() {
                thread::yield_now();
            }
            if number == 1_500 {
                writer.flush();
            }
        }
        writer
    });
    let mut last = -1;
    let mut seen = 0;
    loop {
        let is_finished = thread.is_finished();
        let tick = voice.tick();
        if tick.speaks.is_some_and(|level| level.level < 127) {
            let frame = pcm(&voice);
            if frame.len() == 320 && frame.iter().all(|&sample| sample == frame[0]) && frame[0] != 0
            {
                assert!(i32::from(frame[0]) != last, "said twice");
                last = i32::from(frame[0]);
                seen += 1;
            }
        } else if is_finished && voice.queued() == 0 {
            break;
        }
    }
    assert!(seen > 450, "{seen}");
    assert_eq!(samples(&bytes(&[last as i16])), [999]);
    assert_eq!(thread.join().unwrap().queued(), 0);
}
