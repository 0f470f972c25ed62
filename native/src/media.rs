//! The way of a packet: in from its publisher, judged once, and out to each listener through our own egress.

use std::sync::atomic::Ordering;
use std::time::Instant;

use str0m::format::Codec as NetCodec;
use str0m::media::Mid;
use str0m::net::Protocol;
use str0m::rtp::RtpPacket;
use vox_egress::{Level, Packet, Rewrite, Ring, Span, Work, frame_forward};
use vox_video::{Frame, Shift, Source as Video, Verdict, layer_of_rid};
use vox_voices::g711::Law;
use vox_voices::{AudioLevel, Codec};

use crate::event::Event;
use crate::room::{Carried, Layer, News, Outlet};
use crate::sdp::Kind;
use crate::thread::MediaThread;
use crate::video;

impl MediaThread {
    /// A packet of a publisher: is it a track's, is it forwarded, and does anybody of ours hear it?
    pub(crate) fn ingest(&mut self, id: u64, packet: &RtpPacket, now: Instant) {
        let arrived_us = self.now_us(now);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let size = packet.payload.len() as u64;
        peer.traffic.received.fetch_add(size, Ordering::Relaxed);
        let header = &packet.header;
        let index = *packet.seq_no;
        let Some((slot, rid)) = peer.track_of(header.ssrc) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let (number, ticks) = match track.kind {
            Kind::Video => (layer_of_rid(rid.as_deref()), 90),
            _ => (0, 48),
        };
        let Some(layer) = track.layers.get_mut(usize::from(number)) else {
            return;
        };
        if layer.ssrc != *header.ssrc {
            layer.ssrc = *header.ssrc;
            layer.rid = rid;
            layer.ring.restart();
            layer.reception.restart();
        }
        let arrived = arrived_us * ticks / 1000;
        layer.reception.packet(index, header.timestamp, arrived);
        layer.clock.observe(header.timestamp, arrived_us);
        track.last = now;
        if track.muted {
            track.held = true;
            return;
        }
        if !track.flowing {
            track.flowing = true;
            self.events.push(Event::Flowing(track.id));
        }
        if track.codec.is_none() {
            track.codec = peer.codec(*header.payload_type);
            let known = track.codec.and_then(|spec| video::codec(spec.codec));
            track.video = known.filter(|_| track.kind == Kind::Video).map(Video::new);
            let (room, handle) = (track.room, track.id);
            self.connect_waiting(room, handle);
        }
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let Some(spec) = track.codec else {
            return;
        };
        let level = header.ext_vals.audio_level.map(|dbov| Level {
            dbov: dbov.unsigned_abs(),
            voice: header.ext_vals.voice_activity.unwrap_or(false),
        });
        let mut frame = Frame::default();
        let forwarded = match (track.kind, self.rooms.get_mut(&track.room)) {
            (Kind::Audio, Some(room)) => {
                if !packet.payload.is_empty() && room.ears.wants(track.id) {
                    let codec = match spec.codec {
                        NetCodec::PCMU => Codec::G711(Law::Ulaw),
                        NetCodec::PCMA => Codec::G711(Law::Alaw),
                        _ => Codec::Opus,
                    };
                    let (sequence, timestamp) = (header.sequence_number, header.timestamp);
                    room.ears
                        .packet(now, track.id, codec, sequence, timestamp, &packet.payload);
                }
                let level = level.map_or_else(
                    || AudioLevel::guessed(packet.payload.len()),
                    |level| AudioLevel::from_byte(level.byte()),
                );
                room.speakers.level(now, track.id, level)
            }
            _ => {
                if let Some(video) = &mut track.video {
                    frame = video.packet(number, &packet.payload, arrived_us);
                }
                true
            }
        };
        if !forwarded {
            track.held = true;
            return;
        }
        if std::mem::take(&mut track.held) {
            for layer in &mut track.layers {
                layer.ring.resume();
            }
        }
        let kept = track.layers[usize::from(number)].ring.push(&Packet {
            index,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: &packet.payload,
            level,
            orientation: header.ext_vals.video_orientation.map(|o| o as u8),
            arrived_us,
            span: Span::default(),
        });
        if kept && !track.listeners.is_empty() {
            self.news.push(News {
                track: slot,
                layer: number,
                index,
                frame,
            });
        }
    }

    /// Hands the news of this wake to each listener in one piece, so that what goes together leaves together.
    pub(crate) fn forward_news(&mut self) {
        if self.news.is_empty() {
            return;
        }
        for (place, news) in self.news.iter().enumerate() {
            let Some(track) = self.tracks.get(news.track) else {
                continue;
            };
            for listener in track.listeners.iter().filter(|listener| !listener.paused) {
                let Some(outlet) = self.outlets.get_mut(listener.outlet) else {
                    continue;
                };
                if !outlet.is_reachable() {
                    continue;
                }
                if outlet.news.is_empty() {
                    self.dirty.push(listener.outlet);
                }
                outlet.news.push((place as u32, listener.stream));
            }
        }
        let mut work: Vec<Work<'_>> = Vec::with_capacity(8);
        for slot in self.dirty.drain(..) {
            let Some(outlet) = self.outlets.get_mut(slot) else {
                continue;
            };
            let Outlet {
                keys: Some(keys),
                route: Some(route),
                streams,
                carried,
                news,
                ..
            } = outlet
            else {
                outlet.news.clear();
                continue;
            };
            work.clear();
            for (place, stream) in news.drain(..) {
                let stream = usize::from(stream);
                let item = self.news[place as usize];
                let Some(packet) = self.tracks.get(item.track).and_then(|track| {
                    let layer = track.layers.get(usize::from(item.layer))?;
                    layer.ring.get(item.index)
                }) else {
                    continue;
                };
                let rewrite = |shift: Shift, skip| Rewrite {
                    source: item.layer,
                    picture: shift.picture,
                    tl0: shift.tl0,
                    skip,
                };
                // What is left out still counts: the numbers close over it, in order.
                let rewrite = match judge(&mut carried[stream], &packet, &item) {
                    Verdict::Forward(shift) => rewrite(shift, false),
                    Verdict::Skip => rewrite(Shift::default(), true),
                    Verdict::Ignore => continue,
                };
                work.push(Work {
                    stream,
                    packet,
                    rewrite,
                });
            }
            if work.is_empty() {
                continue;
            }
            if route.proto == Protocol::Udp {
                let batch = &mut self.net.batch;
                batch.forward(keys, &route.destination, streams, &work);
            } else if let Some(tcp) = &mut self.net.tcp {
                self.plain.clear();
                frame_forward(keys, streams, &work, &mut self.plain);
                tcp.send_frames(route.remote, &self.plain);
            }
        }
        self.news.clear();
    }
}

fn judge(carried: &mut Carried, packet: &Packet<'_>, news: &News) -> Verdict {
    match &mut carried.switch {
        Some(switch) => switch.forward(news.layer, packet.span.era(), news.index, &news.frame),
        None => Verdict::Forward(Shift::default()),
    }
}

/// The rings of a track, by layer.
pub(crate) fn rings<'a>(layers: &'a [Layer], into: &mut Vec<&'a Ring>) {
    into.clear();
    into.extend(layers.iter().map(|layer| &layer.ring));
}

/// The name of a section as str0m keeps it.
pub(crate) fn mid(name: &str) -> Mid {
    Mid::from(name)
}
