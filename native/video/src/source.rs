//! A video as it comes in: what its layers are and cost, and when a key frame may be asked for.

use crate::frame::{Frame, VideoCodec};
use crate::h264;

/// Simulcast layers of a track.
pub const LAYERS: usize = 3;
/// Temporal layers that are told apart; higher ones count as the highest.
pub const TEMPORAL: usize = 3;

/// Key frames of one layer are asked for at most this often, in microseconds.
const REQUEST_PAUSE_US: u64 = 500_000;
/// A layer without a packet for so long is not sent any more.
const GONE_US: u64 = 3_000_000;
/// Rates are measured over spans of this length.
const SPAN_US: u64 = 500_000;

/// The layer that a rid stands for, as clients of the protocol name them: q, h, f from low to
/// high. Anything else, and a track without rids, has one layer: the lowest.
pub fn layer_of_rid(rid: Option<&str>) -> u8 {
    match rid {
        Some("h" | "1" | "m") => 1,
        Some("f" | "2") => 2,
        _ => 0,
    }
}

/// What a layer costs and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerRate {
    /// Packets come.
    pub alive: bool,
    /// In bit/s, with all temporal layers up to that one; 0 before it is known.
    pub bitrate: [u64; TEMPORAL],
    /// Frames a second, likewise.
    pub fps: [f32; TEMPORAL],
}

#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    began_us: u64,
    last_us: Option<u64>,
    octets: [u64; TEMPORAL],
    frames: [u32; TEMPORAL],
    rate: LayerRate,
    measured: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Request {
    last_us: Option<u64>,
    waiting: bool,
}

/// The state of one video track, shared by all of its listeners.
#[derive(Clone, Debug)]
pub struct Source {
    codec: VideoCodec,
    has_parameters: bool,
    meters: [Meter; LAYERS],
    requests: [Request; LAYERS],
}

impl Source {
    pub fn new(codec: VideoCodec) -> Source {
        Source {
            codec,
            has_parameters: false,
            meters: [Meter::default(); LAYERS],
            requests: [Request::default(); LAYERS],
        }
    }

    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Reads and counts a packet of a layer. Call it once for each that came in.
    pub fn packet(&mut self, layer: u8, payload: &[u8], now_us: u64) -> Frame {
        let mut frame = self.codec.read(payload);
        if self.codec == VideoCodec::H264
            && let Some(read) = h264::read(payload)
        {
            self.has_parameters = self.has_parameters || read.parameters;
            // An encoder that tells its parameters outside of the stream sends slices only.
            frame.starts_key = read.parameters || read.slice_of_key && !self.has_parameters;
        }
        if let Some(meter) = self.meters.get_mut(usize::from(layer)) {
            meter.count(&frame, payload.len(), now_us);
        }
        if frame.starts_key
            && let Some(request) = self.requests.get_mut(usize::from(layer))
        {
            request.waiting = false;
        }
        frame
    }

    /// What each layer costs, from low to high.
    pub fn rates(&self, now_us: u64) -> [LayerRate; LAYERS] {
        self.meters.map(|meter| {
            let alive = meter
                .last_us
                .is_some_and(|last| now_us.saturating_sub(last) < GONE_US);
            LayerRate {
                alive,
                ..meter.rate
            }
        })
    }

    /// A listener needs a key frame of that layer: whether to ask the publisher now. Where one was
    /// asked for just before, [`Source::due`] says when to ask again.
    pub fn request(&mut self, layer: u8, now_us: u64) -> bool {
        let Some(request) = self.requests.get_mut(usize::from(layer)) else {
            return false;
        };
        request.waiting = true;
        request.take(now_us)
    }

    /// The layers whose key frame was asked for, did not come, and may be asked for again.
    pub fn due(&mut self, now_us: u64) -> impl Iterator<Item = u8> + '_ {
        self.requests
            .iter_mut()
            .enumerate()
            .filter_map(move |(layer, request)| request.take(now_us).then_some(layer as u8))
    }
}

