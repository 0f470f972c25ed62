//! How an engine begins: all sockets first, then the threads, so that a port that is taken leaves nothing running.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::command::{Command, Inbox};
use crate::engine::{Outcome, Refusal};
use crate::event::Events;
use crate::sys;
use crate::tap::Crypto;
use crate::tcp::Tcp;
use crate::thread::{Gauges, MediaThread, Parts};

/// The first token of TCP connections.
const FIRST_CONNECTION: u64 = 16;
/// Media threads at most.
const MAX_THREADS: usize = 256;

/// How an engine is set up.
pub struct Settings {
    /// The address that sockets are bound to.
    pub host: IpAddr,
    /// The UDP port of the first thread, 0 for any.
    pub udp_port: u16,
    /// The TCP port of the first thread, 0 for any; `None` for no TCP.
    pub tcp_port: Option<u16>,
    /// Media threads; 0 for one less than there are cores.
    pub threads: usize,
    /// What candidates say; empty for the machine's own.
    pub addresses: Vec<IpAddr>,
}

/// One media thread, as the engine reaches it.
pub(crate) struct Worker {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) udp_port: u16,
    pub(crate) tcp_port: Option<u16>,
}

/// Opens the sockets of every thread and starts them.
pub(crate) fn start(
    settings: &Settings,
    events: &Arc<Events>,
) -> Outcome<(Vec<Worker>, Vec<JoinHandle<()>>)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match settings.threads {
        0 => (cores - 1).max(1),
        threads => threads.min(MAX_THREADS),
    };
    let addresses = addresses(settings)?;
    let crypto = Crypto::new().ok_or_else(|| "no certificate could be made".to_owned())?;
    let crypto = Arc::new(crypto);
    let mut workers = Vec::new();
    let mut made = Vec::new();
    for index in 0..threads {
        let udp = sys::bind_udp(SocketAddr::new(
            settings.host,
            port(settings.udp_port, index)?,
        ))?;
        let tcp = match settings.tcp_port {
            Some(first) => {
                let address = SocketAddr::new(settings.host, port(first, index)?);
                Some(Tcp::new(sys::bind_tcp(address)?, FIRST_CONNECTION))
            }
            None => None,
        };
        let worker = Worker {
            inbox: Arc::new(Inbox::new()?),
            gauges: Arc::default(),
            udp_port: udp.local_addr()?.port(),
            tcp_port: tcp.as_ref().map(Tcp::port),
        };
        made.push(MediaThread::new(Parts {
            udp,
            tcp,
            addresses: addresses.clone(),
            crypto: Arc::clone(&crypto),
            inbox: Arc::clone(&worker.inbox),
            events: Arc::clone(events),
            gauges: Arc::clone(&worker.gauges),
        })?);
        workers.push(worker);
    }
    let mut handles = Vec::new();
    for (index, mut thread) in made.into_iter().enumerate() {
        let builder = std::thread::Builder::new().name(format!("vox-media-{index}"));
        match builder.spawn(move || thread.run()) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                for worker in &workers {
                    // Stop is always taken.
                    let _ = worker.inbox.push(Command::Stop);
                }
                return Err(error.into());
            }
        }
    }
    Ok((workers, handles))
}

/// What candidates say: what the settings name, else the one address that is bound, else all of the machine.
fn addresses(settings: &Settings) -> Outcome<Vec<IpAddr>> {
    if !settings.addresses.is_empty() {
        return Ok(settings.addresses.clone());
    }
    if !settings.host.is_unspecified() {
        return Ok(vec![settings.host]);
    }
    let mut found = sys::local_addresses()?;
    found.retain(|ip| settings.host.is_ipv6() || ip.is_ipv4());
    Ok(found)
}

fn port(first: u16, index: usize) -> Outcome<u16> {
    if first == 0 {
        return Ok(0);
    }
    let port = usize::from(first) + index;
    u16::try_from(port)
        .map_err(|_| Refusal::Value(format!("port {port} of thread {index} is above 65535")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(udp_port: u16, threads: usize) -> Settings {
        Settings {
            host: "127.0.0.1".parse().unwrap(),
            udp_port,
            tcp_port: None,
            threads,
            addresses: Vec::new(),
        }
    }

    #[test]
    fn a_port_that_is_taken_leaves_no_thread_and_no_socket() {
        // The second thread's port is taken by this test.
        let (first, taken) = loop {
            let first = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            if let Some(next) = port.checked_add(1)
                && let Ok(taken) = std::net::UdpSocket::bind(("127.0.0.1", next))
            {
                break (port, taken);
            }
        };
        let events = Arc::new(Events::new().unwrap());
        assert!(start(&settings(first, 2), &events).is_err());
        std::net::UdpSocket::bind(("127.0.0.1", first)).expect("the first port is free again");
        drop(taken);
    }

    #[test]
    fn the_one_address_that_is_bound_is_the_one_that_is_told() {
        let host: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(addresses(&settings(0, 1)).unwrap(), [host]);
    }
}
