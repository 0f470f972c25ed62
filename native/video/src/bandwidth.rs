//! What a listener can take, from what it reports: its own estimate (REMB) and its losses.

/// Losses below this share say nothing, in 1/256.
const SOME_LOSS: u8 = 5;
/// Losses above it mean that less must be sent: a tenth.
const MUCH_LOSS: u8 = 26;
/// An estimate of the listener counts for so long.
const REMB_AGE_US: u64 = 5_000_000;
/// After trouble, so long nothing is tried; doubled each time a trial failed.
const FIRST_PATIENCE_US: u64 = 5_000_000;
const LONGEST_PATIENCE_US: u64 = 60_000_000;
/// Trouble so soon after a trial is its failure.
const TRIAL_US: u64 = 4_000_000;
/// The estimate never falls below this, in bit/s.
const FLOOR: u64 = 50_000;

/// The estimate for one listener, in bit/s of video. Nothing bounds it before there was trouble.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bandwidth {
    remb: Option<(u64, u64)>,
    by_loss: Option<u64>,
    trouble_us: Option<u64>,
    trial_us: Option<u64>,
    patience_us: u64,
}

impl Bandwidth {
    pub fn new() -> Bandwidth {
        Bandwidth {
            patience_us: FIRST_PATIENCE_US,
            ..Bandwidth::default()
        }
    }

    /// The listener's estimate came in; `sent` is what it is sent now, in bit/s.
    pub fn remb(&mut self, bitrate: u64, sent: u64, now_us: u64) {
        self.remb = Some((bitrate.max(FLOOR), now_us));
        if bitrate < sent {
            self.trouble(now_us);
        }
    }

    /// A report of loss since the last one, in 1/256 (RFC 3550); `sent` as above. Call it with the
    /// worst of the listener's videos.
    pub fn loss(&mut self, fraction: u8, sent: u64, now_us: u64) {
        if fraction > MUCH_LOSS {
            let left = sent - sent * u64::from(fraction) / 512;
            self.by_loss = Some(left.max(FLOOR));
            self.trouble(now_us);
        } else if fraction < SOME_LOSS
            && let Some(estimate) = self.by_loss
        {
            let grown = estimate + estimate / 12;
            // Twice of what is sent without loss is no bound any more.
            self.by_loss =
                (grown < 2 * sent.max(FLOOR) || self.is_troubled(now_us)).then_some(grown);
        }
    }

    /// What may be sent; `None` where nothing bounds it.
    pub fn estimate(&self, now_us: u64) -> Option<u64> {
        let remb = self
            .remb
            .filter(|(_, at)| now_us.saturating_sub(*at) < REMB_AGE_US);
        match (remb.map(|(bitrate, _)| bitrate), self.by_loss) {
            (Some(remb), Some(loss)) => Some(remb.min(loss)),
            (remb, loss) => remb.or(loss),
        }
    }

    /// Whether one step beyond the estimate may be tried now: a listener's estimate follows what
    /// it is sent, so it would never find out alone that there is room for more. Counts as tried.
    pub fn try_more(&mut self, now_us: u64) -> bool {
        if self.is_troubled(now_us) || self.within(self.trial_us, TRIAL_US, now_us) {
            return false;
        }
        self.trial_us = Some(now_us);
        true
    }

    fn trouble(&mut self, now_us: u64) {
        if self.within(self.trial_us, TRIAL_US, now_us) {
            self.patience_us = (2 * self.patience_us).min(LONGEST_PATIENCE_US);
            self.trial_us = None;
        } else if !self.within(self.trouble_us, LONGEST_PATIENCE_US, now_us) {
            self.patience_us = FIRST_PATIENCE_US;
        }
        self.trouble_us = Some(now_us);
    }

    fn is_troubled(&self, now_us: u64) -> bool {
        self.within(self.trouble_us, self.patience_us, now_us)
    }

    fn within(&self, at: Option<u64>, span_us: u64, now_us: u64) -> bool {
        at.is_some_and(|at| now_us.saturating_sub(at) < span_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn nothing_bounds_a_listener_without_trouble() {
        let mut bandwidth = Bandwidth::new();
        for at in 0..10 {
            bandwidth.loss(2, 3_000_000, at * SECOND);
        }
        assert_eq!(bandwidth.estimate(10 * SECOND), None);
    }

    #[test]
    fn much_loss_bounds_it_and_quiet_lifts_the_bound() {
        let mut bandwidth = Bandwidth::new();
        bandwidth.loss(64, 2_000_000, 0);
        assert_eq!(bandwidth.estimate(0), Some(1_750_000));
        let seconds = (1..100).find(|at| {
            bandwidth.loss(0, 1_700_000, at * SECOND);
            bandwidth.estimate(at * SECOND).is_none()
        });
        assert!((5..20).contains(&seconds.unwrap()), "{seconds:?}");
    }

    #[test]
    fn the_listeners_own_estimate_counts_while_it_is_fresh() {
        let mut bandwidth = Bandwidth::new();
        bandwidth.remb(800_000, 400_000, 0);
        assert_eq!(bandwidth.estimate(SECOND), Some(800_000));
        bandwidth.loss(128, 800_000, SECOND);
        assert_eq!(bandwidth.estimate(SECOND), Some(600_000));
        assert_eq!(bandwidth.estimate(20 * SECOND), Some(600_000));
    }

    #[test]
    fn failed_trials_are_repeated_ever_more_rarely() {
        let mut bandwidth = Bandwidth::new();
        let mut trials = Vec::new();
        for at in 0..300 {
            let now = at * SECOND;
            if bandwidth.try_more(now) {
                trials.push(at);
                bandwidth.remb(100_000, 500_000, now + SECOND);
            }
        }
        assert_eq!(trials[..5], [0, 11, 32, 73, 134]);
        assert!(trials.len() <= 8);
    }
}
