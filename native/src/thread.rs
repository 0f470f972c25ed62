//! One media thread: its sockets, its peers and rooms, and the loop over them. It shares nothing but two queues.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event as PeerEvent, IceConnectionState, RtcError};
use vox_egress::{Batch, Destination, Flush, Keys, Profile};

use crate::addresses;
use crate::command::Inbox;
use crate::event::{Event, Events};
use crate::peer::{Happenings, Peer};
use crate::room::{News, Outlet, Room, Track};
use crate::slab::Slab;
use crate::sys::{self, Poller, Ready, Receiver};
use crate::tap::{self, Crypto, Material};
use crate::tcp::{self, Tcp};

const COMMANDS: u64 = 0;
const UDP: u64 = 1;
const LISTENER: u64 = 2;

/// Rounds of receiving before other work gets its turn.
const ROUNDS: usize = 4;
/// The beat of voices and taps.
const TICK: Duration = vox_voices::FRAME;
/// Beats that are made good after a stall, at most.
const MAX_LATE_BEATS: usize = 10;
/// How often slow things are looked at: silence, patience, reports.
const SECOND: Duration = Duration::from_secs(1);
/// How long a peer may be unreachable before it is over.
const PATIENCE: Duration = Duration::from_secs(30);

/// What other threads may read of one media thread.
#[derive(Default)]
pub struct Gauges {
    pub packets_in: AtomicU64,
    pub bytes_in: AtomicU64,
    pub packets_out: AtomicU64,
    pub bytes_out: AtomicU64,
    pub cpu_ns: AtomicU64,
    /// The share of the last second that it worked, in thousandths.
    pub load: AtomicU64,
    pub rooms: AtomicU64,
    pub peers: AtomicU64,
}

/// What a media thread is made of.
pub struct Parts {
    pub udp: UdpSocket,
    pub tcp: Option<Tcp>,
    pub addresses: Vec<IpAddr>,
    pub crypto: Arc<Crypto>,
    pub inbox: Arc<Inbox>,
    pub events: Arc<Events>,
    pub gauges: Arc<Gauges>,
}

/// Sockets and what waits to be sent.
pub(crate) struct Net {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: Option<Tcp>,
    pub(crate) batch: Batch,
    poller: Poller,
    blocked: bool,
    sent: u64,
    sent_bytes: u64,
}

impl Net {
    /// Sends what str0m or we made, as it is.
    pub(crate) fn transmit(&mut self, proto: Protocol, remote: SocketAddr, datagram: &[u8]) {
        if proto == Protocol::Udp {
            self.batch
                .push_plain(&Destination::new(remote, None), datagram);
        } else if let Some(tcp) = &mut self.tcp {
            self.sent += 1;
            self.sent_bytes += datagram.len() as u64;
            tcp.send(remote, datagram);
        }
    }

    fn flush(&mut self) {
        let blocked = self.batch.flush() == Flush::Blocked;
        if blocked != self.blocked {
            self.blocked = blocked;
            // The socket was registered at the start; it cannot be refused now.
            let _ = self.poller.modify(self.udp.as_raw_fd(), UDP, blocked);
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.flush(&self.poller);
        }
    }
}

/// One media thread.
pub struct MediaThread {
    pub(crate) net: Net,
    pub(crate) events: Arc<Events>,
    pub(crate) crypto: Arc<Crypto>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) peers: HashMap<u64, Peer>,
    pub(crate) outlets: Slab<Outlet>,
    pub(crate) tracks: Slab<Track>,
    pub(crate) slots: HashMap<u64, u32>,
    pub(crate) rooms: HashMap<u64, Room>,
    pub(crate) by_ufrag: HashMap<String, u64>,
    pub(crate) by_address: HashMap<(Protocol, SocketAddr), u64>,
    pub(crate) news: Vec<News>,
    pub(crate) dirty: Vec<u32>,
    pub(crate) unready: Vec<(Instant, u64)>,
    pub(crate) plain: Vec<u8>,
    pub(crate) voices: Vec<u32>,
    /// The slots of all video tracks.
    pub(crate) videos: Vec<u32>,
    pub(crate) taps: usize,
    pub(crate) start: Instant,
    pub(crate) stopping: bool,
    pub(crate) seconds: u64,
    pub(crate) beats: u64,
    /// How hard voices are encoded.
    pub(crate) effort: u8,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    happenings: Happenings,
    inbox: Arc<Inbox>,
    gauges: Arc<Gauges>,
    next_tick: Instant,
    next_second: Instant,
    worked: Duration,
}

