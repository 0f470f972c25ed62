//! Rooms, their tracks, and what goes out to each peer.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::format::CodecSpec;
use str0m::media::{Mid, Rid};
use str0m::net::Protocol;
use vox_egress::{Destination, Keys, MediaClock, Ring, RingSize, Stream};
use vox_video::{Bandwidth, Frame, LAYERS, Source as Video, Switch};
use vox_voices::{Ears, SpeakerSettings, Speakers, Voice};

use crate::sdp::Kind;

/// One room of a media thread.
pub struct Room {
    /// Its peers.
    pub peers: Vec<u64>,
    /// The slots of its tracks.
    pub tracks: Vec<u32>,
    /// Who speaks there.
    pub speakers: Speakers,
    /// What Python hears of it.
    pub ears: Ears,
    /// Taps and mixes that are open.
    pub taps: usize,
}

impl Room {
    /// An empty room that forwards the loudest, or all for 0.
    pub fn new(top: usize) -> Room {
        Room {
            peers: Vec::new(),
            tracks: Vec::new(),
            speakers: Speakers::new(SpeakerSettings {
                top,
                ..SpeakerSettings::default()
            }),
            ears: Ears::new(),
            taps: 0,
        }
    }
}

/// Where a track comes from.
pub enum Source {
    /// A section of a peer.
    Peer(u64, Mid),
    /// Ourselves.
    Voice(Box<Voice>),
}

/// One source of media.
pub struct Track {
    /// Its handle.
    pub id: u64,
    /// Its room.
    pub room: u64,
    /// Audio or video.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// Whether it is dropped as it comes in.
    pub muted: bool,
    /// Whether the last packet was not forwarded.
    pub held: bool,
    /// Its qualities: one for audio, three for video.
    pub layers: Vec<Layer>,
    /// What a video's layers are like, once its codec is known.
    pub video: Option<Video>,
    /// The layers that were last told to be there.
    pub told: [bool; LAYERS],
    /// Its codec, once known.
    pub codec: Option<CodecSpec>,
    /// What its worst listener lost of late, of 256.
    pub lost: u8,
    /// Whether packets come.
    pub flowing: bool,
    /// When the last came.
    pub last: Instant,
    /// Who gets it.
    pub listeners: Vec<Listener>,
}

impl Track {
    /// A track of which nothing came yet.
    pub fn new(id: u64, room: u64, kind: Kind, source: Source, now: Instant) -> Track {
        let layers = match kind {
            Kind::Video => (0..LAYERS)
                .map(|_| Layer::new(RingSize::Video, 90_000))
                .collect(),
            _ => vec![Layer::new(RingSize::Audio, 48_000)],
        };
        Track {
            id,
            room,
            kind,
            source,
            muted: false,
            held: false,
            layers,
            video: None,
            told: [false; LAYERS],
            codec: None,
            lost: 0,
            flowing: false,
            last: now,
            listeners: Vec::new(),
        }
    }
}

/// One quality of a track, with a source of its own.
pub struct Layer {
    /// The packets that were forwarded last.
    pub ring: Ring,
    /// The clock by which its timestamps run.
    pub clock: MediaClock,
    /// The SSRC that feeds it.
    pub ssrc: u32,
    /// What its publisher calls it.
    pub rid: Option<Rid>,
    /// How it arrives.
    pub reception: Reception,
}

impl Layer {
    fn new(size: RingSize, rate: u32) -> Layer {
        Layer {
            ring: Ring::new(size),
            clock: MediaClock::new(rate),
            ssrc: 0,
            rid: None,
            reception: Reception::default(),
        }
    }
}

/// A packet that came in this wake and goes out at its end.
#[derive(Clone, Copy)]
pub struct News {
    /// The slot of its track.
    pub track: u32,
    /// Its layer.
    pub layer: u8,
    /// Its number in the layer's ring.
    pub index: u64,
    /// What a video's payload says.
    pub frame: Frame,
}

/// One peer that gets a track.
#[derive(Clone, Copy)]
pub struct Listener {
    /// The slot of its outlet.
    pub outlet: u32,
    /// The stream there.
    pub stream: u16,
    /// Whether it wants nothing now.
    pub paused: bool,
}

