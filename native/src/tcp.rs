//! ICE over TCP, passive: datagrams behind two bytes of length (RFC 4571).

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::sys::{self, DATAGRAM, Poller};

/// Connections of one media thread.
const MAX_CONNECTIONS: usize = 4_096;
/// Connections of one address that have not proved whom they belong to.
const MAX_STRANGERS: usize = 32;
/// How long a connection may take to prove whom it belongs to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that wait for a slow reader; beyond that packets are dropped, as a network does.
const MAX_WAITING: usize = 256 << 10;
/// Bytes that are taken from one connection at once.
const READ: usize = 16 << 10;

struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    sent: usize,
    since: Instant,
    known: bool,
    watched: bool,
}

/// All TCP of one media thread.
pub struct Tcp {
    listener: TcpListener,
    token: u64,
    /// Whether the listener is left alone until the next second, because the process has no descriptor left.
    rests: bool,
    /// Connections with bytes that wait.
    unsent: Vec<u64>,
    connections: HashMap<u64, Connection>,
    by_address: HashMap<SocketAddr, u64>,
    next: u64,
}

/// The framed datagrams that one read brought.
pub struct Frames {
    /// Where they came from.
    pub remote: SocketAddr,
    /// The datagrams, each behind its length.
    pub bytes: Vec<u8>,
}

impl Tcp {
    /// Serves a listener; connections get tokens from `first` on.
    pub fn new(listener: TcpListener, first: u64) -> Tcp {
        Tcp {
            listener,
            token: 0,
            rests: false,
            unsent: Vec::new(),
            connections: HashMap::new(),
            by_address: HashMap::new(),
            next: first,
        }
    }

    /// The listener's port.
    pub fn port(&self) -> u16 {
        self.listener
            .local_addr()
            .map_or(0, |address| address.port())
    }

    /// Registers the listener.
    pub fn watch(&mut self, poller: &Poller, token: u64) -> std::io::Result<()> {
        self.token = token;
        poller.add(self.listener.as_raw_fd(), token, false)
    }

