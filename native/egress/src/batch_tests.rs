use std::collections::{HashMap, VecDeque};
use std::net::UdpSocket as StdSocket;
use std::os::fd::AsRawFd;

use super::*;
use crate::extensions::ExtensionIds;
use crate::keys::Profile;
use crate::ring::RingSize;
use crate::stream::StreamOptions;
use crate::testing::{Dice, Heard, Listener, keys, packet};

/// A kernel that answers as told, then takes everything.
#[derive(Default)]
struct Kernel {
    answers: VecDeque<io::Result<usize>>,
    refuses_segments: bool,
    datagrams: Vec<Vec<u8>>,
    calls: Vec<(usize, usize)>,
}

impl Datagrams for Kernel {
    fn send(&mut self, arena: &[u8], messages: &[Message]) -> io::Result<usize> {
        let mut count = messages.len().min(64);
        if let Some(answer) = self.answers.pop_front() {
            count = count.min(answer?);
        }
        for (at, message) in messages[..count].iter().enumerate() {
            if message.segment != 0 && self.refuses_segments {
                return if at > 0 {
                    Ok(at)
                } else {
                    Err(io::Error::from_raw_os_error(libc::EIO))
                };
            }
            let bytes = &arena[message.start..message.start + message.length];
            let segment = if message.segment == 0 {
                message.length
            } else {
                message.segment
            };
            self.datagrams
                .extend(bytes.chunks(segment).map(<[u8]>::to_vec));
            self.calls.push((message.packets(), message.segment));
        }
        Ok(count)
    }
}

fn streams(count: u32) -> Vec<Stream> {
    (0..count)
        .map(|ssrc| {
            Stream::new(&StreamOptions {
                ssrc,
                payload_type: 111,
                clock_rate: 48_000,
                size: RingSize::Audio,
                ids: ExtensionIds::default(),
                mid: "",
                first_sequence: 0,
            })
        })
        .collect()
}

fn destination() -> Destination {
    Destination::new("192.0.2.1:9".parse().unwrap(), None)
}

fn work(stream: usize, index: u64, payload: &[u8]) -> Work<'_> {
    Work {
        stream,
        packet: packet(index, payload),
        rewrite: Rewrite::default(),
    }
}

fn heard(listener: &mut Listener, kernel: &Kernel) -> Vec<Heard> {
    kernel
        .datagrams
        .iter()
        .map(|datagram| listener.hear(datagram).1)
        .collect()
}

#[test]
fn three_packets_leave_as_one_datagram_and_arrive_as_they_were() {
    for profile in [
        Profile::Aes128CmSha1_80,
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
    ] {
        let (mut ours, theirs) = keys(profile);
        let mut batch = Batch::over(Kernel::default());
        let mut streams = streams(3);
        let payloads = [[1; 100].as_slice(), &[2; 110], &[3; 104]];
        let all: Vec<Work<'_>> = (0..3).map(|at| work(at, 5, payloads[at])).collect();
        batch.forward(&mut ours, &destination(), &mut streams, &all);
        assert_eq!(batch.flush(), Flush::Done);
        assert_eq!(batch.socket.calls, [(3, 110 + 12 + profile.tag())]);
        let mut all = heard(&mut Listener::new(theirs), &batch.socket);
        all.sort_by_key(|heard| heard.header.ssrc);
        for (heard, payload) in all.iter().zip(payloads) {
            assert_eq!(heard.payload, payload);
        }
        assert_eq!(batch.totals().padding, 6);
        assert_eq!((batch.totals().packets, batch.totals().datagrams), (3, 1));
    }
}

#[test]
fn what_would_cost_much_padding_and_pairs_leave_one_by_one() {
    let (mut ours, _) = keys(Profile::AeadAes128Gcm);
    let mut batch = Batch::over(Kernel::default());
    let mut streams = streams(3);
    let all = [
        work(0, 5, &[0; 1_000]),
        work(1, 5, &[0; 100]),
        work(2, 5, &[0; 10]),
    ];
    batch.forward(&mut ours, &destination(), &mut streams, &all);
    let all = [work(0, 6, &[0; 100]), work(1, 6, &[0; 100])];
    batch.forward(&mut ours, &destination(), &mut streams, &all);
    batch.flush();
    assert_eq!(batch.socket.calls, [(1, 0); 5]);
    assert_eq!(batch.totals().padding, 0);
}

