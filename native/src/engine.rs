//! The engine as a whole: its threads, and the way to ask them. Python's border is a thin layer over this.

use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use str0m::change::{SdpAnswer, SdpOffer};

use crate::command::{Command, Reply};
use crate::event::{Event, Events};
use crate::negotiation::{Answer, credentials};
pub use crate::opening::Settings;
use crate::opening::{self, Worker};
use crate::peer::Role;
use crate::registry::Registry;
use crate::sdp::{self, Kind};
use crate::sys;
use crate::thread::Gauges;

/// How long a caller waits for a media thread.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest message of a data channel, in bytes.
const MAX_MESSAGE: usize = 256 << 10;
/// The longest label of a data channel, in bytes.
const MAX_LABEL: usize = 256;
/// The longest candidate that is read, in bytes.
const MAX_CANDIDATE: usize = 1_024;

/// Why something was not done.
#[derive(Debug)]
pub enum Refusal {
    /// What was asked makes no sense.
    Value(String),
    /// The system did not let us.
    System(io::Error),
    /// A queue is full.
    Full(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Refusal::Value(reason)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::System(error)
    }
}

pub(crate) type Outcome<T> = Result<T, Refusal>;

/// What one thread does.
pub struct ThreadStats {
    pub cpu_ns: u64,
    pub load: f64,
    pub rooms: u64,
    pub peers: u64,
}

/// What the engine does.
pub struct Stats {
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub lost_events: u64,
    pub threads: Vec<ThreadStats>,
    pub peers: usize,
}

/// The sockets and media threads of one relay.
pub struct Engine {
    workers: Vec<Worker>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    is_closed: AtomicBool,
    events: Arc<Events>,
    registry: Mutex<Registry>,
}

impl Engine {
    /// Opens the sockets and starts the threads.
    pub fn new(settings: &Settings) -> Outcome<Engine> {
        let events = Arc::new(Events::new()?);
        let (workers, handles) = opening::start(settings, &events)?;
        Ok(Engine {
            registry: Mutex::new(Registry::new(workers.len())),
            workers,
            handles: Mutex::new(handles),
            is_closed: AtomicBool::new(false),
            events,
        })
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn tell(&self, thread: usize, command: Command) -> Outcome<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let pushed = self.workers[thread].inbox.push(command);
        pushed.map_err(|_| {
            io::Error::new(
                io::ErrorKind::WouldBlock,
                "the media thread is too far behind",
            )
            .into()
        })
    }

