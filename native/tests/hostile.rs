//! What a stranger or a bad member may send: bounded, told by name, and nobody else notices.

mod client;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use client::{Alter, Client, engine, meet, until};
use str0m::ice::{StunMessage, TransId};
use vox_native::engine::{Engine, Refusal};
use vox_native::event::Event;
use vox_native::peer::Role;
use vox_native::sdp::Kind;

/// Mutated inputs of each kind; more with VOX_FUZZ_INPUTS.
fn inputs() -> usize {
    let asked = std::env::var("VOX_FUZZ_INPUTS");
    asked.ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// A small generator, so that what failed fails again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.roll(bytes.len());
            match self.roll(5) {
                0 => bytes[at] = self.roll(256) as u8,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, self.roll(256) as u8),
                3 => bytes[at] ^= 1 << self.roll(8),
                _ => {
                    let end = (at + self.roll(64)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
    }
}

fn packets(client: &Client) -> usize {
    client.received.values().map(|r| r.sequences.len()).sum()
}

/// Two who hear each other, and still do after something was done to their engine.
fn undisturbed(act: impl FnOnce(&Engine, &mut Client, &mut Client)) {
    let engine = engine();
    let (mut a, mut b) = (Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    until(&mut [&mut a, &mut b], "both hear", |all| {
        all.iter().all(|c| packets(c) > 10)
    });
    engine.events();
    act(&engine, &mut a, &mut b);
    let before = (packets(&a), packets(&b));
    until(&mut [&mut a, &mut b], "both hear on", |all| {
        packets(all[0]) > before.0 + 20 && packets(all[1]) > before.1 + 20
    });
    let ended = |e: &Event| matches!(e, Event::Closed(1000 | 1001, _));
    assert!(!engine.events().iter().any(ended));
}

fn refused<T>(outcome: Result<T, Refusal>) -> String {
    match outcome {
        Err(Refusal::Value(reason)) => reason,
        Err(other) => panic!("not the caller's mistake: {other:?}"),
        Ok(_) => panic!("that was taken"),
    }
}

#[test]
fn a_check_without_the_password_moves_nobody() {
    undisturbed(|engine, a, _| {
        let ours = a.remote_ufrag();
        let name = format!("{ours}:x");
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, engine.udp_ports()[0]));
        for _ in 0..50 {
            let message =
                StunMessage::binding_request(&name, TransId::new(), true, 1, 1 << 20, true);
            let mut buffer = [0; 512];
            let length = message
                .to_bytes(Some(b"guessed"), &mut buffer, |_, _| [7; 20])
                .unwrap();
            stranger.send_to(&buffer[..length], to).unwrap();
        }
        stranger
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        assert!(
            stranger.recv_from(&mut [0; 2048]).is_err(),
            "a stranger is answered nothing"
        );
    });
}

#[test]
fn garbage_from_anywhere_is_dropped() {
    undisturbed(|engine, a, _| {
        let mut dice = Dice(5);
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, engine.udp_ports()[0]));
        for round in 0..inputs() * 5 {
            let mut bytes: Vec<u8> = (0..dice.roll(1400)).map(|_| dice.roll(256) as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = [0, 1, 22, 23, 128, 144, 191, 255][round % 8];
            }
            match round % 2 {
                0 => drop(stranger.send_to(&bytes, to)),
                _ => a.inject(engine, &bytes),
            }
            if round % 50 == 0 {
                a.turn();
            }
        }
    });
}

#[test]
fn damaged_descriptions_are_refused_or_answered_and_nothing_else() {
    undisturbed(|engine, _, _| {
        let (offer, _) = Client::udp().offer(2);
        let mut dice = Dice(11);
        for round in 0..inputs() {
            let peer = 5_000 + round as u64;
            engine.open_peer(1, peer, Role::Both).unwrap();
            let mut bytes = offer.clone().into_bytes();
            dice.mutate(&mut bytes);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if engine.accept_offer(peer, &text).is_ok() {
                let mut again = text.into_bytes();
                dice.mutate(&mut again);
                // Whatever comes of it is an answer or a reason.
                let _ = engine.accept_offer(peer, &String::from_utf8_lossy(&again));
            }
            engine.close_peer(peer).unwrap();
        }
    });
}

#[test]
fn descriptions_are_bounded_by_name() {
    undisturbed(|engine, _, _| {
        engine.open_peer(1, 7, Role::Both).unwrap();
        let (offer, _) = Client::udp().offer(1);
        let long = format!("{offer}{}", "a=x:0123456789\r\n".repeat(70_000));
        assert!(refused(engine.accept_offer(7, &long)).contains("1048576"));
        let many = format!(
            "{offer}{}",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:q\r\n".repeat(600)
        );
        assert!(refused(engine.accept_offer(7, &many)).contains("512 sections"));
        assert!(refused(engine.accept_offer(7, "")).contains("no sections"));
        assert!(refused(engine.accept_answer(7, &offer)).contains("no offer waits"));
        assert!(refused(engine.add_candidate(7, &"x".repeat(2_000))).contains("candidate"));
        assert!(refused(engine.send_data(&[7], "l", &vec![0; 300_000], true)).contains("bytes"));
    });
}