#[test]
fn skips_in_the_middle_of_a_wake_close_in_order() {
    let (mut ours, theirs) = keys(Profile::AeadAes128Gcm);
    let mut batch = Batch::over(Kernel::default());
    let mut streams = streams(1);
    let skipped = |index| {
        let rewrite = Rewrite {
            skip: true,
            ..Rewrite::default()
        };
        Work {
            rewrite,
            ..work(0, index, b"dropped")
        }
    };
    let all = [
        work(0, 8, b"a"),
        skipped(9),
        work(0, 10, b"b"),
        skipped(11),
        skipped(12),
        work(0, 13, b"c"),
    ];
    batch.forward(&mut ours, &destination(), &mut streams, &all);
    batch.flush();
    let all = heard(&mut Listener::new(theirs), &batch.socket);
    let indices: Vec<u64> = all.iter().map(|heard| heard.index).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(all[2].payload, b"c");
}

#[test]
fn a_merged_packet_is_resent_with_its_padding() {
    let (mut ours, theirs) = keys(Profile::AeadAes128Gcm);
    let mut batch = Batch::over(Kernel::default());
    let mut streams = streams(3);
    let mut ring = Ring::new(RingSize::Audio);
    ring.push(&packet(5, &[1; 101]));
    let kept = ring.get(5).unwrap();
    let all = [
        work(0, 5, &[1; 100]),
        Work {
            stream: 1,
            packet: kept,
            rewrite: Rewrite::default(),
        },
        work(2, 5, &[1; 110]),
    ];
    batch.forward(&mut ours, &destination(), &mut streams, &all);
    batch.flush();
    assert!(batch.resend(&ours, &destination(), &mut streams[1], &[&ring], 0));
    batch.flush();
    assert_eq!(batch.socket.datagrams[1], batch.socket.datagrams[3]);
    assert_eq!(batch.totals().resent, 1);
    let again = Listener::new(theirs).hear(&batch.socket.datagrams[3]).1;
    assert!(again.header.padded);
    assert_eq!(again.payload, [1; 101]);
}

#[test]
fn a_kernel_without_segmentation_gets_single_packets_for_good() {
    let (mut ours, theirs) = keys(Profile::AeadAes128Gcm);
    let mut batch = Batch::over(Kernel {
        refuses_segments: true,
        ..Kernel::default()
    });
    let mut streams = streams(4);
    for index in 0..3 {
        let all: Vec<Work<'_>> = (0..4).map(|at| work(at, index, &[7; 80])).collect();
        batch.forward(&mut ours, &destination(), &mut streams, &all);
    }
    assert!(batch.is_merging());
    batch.flush();
    assert!(!batch.is_merging());
    assert_eq!(heard(&mut Listener::new(theirs), &batch.socket).len(), 12);
    let all: Vec<Work<'_>> = (0..4).map(|at| work(at, 9, &[7; 80])).collect();
    batch.forward(&mut ours, &destination(), &mut streams, &all);
    batch.flush();
    assert_eq!(batch.socket.calls[12..], [(1, 0); 4]);
    assert_eq!(batch.totals().packets, 16);
}

#[test]
fn a_bad_destination_does_not_turn_merging_off() {
    let (mut ours, _) = keys(Profile::AeadAes128Gcm);
    let refusal = || Err(io::Error::from_raw_os_error(libc::EINVAL));
    let answers = (0..4).map(|_| refusal()).collect();
    let mut batch = Batch::over(Kernel {
        answers,
        ..Kernel::default()
    });
    let mut streams = streams(3);
    for index in 0..2 {
        let all: Vec<Work<'_>> = (0..3).map(|at| work(at, index, &[7; 80])).collect();
        batch.forward(&mut ours, &destination(), &mut streams, &all);
    }
    assert_eq!(batch.flush(), Flush::Done);
    assert!(batch.is_merging());
    assert_eq!((batch.totals().dropped, batch.totals().packets), (3, 3));
}