    pub(crate) fn ask<T>(
        &self,
        thread: usize,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Outcome<T> {
        let (reply, answer) = sync_channel(1);
        self.tell(thread, command(reply))?;
        answer.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::Error::new(
                io::ErrorKind::TimedOut,
                "the media thread did not answer in 2 s",
            )
            .into(),
            RecvTimeoutError::Disconnected => closed(),
        })
    }

    /// The UDP port of each thread.
    pub fn udp_ports(&self) -> Vec<u16> {
        self.workers.iter().map(|worker| worker.udp_port).collect()
    }

    /// The TCP port of each thread that has one.
    pub fn tcp_ports(&self) -> Vec<u16> {
        self.workers
            .iter()
            .filter_map(|worker| worker.tcp_port)
            .collect()
    }

    /// The descriptor that is readable while events wait.
    pub fn fileno(&self) -> RawFd {
        self.events.fd()
    }

    /// Takes the events that wait.
    pub fn events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// Says goodbye to all peers and ends the threads.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for worker in &self.workers {
            // Stop is always taken.
            let _ = worker.inbox.push(Command::Stop);
        }
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(|e| e.into_inner()));
        for handle in handles {
            // A thread that panicked is over as well.
            let _ = handle.join();
        }
    }

    /// Counters since the start.
    pub fn stats(&self) -> Stats {
        let sum = |gauge: fn(&Gauges) -> u64| self.workers.iter().map(|w| gauge(&w.gauges)).sum();
        Stats {
            packets_in: sum(|g| g.packets_in.load(Ordering::Relaxed)),
            packets_out: sum(|g| g.packets_out.load(Ordering::Relaxed)),
            bytes_in: sum(|g| g.bytes_in.load(Ordering::Relaxed)),
            bytes_out: sum(|g| g.bytes_out.load(Ordering::Relaxed)),
            lost_events: self.events.lost(),
            threads: self
                .workers
                .iter()
                .map(|worker| ThreadStats {
                    cpu_ns: worker.gauges.cpu_ns.load(Ordering::Relaxed),
                    load: worker.gauges.load.load(Ordering::Relaxed) as f64 / 1000.0,
                    rooms: worker.gauges.rooms.load(Ordering::Relaxed),
                    peers: worker.gauges.peers.load(Ordering::Relaxed),
                })
                .collect(),
            peers: self.registry().peers(),
        }
    }

    /// Opens a room on the thread that has the most room.
    pub fn open_room(&self, room: u64, top_speakers: usize) -> Outcome<()> {
        let loads: Vec<u64> = self
            .workers
            .iter()
            .map(|worker| worker.gauges.load.load(Ordering::Relaxed))
            .collect();
        let thread = self.registry().open_room(room, &loads)?;
        self.tell(thread, Command::OpenRoom { room, top_speakers })
    }

    /// Closes a room with all that is in it.
    pub fn close_room(&self, room: u64) -> Outcome<()> {
        let thread = self.registry().close_room(room)?;
        self.tell(thread, Command::CloseRoom { room })
    }

    /// Opens a peer connection.
    pub fn open_peer(&self, room: u64, peer: u64, role: Role) -> Outcome<()> {
        let (thread, traffic) = self.registry().open_peer(room, peer)?;
        self.tell(
            thread,
            Command::OpenPeer {
                room,
                peer,
                role,
                traffic,
            },
        )
    }

    /// Answers a client's offer.
    pub fn accept_offer(&self, peer: u64, text: &str) -> Outcome<Answer> {
        let (_, thread) = self.registry().peer(peer)?;
        let sections = sdp::sections(text)?;
        let offer = parsed(text, SdpOffer::from_sdp_string)?;
        let answered = self.ask(thread, |reply| Command::AcceptOffer {
            peer,
            offer: Box::new(offer),
            sections,
            reply,
        })?;
        Ok(answered?)
    }

    /// Offers what changed.
    pub fn make_offer(&self, peer: u64, restart: bool) -> Outcome<Option<String>> {
        let (_, thread) = self.registry().peer(peer)?;
        let offered = self.ask(thread, |reply| Command::MakeOffer {
            peer,
            restart,
            reply,
        })?;
        Ok(offered?)
    }

    /// Takes the answer to our offer.
    pub fn accept_answer(&self, peer: u64, text: &str) -> Outcome<()> {
        let (_, thread) = self.registry().peer(peer)?;
        sdp::sections(text)?;
        let answer = parsed(text, SdpAnswer::from_sdp_string)?;
        let credentials = credentials(text);
        let taken = self.ask(thread, |reply| Command::AcceptAnswer {
            peer,
            answer: Box::new(answer),
            credentials,
            reply,
        })?;
        Ok(taken?)
    }

    /// Takes a trickled candidate. A lite agent sends no checks, so it only has to be one.
    pub fn add_candidate(&self, peer: u64, candidate: &str) -> Outcome<()> {
        self.registry().peer(peer)?;
        let body = candidate.strip_prefix("a=").unwrap_or(candidate);
        if !body.is_empty() && (!body.starts_with("candidate:") || body.len() > MAX_CANDIDATE) {
            return Err(Refusal::Value("that is not a candidate".into()));
        }
        Ok(())
    }

    /// Closes a peer connection.
    pub fn close_peer(&self, peer: u64) -> Outcome<()> {
        let thread = self.registry().close_peer(peer)?;
        self.tell(thread, Command::ClosePeer { peer })
    }

    /// Bytes of media, without headers, that came from a peer and went to it.
    pub fn peer_stats(&self, peer: u64) -> Outcome<(u64, u64)> {
        let traffic = self.registry().traffic(peer)?;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok((read(&traffic.received), read(&traffic.sent)))
    }

    fn to_peer(&self, peer: u64, command: Command) -> Outcome<()> {
        let (_, thread) = self.registry().peer(peer)?;
        self.tell(thread, command)
    }

    fn to_track(&self, track: u64, command: Command) -> Outcome<()> {
        let (_, thread) = self.registry().track(track)?;
        self.tell(thread, command)
    }

    /// The peer and the track must be of one room.
    fn to_both(&self, peer: u64, track: u64, command: Command) -> Outcome<()> {
        let registry = self.registry();
        let (room, thread) = registry.peer(peer)?;
        let (other, _) = registry.track(track)?;
        drop(registry);
        if room != other {
            return Err(Refusal::Value(format!(
                "peer {peer} and track {track} are not in one room"
            )));
        }
        self.tell(thread, command)
    }

    /// Lets data of a peer through, or not.
    pub fn permit_data(&self, peer: u64, allowed: bool) -> Outcome<()> {
        self.to_peer(peer, Command::PermitData { peer, allowed })
    }

    /// Makes a section of a peer a track.
    pub fn publish(&self, peer: u64, mid: &str, track: u64, kind: Kind) -> Outcome<()> {
        if mid.is_empty() || mid.len() > 16 {
            return Err(Refusal::Value(
                "the name of a section has 1 to 16 bytes".into(),
            ));
        }
        let mut registry = self.registry();
        let (room, _) = registry.peer(peer)?;
        let thread = registry.open_track(room, track, None)?;
        drop(registry);
        let mid = mid.to_owned();
        self.tell(
            thread,
            Command::Publish {
                peer,
                mid,
                track,
                kind,
            },
        )
    }

    /// Ends a track.
    pub fn unpublish(&self, track: u64) -> Outcome<()> {
        let thread = self.registry().close_track(track)?;
        self.tell(thread, Command::Unpublish { track })
    }

    /// Mutes a track as it comes in.
    pub fn mute(&self, track: u64, muted: bool) -> Outcome<()> {
        self.to_track(track, Command::Mute { track, muted })
    }

    /// Sends a track to a peer from the next offer or answer on.
    pub fn subscribe(&self, peer: u64, track: u64, stream_id: &str, track_id: &str) -> Outcome<()> {
        if !sdp::is_identifier(stream_id) || !sdp::is_identifier(track_id) {
            return Err(Refusal::Value(
                "an id has 1 to 64 characters of a token".into(),
            ));
        }
        let thread = self.registry().subscribe(peer, track)?;
        let (stream_id, track_id) = (stream_id.to_owned(), track_id.to_owned());
        self.tell(
            thread,
            Command::Subscribe {
                peer,
                track,
                stream_id,
                track_id,
            },
        )
    }

    /// Stops sending a track to a peer.
    pub fn unsubscribe(&self, peer: u64, track: u64) -> Outcome<()> {
        let thread = self.registry().unsubscribe(peer, track)?;
        self.tell(thread, Command::Unsubscribe { peer, track })
    }

    /// Holds a track back from one peer.
    pub fn pause(&self, peer: u64, track: u64, paused: bool) -> Outcome<()> {
        self.to_both(
            peer,
            track,
            Command::Pause {
                peer,
                track,
                paused,
            },
        )
    }

    /// Bounds what is sent of a video.
    pub fn set_layer(&self, peer: u64, track: u64, quality: u8, fps: u8) -> Outcome<()> {
        if quality > 2 {
            return Err(Refusal::Value("quality is 0, 1 or 2".into()));
        }
        self.to_both(
            peer,
            track,
            Command::SetLayer {
                peer,
                track,
                quality,
                fps,
            },
        )
    }

    /// Asks the publisher of a video for a key frame.
    pub fn request_keyframe(&self, track: u64) -> Outcome<()> {
        self.to_track(track, Command::RequestKeyframe { track })
    }

    /// Opens a data channel with the next offer, or at once where channels are agreed on.
    pub fn open_channel(
        &self,
        peer: u64,
        label: &str,
        ordered: bool,
        retransmits: Option<u16>,
    ) -> Outcome<()> {
        if label.is_empty() || label.len() > MAX_LABEL {
            return Err(Refusal::Value(format!(
                "a label has 1 to {MAX_LABEL} bytes"
            )));
        }
        let label = label.to_owned();
        self.to_peer(
            peer,
            Command::OpenChannel {
                peer,
                label,
                ordered,
                retransmits,
            },
        )
    }

    /// Sends to each peer; those that did not take it.
    pub fn send_data(
        &self,
        peers: &[u64],
        label: &str,
        payload: &[u8],
        binary: bool,
    ) -> Outcome<Vec<u64>> {
        if payload.len() > MAX_MESSAGE {
            return Err(Refusal::Value(format!(
                "a message has at most {MAX_MESSAGE} bytes"
            )));
        }
        let mut refused = Vec::new();
        let mut by_thread: Vec<Vec<u64>> = vec![Vec::new(); self.workers.len()];
        let registry = self.registry();
        for &peer in peers {
            match registry.peer(peer) {
                Ok((_, thread)) => by_thread[thread].push(peer),
                Err(_) => refused.push(peer),
            }
        }
        drop(registry);
        let (label, payload) = (Arc::<str>::from(label), Arc::<[u8]>::from(payload));
        for (thread, peers) in by_thread.into_iter().enumerate() {
            if peers.is_empty() {
                continue;
            }
            refused.extend(self.ask(thread, |reply| Command::SendData {
                peers,
                label: Arc::clone(&label),
                payload: Arc::clone(&payload),
                binary,
                reply,
            })?);
        }
        Ok(refused)
    }
}

#[cfg(test)]
impl Engine {
    /// An engine whose one media thread never gets to run.
    pub(crate) fn stuck(worker: Worker) -> Engine {
        Engine {
            registry: Mutex::new(Registry::new(1)),
            workers: vec![worker],
            handles: Mutex::default(),
            is_closed: AtomicBool::new(false),
            events: Arc::new(Events::new().expect("a descriptor")),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// The addresses that candidates name where none are given.
pub fn local_addresses() -> Outcome<Vec<IpAddr>> {
    Ok(sys::local_addresses()?)
}

fn closed() -> Refusal {
    io::Error::new(io::ErrorKind::NotConnected, "the engine is closed").into()
}

/// Reads a description without its candidates. What its parser trips over is the caller's mistake, not our end; its
/// reasons name places in memory, so they are not passed on.
fn parsed<T, E>(text: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Outcome<T> {
    let text = sdp::without_candidates(text);
    let parse = std::panic::AssertUnwindSafe(|| parse(&text));
    match std::panic::catch_unwind(parse) {
        Ok(Ok(read)) => Ok(read),
        _ => Err(Refusal::Value(
            "the description is not SDP that can be read".into(),
        )),
    }
}