impl MediaThread {
    /// Makes a thread's state; `run` is its life.
    pub fn new(mut parts: Parts) -> io::Result<MediaThread> {
        let poller = Poller::new()?;
        poller.add(parts.inbox.fd(), COMMANDS, false)?;
        poller.add(parts.udp.as_raw_fd(), UDP, false)?;
        if let Some(tcp) = &mut parts.tcp {
            tcp.watch(&poller, LISTENER)?;
        }
        let port = parts.udp.local_addr()?.port();
        let tcp_port = parts.tcp.as_ref().map(Tcp::port);
        let now = Instant::now();
        Ok(MediaThread {
            net: Net {
                batch: Batch::new(parts.udp.as_raw_fd()),
                udp: parts.udp,
                tcp: parts.tcp,
                poller,
                blocked: false,
                sent: 0,
                sent_bytes: 0,
            },
            events: parts.events,
            crypto: parts.crypto,
            candidates: addresses::candidates(&parts.addresses, port, tcp_port),
            peers: HashMap::new(),
            outlets: Slab::default(),
            tracks: Slab::default(),
            slots: HashMap::new(),
            rooms: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            news: Vec::new(),
            dirty: Vec::new(),
            unready: Vec::new(),
            plain: Vec::new(),
            voices: Vec::new(),
            videos: Vec::new(),
            taps: 0,
            start: now,
            stopping: false,
            seconds: 0,
            beats: 0,
            effort: vox_voices::opus::EFFORT,
            timers: BinaryHeap::new(),
            happenings: Happenings::default(),
            inbox: parts.inbox,
            gauges: parts.gauges,
            next_tick: now,
            next_second: now + SECOND,
            worked: Duration::ZERO,
        })
    }

    /// Works until told to stop.
    pub fn run(&mut self) {
        let mut ready: Vec<Ready> = Vec::new();
        let mut receiver = Receiver::default();
        while !self.stopping {
            let timeout = self.timeout(Instant::now());
            if self.net.poller.wait(timeout, &mut ready).is_err() {
                return;
            }
            let began = Instant::now();
            self.turn(&ready, &mut receiver, began);
            self.worked += began.elapsed();
        }
        self.goodbye();
    }

    fn turn(&mut self, ready: &[Ready], receiver: &mut Receiver, now: Instant) {
        for ready in ready {
            match ready.token {
                COMMANDS => self.obey_waiting(now),
                UDP if ready.readable => self.receive(receiver, now),
                UDP => {}
                LISTENER => {
                    if let Some(tcp) = &mut self.net.tcp {
                        tcp.accept(&self.net.poller, now);
                    }
                }
                token if ready.readable => self.receive_tcp(token, now),
                _ => {}
            }
        }
        self.run_timers(now);
        self.beat_in_time(now);
        if now >= self.next_second {
            self.next_second = now + SECOND;
            self.seconds += 1;
            self.look_around(now);
            self.publish_gauges();
        }
        self.forward_news();
        self.net.flush();
    }

    /// Beats that are due. Those that a stall held up are made good, so that voices keep their time; not for ever.
    fn beat_in_time(&mut self, now: Instant) {
        for _ in 0..MAX_LATE_BEATS {
            if now < self.next_tick {
                return;
            }
            self.next_tick += TICK;
            // What trips over one room's sound must not end the rooms of the whole thread.
            let beat = catch_unwind(AssertUnwindSafe(|| self.beat(now)));
            if beat.is_err() || !self.has_beat() {
                break;
            }
        }
        self.next_tick = self.next_tick.max(now);
    }

    fn obey_waiting(&mut self, now: Instant) {
        for command in self.inbox.take() {
            self.obey(command, now);
        }
    }

    fn has_beat(&self) -> bool {
        !self.voices.is_empty() || self.taps > 0
    }

    /// Milliseconds until something is due.
    fn timeout(&self, now: Instant) -> i32 {
        let mut at = self.next_second;
        if self.has_beat() || !self.rooms.is_empty() {
            at = at.min(self.next_tick);
        }
        if let Some(Reverse((timer, _))) = self.timers.peek() {
            at = at.min(*timer);
        }
        let wait = at.saturating_duration_since(now);
        // Rounded up: a timer that is woken too early only turns once more.
        wait.as_micros().div_ceil(1000).min(1000) as i32
    }

    fn receive(&mut self, receiver: &mut Receiver, now: Instant) {
        for _ in 0..ROUNDS {
            let Ok(count) = receiver.receive(&self.net.udp) else {
                return;
            };
            // What Python asked before these were sent comes before them.
            self.obey_waiting(now);
            for index in 0..count {
                if let Some((source, datagram)) = receiver.datagram(index) {
                    self.datagram(Protocol::Udp, source, datagram, now);
                }
            }
            if count < sys::BATCH {
                return;
            }
        }
    }

