//! One peer connection: str0m's state machine and what we remember beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::format::CodecSpec;
use str0m::media::{Mid, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

use crate::negotiation::Negotiation;
use crate::tap::{self, Crypto, Material};

/// Addresses of one peer that we remember: each network path that it proved with its password.
const MAX_ADDRESSES: usize = 8;
/// User fragments of one peer that we remember.
const MAX_FRAGMENTS: usize = 3;
/// Streams of one peer that nothing names.
const MAX_NAMELESS: usize = 4;
/// Data channels of one peer.
const MAX_CHANNELS: usize = 16;
/// Streams of one peer that we remember the track of.
const MAX_STREAMS: usize = 512;
/// Bytes that wait to be sent on the channels of one peer, at most.
const MAX_BUFFERED: usize = 1 << 20;

/// Who offers, and which way media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The client offers and sends.
    Publisher,
    /// We offer and send.
    Subscriber,
    /// The client offers, and both send.
    Both,
}

/// A section of the peer that is a track.
pub struct Publication {
    /// The section.
    pub mid: Mid,
    /// The slot of the track.
    pub track: u32,
}

/// A stream of the peer whose track is known.
pub struct Incoming {
    ssrc: Ssrc,
    /// The slot of the track.
    pub track: u32,
    /// Its layer.
    pub rid: Option<Rid>,
}

struct Channel {
    id: Option<ChannelId>,
    label: String,
    open: bool,
    config: Option<ChannelConfig>,
}

/// What a peer's state machine wants to happen, beside its datagrams.
#[derive(Default)]
pub struct Happenings {
    /// Events of str0m, oldest first.
    pub events: Vec<Event>,
    /// The keys, once.
    pub material: Option<Material>,
}

/// Bytes of media, without headers, that came from a peer and went to it, as of the last second.
#[derive(Default)]
pub struct Traffic {
    pub received: AtomicU64,
    pub sent: AtomicU64,
}

/// One peer connection.
pub struct Peer {
    /// Its handle.
    pub id: u64,
    /// The room that it is in.
    pub room: u64,
    /// Who offers.
    pub role: Role,
    /// Its slot among what sends.
    pub outlet: u32,
    /// When its timers want to run.
    pub deadline: Instant,
    /// Subscriptions, sections and the offer that waits.
    pub negotiation: Negotiation,
    /// Its sections that are tracks.
    pub publications: Vec<Publication>,
    /// Slots of the tracks that it listens to now.
    pub listening: Vec<u32>,
    /// Whether its data is passed on.
    pub data_allowed: bool,
    /// Its media, counted for whoever asks.
    pub traffic: Arc<Traffic>,
    /// Until when it may still take what waits on its channels, once it is to close.
    pub closing: Option<Instant>,
    /// The only section that sends audio, where its packets do not say whose they are.
    pub nameless: Option<Mid>,
    /// Whether it was reachable and is not now, and since when.
    pub lost_since: Option<Instant>,
    /// Whether it was ever connected.
    pub connected: bool,
    /// Why it is over.
    pub over: Option<&'static str>,
    /// Since when it waits to connect for the first time.
    pub opened: Instant,
    /// The user fragments by which checks find it: the present one, and those of restarts that may still come.
    pub ufrags: Vec<String>,
    /// The earliest time for which a timer of it waits.
    pub scheduled: Option<Instant>,
    /// Its addresses, for forgetting them together.
    pub addresses: Vec<(Protocol, SocketAddr)>,
    /// How it came.
    pub quality: Quality,
    pub(crate) rtc: Rtc,
    incoming: Vec<Incoming>,
    expected: Vec<Ssrc>,
    channels: Vec<Channel>,
}

/// What reports said since they were last told.
#[derive(Default)]
pub struct Quality {
    /// The worst share of packets that was lost, 0 to 1.
    pub lost: f32,
    /// The last round trip, in ms.
    pub rtt_ms: f32,
    /// The worst jitter, in ms.
    pub jitter_ms: f32,
    /// Whether any report came.
    pub reported: bool,
}

