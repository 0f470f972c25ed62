//! How much care voices are encoded with: by the time that a thread has, and by what their listeners lose.

use vox_voices::opus::{EFFORT, LOW_EFFORT};

use crate::room::Source;
use crate::thread::MediaThread;

/// The load of a thread, in thousandths, above which its voices are encoded with less effort.
const BUSY: u64 = 600;
/// The load below which they are encoded with all effort again.
const IDLE: u64 = 400;

/// The effort for a load in thousandths, where it is `now`.
fn effort_at(load: u64, now: u8) -> u8 {
    if load > BUSY {
        LOW_EFFORT
    } else if load < IDLE {
        EFFORT
    } else {
        now
    }
}

/// A fraction of 256 as percent.
fn percent(fraction: u8) -> u8 {
    ((u32::from(fraction) * 100 + 128) / 256) as u8
}

impl MediaThread {
    /// Once a second: voices cost less where the thread has little time.
    pub(crate) fn ease(&mut self, load: u64) {
        let effort = effort_at(load, self.effort);
        if effort == self.effort {
            return;
        }
        self.effort = effort;
        for &slot in &self.voices {
            if let Some(track) = self.tracks.get_mut(slot)
                && let Source::Voice(voice) = &mut track.source
            {
                voice.set_effort(effort);
            }
        }
    }

    /// Every few seconds: voices provide for what their worst listener lost meanwhile.
    pub(crate) fn provide_for_losses(&mut self) {
        for &slot in &self.voices {
            if let Some(track) = self.tracks.get_mut(slot) {
                let lost = percent(std::mem::take(&mut track.lost));
                if let Source::Voice(voice) = &mut track.source {
                    voice.expect_loss(lost);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_falls_above_one_load_and_returns_below_another() {
        assert_eq!(effort_at(600, EFFORT), EFFORT);
        assert_eq!(effort_at(601, EFFORT), LOW_EFFORT);
        assert_eq!(effort_at(500, LOW_EFFORT), LOW_EFFORT);
        assert_eq!(effort_at(400, LOW_EFFORT), LOW_EFFORT);
        assert_eq!(effort_at(399, LOW_EFFORT), EFFORT);
    }

    #[test]
    fn fractions_are_rounded_to_percent() {
        assert_eq!([0, 1, 2, 26, 255].map(percent), [0, 0, 1, 10, 100]);
    }
}