    fn receive_tcp(&mut self, token: u64, now: Instant) {
        let frames = self.net.tcp.as_mut().and_then(|tcp| tcp.read(token));
        let Some(frames) = frames else {
            return;
        };
        self.obey_waiting(now);
        for datagram in tcp::datagrams(&frames.bytes) {
            self.datagram(Protocol::Tcp, frames.remote, datagram, now);
        }
    }

    fn datagram(&mut self, proto: Protocol, source: SocketAddr, datagram: &[u8], now: Instant) {
        self.gauges.packets_in.fetch_add(1, Ordering::Relaxed);
        self.gauges
            .bytes_in
            .fetch_add(datagram.len() as u64, Ordering::Relaxed);
        let Some(&first) = datagram.first() else {
            return;
        };
        if first < 4 {
            self.check(proto, source, datagram, now);
            return;
        }
        let Some(&id) = self.by_address.get(&(proto, source)) else {
            return;
        };
        if is_report(datagram) {
            let handled = self.feedback(id, datagram, now);
            if handled {
                return;
            }
        }
        self.hand_over(id, proto, source, datagram, now);
    }

    pub(crate) fn hand_over(
        &mut self,
        id: u64,
        proto: Protocol,
        source: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) {
        let Some(destination) = self.destination(proto, source) else {
            return;
        };
        let Ok(receive) = Receive::new(proto, source, destination, datagram) else {
            return;
        };
        let is_media = datagram[0] >= 128;
        self.with_peer(id, now, |peer| {
            if is_media && peer.nameless.is_some() {
                peer.expect_nameless(datagram);
            }
            peer.receive(now, receive)
        });
        self.finish_closing(id, now);
    }

    /// Does something with a peer and everything that comes of it. What goes wrong is the end of this peer alone.
    pub(crate) fn with_peer(
        &mut self,
        id: u64,
        now: Instant,
        act: impl FnOnce(&mut Peer) -> Result<(), RtcError>,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let net = &mut self.net;
        let happenings = &mut self.happenings;
        let (outlets, plain) = (&mut self.outlets, &mut self.plain);
        let outlet = peer.outlet;
        tap::take_misuse();
        let send = |proto, to, datagram: &[u8]| {
            // Reports that str0m signed get our count: of two counts under one key, a receiver drops one.
            let outlet = outlets.get_mut(outlet);
            let keys = outlet.and_then(|outlet| outlet.keys.as_mut());
            let keys = keys.filter(|_| is_report(datagram));
            if keys.is_some_and(|keys| keys.reseal_rtcp(datagram, plain)) {
                net.transmit(proto, to, plain);
            } else {
                net.transmit(proto, to, datagram);
            }
        };
        // str0m asserts what its own state promises; a peer that breaks a promise must not end the others.
        let result = catch_unwind(AssertUnwindSafe(|| {
            act(peer)?;
            peer.drain(send, happenings)
        }));
        let over = match result {
            Ok(Ok(())) if tap::take_misuse() => Some("too much unfinished data"),
            Ok(Ok(())) if peer.is_alive() => None,
            Ok(Ok(())) => Some("closed"),
            Ok(Err(_)) => Some("protocol error"),
            Err(_) => Some("internal error"),
        };
        // At the earliest in a millisecond: what is due at once again and again must not take the thread.
        peer.deadline = peer.deadline.max(now + Duration::from_millis(1));
        if peer.scheduled.is_none_or(|at| peer.deadline < at) {
            peer.scheduled = Some(peer.deadline);
            self.timers.push(Reverse((peer.deadline, id)));
        }
        if let Some(material) = self.happenings.material.take() {
            self.keys(id, &material);
        }
        if !self.happenings.events.is_empty() {
            let mut events = std::mem::take(&mut self.happenings.events);
            let told = catch_unwind(AssertUnwindSafe(|| {
                for event in events.drain(..) {
                    self.happened(id, event, now);
                }
            }));
            events.clear();
            self.happenings.events = events;
            if told.is_err() {
                self.lose(id, "internal error");
            }
        }
        if let Some(reason) = over {
            self.lose(id, reason);
        }
    }

    fn keys(&mut self, id: u64, material: &Material) {
        use str0m::crypto::dtls::SrtpProfile;
        let profile = match material.profile {
            SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            _ => return,
        };
        let outlet = self.peers.get(&id).map(|peer| peer.outlet);
        if let Some(outlet) = outlet.and_then(|outlet| self.outlets.get_mut(outlet)) {
            outlet.keys = Keys::derive(profile, &material.bytes, material.server);
        }
    }

