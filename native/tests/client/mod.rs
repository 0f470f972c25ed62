//! A real WebRTC client for the engine's tests: str0m with sockets on loopback, driven by hand.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use vox_native::engine::{Engine, Settings};
use vox_native::event;

mod alter;

pub use alter::Alter;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An engine on loopback.
pub fn engine() -> Engine {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    engine_at(here, vec![here], 1)
}

/// An engine of so many threads, bound to one address and reached at others.
pub fn engine_at(host: IpAddr, addresses: Vec<IpAddr>, threads: usize) -> Engine {
    Engine::new(&Settings {
        host,
        udp_port: 0,
        tcp_port: Some(0),
        threads,
        addresses,
    })
    .expect("sockets on loopback")
}

/// What came of one track.
#[derive(Default)]
pub struct Received {
    /// Extended sequence numbers, in order of arrival.
    pub sequences: Vec<u64>,
    /// Timestamps, likewise.
    pub timestamps: Vec<u32>,
    /// The last payload.
    pub payload: Vec<u8>,
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, SocketAddr, Vec<u8>),
}

/// A client.
pub struct Client {
    pub rtc: Rtc,
    wire: Wire,
    local: SocketAddr,
    timeout: Instant,
    pub received: BTreeMap<u32, Received>,
    pub connected: bool,
    pub channels: Vec<(ChannelId, String)>,
    pub data: Vec<(String, Vec<u8>)>,
    pub keyframes: usize,
    remote_ufrag: String,
    pub sending: Option<Mid>,
    sequence: u64,
    next: Instant,
}

