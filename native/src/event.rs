//! What the media threads tell Python, through one bounded queue.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::EventFd;

/// Events that wait for Python at most; beyond that the newest are dropped and counted.
const MAX_WAITING: usize = 65_536;
/// Data messages among them at most: what Python must know has the rest for itself.
const MAX_WAITING_DATA: usize = MAX_WAITING / 2;
/// Bytes of data messages that wait for Python at most.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// Events that Python takes at once.
const MAX_TAKEN: usize = 4_096;

/// Something that Python should know. The stub says when each is sent.
#[derive(Debug, PartialEq)]
pub enum Event {
    Connected(u64),
    Disconnected(u64),
    Closed(u64, &'static str),
    Flowing(u64),
    Silent(u64),
    Speakers(u64, Vec<(u64, f32, bool)>),
    Data {
        peer: u64,
        label: String,
        payload: Vec<u8>,
        binary: bool,
    },
    Channel(u64, String),
    Quality {
        peer: u64,
        lost: f32,
        rtt_ms: f32,
        jitter_ms: f32,
    },
    KeyframeWanted(u64),
    Taps(Vec<u64>),
    Layers(u64, Vec<u32>),
    StreamState {
        peer: u64,
        track: u64,
        active: bool,
    },
    VoiceIdle(u64),
}

impl Event {
    fn is_data(&self) -> bool {
        matches!(self, Event::Data { .. })
    }

    fn bytes(&self) -> usize {
        match self {
            Event::Data { payload, .. } => payload.len(),
            _ => 0,
        }
    }
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    data: usize,
    bytes: usize,
}

/// The queue from all media threads to Python.
pub struct Events {
    waiting: Mutex<Waiting>,
    wake: EventFd,
    lost: AtomicU64,
}

impl Events {
    /// An empty queue.
    pub fn new() -> io::Result<Events> {
        Ok(Events {
            waiting: Mutex::default(),
            wake: EventFd::new()?,
            lost: AtomicU64::new(0),
        })
    }

    /// Adds an event, or counts it as lost where Python does not keep up.
    pub fn push(&self, event: Event) {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        let bytes = event.bytes();
        let is_full = waiting.events.len() >= MAX_WAITING
            || event.is_data()
                && (waiting.data >= MAX_WAITING_DATA || waiting.bytes + bytes > MAX_WAITING_BYTES);
        if is_full {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.data += usize::from(event.is_data());
        waiting.bytes += bytes;
        waiting.events.push_back(event);
        if waiting.events.len() == 1 {
            self.wake.wake();
        }
    }

    /// Takes the oldest events; the descriptor stays readable while more wait.
    pub fn take(&self) -> Vec<Event> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        let count = waiting.events.len().min(MAX_TAKEN);
        let taken: Vec<Event> = waiting.events.drain(..count).collect();
        waiting.data -= taken.iter().filter(|event| event.is_data()).count();
        waiting.bytes -= taken.iter().map(Event::bytes).sum::<usize>();
        self.wake.reset();
        if !waiting.events.is_empty() {
            self.wake.wake();
        }
        taken
    }

    /// How many events were dropped.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The descriptor that is readable while events wait.
    pub fn fd(&self) -> RawFd {
        self.wake.fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_sleeps_loses_the_newest_and_knows_how_many() {
        let events = Events::new().unwrap();
        for peer in 0..MAX_WAITING as u64 + 3 {
            events.push(Event::Connected(peer));
        }
        assert_eq!(events.lost(), 3);
        let taken = events.take();
        assert_eq!(taken.len(), MAX_TAKEN);
        assert_eq!(taken[0], Event::Connected(0));
    }

    fn data(size: usize) -> Event {
        Event::Data {
            peer: 1,
            label: String::new(),
            payload: vec![0; size],
            binary: true,
        }
    }

    #[test]
    fn small_data_leaves_room_for_what_python_must_know() {
        let events = Events::new().unwrap();
        for _ in 0..MAX_WAITING {
            events.push(data(0));
        }
        assert_eq!(events.lost(), (MAX_WAITING - MAX_WAITING_DATA) as u64);
        events.push(Event::Closed(1, "closed"));
        assert_eq!(events.lost(), (MAX_WAITING - MAX_WAITING_DATA) as u64);
        for _ in 0..MAX_WAITING_DATA / MAX_TAKEN {
            events.take();
        }
        assert_eq!(events.take(), [Event::Closed(1, "closed")]);
        events.push(data(0));
        assert_eq!(events.take().len(), 1);
    }

    #[test]
    fn data_is_bounded_by_its_bytes() {
        let events = Events::new().unwrap();
        events.push(data(MAX_WAITING_BYTES));
        events.push(data(1));
        assert_eq!(events.lost(), 1);
        events.take();
        events.push(data(1));
        assert_eq!(events.take().len(), 1);
    }
}
