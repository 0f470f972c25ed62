//! Whose an address is: connectivity checks prove it, and what is no peer's any more is forgotten with its connection.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use str0m::Candidate;
use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive, TcpType};
use vox_egress::Destination;

use crate::room::Route;
use crate::thread::MediaThread;

impl MediaThread {
    /// A connectivity check: by its user fragment it finds the peer, by its password it proves the address.
    pub(crate) fn check(
        &mut self,
        proto: Protocol,
        source: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) {
        let Ok(message) = StunMessage::parse(datagram) else {
            return;
        };
        if !message.is_binding_request() {
            return;
        }
        let Some((local, _)) = message.split_username() else {
            return;
        };
        let Some(&id) = self.by_ufrag.get(local) else {
            return;
        };
        let nominates = message.use_candidate();
        let Some(destination) = self.destination(proto, source) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Ok(receive) = Receive::new(proto, source, destination, datagram) else {
            return;
        };
        if !peer.accepts(now, receive) {
            return;
        }
        let forgotten = peer.remember((proto, source));
        let outlet = peer.outlet;
        if let Some(forgotten) = forgotten {
            self.disown(id, forgotten);
        }
        self.by_address.insert((proto, source), id);
        if let Some(tcp) = self.net.tcp.as_mut().filter(|_| proto != Protocol::Udp) {
            tcp.know(source);
        }
        if nominates && let Some(outlet) = self.outlets.get_mut(outlet) {
            let here = outlet
                .route
                .is_some_and(|r| r.remote == source && r.proto == proto);
            if !here {
                outlet.route = Some(Route {
                    proto,
                    remote: source,
                    destination: Destination::new(source, None),
                });
            }
        }
        self.hand_over(id, proto, source, datagram, now);
    }

    /// Our address as str0m knows it: the first of the other side's family.
    pub(crate) fn destination(&self, proto: Protocol, source: SocketAddr) -> Option<SocketAddr> {
        self.candidates
            .iter()
            .find(|c| c.proto() == proto && c.addr().is_ipv4() == source.is_ipv4())
            .map(Candidate::addr)
    }

    /// An address is no longer a peer's, unless another peer has proved it since; its TCP connection ends with it.
    pub(crate) fn disown(&mut self, id: u64, address: (Protocol, SocketAddr)) {
        if self.by_address.get(&address) != Some(&id) {
            return;
        }
        self.by_address.remove(&address);
        if let Some(tcp) = self.net.tcp.as_mut().filter(|_| address.0 != Protocol::Udp) {
            tcp.forget(address.1);
        }
    }
}

/// What peers are told of a thread's sockets.
pub(crate) fn candidates(addresses: &[IpAddr], port: u16, tcp_port: Option<u16>) -> Vec<Candidate> {
    let udp = addresses
        .iter()
        .filter_map(|&ip| Candidate::host(SocketAddr::new(ip, port), "udp").ok());
    let tcp = addresses.iter().filter_map(|&ip| {
        let address = SocketAddr::new(ip, tcp_port?);
        let built = Candidate::builder()
            .tcp()
            .host(address)
            .tcptype(TcpType::Passive)
            .build();
        built.ok()
    });
    udp.chain(tcp).collect()
}