/// How a stream arrives: RFC 3550's loss and jitter over a span of time.
#[derive(Default)]
pub struct Reception {
    first: Option<u64>,
    highest: u64,
    received: u64,
    transit: Option<i64>,
    jitter: f64,
}

impl Reception {
    /// Counts a packet; `timestamp` and `arrived` in ticks of the clock of the stream.
    pub fn packet(&mut self, index: u64, timestamp: u32, arrived: u64) {
        let first = *self.first.get_or_insert(index);
        if index < first {
            return;
        }
        self.highest = self.highest.max(index);
        self.received += 1;
        let transit = i64::from((arrived as u32).wrapping_sub(timestamp) as i32);
        if let Some(last) = self.transit.replace(transit) {
            let change = (transit - last).abs() as f64;
            // A jump over a second is a pause of the source, not of the network.
            if change < 48_000.0 {
                self.jitter += (change - self.jitter) / 16.0;
            }
        }
    }

    /// The share lost and the jitter in ticks since the last call; `None` where nothing came.
    pub fn take(&mut self) -> Option<(f32, f64)> {
        let first = self.first?;
        if self.received == 0 {
            return None;
        }
        let expected = (self.highest - first + 1).max(1);
        let lost = 1.0 - (self.received as f32 / expected as f32).min(1.0);
        let jitter = self.jitter;
        *self = Reception {
            first: Some(self.highest + 1),
            highest: self.highest + 1,
            jitter,
            transit: self.transit,
            received: 0,
        };
        Some((lost, jitter))
    }

    /// Another source feeds the stream.
    pub fn restart(&mut self) {
        *self = Reception::default();
    }
}

/// What goes out to one peer.
#[derive(Default)]
pub struct Outlet {
    /// The peer.
    pub peer: u64,
    /// The keys, once DTLS agreed on them.
    pub keys: Option<Keys>,
    /// Where it goes.
    pub route: Option<Route>,
    /// What it is sent.
    pub streams: Vec<Stream>,
    /// What each stream carries, by the same indices.
    pub carried: Vec<Carried>,
    /// News of this wake, by their places in the list, and the streams that they go to.
    pub news: Vec<(u32, u16)>,
    /// Bytes of media that went out on streams that are no more.
    pub retired: u64,
    /// What it can take of video.
    pub bandwidth: Bandwidth,
    /// Bytes of video that it was sent, when they were last looked at.
    pub video_octets: u64,
    /// What that was in the last second, in bit/s.
    pub video_bitrate: u64,
}

impl Outlet {
    /// Whether anything can be sent to the peer yet.
    pub fn is_reachable(&self) -> bool {
        self.keys.is_some() && self.route.is_some()
    }
}

/// What a stream carries.
#[derive(Default)]
pub struct Carried {
    /// The slot of the track.
    pub track: Option<u32>,
    /// The choice of a video's layer.
    pub switch: Option<Switch>,
    /// The highest quality and the frames a second that its listener asked for.
    pub most: (u8, u8),
    /// Whether its listener wants nothing now.
    pub paused: bool,
}

/// The path to a peer.
#[derive(Clone, Copy)]
pub struct Route {
    /// UDP or TCP.
    pub proto: Protocol,
    /// Its address.
    pub remote: SocketAddr,
    /// The same, as the socket takes it.
    pub destination: Destination,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_what_is_missing_of_the_span() {
        let mut reception = Reception::default();
        for index in [10u64, 11, 13, 14] {
            reception.packet(index, index as u32 * 960, index * 960);
        }
        let (lost, jitter) = reception.take().unwrap();
        assert!((lost - 0.2).abs() < 1e-6);
        assert!(jitter.abs() < 1e-9);
        assert!(reception.take().is_none());
        reception.packet(15, 15 * 960, 15 * 960);
        assert!(reception.take().unwrap().0.abs() < 1e-6);
    }

    #[test]
    fn jitter_grows_with_uneven_arrival() {
        let mut reception = Reception::default();
        for index in 0u64..100 {
            reception.packet(index, index as u32 * 960, index * 960 + (index % 2) * 480);
        }
        assert!(reception.take().unwrap().1 > 200.0);
    }
}
