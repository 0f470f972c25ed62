//! Real clients in rooms of a real engine: what each of them gets.

mod client;

use std::time::{Duration, Instant};

use client::{Client, engine, event, meet, until};
use vox_native::event::Event;
use vox_native::peer::Role;
use vox_native::sdp::Kind;

fn packets(client: &Client) -> usize {
    client.received.values().map(|r| r.sequences.len()).sum()
}

fn is_gapless(client: &Client) -> bool {
    client.received.values().all(|received| {
        let mut sequences = received.sequences.clone();
        sequences.sort_unstable();
        sequences.windows(2).all(|pair| pair[1] == pair[0] + 1)
    })
}

#[test]
fn three_hear_each_other_without_a_gap() {
    let engine = engine();
    let (mut a, mut b, mut c) = (Client::udp(), Client::udp(), Client::udp());
    let mut all = [&mut a, &mut b, &mut c];
    meet(&engine, 1, &mut all);
    until(&mut all, "each hears two", |all| {
        all.iter().all(|c| c.received.len() == 2 && packets(c) > 60)
    });
    assert!(all.iter().all(|client| is_gapless(client)));
}

#[test]
fn a_client_behind_tcp_hears_and_is_heard() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::tcp(&engine));
    let mut all = [&mut a, &mut b];
    meet(&engine, 1, &mut all);
    until(&mut all, "both hear", |all| {
        all.iter().all(|c| packets(c) > 50)
    });
    assert!(all.iter().all(|client| is_gapless(client)));
}

#[test]
fn a_client_whose_port_changes_goes_on() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "both hear", |all| {
        all.iter().all(|c| packets(c) > 20)
    });
    b.move_to_another_port();
    let before = packets(&b);
    until(&mut [&mut a, &mut b], "the moved one hears again", |all| {
        packets(all[1]) > before + 30
    });
    let before = packets(&a);
    until(&mut [&mut a, &mut b], "and is heard", |all| {
        packets(all[0]) > before + 30
    });
}

#[test]
fn a_client_that_restarts_ice_keeps_its_media() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "both hear", |all| {
        all.iter().all(|c| packets(c) > 20)
    });
    let mut api = b.rtc.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().unwrap();
    let answer = engine.accept_offer(1001, &offer.to_sdp_string()).unwrap();
    b.answered(pending, &answer.sdp);
    let before = (packets(&a), packets(&b));
    until(&mut [&mut a, &mut b], "both hear on", |all| {
        packets(all[0]) > before.0 + 30 && packets(all[1]) > before.1 + 30
    });
}

#[test]
fn a_subscriber_of_ours_takes_new_tracks_and_a_restart() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a]);
    engine.open_peer(1, 7, Role::Subscriber).unwrap();
    engine.open_channel(7, "_reliable", true, None).unwrap();
    let offer = engine
        .make_offer(7, false)
        .unwrap()
        .expect("the channel is offered");
    assert_eq!(engine.make_offer(7, false).unwrap(), None, "an offer waits");
    let answer = b.answer(&offer);
    engine.accept_answer(7, &answer).unwrap();
    assert_eq!(
        engine.make_offer(7, false).unwrap(),
        None,
        "nothing changed"
    );

    engine
        .subscribe(7, 1100, "PA_0|TR_1100", "TR_1100")
        .unwrap();
    let offer = engine
        .make_offer(7, false)
        .unwrap()
        .expect("a track is offered");
    assert!(offer.contains("a=msid:PA_0|TR_1100 TR_1100"));
    let answer = b.answer(&offer);
    engine.accept_answer(7, &answer).unwrap();
    until(&mut [&mut a, &mut b], "the subscriber hears", |all| {
        packets(all[1]) > 20
    });
    until(&mut [&mut a, &mut b], "its channel opens", |all| {
        !all[1].channels.is_empty()
    });
    assert_eq!(
        engine.send_data(&[7], "_reliable", b"hello", true).unwrap(),
        Vec::<u64>::new()
    );
    until(&mut [&mut a, &mut b], "data arrives", |all| {
        all[1].data.iter().any(|(_, d)| d == b"hello")
    });

    let offer = engine
        .make_offer(7, true)
        .unwrap()
        .expect("a restart is always offered");
    let answer = b.answer(&offer);
    engine.accept_answer(7, &answer).unwrap();
    let before = packets(&b);
    until(&mut [&mut a, &mut b], "it hears after the restart", |all| {
        packets(all[1]) > before + 30
    });
}

#[test]
fn a_restart_replaces_an_offer_whose_answer_was_lost() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a]);
    engine.open_peer(1, 7, Role::Subscriber).unwrap();
    engine.open_channel(7, "_reliable", true, None).unwrap();
    let offer = engine.make_offer(7, false).unwrap().unwrap();
    let answer = b.answer(&offer);
    engine.accept_answer(7, &answer).unwrap();
    until(&mut [&mut a, &mut b], "connected", |all| all[1].connected);
    engine
        .subscribe(7, 1100, "PA_0|TR_1100", "TR_1100")
        .unwrap();
    let lost = engine.make_offer(7, false).unwrap().unwrap();
    b.answer(&lost);
    let again = engine
        .make_offer(7, true)
        .unwrap()
        .expect("a resume never gets nothing");
    let answer = b.answer(&again);
    engine.accept_answer(7, &answer).unwrap();
    until(&mut [&mut a, &mut b], "it hears", |all| {
        packets(all[1]) > 30
    });
}