/// Partial sends, full buffers, interruptions and unreachable listeners, in any order: what the
/// kernel took is what was counted, in order within each stream, and nothing leaves twice.
#[test]
fn order_and_counts_survive_whatever_the_kernel_answers() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let (mut ours, theirs) = keys(Profile::AeadAes128Gcm);
        let refuses_segments = dice.below(3) == 0;
        let mut batch = Batch::over(Kernel {
            refuses_segments,
            ..Kernel::default()
        });
        let mut streams = streams(8);
        let mut next = [0u64; 8];
        let mut offered = 0;
        for _ in 0..60 {
            for _ in 0..dice.below(4) {
                let answer = match dice.below(6) {
                    0 => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
                    1 => Err(io::Error::from_raw_os_error(libc::EINTR)),
                    2 => Err(io::Error::from_raw_os_error(libc::ENETUNREACH)),
                    3 => Ok(0),
                    _ => Ok(1 + dice.below(5) as usize),
                };
                batch.socket.answers.push_back(answer);
            }
            for _ in 0..dice.below(6) {
                let payloads: Vec<Vec<u8>> = (0..dice.below(30))
                    .map(|_| {
                        let longest = if dice.below(4) == 0 { 1_300 } else { 120 };
                        vec![3; dice.below(longest) as usize]
                    })
                    .collect();
                let all: Vec<Work<'_>> = payloads
                    .iter()
                    .map(|payload| {
                        let stream = dice.below(8) as usize;
                        next[stream] += 1;
                        work(stream, next[stream], payload)
                    })
                    .collect();
                offered += all.len() as u64;
                batch.forward(&mut ours, &destination(), &mut streams, &all);
            }
            batch.flush();
        }
        batch.socket.answers.clear();
        assert_eq!(batch.flush(), Flush::Done);
        let totals = batch.totals();
        assert_eq!(totals.packets + totals.dropped, offered, "seed {seed}");
        assert_eq!(totals.packets, batch.socket.datagrams.len() as u64);
        let mut listener = Listener::new(theirs);
        let mut newest: HashMap<u32, u64> = HashMap::new();
        for datagram in &batch.socket.datagrams {
            let (new, heard) = listener.hear(datagram);
            assert!(new, "seed {seed}: left twice");
            let before = newest.insert(heard.header.ssrc, heard.index);
            assert!(
                before.is_none_or(|before| before < heard.index),
                "seed {seed}: order"
            );
        }
        assert!(totals.padding * 8 <= totals.bytes, "seed {seed}: padding");
    }
}

#[test]
fn a_socket_that_stays_full_drops_and_keeps_its_bounds() {
    let (mut ours, theirs) = keys(Profile::AeadAes128Gcm);
    let answers = (0..100_000)
        .map(|_| Err(io::Error::from_raw_os_error(libc::EAGAIN)))
        .collect();
    let mut batch = Batch::over(Kernel {
        answers,
        ..Kernel::default()
    });
    let mut streams = streams(3);
    for index in 0..5_000 {
        let all: Vec<Work<'_>> = (0..3).map(|at| work(at, index, &[7; 80])).collect();
        batch.forward(&mut ours, &destination(), &mut streams, &all);
        assert!(batch.used <= ARENA && batch.messages.len() <= MOST_MESSAGES);
    }
    assert_eq!(batch.flush(), Flush::Blocked);
    batch.socket.answers.clear();
    assert_eq!(batch.flush(), Flush::Done);
    let totals = batch.totals();
    assert_eq!(totals.packets + totals.dropped, 15_000);
    assert!(
        totals.packets >= 800,
        "what fitted is sent: {}",
        totals.packets
    );
    assert_eq!(
        heard(&mut Listener::new(theirs), &batch.socket).len() as u64,
        totals.packets
    );
}

/// Over a real socket: with and without merging, with a chosen source address, both families.
#[test]
fn a_real_socket_delivers_merged_and_single_packets() {
    for (bind, receive) in [
        ("0.0.0.0:0", "127.0.0.1:0"),
        ("[::]:0", "[::1]:0"),
        ("[::]:0", "127.0.0.1:0"),
    ] {
        let Ok(receiver) = StdSocket::bind(receive) else {
            continue; // a machine without IPv6
        };
        let sender = StdSocket::bind(bind).unwrap();
        receiver
            .set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .unwrap();
        let at = receiver.local_addr().unwrap();
        let (mut ours, theirs) = keys(Profile::AeadAes256Gcm);
        let mut listener = Listener::new(theirs);
        let mut batch = Batch::new(sender.as_raw_fd());
        let mut streams = streams(5);
        for local in [None, Some(at.ip())] {
            let to = Destination::new(at, local);
            for count in [2, 5] {
                let all: Vec<Work<'_>> = (0..count)
                    .map(|stream| work(stream, streams[stream].packets(), &[9; 90]))
                    .collect();
                batch.forward(&mut ours, &to, &mut streams, &all);
                assert!(batch.push_plain(&to, b"plain"));
                assert_eq!(batch.flush(), Flush::Done);
                let mut buffer = [0; 2_048];
                for _ in 0..count {
                    let (length, from) = receiver.recv_from(&mut buffer).unwrap();
                    assert_eq!(from.port(), sender.local_addr().unwrap().port());
                    assert_eq!(listener.hear(&buffer[..length]).1.payload, [9; 90]);
                }
                let (length, _) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], b"plain");
            }
        }
        assert_eq!(batch.totals().dropped, 0);
    }
}