impl Request {
    fn take(&mut self, now_us: u64) -> bool {
        let early = self
            .last_us
            .is_some_and(|last| now_us.saturating_sub(last) < REQUEST_PAUSE_US);
        if !self.waiting || early {
            return false;
        }
        self.last_us = Some(now_us);
        true
    }
}

impl Meter {
    fn count(&mut self, frame: &Frame, octets: usize, now_us: u64) {
        if self
            .last_us
            .is_none_or(|last| now_us.saturating_sub(last) >= GONE_US)
        {
            *self = Meter {
                began_us: now_us,
                ..Meter::default()
            };
        }
        self.last_us = Some(now_us);
        let elapsed_us = now_us.saturating_sub(self.began_us);
        if elapsed_us >= SPAN_US {
            self.measure(elapsed_us);
            self.began_us = now_us;
        }
        let temporal = usize::from(frame.temporal).min(TEMPORAL - 1);
        self.octets[temporal] += octets as u64;
        self.frames[temporal] += u32::from(frame.begins);
    }

    fn measure(&mut self, elapsed_us: u64) {
        let (mut octets, mut frames) = (0, 0);
        for temporal in 0..TEMPORAL {
            octets += std::mem::take(&mut self.octets[temporal]);
            frames += std::mem::take(&mut self.frames[temporal]);
            let bitrate = octets * 8_000_000 / elapsed_us;
            let fps = frames as f32 * 1_000_000.0 / elapsed_us as f32;
            let rate = &mut self.rate;
            if self.measured {
                rate.bitrate[temporal] = (3 * rate.bitrate[temporal] + bitrate) / 4;
                rate.fps[temporal] = 0.75 * rate.fps[temporal] + 0.25 * fps;
            } else {
                rate.bitrate[temporal] = bitrate;
                rate.fps[temporal] = fps;
            }
        }
        self.measured = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_for_each_temporal_layer() {
        let mut source = Source::new(VideoCodec::Vp8);
        for at in 0..300u64 {
            let mut payload = vec![0; 1_250];
            payload[..5].copy_from_slice(&[0x90, 0x20, if at % 2 == 0 { 0 } else { 1 << 6 }, 1, 0]);
            source.packet(1, &payload, at * 33_333);
        }
        let rates = source.rates(10_000_000);
        assert!(!rates[0].alive && rates[1].alive);
        let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.1;
        assert!(
            near(rates[1].bitrate[0] as f64, 150_000.0),
            "{:?}",
            rates[1]
        );
        assert!(
            near(rates[1].bitrate[2] as f64, 300_000.0),
            "{:?}",
            rates[1]
        );
        assert!(near(f64::from(rates[1].fps[0]), 15.0) && near(f64::from(rates[1].fps[2]), 30.0));
        assert!(!source.rates(14_000_000)[1].alive);
    }

    #[test]
    fn key_frames_are_asked_for_twice_a_second_at_most_and_until_they_come() {
        let mut source = Source::new(VideoCodec::Vp8);
        assert!(source.request(0, 0));
        assert!(!source.request(0, 100_000));
        assert!(source.request(1, 100_000));
        assert_eq!(source.due(400_000).count(), 0);
        assert_eq!(source.due(550_000).collect::<Vec<_>>(), [0]);
        source.packet(0, &[0x10, 0], 560_000);
        source.packet(1, &[0x10, 0], 560_000);
        assert_eq!(source.due(5_000_000).count(), 0);
        assert!(!source.request(7, 0));
    }

    #[test]
    fn slices_start_a_key_frame_only_where_no_parameters_come() {
        let mut source = Source::new(VideoCodec::H264);
        assert!(source.packet(0, &[0x65, 1], 0).starts_key);
        assert!(source.packet(0, &[0x67, 1], 0).starts_key);
        assert!(!source.packet(0, &[0x65, 1], 0).starts_key);
    }
}