impl Peer {
    /// A new peer with our candidates.
    pub fn new(
        (id, room, role): (u64, u64, Role),
        outlet: u32,
        crypto: &Crypto,
        candidates: &[Candidate],
        traffic: Arc<Traffic>,
        now: Instant,
    ) -> Peer {
        let mut rtc = crate::codecs::configure(Rtc::builder())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_crypto_provider(crypto.provider())
            .set_dtls_cert(crypto.certificate())
            .set_sctp_max_buffered_amount(MAX_BUFFERED)
            .set_send_buffer_audio(1)
            .set_send_buffer_video(1)
            .build(now);
        for candidate in candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        Peer {
            id,
            room,
            role,
            outlet,
            deadline: now,
            negotiation: Negotiation::default(),
            publications: Vec::new(),
            listening: Vec::new(),
            data_allowed: true,
            traffic,
            closing: None,
            nameless: None,
            lost_since: None,
            connected: false,
            over: None,
            opened: now,
            ufrags: Vec::new(),
            scheduled: None,
            addresses: Vec::new(),
            quality: Quality::default(),
            rtc,
            incoming: Vec::new(),
            expected: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// The user fragment by which checks find this peer.
    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Remembers a user fragment; returns one that is forgotten for it.
    pub fn remember_ufrag(&mut self, ufrag: &str) -> Option<String> {
        if self.ufrags.iter().any(|known| known == ufrag) {
            return None;
        }
        self.ufrags.push(ufrag.to_owned());
        (self.ufrags.len() > MAX_FRAGMENTS).then(|| self.ufrags.remove(0))
    }

    /// Whether a check from somewhere proves that it is this peer.
    pub fn accepts(&self, now: Instant, receive: Receive<'_>) -> bool {
        self.rtc.accepts(&Input::Receive(now, receive))
    }

    /// Remembers an address that this peer proved; returns one that is forgotten for it.
    pub fn remember(&mut self, address: (Protocol, SocketAddr)) -> Option<(Protocol, SocketAddr)> {
        if self.addresses.contains(&address) {
            return None;
        }
        self.addresses.push(address);
        (self.addresses.len() > MAX_ADDRESSES).then(|| self.addresses.remove(0))
    }

    /// A client that names its packets neither by SSRC nor by section has one section of audio: they are of that.
    pub fn expect_nameless(&mut self, datagram: &[u8]) {
        let (Some(mid), Some(ssrc)) = (self.nameless, datagram.get(8..12)) else {
            return;
        };
        let ssrc = Ssrc::from(u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]]));
        if self.expected.contains(&ssrc) || self.expected.len() >= MAX_NAMELESS {
            return;
        }
        self.expected.push(ssrc);
        self.rtc
            .direct_api()
            .expect_stream_rx(ssrc, None, mid, None);
    }

    /// Whether something waits to be acknowledged on its channels.
    pub fn has_data_waiting(&mut self) -> bool {
        let open: Vec<ChannelId> = self
            .channels
            .iter()
            .filter(|c| c.open)
            .filter_map(|c| c.id)
            .collect();
        open.into_iter().any(|id| {
            let channel = self.rtc.channel(id);
            channel.is_some_and(|mut channel| channel.buffered_amount() > 0)
        })
    }

    /// Takes what came from the peer.
    pub fn receive(&mut self, now: Instant, receive: Receive<'_>) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Receive(now, receive))
    }

    /// Lets timers run.
    pub fn tick(&mut self, now: Instant) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))
    }

    /// Polls until nothing is left to do before `deadline`.
    pub fn drain(
        &mut self,
        mut transmit: impl FnMut(Protocol, SocketAddr, &[u8]),
        happenings: &mut Happenings,
    ) -> Result<(), RtcError> {
        loop {
            let output = self.rtc.poll_output();
            if let Some(material) = tap::take() {
                happenings.material = Some(material);
            }
            match output? {
                Output::Transmit(t) => transmit(t.proto, t.destination, &t.contents),
                Output::Event(event) => happenings.events.push(event),
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
            }
        }
    }

    /// Whether str0m has given up on it.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Says goodbye; drain and drop it after.
    pub fn close(&mut self) {
        // It is dropped whatever comes of it: an error means that there was nobody to say goodbye to.
        let _ = self.rtc.close();
    }

    /// The track that a stream belongs to.
    pub fn track_of(&mut self, ssrc: Ssrc) -> Option<(u32, Option<Rid>)> {
        if let Some(known) = self.incoming.iter().find(|known| known.ssrc == ssrc) {
            return Some((known.track, known.rid));
        }
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&ssrc)?;
        let (mid, rid) = (stream.mid(), stream.rid());
        let track = self.publications.iter().find(|p| p.mid == mid)?.track;
        if self.incoming.len() < MAX_STREAMS {
            self.incoming.push(Incoming { ssrc, track, rid });
        }
        Some((track, rid))
    }

    /// Makes a section a track.
    pub fn publish(&mut self, mid: Mid, track: u32) {
        self.publications.retain(|p| p.mid != mid);
        self.publications.push(Publication { mid, track });
        self.incoming.clear();
    }

    /// Ends a track.
    pub fn unpublish(&mut self, track: u32) {
        self.publications.retain(|p| p.track != track);
        self.incoming.clear();
    }

    /// Asks for a key frame of one stream of a section, or of all of them.
    pub fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) {
        let kind = str0m::media::KeyframeRequestKind::Pli;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_keyframe(kind);
        }
    }

    /// The codec of a payload type as this peer sends it.
    pub fn codec(&self, payload_type: u8) -> Option<CodecSpec> {
        self.rtc
            .codec_config()
            .find(|p| *p.pt() == payload_type)
            .map(|p| p.spec())
    }

    /// Wants a channel that we open; it is offered with the next offer, or opened now where channels are agreed on.
    pub fn open_channel(&mut self, label: String, ordered: bool, retransmits: Option<u16>) -> bool {
        if self.channels.len() >= MAX_CHANNELS || self.channels.iter().any(|c| c.label == label) {
            return false;
        }
        let reliability = match retransmits {
            Some(retransmits) => Reliability::MaxRetransmits { retransmits },
            None => Reliability::Reliable,
        };
        let config = ChannelConfig {
            label: label.clone(),
            ordered,
            reliability,
            ..ChannelConfig::default()
        };
        self.channels.push(Channel {
            id: None,
            label,
            open: false,
            config: Some(config),
        });
        true
    }

    /// Whether some channel that we want was not offered yet.
    pub fn wants_channels(&self) -> bool {
        self.channels.iter().any(|channel| channel.config.is_some())
    }

    pub(crate) fn wanted_channel_configs(&self) -> Vec<(usize, ChannelConfig)> {
        self.channels
            .iter()
            .enumerate()
            .filter_map(|(i, c)| c.config.clone().map(|config| (i, config)))
            .collect()
    }

    pub(crate) fn channel_offered(&mut self, index: usize, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(index) {
            channel.id = Some(id);
            channel.config = None;
        }
    }

    /// Notes that a channel opened; `false` where the peer has too many.
    pub fn channel_opened(&mut self, id: ChannelId, label: &str) -> bool {
        if let Some(channel) = self.channels.iter_mut().find(|c| c.id == Some(id)) {
            channel.open = true;
            return true;
        }
        if self.channels.len() >= MAX_CHANNELS || label.len() > 256 {
            self.rtc.direct_api().close_data_channel(id);
            return false;
        }
        self.channels.push(Channel {
            id: Some(id),
            label: label.to_owned(),
            open: true,
            config: None,
        });
        true
    }

    /// Forgets a channel.
    pub fn channel_closed(&mut self, id: ChannelId) {
        self.channels.retain(|c| c.id != Some(id));
    }

    /// The label of an open channel.
    pub fn channel_label(&self, id: ChannelId) -> Option<&str> {
        self.channels
            .iter()
            .find(|c| c.id == Some(id))
            .map(|c| c.label.as_str())
    }

    /// Sends on a channel; `false` where it is not open or full.
    pub fn send(&mut self, label: &str, binary: bool, payload: &[u8]) -> bool {
        let found = self.channels.iter().find(|c| c.open && c.label == label);
        let Some(id) = found.and_then(|c| c.id) else {
            return false;
        };
        let Some(mut channel) = self.rtc.channel(id) else {
            return false;
        };
        channel.write(binary, payload).unwrap_or(false)
    }

    /// Whether it has been unreachable for so long that it is over.
    pub fn gave_up(&self, now: Instant, patience: Duration) -> bool {
        let since = match (self.lost_since, self.connected) {
            (Some(since), _) => since,
            (None, false) => self.opened,
            (None, true) => return false,
        };
        now.saturating_duration_since(since) >= patience
    }
}