#[test]
fn a_thousand_tracks_are_a_thousand_tracks_and_subscriptions_end_at_the_bound() {
    undisturbed(|engine, _, _| {
        engine.open_peer(1, 7, Role::Subscriber).unwrap();
        for track in 10_000..11_000u64 {
            engine.publish(1000, "nowhere", track, Kind::Audio).unwrap();
        }
        for track in 10_000..10_512u64 {
            engine.subscribe(7, track, "s", "t").unwrap();
        }
        assert!(refused(engine.subscribe(7, 10_600, "s", "t")).contains("bound"));
        let offer = engine.make_offer(7, false).unwrap().unwrap();
        assert_eq!(offer.matches("m=audio").count(), 512);
        for track in 10_000..11_000u64 {
            engine.unpublish(track).unwrap();
        }
    });
}

#[test]
fn offers_without_end_leave_nothing_behind() {
    undisturbed(|engine, a, b| {
        let mut c = Client::udp();
        engine.open_peer(1, 7, Role::Subscriber).unwrap();
        for round in 0..100u64 {
            let track = 1100 + round % 2;
            engine
                .subscribe(7, track, &format!("s{round}"), "t")
                .unwrap();
            let offer = engine.make_offer(7, false).unwrap().unwrap();
            assert_eq!(
                offer.matches("m=audio").count(),
                1,
                "the section is used again"
            );
            engine.accept_answer(7, &c.answer(&offer)).unwrap();
            engine.unsubscribe(7, track).unwrap();
            for client in [&mut *a, &mut *b, &mut c] {
                client.turn();
            }
        }
        engine.subscribe(7, 1100, "last", "t").unwrap();
        let offer = engine.make_offer(7, false).unwrap().unwrap();
        engine.accept_answer(7, &c.answer(&offer)).unwrap();
        let before = packets(&c);
        until(&mut [a, b, &mut c], "it still hears", |all| {
            packets(all[2]) > before + 10
        });
    });
}

#[test]
fn strangers_on_tcp_are_few_and_lies_about_length_end_them() {
    undisturbed(|engine, _, _| {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, engine.tcp_ports()[0]));
        let mut liar = TcpStream::connect(to).unwrap();
        liar.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
        liar.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert!(matches!(liar.read(&mut [0; 16]), Ok(0) | Err(_)));
        let mut many: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(to).unwrap()).collect();
        let refused = |stream: &mut TcpStream| {
            stream
                .set_read_timeout(Some(Duration::from_millis(300)))
                .unwrap();
            matches!(stream.read(&mut [0; 1]), Ok(0))
        };
        let open = many.iter_mut().map(refused).filter(|over| !over).count();
        assert!(open <= 32, "{open} strangers of one address are let wait");
    });
}

/// Clears the flag that says that a message ends, of every DATA chunk that has little in it.
fn without_an_end(packet: &mut [u8]) {
    let mut at = 12;
    while let Some(&[kind, _, high, low]) = packet.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind == 0 && length == 17 {
            packet[at + 1] &= !1;
        }
        at += length.next_multiple_of(4).max(4);
    }
}

/// Leaves a wide gap before every DATA chunk that has little in it.
fn behind_a_gap(packet: &mut [u8]) {
    if packet.len() == 32 && packet[12] == 0 && packet[15] == 17 {
        let sequence: [u8; 4] = packet[16..20].try_into().unwrap();
        let sequence = u32::from_be_bytes(sequence).wrapping_add(100_000);
        packet[16..20].copy_from_slice(&sequence.to_be_bytes());
    }
}

/// A member whose data is changed on its way is closed for it; the other members go on.
fn ended_for(alter: Alter) {
    undisturbed(|engine, a, b| {
        let mut bad = Client::altering(alter);
        meet(engine, 9, &mut [&mut bad]);
        engine.events();
        let mut ended = Vec::new();
        until(&mut [a, b, &mut bad], "it is ended", |all| {
            for _ in 0..64 {
                if !all[2].channels.is_empty() && !all[2].try_send(&[1]) {
                    break;
                }
            }
            ended.extend(engine.events().into_iter().filter_map(|e| match e {
                Event::Closed(peer, reason) => Some((peer, reason)),
                _ => None,
            }));
            !ended.is_empty()
        });
        assert_eq!(ended, [(9000, "too much unfinished data")]);
    });
}

#[test]
fn a_member_that_never_finishes_its_messages_is_ended_before_they_cost_much() {
    ended_for(without_an_end);
}

#[test]
fn a_member_that_leaves_a_message_out_is_ended_before_the_rest_costs_much() {
    ended_for(behind_a_gap);
}

#[test]
fn small_messages_without_end_are_welcome() {
    undisturbed(|engine, a, b| {
        let (mut sent, mut heard) = (0, 0);
        until(&mut [a, b], "all messages came", |all| {
            for _ in 0..200 {
                let more = sent < 12_000 && !all[0].channels.is_empty();
                sent += usize::from(more && all[0].try_send(b"x"));
            }
            let events = engine.events();
            assert!(!events.iter().any(|e| matches!(e, Event::Closed(..))));
            let data = |e: &&Event| matches!(e, Event::Data { .. });
            heard += events.iter().filter(data).count();
            heard == 12_000
        });
    });
}

#[test]
fn a_member_that_floods_data_is_slowed_by_nobody_but_itself() {
    undisturbed(|engine, a, b| {
        let began = Instant::now();
        let mut sent = 0;
        while began.elapsed() < Duration::from_secs(2) {
            while !a.channels.is_empty() && sent < 20_000 && a.try_send(&[1; 1_000]) {
                sent += 1;
            }
            a.turn();
            b.turn();
        }
        assert!(sent > 100);
        assert_eq!(engine.stats().lost_events, 0);
    });
}
