//! Seals and sends speech to listeners that are nobody, and prints what a packet cost, as JSON.
//!
//! Listeners get addresses of their own, from NETWORK on; `single` hands over one packet at a time,
//! so that nothing is merged.

use std::env;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use vox_egress::{
    Batch, Destination, ExtensionIds, Keys, Level, Packet, Profile, Rewrite, Ring, RingSize, Span,
    Stream, StreamOptions, Work,
};

const USAGE: &str =
    "seal_and_send NETWORK LISTENERS STREAMS SECONDS (gcm128|gcm256|cm) (merged|single)";

struct Listener {
    keys: Keys,
    to: Destination,
    streams: Vec<Stream>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [network, listeners, streams, seconds, profile, merging] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let network: Ipv4Addr = network.parse()?;
    let (listeners, streams): (u32, usize) = (listeners.parse()?, streams.parse()?);
    let seconds: f64 = seconds.parse()?;
    let profile = match profile.as_str() {
        "gcm128" => Profile::AeadAes128Gcm,
        "gcm256" => Profile::AeadAes256Gcm,
        "cm" => Profile::Aes128CmSha1_80,
        _ => return Err(USAGE.into()),
    };
    let together = if merging == "merged" { streams } else { 1 };

    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut batch = Batch::new(socket.as_raw_fd());
    let mut all = (0..listeners)
        .map(|number| listener(network, number, streams, profile))
        .collect::<Option<Vec<Listener>>>()
        .ok_or("the keying material is too short")?;
    let mut rings: Vec<Ring> = (0..streams).map(|_| Ring::new(RingSize::Audio)).collect();

    let mut sizes = Sizes(1);
    let mut index = 0;
    let mut round = |all: &mut Vec<Listener>, batch: &mut Batch| {
        index += 1;
        for ring in &mut rings {
            ring.push(&packet(index, &[0x55; 160][..sizes.next()]));
        }
        for listener in all {
            let mut work = Vec::with_capacity(streams);
            for (stream, ring) in rings.iter().enumerate() {
                let rewrite = Rewrite::default();
                work.extend(ring.get(index).map(|packet| Work {
                    stream,
                    packet,
                    rewrite,
                }));
            }
            for part in work.chunks(together) {
                batch.forward(
                    &mut listener.keys,
                    &listener.to,
                    &mut listener.streams,
                    part,
                );
            }
        }
        batch.flush();
    };
    for _ in 0..20 {
        round(&mut all, &mut batch);
    }
    let (before, cpu_before) = (batch.totals(), cpu_time());
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        round(&mut all, &mut batch);
    }
    let (wall, cpu) = (began.elapsed(), cpu_time() - cpu_before);
    let totals = batch.totals();
    let packets = totals.packets - before.packets;
    println!(
        "{{\"packets\": {packets}, \"datagrams\": {}, \"bytes\": {}, \"padding\": {}, \"dropped\": {}, \
         \"merging\": {}, \"cpu_ns\": {:.1}, \"wall_ns\": {:.1}}}",
        totals.datagrams - before.datagrams,
        totals.bytes - before.bytes,
        totals.padding - before.padding,
        totals.dropped - before.dropped,
        batch.is_merging(),
        cpu.as_nanos() as f64 / packets.max(1) as f64,
        wall.as_nanos() as f64 / packets.max(1) as f64,
    );
    Ok(())
}

fn listener(network: Ipv4Addr, number: u32, streams: usize, profile: Profile) -> Option<Listener> {
    let mut material = [0; 88];
    material[..4].copy_from_slice(&number.to_be_bytes());
    let address = Ipv4Addr::from(u32::from(network) + 16 + number);
    let ids = ExtensionIds {
        level: 1,
        ..ExtensionIds::default()
    };
    let options = |ssrc| StreamOptions {
        ssrc,
        payload_type: 111,
        clock_rate: 48_000,
        size: RingSize::Audio,
        ids,
        mid: "",
        first_sequence: 0,
    };
    Some(Listener {
        keys: Keys::derive(profile, &material, true)?,
        to: Destination::new(SocketAddr::new(IpAddr::V4(address), 40_000), None),
        streams: (0..streams as u32)
            .map(|ssrc| Stream::new(&options(ssrc)))
            .collect(),
    })
}

fn packet(index: u64, payload: &[u8]) -> Packet<'_> {
    Packet {
        index,
        timestamp: (index as u32).wrapping_mul(960),
        marker: false,
        payload,
        level: Some(Level {
            dbov: 30,
            voice: true,
        }),
        orientation: None,
        arrived_us: index * 20_000,
        span: Span::default(),
    }
}

/// Payloads of 80 to 160 bytes, the same in each run.
struct Sizes(u64);

impl Sizes {
    fn next(&mut self) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        80 + (self.0 >> 33) as usize % 81
    }
}

/// What this thread spent, in the kernel too.
fn cpu_time() -> Duration {
    let mut spec = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut spec) };
    Duration::new(spec.tv_sec as u64, spec.tv_nsec as u32)
}
