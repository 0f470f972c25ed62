//! What listeners report and what we tell them: losses made good, round trips, sender reports, quality.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use str0m::net::Protocol;
use vox_egress::{Feedback, Ntp, Ring, frame_resend, parse_rtcp, sender_report};

use crate::event::Event;
use crate::media;
use crate::room::{Outlet, Source};
use crate::sdp::Kind;
use crate::thread::MediaThread;

/// A track is silent after this long without a packet.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);
/// Sender reports of a stream: each so many seconds.
const REPORT_EVERY: u64 = 3;

/// Ticks of a track's clock in a millisecond.
fn ticks(kind: Kind) -> f32 {
    match kind {
        Kind::Video => 90.0,
        _ => 48.0,
    }
}

impl MediaThread {
    /// Reads what a listener reports; `true` where str0m has no use for it, because the peer sends nothing.
    pub(crate) fn feedback(&mut self, id: u64, datagram: &[u8], now: Instant) -> bool {
        let now_us = self.now_us(now);
        let Some(peer) = self.peers.get_mut(&id) else {
            return true;
        };
        let Some(outlet) = self.outlets.get_mut(peer.outlet) else {
            return false;
        };
        let Some(keys) = &outlet.keys else {
            return false;
        };
        let mut compound = std::mem::take(&mut self.plain);
        if !keys.open_rtcp(datagram, &mut compound) {
            self.plain = compound;
            return false;
        }
        let mut keyframes: Vec<(u32, u8)> = Vec::new();
        let mut losses: Vec<(u32, u8)> = Vec::new();
        let ntp = wall_clock();
        let (net, tracks) = (&mut self.net, &self.tracks);
        let quality = &mut peer.quality;
        let mut framed = Vec::new();
        let mut rings: Vec<&Ring> = Vec::new();
        parse_rtcp(&compound, |feedback| match feedback {
            Feedback::Nack { media, lost } => {
                let Some((stream, track)) = carried(outlet, media) else {
                    return;
                };
                let Some(track) = tracks.get(track) else {
                    return;
                };
                let (Some(keys), Some(route)) = (&outlet.keys, &outlet.route) else {
                    return;
                };
                media::rings(&track.layers, &mut rings);
                let stream = &mut outlet.streams[stream];
                for sequence in lost.iter() {
                    if route.proto == Protocol::Udp {
                        let to = &route.destination;
                        net.batch.resend(keys, to, stream, &rings, sequence);
                    } else {
                        frame_resend(keys, stream, &rings, sequence, &mut framed);
                    }
                }
            }
            Feedback::Pli { media } | Feedback::Fir { media } => {
                if let Some((stream, track)) = carried(outlet, media)
                    && let Some(switch) = &outlet.carried[stream].switch
                {
                    keyframes.push((track, switch.current().unwrap_or(0)));
                }
            }
            Feedback::Report {
                media,
                fraction_lost,
                jitter,
                last_report,
                delay,
                ..
            } => {
                let Some((stream, slot)) = carried(outlet, media) else {
                    return;
                };
                let Some(track) = tracks.get(slot) else {
                    return;
                };
                losses.push((slot, fraction_lost));
                quality.reported = true;
                quality.lost = quality.lost.max(f32::from(fraction_lost) / 256.0);
                quality.jitter_ms = quality.jitter_ms.max(jitter as f32 / ticks(track.kind));
                if let Some(trip) = ntp.round_trip_us(last_report, delay) {
                    quality.rtt_ms = trip as f32 / 1000.0;
                }
                if outlet.carried[stream].switch.is_some() {
                    let sent = outlet.video_bitrate;
                    outlet.bandwidth.loss(fraction_lost, sent, now_us);
                }
            }
            Feedback::Remb { bitrate } => {
                let sent = outlet.video_bitrate;
                outlet.bandwidth.remb(bitrate, sent, now_us);
            }
            _ => {}
        });
        if let (Some(tcp), Some(route), false) = (&mut net.tcp, &outlet.route, framed.is_empty()) {
            tcp.send_frames(route.remote, &framed);
        }
        self.plain = compound;
        let sends_nothing = peer.publications.is_empty();
        for (slot, lost) in losses {
            if let Some(track) = self.tracks.get_mut(slot) {
                track.lost = track.lost.max(lost);
            }
        }
        for (track, layer) in keyframes {
            self.want_keyframe(track, layer, now);
        }
        sends_nothing
    }

