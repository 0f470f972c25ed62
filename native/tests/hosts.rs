//! Engines of several threads, and of both families of addresses.

mod client;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use client::{Client, engine_at, meet, until};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const ALL_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

fn packets(client: &Client) -> usize {
    client.received.values().map(|r| r.sequences.len()).sum()
}

fn all_hear(clients: &mut [&mut Client]) {
    until(clients, "all hear", |all| {
        all.iter().all(|c| packets(c) > 30)
    });
}

#[test]
fn rooms_of_two_threads_are_told_their_ports_and_hear_only_themselves() {
    let engine = engine_at(V4, vec![V4], 2);
    let ports = engine.udp_ports();
    assert_eq!((ports.len(), engine.tcp_ports().len()), (2, 2));
    assert_ne!(ports[0], ports[1]);
    let (mut a, mut b, mut c, mut d) = (Client::udp(), Client::udp(), Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    meet(&engine, 2, &mut [&mut c, &mut d]);
    let mut all = [&mut a, &mut b, &mut c, &mut d];
    all_hear(&mut all);
    assert!(all.iter().all(|client| client.received.len() == 1));
    until(&mut all, "each thread has a room with two", |_| {
        let threads = engine.stats().threads;
        threads.iter().all(|t| t.rooms == 1 && t.peers == 2)
    });
}

#[test]
fn a_thread_that_loses_its_rooms_is_given_the_next() {
    let engine = engine_at(V4, vec![V4], 3);
    for room in 0..3 {
        engine.open_room(room, 0).unwrap();
    }
    engine.close_room(1).unwrap();
    engine.open_room(9, 0).unwrap();
    until(&mut [], "each thread has a room", |_| {
        engine.stats().threads.iter().all(|t| t.rooms == 1)
    });
}

#[test]
fn a_room_lives_on_with_its_thread_while_another_closes() {
    let engine = engine_at(V4, vec![V4], 2);
    let (mut a, mut b, mut c) = (Client::udp(), Client::udp(), Client::udp());
    meet(&engine, 1, &mut [&mut a, &mut b]);
    meet(&engine, 2, &mut [&mut c]);
    all_hear(&mut [&mut a, &mut b]);
    engine.close_room(2).unwrap();
    let before = (packets(&a), packets(&b));
    until(&mut [&mut a, &mut b, &mut c], "both hear on", |all| {
        packets(all[0]) > before.0 + 20 && packets(all[1]) > before.1 + 20
    });
}

/// Whether this machine has IPv6: some containers have none.
fn has_ipv6() -> bool {
    let bound = UdpSocket::bind((V6, 0)).is_ok();
    if !bound {
        eprintln!("Not run: there is no IPv6 here");
    }
    bound
}

#[test]
fn clients_meet_over_ipv6() {
    if !has_ipv6() {
        return;
    }
    let engine = engine_at(V6, vec![V6], 1);
    let (mut a, mut b) = (Client::udp_at(V6), Client::tcp_at(&engine, V6));
    meet(&engine, 1, &mut [&mut a, &mut b]);
    all_hear(&mut [&mut a, &mut b]);
}

#[test]
fn one_socket_serves_both_families() {
    if !has_ipv6() {
        return;
    }
    let engine = engine_at(ALL_V6, vec![V4, V6], 1);
    let (mut a, mut b) = (Client::udp_at(V4), Client::udp_at(V6));
    let (mut c, mut d) = (Client::tcp_at(&engine, V4), Client::tcp_at(&engine, V6));
    let mut all = [&mut a, &mut b, &mut c, &mut d];
    meet(&engine, 1, &mut all);
    all_hear(&mut all);
    assert!(all.iter().all(|client| client.received.len() == 3));
}
