//! Video in rooms: which layer each listener gets, and the key frames that a change needs.

use std::time::Instant;

use str0m::format::Codec;
use vox_video::{Budget, Choice, LAYERS, StreamState, VideoCodec, Wanted, allocate};

use crate::event::Event;
use crate::room::{Outlet, Source};
use crate::thread::MediaThread;

/// Beats between two looks for key frames that are still missing: 100 ms.
const CHASE_EVERY: u64 = 5;
/// Beats between two choices of layers: 500 ms.
const CHOOSE_EVERY: u64 = 25;

/// The codec as the layers' logic knows it.
pub(crate) fn codec(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::Vp9 => Some(VideoCodec::Vp9),
        Codec::H264 => Some(VideoCodec::H264),
        Codec::Av1 => Some(VideoCodec::Av1),
        _ => None,
    }
}

impl MediaThread {
    pub(crate) fn now_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_micros() as u64
    }

    /// What is due in this beat.
    pub(crate) fn watch_videos(&mut self, now: Instant) {
        // A choice may need a key frame, so that it comes before the look for them.
        if self.beats.is_multiple_of(CHOOSE_EVERY) {
            for outlet in self.watchers() {
                self.choose_layers(outlet, now);
            }
        }
        if self.beats.is_multiple_of(CHASE_EVERY) {
            for index in 0..self.videos.len() {
                self.chase_keyframes(self.videos[index], now);
            }
        }
    }

    /// The outlets that get a video.
    fn watchers(&self) -> Vec<u32> {
        let videos = self.videos.iter().filter_map(|&slot| self.tracks.get(slot));
        let mut watchers: Vec<u32> = videos
            .flat_map(|track| track.listeners.iter().map(|listener| listener.outlet))
            .collect();
        watchers.sort_unstable();
        watchers.dedup();
        watchers
    }

    /// Asks the publisher for a key frame of a layer, unless that was just done.
    pub(crate) fn want_keyframe(&mut self, slot: u32, layer: u8, now: Instant) {
        let now_us = self.now_us(now);
        let video = self
            .tracks
            .get_mut(slot)
            .and_then(|track| track.video.as_mut());
        if video.is_some_and(|video| video.request(layer, now_us)) {
            self.ask_for_keyframe(slot, layer, now);
        }
    }

    fn ask_for_keyframe(&mut self, slot: u32, layer: u8, now: Instant) {
        let Some(track) = self.tracks.get(slot) else {
            return;
        };
        let Source::Peer(peer, mid) = track.source else {
            return;
        };
        let rid = track
            .layers
            .get(usize::from(layer))
            .and_then(|layer| layer.rid);
        self.events.push(Event::KeyframeWanted(track.id));
        self.with_peer(peer, now, |peer| {
            peer.request_keyframe(mid, rid);
            Ok(())
        });
    }

    /// Asks for a key frame of every layer of a track.
    pub(crate) fn want_all_keyframes(&mut self, handle: u64, now: Instant) {
        if let Some(&slot) = self.slots.get(&handle) {
            for layer in 0..LAYERS as u8 {
                let used = self.tracks.get(slot).is_some_and(|track| {
                    track
                        .layers
                        .get(usize::from(layer))
                        .is_some_and(|l| l.ssrc != 0)
                });
                if used {
                    self.want_keyframe(slot, layer, now);
                }
            }
        }
    }

    /// Key frames of a video get lost, and so do the wishes for them.
    pub(crate) fn chase_keyframes(&mut self, slot: u32, now: Instant) {
        let now_us = self.now_us(now);
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let Some(video) = &mut track.video else {
            return;
        };
        let mut asked: Vec<u8> = Vec::new();
        for listener in track.listeners.iter().filter(|listener| !listener.paused) {
            let outlet = self
                .outlets
                .get(listener.outlet)
                .filter(|o| o.is_reachable());
            let carried = outlet.and_then(|o| o.carried.get(usize::from(listener.stream)));
            let awaited = carried.and_then(|carried| carried.switch.as_ref()?.awaits());
            asked.extend(awaited.filter(|&layer| video.request(layer, now_us)));
        }
        asked.extend(video.due(now_us));
        for layer in asked {
            self.ask_for_keyframe(slot, layer, now);
        }
    }

    /// Shares what a listener can take among its videos.
    pub(crate) fn choose_layers(&mut self, slot: u32, now: Instant) {
        let now_us = self.now_us(now);
        let Some(outlet) = self.outlets.get_mut(slot).filter(|o| o.is_reachable()) else {
            return;
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut streams: Vec<usize> = Vec::new();
        for (index, carried) in outlet.carried.iter().enumerate() {
            let (Some(switch), Some(track), false) =
                (&carried.switch, carried.track, carried.paused)
            else {
                continue;
            };
            let Some(video) = self
                .tracks
                .get(track)
                .and_then(|track| track.video.as_ref())
            else {
                continue;
            };
            wanted.push(Wanted {
                screen: false,
                quality: carried.most.0,
                fps: carried.most.1,
                layers: video.rates(now_us),
                now: switch.target(),
            });
            streams.push(index);
        }
        if wanted.is_empty() {
            return;
        }
        let chosen = share(outlet, &wanted, now_us);
        for (&stream, &choice) in streams.iter().zip(&chosen) {
            let carried = &mut outlet.carried[stream];
            let state = carried
                .switch
                .as_mut()
                .and_then(|switch| switch.aim(choice));
            let track = carried.track.and_then(|track| self.tracks.get(track));
            if let (Some(state), Some(track)) = (state, track) {
                self.events.push(Event::StreamState {
                    peer: outlet.peer,
                    track: track.id,
                    active: state == StreamState::Active,
                });
            }
        }
    }

    /// Tells which layers of a video arrive, where that changed.
    pub(crate) fn tell_layers(&mut self, now: Instant) {
        let now_us = self.now_us(now);
        for &slot in &self.videos {
            let Some(track) = self.tracks.get_mut(slot) else {
                continue;
            };
            let Some(video) = &track.video else {
                continue;
            };
            let rates = video.rates(now_us);
            let alive = rates.map(|rate| rate.alive);
            if alive != track.told {
                track.told = alive;
                let bitrates = rates.map(|rate| {
                    if rate.alive {
                        rate.bitrate[vox_video::TEMPORAL - 1]
                    } else {
                        0
                    }
                });
                let told = bitrates
                    .iter()
                    .map(|&bitrate| bitrate.min(u64::from(u32::MAX)) as u32)
                    .collect();
                self.events.push(Event::Layers(track.id, told));
            }
        }
        for slot in self.watchers() {
            if let Some(outlet) = self.outlets.get_mut(slot) {
                let octets = video_octets(outlet);
                outlet.video_bitrate = octets.saturating_sub(outlet.video_octets) * 8;
                outlet.video_octets = octets;
            }
        }
    }
}

/// A choice for each of a listener's videos, by what it can take.
fn share(outlet: &mut Outlet, wanted: &[Wanted], now_us: u64) -> Vec<Option<Choice>> {
    let within = |bitrate, may_try| {
        let mut chosen = Vec::new();
        allocate(Budget { bitrate, may_try }, wanted, &mut chosen);
        chosen
    };
    let most = within(None, false);
    let bitrate = outlet.bandwidth.estimate(now_us);
    if bitrate.is_none() {
        return most;
    }
    let chosen = within(bitrate, false);
    // Tried only where there is something to gain: a trial that brings nothing makes the next one wait.
    if chosen != most && outlet.bandwidth.try_more(now_us) {
        return within(bitrate, true);
    }
    chosen
}

/// Bytes of video that a listener was sent since the start.
fn video_octets(outlet: &Outlet) -> u64 {
    let both = outlet.streams.iter().zip(&outlet.carried);
    let videos = both.filter(|(_, carried)| carried.switch.is_some());
    videos.map(|(stream, _)| stream.octets()).sum()
}