#[test]
fn a_section_is_used_again_and_its_stream_goes_on() {
    let engine = engine();
    let (mut a, mut b, mut c) = (Client::udp(), Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    engine.open_peer(1, 7, Role::Subscriber).unwrap();
    engine
        .subscribe(7, 1100, "PA_0|TR_1100", "TR_1100")
        .unwrap();
    let offer = engine.make_offer(7, false).unwrap().unwrap();
    engine.accept_answer(7, &c.answer(&offer)).unwrap();
    until(&mut [&mut a, &mut b, &mut c], "c hears a", |all| {
        packets(all[2]) > 20
    });
    engine.unsubscribe(7, 1100).unwrap();
    engine
        .subscribe(7, 1101, "PA_1|TR_1101", "TR_1101")
        .unwrap();
    let offer = engine.make_offer(7, false).unwrap().unwrap();
    assert_eq!(offer.matches("m=audio").count(), 1);
    assert!(offer.contains("a=msid:PA_1|TR_1101 TR_1101") && !offer.contains("PA_0"));
    engine.accept_answer(7, &c.answer(&offer)).unwrap();
    let before = packets(&c);
    until(&mut [&mut a, &mut b, &mut c], "c hears b", |all| {
        packets(all[2]) > before + 20
    });
    assert_eq!(
        c.received.len(),
        2,
        "another SSRC, so that it is another track for everyone"
    );
    assert!(is_gapless(&c));
}

#[test]
fn mute_and_pause_stop_packets_and_leave_no_gap() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "both hear", |all| {
        all.iter().all(|c| packets(c) > 20)
    });
    for stop in [true, false] {
        let set = |on| match stop {
            true => engine.mute(1100, on).unwrap(),
            false => engine.pause(1001, 1100, on).unwrap(),
        };
        set(true);
        let muted = Instant::now();
        until(&mut [&mut a, &mut b], "what was under way", |_| {
            muted.elapsed() > Duration::from_millis(200)
        });
        let (quiet, other) = (packets(&b), packets(&a));
        until(&mut [&mut a, &mut b], "the other goes on", |all| {
            packets(all[0]) > other + 20
        });
        assert_eq!(packets(&b), quiet);
        set(false);
        until(&mut [&mut a, &mut b], "it is back", |all| {
            packets(all[1]) > quiet + 20
        });
    }
    assert!(is_gapless(&b));
}

#[test]
fn who_leaves_is_told_and_who_vanishes_too() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "both hear", |all| {
        all.iter().all(|c| packets(c) > 5)
    });
    a.rtc.close().unwrap();
    event(&engine, &mut [&mut a, &mut b], "closed", |e| {
        matches!(e, Event::Closed(1000, _))
    });
    event(&engine, &mut [&mut b], "silent or gone", |e| {
        matches!(e, Event::Quality { peer: 1001, .. })
    });
}

#[test]
fn the_last_message_arrives_before_the_goodbye() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "channels", |all| {
        all.iter().all(|c| !c.channels.is_empty())
    });
    event(&engine, &mut [&mut a, &mut b], "channel", |e| {
        matches!(e, Event::Channel(1000, _))
    });
    engine
        .send_data(&[1000], "_reliable", &[7; 20_000], true)
        .unwrap();
    engine.close_peer(1000).unwrap();
    until(&mut [&mut a, &mut b], "all of it", |all| {
        all[0].data.iter().any(|(_, d)| d.len() == 20_000)
    });
}

#[test]
fn speakers_and_the_flow_are_told() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    event(&engine, &mut [&mut a, &mut b], "flowing", |e| {
        *e == Event::Flowing(1100)
    });
    event(&engine, &mut [&mut a, &mut b], "speakers", |e| match e {
        Event::Speakers(1, all) => all
            .iter()
            .any(|(track, level, active)| *track == 1100 && *active && *level > 0.05),
        _ => false,
    });
    a.sending = None;
    event(&engine, &mut [&mut a, &mut b], "silent", |e| {
        *e == Event::Silent(1100)
    });
}

#[test]
fn data_that_is_not_permitted_is_dropped() {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "channels", |all| {
        all.iter().all(|c| !c.channels.is_empty())
    });
    engine.permit_data(1000, false).unwrap();
    assert!(a.send_data(b"secret"));
    let id = a.channels[0].0;
    until(&mut [&mut a, &mut b], "it is acknowledged", |all| {
        all[0].rtc.channel(id).unwrap().buffered_amount() == 0
    });
    assert!(b.send_data(b"open"));
    let mut seen = Vec::new();
    event(&engine, &mut [&mut a, &mut b], "the permitted one", |e| {
        if let Event::Data { payload, .. } = e {
            seen.push(payload.clone());
        }
        matches!(e, Event::Data { peer: 1001, .. })
    });
    engine.permit_data(1000, true).unwrap();
    assert!(a.send_data(b"allowed"));
    event(&engine, &mut [&mut a, &mut b], "then the other", |e| {
        if let Event::Data { payload, .. } = e {
            seen.push(payload.clone());
        }
        matches!(e, Event::Data { peer: 1000, .. })
    });
    assert!(!seen.contains(&b"secret".to_vec()));
}

#[test]
fn unknown_handles_and_foreign_tracks_are_refused() {
    let engine = engine();
    engine.open_room(1, 0).unwrap();
    engine.open_room(2, 0).unwrap();
    engine.open_peer(1, 10, Role::Both).unwrap();
    engine.open_voice(2, 20, 32_000).unwrap();
    assert!(engine.subscribe(10, 20, "a", "b").is_err());
    assert!(engine.subscribe(10, 21, "a", "b").is_err());
    assert!(engine.publish(11, "0", 30, Kind::Audio).is_err());
    assert!(engine.open_voice(2, 20, 32_000).is_err());
    engine.close_room(2).unwrap();
    assert!(engine.unpublish(20).is_err());
}