    /// Tells of tracks of which nothing came for a while.
    pub(crate) fn notice_silence(&mut self, now: Instant) {
        let slots: Vec<u32> = self.tracks.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(track) = self.tracks.get_mut(slot) else {
                continue;
            };
            let here = matches!(track.source, Source::Peer(..));
            if here && track.flowing && now.saturating_duration_since(track.last) > SILENCE {
                track.flowing = false;
                self.events.push(Event::Silent(track.id));
            }
        }
    }

    /// Sender reports, each second for a part of the listeners.
    pub(crate) fn send_reports(&mut self, now: Instant) {
        let now_us = self.now_us(now);
        let ntp = wall_clock();
        let turn = self.seconds % REPORT_EVERY;
        let slots: Vec<u32> = self
            .outlets
            .iter()
            .map(|(slot, _)| slot)
            .filter(|&slot| u64::from(slot) % REPORT_EVERY == turn)
            .collect();
        self.count_traffic();
        for slot in slots {
            let Some(outlet) = self.outlets.get_mut(slot) else {
                continue;
            };
            let (Some(keys), Some(route)) = (&mut outlet.keys, &outlet.route) else {
                continue;
            };
            for (stream, carried) in outlet.streams.iter().zip(&outlet.carried) {
                let track = carried.track.and_then(|track| self.tracks.get(track));
                let Some(track) = track else {
                    continue;
                };
                let layer = track.layers.get(usize::from(stream.source()));
                let Some(timestamp) = layer.and_then(|layer| layer.clock.timestamp_at(now_us))
                else {
                    continue;
                };
                let name = match track.source {
                    Source::Peer(peer, _) => peer,
                    Source::Voice(_) => track.id,
                };
                self.plain.clear();
                if sender_report(
                    keys,
                    stream,
                    ntp,
                    timestamp,
                    &name.to_string(),
                    &mut self.plain,
                ) {
                    self.net.transmit(route.proto, route.remote, &self.plain);
                }
            }
        }
    }

    /// What went out to each peer, for whoever asks.
    fn count_traffic(&self) {
        for peer in self.peers.values() {
            if let Some(outlet) = self.outlets.get(peer.outlet) {
                let sent: u64 = outlet.streams.iter().map(|stream| stream.octets()).sum();
                peer.traffic
                    .sent
                    .store(outlet.retired + sent, Ordering::Relaxed);
            }
        }
    }

    /// How peers fared in the last seconds: the worse of what they report and what we receive.
    pub(crate) fn tell_quality(&mut self) {
        for peer in self.peers.values_mut() {
            let mut quality = std::mem::take(&mut peer.quality);
            for publication in &peer.publications {
                let Some(track) = self.tracks.get_mut(publication.track) else {
                    continue;
                };
                let ticks = ticks(track.kind);
                for layer in &mut track.layers {
                    if let Some((lost, jitter)) = layer.reception.take() {
                        quality.reported = true;
                        quality.lost = quality.lost.max(lost);
                        quality.jitter_ms = quality.jitter_ms.max(jitter as f32 / ticks);
                    }
                }
            }
            if quality.reported {
                self.events.push(Event::Quality {
                    peer: peer.id,
                    lost: quality.lost,
                    rtt_ms: quality.rtt_ms,
                    jitter_ms: quality.jitter_ms,
                });
            }
        }
    }
}

/// The stream of an outlet with an SSRC, and the slot of the track that it carries.
fn carried(outlet: &Outlet, ssrc: u32) -> Option<(usize, u32)> {
    let stream = outlet
        .streams
        .iter()
        .position(|stream| stream.ssrc() == ssrc)?;
    Some((stream, outlet.carried[stream].track?))
}

fn wall_clock() -> Ntp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ntp::from_unix_us(since.as_micros() as u64)
}
