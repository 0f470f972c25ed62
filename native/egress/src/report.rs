//! Our sender reports: how a listener's player relates the clocks of two streams.

use crate::keys::Keys;
use crate::stream::Stream;

/// Longest canonical name that is written, in bytes.
const LONGEST_NAME: usize = 64;

/// A time of day as NTP writes it: seconds since 1900 in 32.32 fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ntp(pub u64);

impl Ntp {
    /// From microseconds since 1970.
    pub fn from_unix_us(micros: u64) -> Ntp {
        const TO_1970: u64 = 2_208_988_800;
        let seconds = (micros / 1_000_000).wrapping_add(TO_1970);
        let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
        Ntp(seconds << 32 | fraction)
    }

    /// The 32 bits in the middle: 1/65,536 s, as reports echo them.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Round trip in microseconds, from a report that came in now; `None` where the listener had
    /// seen no report of ours, or says nonsense.
    pub fn round_trip_us(self, last_report: u32, delay: u32) -> Option<u64> {
        if last_report == 0 {
            return None;
        }
        let elapsed = self.middle().wrapping_sub(last_report).wrapping_sub(delay);
        // A minute and more is a clock that was set, or a lie.
        (elapsed < 60 << 16).then_some((u64::from(elapsed) * 1_000_000) >> 16)
    }
}

/// How a source's timestamps run against our clock. One for each source, fed with each packet.
///
/// Follows the packet that came with the least delay, and forgets slowly, so that neither jitter
/// nor the drift of two clocks counts.
#[derive(Clone, Copy, Debug)]
pub struct MediaClock {
    rate: u32,
    anchor: Option<(u32, u64)>,
}

impl MediaClock {
    /// `rate` is in ticks a second, at least 1.
    pub fn new(rate: u32) -> MediaClock {
        MediaClock {
            rate: rate.max(1),
            anchor: None,
        }
    }

    /// A packet of that timestamp came in.
    pub fn observe(&mut self, timestamp: u32, now_us: u64) {
        let Some(expected) = self.timestamp_at(now_us) else {
            self.anchor = Some((timestamp, now_us));
            return;
        };
        if self.anchor.is_some_and(|(_, at)| now_us < at) {
            return;
        }
        let early = timestamp.wrapping_sub(expected) as i32;
        let second = self.rate as i32;
        let stays = early < 0 && early > -second;
        // 1/1,024 of the lateness is taken over, so that a slower clock is followed.
        let correction = if stays { early / 1_024 } else { early };
        self.anchor = Some((expected.wrapping_add_signed(correction), now_us));
    }

    /// The timestamp a packet would have that was made now; `None` before the first.
    pub fn timestamp_at(&self, now_us: u64) -> Option<u32> {
        let (timestamp, at) = self.anchor?;
        let elapsed = u128::from(now_us.saturating_sub(at)) * u128::from(self.rate) / 1_000_000;
        Some(timestamp.wrapping_add(elapsed as u32))
    }
}

/// Appends a sealed compound of a sender report and our name to `out`; `false` where nothing was
/// sent yet or the key's indices are used up.
///
/// `source_timestamp` is what the source's clock shows at `now`. Never report on the SSRC that the
/// peer's own state machine signs with: the two would share a replay window.
pub fn sender_report(
    keys: &mut Keys,
    stream: &Stream,
    now: Ntp,
    source_timestamp: u32,
    name: &str,
    out: &mut Vec<u8>,
) -> bool {
    if stream.packets() == 0 {
        return false;
    }
    let start = out.len();
    out.extend_from_slice(&[0x80, 200, 0, 6]);
    out.extend_from_slice(&stream.ssrc().to_be_bytes());
    out.extend_from_slice(&now.0.to_be_bytes());
    out.extend_from_slice(&stream.timestamp_of(source_timestamp).to_be_bytes());
    out.extend_from_slice(&(stream.packets() as u32).to_be_bytes());
    out.extend_from_slice(&(stream.octets() as u32).to_be_bytes());
    let name = &name.as_bytes()[..name.len().min(LONGEST_NAME)];
    // SSRC, item head and name, and at least one zero to end the list
    let chunk = (4 + 2 + name.len() + 1).next_multiple_of(4);
    out.extend_from_slice(&[0x81, 202]);
    out.extend_from_slice(&(chunk as u16 / 4).to_be_bytes());
    out.extend_from_slice(&stream.ssrc().to_be_bytes());
    out.extend_from_slice(&[1, name.len() as u8]);
    out.extend_from_slice(name);
    out.resize(start + 28 + 4 + chunk, 0);
    if keys.seal_rtcp(out, start) {
        true
    } else {
        out.truncate(start);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_does_not_move_the_media_clock_and_drift_does() {
        let mut clock = MediaClock::new(48_000);
        assert_eq!(clock.timestamp_at(0), None);
        for packet in 0..5_000u64 {
            let late = if packet % 5 == 0 { 0 } else { 15_000 };
            clock.observe((packet * 960) as u32, packet * 20_000 + late);
        }
        let at = clock.timestamp_at(100_000_000).unwrap() as i32;
        assert!((at - 4_800_000).abs() < 480, "{at}");
    }

    #[test]
    fn a_source_that_jumps_is_followed_at_once() {
        let mut clock = MediaClock::new(90_000);
        clock.observe(1_000, 0);
        clock.observe(5_000_000, 1_000);
        assert_eq!(clock.timestamp_at(1_000), Some(5_000_000));
        clock.observe(7, 2_000);
        assert_eq!(clock.timestamp_at(2_000), Some(7));
    }

    #[test]
    fn round_trips_come_from_echoed_reports() {
        let sent = Ntp::from_unix_us(1_700_000_000_000_000);
        let now = Ntp::from_unix_us(1_700_000_000_250_000);
        let trip = now.round_trip_us(sent.middle(), 65_536 / 10).unwrap();
        assert!((149_900..150_100).contains(&trip), "{trip}");
        assert_eq!(now.round_trip_us(0, 0), None);
        assert_eq!(now.round_trip_us(sent.middle(), 1 << 30), None);
    }
}