    fn happened(&mut self, id: u64, event: PeerEvent, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match event {
            PeerEvent::Connected => {
                peer.connected = true;
                peer.lost_since = None;
                self.events.push(Event::Connected(id));
            }
            PeerEvent::IceConnectionStateChange(IceConnectionState::Disconnected)
                if peer.connected && peer.lost_since.is_none() =>
            {
                peer.lost_since = Some(now);
                self.events.push(Event::Disconnected(id));
            }
            PeerEvent::IceConnectionStateChange(state)
                if state.is_connected() && peer.lost_since.take().is_some() =>
            {
                self.events.push(Event::Connected(id));
            }
            PeerEvent::RtpPacket(packet) => self.ingest(id, &packet, now),
            PeerEvent::ChannelOpen(channel, label) if peer.channel_opened(channel, &label) => {
                self.events.push(Event::Channel(id, label));
            }
            PeerEvent::ChannelData(data) if peer.data_allowed => {
                if let Some(label) = peer.channel_label(data.id) {
                    self.events.push(Event::Data {
                        peer: id,
                        label: label.to_owned(),
                        payload: data.data,
                        binary: data.binary,
                    });
                }
            }
            PeerEvent::ChannelClose(channel) => peer.channel_closed(channel),
            PeerEvent::Closed => peer.over = Some("closed"),
            _ => {}
        }
        if let Some(reason) = self.peers.get(&id).and_then(|peer| peer.over) {
            self.lose(id, reason);
        }
    }

    /// A peer is over, by itself: Python is told, and closes the handle when it likes.
    pub(crate) fn lose(&mut self, id: u64, reason: &'static str) {
        let known = self
            .peers
            .get(&id)
            .is_some_and(|peer| peer.closing.is_none());
        if self.drop_peer(id) && known {
            self.events.push(Event::Closed(id, reason));
        }
    }

    fn run_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            if peer.scheduled.is_some_and(|earlier| earlier < at) {
                continue;
            }
            peer.scheduled = None;
            if peer.deadline > now {
                peer.scheduled = Some(peer.deadline);
                self.timers.push(Reverse((peer.deadline, id)));
                continue;
            }
            self.with_peer(id, now, |peer| peer.tick(now));
        }
    }

    /// Once a second: who is silent, who is gone, who is owed a report.
    fn look_around(&mut self, now: Instant) {
        let closing: Vec<u64> = self
            .peers
            .values()
            .filter(|peer| peer.closing.is_some())
            .map(|peer| peer.id)
            .collect();
        for id in closing {
            self.finish_closing(id, now);
        }
        let gone: Vec<u64> = self
            .peers
            .values()
            .filter(|peer| peer.gave_up(now, PATIENCE))
            .map(|peer| peer.id)
            .collect();
        for id in gone {
            self.lose(id, "unreachable");
        }
        if let Some(tcp) = &mut self.net.tcp {
            tcp.expire(&self.net.poller, now);
        }
        self.notice_silence(now);
        self.send_reports(now);
        self.tell_layers(now);
        if self.seconds.is_multiple_of(5) {
            self.tell_quality();
            self.provide_for_losses();
        }
    }

    fn publish_gauges(&mut self) {
        let totals = self.net.batch.totals();
        let gauges = Arc::clone(&self.gauges);
        let load = self.worked.as_micros() as u64 / 1000;
        self.worked = Duration::ZERO;
        gauges.load.store(load.min(1000), Ordering::Relaxed);
        self.ease(load);
        gauges.cpu_ns.store(sys::thread_cpu_ns(), Ordering::Relaxed);
        gauges
            .packets_out
            .store(totals.packets + self.net.sent, Ordering::Relaxed);
        gauges
            .bytes_out
            .store(totals.bytes + self.net.sent_bytes, Ordering::Relaxed);
        gauges
            .rooms
            .store(self.rooms.len() as u64, Ordering::Relaxed);
        gauges
            .peers
            .store(self.peers.len() as u64, Ordering::Relaxed);
    }

    fn goodbye(&mut self) {
        let ids: Vec<u64> = self.peers.keys().copied().collect();
        let now = Instant::now();
        for id in ids {
            self.with_peer(id, now, |peer| {
                peer.close();
                Ok(())
            });
        }
        self.net.flush();
    }
}

/// Whether a datagram is RTCP, sealed or not (RFC 5761).
fn is_report(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if (64..96).contains(&(second & 0x7f)))
}