impl Client {
    pub fn udp() -> Client {
        Client::udp_at(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// A client at one address of this machine.
    pub fn udp_at(ip: IpAddr) -> Client {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let local = socket.local_addr().unwrap();
        Client::over(
            Wire::Udp(socket),
            local,
            Candidate::host(local, "udp").unwrap(),
        )
    }

    pub fn tcp(engine: &Engine) -> Client {
        Client::tcp_at(engine, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// A client that connects to the first thread of an engine at one address.
    pub fn tcp_at(engine: &Engine, ip: IpAddr) -> Client {
        let to = SocketAddr::from((ip, engine.tcp_ports()[0]));
        let stream = TcpStream::connect(to).unwrap();
        let local = stream.local_addr().unwrap();
        let candidate = Candidate::builder()
            .tcp()
            .host(local)
            .tcptype(TcpType::Active)
            .build()
            .unwrap();
        Client::over(Wire::Tcp(stream, to, Vec::new()), local, candidate)
    }

    /// A client whose SCTP packets are changed before they are encrypted.
    pub fn altering(alter: Alter) -> Client {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let local = socket.local_addr().unwrap();
        let candidate = Candidate::host(local, "udp").unwrap();
        let rtc = Rtc::builder().set_crypto_provider(alter::provider(alter));
        Client::with(rtc, Wire::Udp(socket), local, candidate)
    }

    fn over(wire: Wire, local: SocketAddr, candidate: Candidate) -> Client {
        Client::with(Rtc::builder(), wire, local, candidate)
    }

    fn with(rtc: RtcConfig, wire: Wire, local: SocketAddr, candidate: Candidate) -> Client {
        let now = Instant::now();
        let mut rtc = rtc.set_rtp_mode(true).build(now);
        rtc.add_local_candidate(candidate);
        let mut client = Client {
            rtc,
            wire,
            local,
            timeout: now,
            received: BTreeMap::new(),
            connected: false,
            channels: Vec::new(),
            data: Vec::new(),
            keyframes: 0,
            remote_ufrag: String::new(),
            sending: None,
            sequence: 100,
            next: now,
        };
        client.drain();
        client
    }

    /// Offers a section on which it sends audio, so many on which it receives, and a channel.
    pub fn offer(&mut self, receiving: usize) -> (String, SdpPendingOffer) {
        let mut api = self.rtc.sdp_api();
        let sending = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        for _ in 0..receiving {
            api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        api.add_channel("_reliable".into());
        let (offer, pending) = api.apply().unwrap();
        self.sending = Some(sending);
        (offer.to_sdp_string(), pending)
    }

    pub fn answered(&mut self, pending: SdpPendingOffer, answer: &str) {
        let ufrag = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        self.remote_ufrag = ufrag.unwrap_or_default().to_owned();
        let answer = SdpAnswer::from_sdp_string(&self.reachable(answer)).unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.wake();
    }

    pub fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(&self.reachable(offer)).unwrap();
        let answer = self.rtc.sdp_api().accept_offer(offer).unwrap();
        self.wake();
        answer.to_sdp_string()
    }

    /// Only the candidates that this client's wire leads to.
    fn reachable(&self, sdp: &str) -> String {
        let ours = match self.wire {
            Wire::Udp(_) => "udp",
            Wire::Tcp(..) => "tcp",
        };
        let leads = |line: &&str| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let address = words.get(4).and_then(|word| word.parse::<IpAddr>().ok());
            !line.starts_with("a=candidate:")
                || words[2] == ours
                    && address.is_some_and(|ip| ip.is_ipv4() == self.local.is_ipv4())
        };
        let kept = sdp.lines().filter(leads);
        kept.map(|line| format!("{line}\r\n")).collect()
    }

    /// Sends something that no client sends, from where this one is known.
    pub fn inject(&self, engine: &Engine, datagram: &[u8]) {
        if let Wire::Udp(socket) = &self.wire {
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, engine.udp_ports()[0]));
            let _ = socket.send_to(datagram, to);
        }
    }

    /// Goes on from another port, as behind a NAT that forgot.
    pub fn move_to_another_port(&mut self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        self.wire = Wire::Udp(socket);
    }

    pub fn send_data(&mut self, payload: &[u8]) -> bool {
        let Some(&(id, _)) = self.channels.first() else {
            return false;
        };
        let sent = self.rtc.channel(id).unwrap().write(true, payload).unwrap();
        self.drain();
        sent
    }

    /// Lets timers run too: a state machine that was told something may want to begin at once.
    fn wake(&mut self) {
        self.rtc
            .handle_input(Input::Timeout(Instant::now()))
            .unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
                Output::Transmit(t) => match &mut self.wire {
                    Wire::Udp(socket) => {
                        let _ = socket.send_to(&t.contents, t.destination);
                    }
                    Wire::Tcp(stream, ..) => {
                        let length = (t.contents.len() as u16).to_be_bytes();
                        stream.write_all(&length).unwrap();
                        stream.write_all(&t.contents).unwrap();
                    }
                },
                Output::Event(event) => self.happened(event),
            }
        }
    }

    /// Sends as long as the channel takes it.
    pub fn try_send(&mut self, payload: &[u8]) -> bool {
        let Some(&(id, _)) = self.channels.first() else {
            return false;
        };
        let Some(mut channel) = self.rtc.channel(id) else {
            return false;
        };
        if channel.buffered_amount() > 100_000 {
            return false;
        }
        let sent = channel.write(true, payload).unwrap_or(false);
        self.drain();
        sent
    }

    /// The user fragment that the engine gave this client.
    pub fn remote_ufrag(&self) -> String {
        self.remote_ufrag.clone()
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::ChannelOpen(id, label) => self.channels.push((id, label)),
            Event::ChannelData(data) => {
                let label = self.channels.iter().find(|(id, _)| *id == data.id);
                let label = label.map_or_else(String::new, |(_, label)| label.clone());
                self.data.push((label, data.data));
            }
            Event::RtpPacket(packet) => {
                let received = self.received.entry(*packet.header.ssrc).or_default();
                received.sequences.push(*packet.seq_no);
                received.timestamps.push(packet.header.timestamp);
                received.payload = packet.payload.to_vec();
            }
            Event::KeyframeRequest(_) => self.keyframes += 1,
            _ => {}
        }
    }

    /// One turn: send a frame if it is time, read for at most 2 ms, let timers run.
    pub fn turn(&mut self) {
        let now = Instant::now();
        if let Some(mid) = self.sending.filter(|_| self.connected && now >= self.next) {
            self.next = now + Duration::from_millis(20);
            self.sequence += 1;
            let pt = self.rtc.media(mid).unwrap().remote_pts()[0];
            let mut api = self.rtc.direct_api();
            if let Some(stream) = api.stream_tx_by_mid(mid, None) {
                let exts = ExtensionValues {
                    audio_level: Some(-20),
                    voice_activity: Some(true),
                    ..ExtensionValues::default()
                };
                let time = self.sequence as u32 * 960;
                let payload = self.sequence.to_be_bytes().to_vec();
                let packet = RtpWrite::new(pt, self.sequence.into(), time, now, payload.as_slice());
                stream.write_rtp(packet.ext_vals(exts));
            }
            self.drain();
        }
        self.read();
        let now = Instant::now();
        if now >= self.timeout {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain();
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let mut arrived: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket
                    .set_read_timeout(Some(Duration::from_millis(1)))
                    .unwrap();
                while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                    arrived.push((from, buffer[..count].to_vec()));
                }
            }
            Wire::Tcp(stream, from, rest) => {
                stream
                    .set_read_timeout(Some(Duration::from_millis(1)))
                    .unwrap();
                match stream.read(&mut buffer) {
                    Ok(count) => rest.extend_from_slice(&buffer[..count]),
                    Err(e) => assert!(matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut
                    )),
                }
                while rest.len() >= 2 {
                    let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                    if rest.len() < 2 + length {
                        break;
                    }
                    arrived.push((*from, rest[2..2 + length].to_vec()));
                    rest.drain(..2 + length);
                }
            }
        }
        let proto = match self.wire {
            Wire::Udp(_) => Protocol::Udp,
            Wire::Tcp(..) => Protocol::Tcp,
        };
        for (from, datagram) in arrived {
            if let Ok(receive) = Receive::new(proto, from, self.local, &datagram) {
                self.rtc
                    .handle_input(Input::Receive(Instant::now(), receive))
                    .unwrap();
                self.drain();
            }
        }
    }
}

