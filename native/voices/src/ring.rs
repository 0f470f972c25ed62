//! Decoded audio on its way to Python: one thread writes whole frames, another reads them, and neither waits.
//!
//! Two seconds are kept; where nobody reads, the oldest frames are written over. The samples lie in atomics, four to a
//! word, so that a frame that is written over while it is read is noticed and dropped, never torn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::Rate;

/// How many frames are kept for a reader: 2 s.
pub const KEPT_FRAMES: usize = 100;

struct Shared {
    rate: Rate,
    words: Box<[AtomicU64]>,
    /// Frames of which the writing has begun; ahead of `written` by one while a frame is written.
    begun: AtomicU64,
    written: AtomicU64,
}

/// The half of the media thread.
pub(crate) struct TapWriter(Arc<Shared>);

/// The half of the thread that reads.
pub struct TapReader {
    shared: Arc<Shared>,
    read: u64,
}

/// Both halves of a tap at `rate`.
pub(crate) fn tap(rate: Rate) -> (TapWriter, TapReader) {
    let words = (0..words_per_frame(rate) * KEPT_FRAMES)
        .map(|_| AtomicU64::new(0))
        .collect();
    let shared = Arc::new(Shared {
        rate,
        words,
        begun: AtomicU64::new(0),
        written: AtomicU64::new(0),
    });
    (
        TapWriter(Arc::clone(&shared)),
        TapReader { shared, read: 0 },
    )
}

const fn words_per_frame(rate: Rate) -> usize {
    rate.frame() / 4
}

impl TapWriter {
    /// Adds one frame.
    pub(crate) fn write(&mut self, frame: &[i16]) {
        let shared = &*self.0;
        debug_assert_eq!(frame.len(), shared.rate.frame());
        let number = shared.written.load(Ordering::Relaxed);
        shared.begun.store(number + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, samples) in shared.slot(number).iter().zip(frame.chunks_exact(4)) {
            let packed = samples
                .iter()
                .rev()
                .fold(0, |packed, &sample| packed << 16 | u64::from(sample as u16));
            word.store(packed, Ordering::Relaxed);
        }
        shared.written.store(number + 1, Ordering::Release);
    }
}

impl TapReader {
    /// The rate of the samples.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.shared.rate
    }

    /// The frames since the last call, oldest first, as s16le; those that did not fit into 2 s are gone.
    pub fn read(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_into(&mut bytes);
        bytes
    }

    /// Appends the frames since the last call; how many they are.
    pub fn read_into(&mut self, bytes: &mut Vec<u8>) -> usize {
        let shared = &*self.shared;
        let frame_bytes = shared.rate.frame() * 2;
        let written = shared.written.load(Ordering::Acquire);
        let first = self.read.max(written.saturating_sub(KEPT_FRAMES as u64));
        let start = bytes.len();
        bytes.reserve((written - first) as usize * frame_bytes);
        for number in first..written {
            for word in shared.slot(number) {
                bytes.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
        }
        fence(Ordering::Acquire);
        let valid = shared
            .begun
            .load(Ordering::Relaxed)
            .saturating_sub(KEPT_FRAMES as u64);
        let lost = valid.saturating_sub(first).min(written - first) as usize;
        bytes.drain(start..start + lost * frame_bytes);
        self.read = written;
        (written - first) as usize - lost
    }

    /// How many frames wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        (self.shared.written.load(Ordering::Acquire) - self.read).min(KEPT_FRAMES as u64) as usize
    }
}

impl Shared {
    fn slot(&self, number: u64) -> &[AtomicU64] {
        let size = words_per_frame(self.rate);
        let at = (number % KEPT_FRAMES as u64) as usize * size;
        &self.words[at..at + size]
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{KEPT_FRAMES, tap};
    use crate::Rate;

    fn samples(bytes: &[u8]) -> Vec<i16> {
        bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }

    #[test]
    fn frames_come_out_in_order() {
        let (mut writer, mut reader) = tap(Rate::Hz8000);
        let frame: Vec<i16> = (-80..80).collect();
        writer.write(&frame);
        writer.write(&[7; 160]);
        assert_eq!(reader.waiting(), 2);
        let read = samples(&reader.read());
        assert_eq!(read[..160], frame);
        assert_eq!(read[160..], [7; 160]);
        assert!(reader.read().is_empty());
    }

    #[test]
    fn the_oldest_go_where_nobody_reads() {
        let (mut writer, mut reader) = tap(Rate::Hz16000);
        for number in 0..250 {
            writer.write(&[number; 320]);
        }
        let read = samples(&reader.read());
        assert_eq!(read.len(), KEPT_FRAMES * 320);
        assert_eq!((read[0], read[read.len() - 1]), (150, 249));
    }

    #[test]
    fn no_frame_is_torn_while_both_run() {
        let (mut writer, mut reader) = tap(Rate::Hz48000);
        let thread = thread::spawn(move || {
            for number in 0..20_000_i32 {
                writer.write(&[(number % 30_000) as i16; 960]);
            }
        });
        let mut last = -1;
        let mut seen = 0;
        while seen == 0 || !thread.is_finished() || reader.waiting() > 0 {
            for frame in samples(&reader.read()).chunks_exact(960) {
                assert!(frame.iter().all(|&sample| sample == frame[0]), "torn");
                assert!(frame[0] > last, "{} after {last}", frame[0]);
                last = frame[0];
                seen += 1;
            }
        }
        thread.join().unwrap();
        assert_eq!(last, 19_999);
    }
}
