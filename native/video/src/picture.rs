//! Continuous picture ids across layers and dropped frames.

use std::collections::VecDeque;

use crate::frame::Picture;

/// Frames back for which it is known whether they were dropped.
const REMEMBERED: i64 = 128;
/// Shifts kept for packets that come late.
const MOST_SHIFTS: usize = 64;

/// The ids of one layer while a listener gets it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pictures {
    /// Extended id of the newest frame.
    newest: Option<i64>,
    /// From which extended id on which shift holds.
    shifts: VecDeque<(i64, i64)>,
    /// Bit n: the frame n before the newest was dropped.
    dropped: u128,
    /// The newest id that was sent, as the listener counts.
    sent: Option<i64>,
}

impl Pictures {
    /// A layer begins, with a key frame of that id.
    pub(crate) fn start(&mut self, picture: Picture) {
        let id = i64::from(picture.id);
        let shift = self.sent.map_or(0, |sent| sent + 1 - id);
        self.newest = Some(id);
        self.dropped = 0;
        self.shifts.clear();
        self.shifts.push_back((id, shift));
        self.sent = Some(id + shift);
    }

    /// What to add to the id of a packet's frame; `None` where the frame is dropped.
    ///
    /// `unwanted` decides about a frame of which nothing came yet; a frame older than the newest
    /// keeps the place that was left for it.
    pub(crate) fn place(&mut self, picture: Picture, unwanted: bool) -> Option<u16> {
        let Some(newest) = self.newest else {
            self.start(picture);
            return Some(0);
        };
        let id = extended(newest, picture);
        if id > newest {
            let step = (id - newest).min(REMEMBERED) as u32;
            self.dropped = self.dropped.checked_shl(step).unwrap_or(0) | u128::from(unwanted);
            self.newest = Some(id);
            if unwanted {
                let shift = self.shift_of(id)?;
                if self.shifts.len() == MOST_SHIFTS {
                    self.shifts.pop_front();
                }
                self.shifts.push_back((id + 1, shift - 1));
                return None;
            }
        } else if newest - id >= REMEMBERED || self.dropped >> (newest - id) & 1 != 0 {
            return None;
        }
        let shift = self.shift_of(id)?;
        self.sent = self.sent.max(Some(id + shift));
        Some(shift as u16)
    }

    fn shift_of(&self, id: i64) -> Option<i64> {
        let found = self.shifts.iter().rev().find(|(from, _)| *from <= id)?;
        Some(found.1)
    }
}

/// The id nearest to the newest that has these bits.
fn extended(newest: i64, picture: Picture) -> i64 {
    let modulus = if picture.long { 1 << 15 } else { 1 << 7 };
    let step = (i64::from(picture.id) - newest).rem_euclid(modulus);
    if step < modulus / 2 {
        newest + step
    } else {
        newest + step - modulus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(id: u16) -> Picture {
        Picture {
            id: id & 0x7fff,
            long: true,
        }
    }

    #[test]
    fn dropped_frames_leave_no_gap_and_late_packets_find_their_place() {
        let mut pictures = Pictures::default();
        pictures.start(long(0x7ffe));
        assert_eq!(pictures.place(long(0x7fff), true), None);
        assert_eq!(pictures.place(long(0x7fff), false), None);
        assert_eq!(pictures.place(long(0), false), Some(u16::MAX));
        assert_eq!(pictures.place(long(3), false), Some(u16::MAX));
        assert_eq!(pictures.place(long(1), true), Some(u16::MAX));
        assert_eq!(pictures.place(long(0x7ffe), false), Some(0));
        assert_eq!(pictures.place(long(0x7ff0), false), None);
    }

    #[test]
    fn another_layer_goes_on_behind_the_last_picture() {
        let mut pictures = Pictures::default();
        pictures.start(long(10));
        pictures.place(long(12), false);
        pictures.start(long(5_000));
        assert_eq!(
            pictures.place(long(5_000), false),
            Some(13u16.wrapping_sub(5_000))
        );
        assert_eq!(
            pictures.place(long(5_001), false),
            Some(13u16.wrapping_sub(5_000))
        );
    }
}