/// Lets clients run until something holds; panics with the name of what did not come true.
pub fn until(
    clients: &mut [&mut Client],
    what: &str,
    mut holds: impl FnMut(&mut [&mut Client]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !holds(clients) {
        assert!(Instant::now() < deadline, "not in time: {what}");
        for client in clients.iter_mut() {
            client.turn();
        }
    }
}

/// A room with one peer of each client, `both`, publishing track 100 + i and subscribed to the others' tracks.
pub fn meet(engine: &Engine, room: u64, clients: &mut [&mut Client]) {
    use vox_native::peer::Role;
    use vox_native::sdp::Kind;
    let count = clients.len();
    engine.open_room(room, 0).unwrap();
    for i in 0..count {
        let peer = room * 1000 + i as u64;
        engine.open_peer(room, peer, Role::Both).unwrap();
    }
    let mut offers = Vec::new();
    for (i, client) in clients.iter_mut().enumerate() {
        let (offer, pending) = client.offer(count - 1);
        let mid = client.sending.unwrap();
        let peer = room * 1000 + i as u64;
        engine
            .publish(peer, &mid, room * 1000 + 100 + i as u64, Kind::Audio)
            .unwrap();
        offers.push((offer, pending));
    }
    for (i, (offer, pending)) in offers.into_iter().enumerate() {
        let peer = room * 1000 + i as u64;
        for other in (0..count).filter(|&other| other != i) {
            let track = room * 1000 + 100 + other as u64;
            engine
                .subscribe(
                    peer,
                    track,
                    &format!("PA_{other}|TR_{track}"),
                    &format!("TR_{track}"),
                )
                .unwrap();
        }
        let answer = engine.accept_offer(peer, &offer).unwrap();
        assert_eq!(answer.missing, (0, 0));
        clients[i].answered(pending, &answer.sdp);
    }
}

/// Takes events until one holds.
pub fn event(
    engine: &Engine,
    clients: &mut [&mut Client],
    what: &str,
    mut holds: impl FnMut(&event::Event) -> bool,
) {
    until(clients, what, |_| {
        let found: Vec<bool> = engine.events().iter().map(&mut holds).collect();
        found.contains(&true)
    });
}