    /// Takes the connections that wait.
    pub fn accept(&mut self, poller: &Poller, now: Instant) {
        loop {
            let (stream, remote) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => continue,
                    ErrorKind::WouldBlock => return,
                    // Without descriptors the connection stays where it is, and would wake the thread for ever.
                    _ => {
                        self.rests = poller.rest(self.listener.as_raw_fd(), self.token).is_ok();
                        return;
                    }
                },
            };
            let remote = sys::canonical(remote);
            let strangers = self
                .connections
                .values()
                .filter(|c| !c.known && c.remote.ip() == remote.ip())
                .count();
            if self.connections.len() >= MAX_CONNECTIONS || strangers >= MAX_STRANGERS {
                continue;
            }
            let token = self.next;
            let ready = stream.set_nonblocking(true).is_ok()
                && stream.set_nodelay(true).is_ok()
                && poller.add(stream.as_raw_fd(), token, false).is_ok();
            if !ready {
                continue;
            }
            self.next += 1;
            self.by_address.insert(remote, token);
            self.connections.insert(
                token,
                Connection {
                    stream,
                    remote,
                    incoming: Vec::new(),
                    outgoing: Vec::new(),
                    sent: 0,
                    since: now,
                    known: false,
                    watched: false,
                },
            );
        }
    }

    /// Reads from a connection; `None` where nothing whole came or it is over.
    pub fn read(&mut self, token: u64) -> Option<Frames> {
        let connection = self.connections.get_mut(&token)?;
        let mut buffer = [0; READ];
        let count = match connection.stream.read(&mut buffer) {
            Ok(0) => {
                self.close(token);
                return None;
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(_) => {
                self.close(token);
                return None;
            }
        };
        connection.incoming.extend_from_slice(&buffer[..count]);
        let Some(whole) = whole(&connection.incoming) else {
            self.close(token);
            return None;
        };
        if whole == 0 {
            return None;
        }
        let rest = connection.incoming.split_off(whole);
        let bytes = std::mem::replace(&mut connection.incoming, rest);
        Some(Frames {
            remote: connection.remote,
            bytes,
        })
    }

    /// A peer proved that a connection is its own.
    pub fn know(&mut self, remote: SocketAddr) {
        let token = self.by_address.get(&remote);
        if let Some(connection) = token.and_then(|token| self.connections.get_mut(token)) {
            connection.known = true;
        }
    }

    /// Queues one datagram.
    pub fn send(&mut self, remote: SocketAddr, datagram: &[u8]) {
        let Ok(length) = u16::try_from(datagram.len()) else {
            return;
        };
        if let Some(connection) = self.open(remote) {
            connection.outgoing.extend_from_slice(&length.to_be_bytes());
            connection.outgoing.extend_from_slice(datagram);
        }
    }

    /// Queues datagrams that are framed already.
    pub fn send_frames(&mut self, remote: SocketAddr, frames: &[u8]) {
        if let Some(connection) = self.open(remote) {
            connection.outgoing.extend_from_slice(frames);
        }
    }

    /// The connection from an address, to write to; `None` where there is none, or its reader is too slow.
    fn open(&mut self, remote: SocketAddr) -> Option<&mut Connection> {
        let &token = self.by_address.get(&remote)?;
        let connection = self.connections.get_mut(&token)?;
        if connection.outgoing.len() - connection.sent > MAX_WAITING {
            return None;
        }
        if connection.outgoing.is_empty() {
            self.unsent.push(token);
        }
        Some(connection)
    }

    /// Writes what waits, as far as the readers take it.
    pub fn flush(&mut self, poller: &Poller) {
        let mut over = Vec::new();
        let connections = &mut self.connections;
        self.unsent.retain(|&token| {
            let Some(connection) = connections.get_mut(&token) else {
                return false;
            };
            match connection
                .stream
                .write(&connection.outgoing[connection.sent..])
            {
                Ok(count) => connection.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    over.push(token);
                    return false;
                }
            }
            if connection.sent == connection.outgoing.len() {
                connection.outgoing.clear();
                connection.sent = 0;
            } else if connection.sent > MAX_WAITING {
                connection.outgoing.drain(..connection.sent);
                connection.sent = 0;
            }
            let waits = !connection.outgoing.is_empty();
            if waits != connection.watched {
                connection.watched = waits;
                // A descriptor that epoll does not take any more is found closed by the next read.
                let _ = poller.modify(connection.stream.as_raw_fd(), token, waits);
            }
            waits
        });
        for token in over {
            self.close(token);
        }
    }

    /// Once a second: closes connections that no peer has proved to be its own in time, and listens again after a rest.
    pub fn expire(&mut self, poller: &Poller, now: Instant) {
        if self.rests {
            let again = poller.modify(self.listener.as_raw_fd(), self.token, false);
            self.rests = again.is_err();
        }
        let over: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, c)| !c.known && now.saturating_duration_since(c.since) > PATIENCE)
            .map(|(&token, _)| token)
            .collect();
        for token in over {
            self.close(token);
        }
    }

    /// Closes the connection from an address.
    pub fn forget(&mut self, remote: SocketAddr) {
        if let Some(&token) = self.by_address.get(&remote) {
            self.close(token);
        }
    }

    fn close(&mut self, token: u64) {
        if let Some(connection) = self.connections.remove(&token)
            && self.by_address.get(&connection.remote) == Some(&token)
        {
            self.by_address.remove(&connection.remote);
        }
    }
}

/// Bytes of the frames that are whole; `None` where one is longer than a datagram may be.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut end = 0;
    while let Some(head) = bytes.get(end..end + 2) {
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if length > DATAGRAM {
            return None;
        }
        if bytes.len() < end + 2 + length {
            break;
        }
        end += 2 + length;
    }
    Some(end)
}

/// The datagrams of whole frames.
pub fn datagrams(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let (datagram, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(datagram)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole() {
        let bytes = [0, 2, 1, 2, 0, 0, 0, 3, 4, 5];
        assert_eq!(whole(&bytes), Some(6));
        let found: Vec<&[u8]> = datagrams(&bytes[..6]).collect();
        assert_eq!(found, [&[1, 2][..], &[]]);
    }

    #[test]
    fn a_frame_longer_than_a_datagram_ends_the_connection() {
        assert_eq!(whole(&[0xff, 0xff, 0]), None);
        assert_eq!(whole(&[]), Some(0));
        assert_eq!(whole(&[0]), Some(0));
    }
}
