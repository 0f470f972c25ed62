//! What Python asks of a media thread, through one bounded queue each.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use str0m::IceCreds;
use str0m::change::{SdpAnswer, SdpOffer};
use vox_voices::{Rate, TapReader, Voice};

use crate::negotiation::Answer;
use crate::peer::{Role, Traffic};
use crate::sdp::{Kind, Section};
use crate::sys::EventFd;

/// Commands that wait for one media thread, at most.
const MAX_WAITING: usize = 65_536;

/// Where an answer goes; the caller may have given up waiting for it.
pub type Reply<T> = SyncSender<T>;

/// One thing to do. Handles are Python's.
pub enum Command {
    OpenRoom {
        room: u64,
        top_speakers: usize,
    },
    CloseRoom {
        room: u64,
    },
    OpenPeer {
        room: u64,
        peer: u64,
        role: Role,
        traffic: Arc<Traffic>,
    },
    AcceptOffer {
        peer: u64,
        offer: Box<SdpOffer>,
        sections: Vec<Section>,
        reply: Reply<Result<Answer, String>>,
    },
    MakeOffer {
        peer: u64,
        restart: bool,
        reply: Reply<Result<Option<String>, String>>,
    },
    AcceptAnswer {
        peer: u64,
        answer: Box<SdpAnswer>,
        credentials: Option<IceCreds>,
        reply: Reply<Result<(), String>>,
    },
    ClosePeer {
        peer: u64,
    },
    PermitData {
        peer: u64,
        allowed: bool,
    },
    Publish {
        peer: u64,
        mid: String,
        track: u64,
        kind: Kind,
    },
    Unpublish {
        track: u64,
    },
    Mute {
        track: u64,
        muted: bool,
    },
    Subscribe {
        peer: u64,
        track: u64,
        stream_id: String,
        track_id: String,
    },
    Unsubscribe {
        peer: u64,
        track: u64,
    },
    Pause {
        peer: u64,
        track: u64,
        paused: bool,
    },
    SetLayer {
        peer: u64,
        track: u64,
        quality: u8,
        fps: u8,
    },
    RequestKeyframe {
        track: u64,
    },
    OpenChannel {
        peer: u64,
        label: String,
        ordered: bool,
        retransmits: Option<u16>,
    },
    SendData {
        peers: Vec<u64>,
        label: Arc<str>,
        payload: Arc<[u8]>,
        binary: bool,
        reply: Reply<Vec<u64>>,
    },
    OpenVoice {
        room: u64,
        track: u64,
        voice: Box<Voice>,
    },
    OpenTap {
        room: u64,
        tap: u64,
        track: u64,
        rate: Rate,
        reply: Reply<Option<TapReader>>,
    },
    OpenMix {
        room: u64,
        tap: u64,
        rate: Rate,
        without: Vec<u64>,
        reply: Reply<Option<TapReader>>,
    },
    Exclude {
        room: u64,
        tap: u64,
        track: u64,
    },
    CloseTap {
        room: u64,
        tap: u64,
    },
    Stop,
}

impl Command {
    /// Whether it ends something. There are not more of these than of what was opened, and one that is not taken would
    /// leave running what no handle names any more.
    fn ends(&self) -> bool {
        matches!(
            self,
            Command::CloseRoom { .. }
                | Command::ClosePeer { .. }
                | Command::Unpublish { .. }
                | Command::Unsubscribe { .. }
                | Command::CloseTap { .. }
                | Command::Stop
        )
    }
}

/// The queue of one media thread.
pub struct Inbox {
    waiting: Mutex<VecDeque<Command>>,
    wake: EventFd,
}

impl Inbox {
    /// An empty queue.
    pub fn new() -> io::Result<Inbox> {
        Ok(Inbox {
            waiting: Mutex::default(),
            wake: EventFd::new()?,
        })
    }

    /// Adds a command; `Err` where the thread is so far behind that no more are taken, but for those that end something.
    pub fn push(&self, command: Command) -> Result<(), Box<Command>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        if waiting.len() >= MAX_WAITING && !command.ends() {
            return Err(Box::new(command));
        }
        waiting.push_back(command);
        if waiting.len() == 1 {
            self.wake.wake();
        }
        Ok(())
    }

    /// Takes all commands that wait.
    pub fn take(&self) -> VecDeque<Command> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        if !waiting.is_empty() {
            self.wake.reset();
        }
        std::mem::take(&mut *waiting)
    }

    /// The descriptor that is readable while commands wait.
    pub fn fd(&self) -> RawFd {
        self.wake.fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_what_ends_something() {
        let inbox = Inbox::new().unwrap();
        for track in 0..MAX_WAITING as u64 {
            let taken = inbox.push(Command::RequestKeyframe { track });
            assert!(taken.is_ok());
        }
        assert!(inbox.push(Command::RequestKeyframe { track: 0 }).is_err());
        assert!(inbox.push(Command::ClosePeer { peer: 7 }).is_ok());
        assert!(inbox.push(Command::CloseTap { room: 1, tap: 2 }).is_ok());
        assert_eq!(inbox.take().len(), MAX_WAITING + 2);
    }
}
