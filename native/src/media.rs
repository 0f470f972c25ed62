//! The way of a packet: in from its publisher, judged once, and out to each listener through our own egress.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use str0m::format::Codec as NetCodec;
use str0m::media::Mid;
use str0m::net::Protocol;
use str0m::rtp::{Extension, ExtensionMap, RtpPacket};
use vox_egress::{
    ExtensionIds, Feedback, Level, Ntp, Packet, Rewrite, RingSize, Span, Stream, StreamOptions,
    Work, frame_forward, frame_resend, parse_rtcp, sender_report,
};
use vox_voices::g711::Law;
use vox_voices::{AudioLevel, Codec};

use crate::event::Event;
use crate::negotiation::Outgoing;
use crate::peer::Peer;
use crate::room::{Listener, Outlet, Source, Track};
use crate::sdp::Kind;
use crate::thread::MediaThread;

/// A track is silent after this long without a packet.
const SILENCE: Duration = Duration::from_secs(2);
/// Key frames of one track are asked for at most this often.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(300);
/// Sender reports of a stream: each so many seconds.
const REPORT_EVERY: u64 = 3;

impl MediaThread {
    /// A packet of a publisher: is it a track's, is it forwarded, and does anybody of ours hear it?
    pub(crate) fn ingest(&mut self, id: u64, packet: &RtpPacket, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.bytes_in += packet.payload.len() as u64;
        let header = &packet.header;
        let Some((slot, _rid)) = peer.track_of(header.ssrc) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let arrived_us = now.saturating_duration_since(self.start).as_micros() as u64;
        let rate = if track.kind == Kind::Video { 90 } else { 48 };
        if track.ssrc != *header.ssrc {
            track.ssrc = *header.ssrc;
            track.ring.restart();
            track.reception.restart();
        }
        track
            .reception
            .packet(*packet.seq_no, header.timestamp, arrived_us * rate / 1000);
        track.clock.observe(header.timestamp, arrived_us);
        track.last = now;
        if track.muted {
            track.held = true;
            return;
        }
        if !track.flowing {
            track.flowing = true;
            self.events.push(Event::Flowing(track.id));
        }
        let spec = match track.codec {
            Some(spec) => spec,
            None => {
                let Some(spec) = peer.codec(*header.payload_type) else {
                    return;
                };
                track.codec = Some(spec);
                let waiting = track.id;
                self.codec_known(waiting);
                spec
            }
        };
        let level = header.ext_vals.audio_level.map(|dbov| Level {
            dbov: dbov.unsigned_abs(),
            voice: header.ext_vals.voice_activity.unwrap_or(false),
        });
        let orientation = header.ext_vals.video_orientation.map(|o| o as u8);
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let forwarded = match self.rooms.get_mut(&track.room) {
            Some(room) if track.kind == Kind::Audio => {
                if !packet.payload.is_empty() && room.ears.wants(track.id) {
                    let codec = match spec.codec {
                        NetCodec::PCMU => Codec::G711(Law::Ulaw),
                        NetCodec::PCMA => Codec::G711(Law::Alaw),
                        _ => Codec::Opus,
                    };
                    let sequence = header.sequence_number;
                    room.ears.packet(
                        now,
                        track.id,
                        codec,
                        sequence,
                        header.timestamp,
                        &packet.payload,
                    );
                }
                match level {
                    Some(level) => {
                        room.speakers
                            .level(now, track.id, AudioLevel::from_byte(level.byte()))
                    }
                    None => room.speakers.is_forwarded(track.id),
                }
            }
            _ => true,
        };
        if !forwarded {
            track.held = true;
            return;
        }
        if std::mem::take(&mut track.held) {
            track.ring.resume();
        }
        let kept = track.ring.push(&Packet {
            index: *packet.seq_no,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: &packet.payload,
            level,
            orientation,
            arrived_us,
            span: Span::default(),
        });
        if kept && !track.listeners.is_empty() {
            self.news.push((slot, *packet.seq_no));
        }
    }

    /// Hands the news of this wake to each listener in one piece, so that what goes together leaves together.
    pub(crate) fn forward_news(&mut self) {
        if self.news.is_empty() {
            return;
        }
        for &(slot, index) in &self.news {
            let Some(track) = self.tracks.get(slot) else {
                continue;
            };
            for listener in track.listeners.iter().filter(|listener| !listener.paused) {
                let Some(outlet) = self.outlets.get_mut(listener.outlet) else {
                    continue;
                };
                if outlet.keys.is_none() || outlet.route.is_none() {
                    continue;
                }
                if outlet.news.is_empty() {
                    self.dirty.push(listener.outlet);
                }
                outlet.news.push((slot, index, listener.stream));
            }
        }
        self.news.clear();
        let mut work: Vec<Work<'_>> = Vec::with_capacity(8);
        for slot in self.dirty.drain(..) {
            let Some(outlet) = self.outlets.get_mut(slot) else {
                continue;
            };
            work.clear();
            for &(track, index, stream) in &outlet.news {
                if let Some(packet) = self
                    .tracks
                    .get(track)
                    .and_then(|track| track.ring.get(index))
                {
                    work.push(Work {
                        stream: usize::from(stream),
                        packet,
                        rewrite: Rewrite::default(),
                    });
                }
            }
            outlet.news.clear();
            let (Some(keys), Some(route)) = (&mut outlet.keys, &outlet.route) else {
                continue;
            };
            if route.proto == Protocol::Udp {
                let batch = &mut self.net.batch;
                batch.forward(keys, &route.destination, &mut outlet.streams, &work);
            } else if let Some(tcp) = &mut self.net.tcp {
                self.plain.clear();
                frame_forward(keys, &mut outlet.streams, &work, &mut self.plain);
                tcp.send_frames(route.remote, &self.plain);
            }
        }
    }

    /// Reads what a listener reports; `true` where str0m has no use for it, because the peer sends nothing.
    pub(crate) fn feedback(&mut self, id: u64, datagram: &[u8], now: Instant) -> bool {
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
        let mut keyframes: Vec<u64> = Vec::new();
        let ntp = wall_clock();
        let (net, tracks) = (&mut self.net, &self.tracks);
        let quality = &mut peer.quality;
        let mut framed = Vec::new();
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
                let stream = &mut outlet.streams[stream];
                for sequence in lost.iter() {
                    if route.proto == Protocol::Udp {
                        net.batch.resend(
                            keys,
                            &route.destination,
                            stream,
                            &[&track.ring],
                            sequence,
                        );
                    } else {
                        frame_resend(keys, stream, &[&track.ring], sequence, &mut framed);
                    }
                }
            }
            Feedback::Pli { media } | Feedback::Fir { media } => {
                let track = carried(outlet, media).and_then(|(_, track)| tracks.get(track));
                keyframes.extend(track.map(|track| track.id));
            }
            Feedback::Report {
                media,
                fraction_lost,
                jitter,
                last_report,
                delay,
                ..
            } => {
                let Some((_, track)) = carried(outlet, media) else {
                    return;
                };
                let rate = match tracks.get(track).map(|track| track.kind) {
                    Some(Kind::Video) => 90.0,
                    _ => 48.0,
                };
                quality.reported = true;
                quality.lost = quality.lost.max(f32::from(fraction_lost) / 256.0);
                quality.jitter_ms = quality.jitter_ms.max(jitter as f32 / rate);
                if let Some(trip) = ntp.round_trip_us(last_report, delay) {
                    quality.rtt_ms = trip as f32 / 1000.0;
                }
            }
            _ => {}
        });
        if let (Some(tcp), Some(route), false) = (&mut net.tcp, &outlet.route, framed.is_empty()) {
            tcp.send_frames(route.remote, &framed);
        }
        self.plain = compound;
        let sends_nothing = peer.publications.is_empty();
        for track in keyframes {
            self.want_keyframe(track, now);
        }
        sends_nothing
    }

    /// Asks the publisher of a video for a key frame, unless that was just done.
    pub(crate) fn want_keyframe(&mut self, track: u64, now: Instant) {
        let Some(track) = self
            .slots
            .get(&track)
            .and_then(|&slot| self.tracks.get_mut(slot))
        else {
            return;
        };
        let Source::Peer(peer, mid) = track.source else {
            return;
        };
        let recently = track
            .keyframe
            .is_some_and(|at| now.saturating_duration_since(at) < KEYFRAME_PAUSE);
        if recently || track.kind != Kind::Video {
            return;
        }
        track.keyframe = Some(now);
        self.events.push(Event::KeyframeWanted(track.id));
        self.with_peer(peer, now, |peer| {
            peer.request_keyframe(mid, None);
            Ok(())
        });
    }

    /// The 20 ms beat: voices speak, taps fill, speakers are told.
    pub(crate) fn beat(&mut self, now: Instant) {
        let arrived_us = now.saturating_duration_since(self.start).as_micros() as u64;
        for index in 0..self.voices.len() {
            self.speak(self.voices[index], arrived_us, now);
        }
        let mut full: Vec<u64> = Vec::new();
        for (&id, room) in &mut self.rooms {
            if room.taps > 0 {
                full.extend_from_slice(room.ears.tick(now));
            }
            if let Some(speakers) = room.speakers.update(now) {
                let told = speakers
                    .iter()
                    .map(|s| (s.track, s.level, s.is_active))
                    .collect();
                self.events.push(Event::Speakers(id, told));
            }
        }
        if !full.is_empty() {
            self.events.push(Event::Taps(full));
        }
    }

    fn speak(&mut self, slot: u32, arrived_us: u64, now: Instant) {
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&track.room) else {
            return;
        };
        let Source::Voice(voice) = &mut track.source else {
            return;
        };
        let tick = voice.tick();
        if tick.has_run_dry {
            self.events.push(Event::VoiceIdle(track.id));
        }
        let Some(level) = tick.speaks else {
            if track.flowing && now.saturating_duration_since(track.last) > SILENCE {
                track.flowing = false;
                self.events.push(Event::Silent(track.id));
            }
            return;
        };
        track.last = now;
        if track.muted {
            track.held = true;
            return;
        }
        if !track.flowing {
            track.flowing = true;
            self.events.push(Event::Flowing(track.id));
        }
        if room.ears.wants(track.id)
            && let Some(spoken) = voice.spoken()
        {
            room.ears.voice_frame(track.id, spoken);
        }
        if !room.speakers.level(now, track.id, level) || track.listeners.is_empty() {
            track.held = true;
            return;
        }
        if std::mem::take(&mut track.held) {
            track.ring.resume();
        }
        let Some(packet) = voice.packet() else {
            return;
        };
        let index = track
            .ring
            .newest()
            .map_or(u64::from(packet.sequence), |newest| newest + 1);
        track.clock.observe(packet.timestamp, arrived_us);
        let kept = track.ring.push(&Packet {
            index,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload,
            level: Some(Level {
                dbov: level.level,
                voice: level.is_voice,
            }),
            orientation: None,
            arrived_us,
            span: Span::default(),
        });
        if kept {
            self.news.push((slot, index));
        }
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
        let now_us = now.saturating_duration_since(self.start).as_micros() as u64;
        let ntp = wall_clock();
        let turn = self.seconds % REPORT_EVERY;
        let slots: Vec<u32> = self
            .outlets
            .iter()
            .map(|(slot, _)| slot)
            .filter(|&slot| u64::from(slot) % REPORT_EVERY == turn)
            .collect();
        for slot in slots {
            let Some(outlet) = self.outlets.get_mut(slot) else {
                continue;
            };
            let (Some(keys), Some(route)) = (&mut outlet.keys, &outlet.route) else {
                continue;
            };
            for (stream, track) in outlet.streams.iter().zip(&outlet.carried) {
                let Some(track) = track.and_then(|track| self.tracks.get(track)) else {
                    continue;
                };
                let Some(timestamp) = track.clock.timestamp_at(now_us) else {
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

    /// How peers fared in the last seconds: the worse of what they report and what we receive.
    pub(crate) fn tell_quality(&mut self) {
        for peer in self.peers.values_mut() {
            let mut quality = std::mem::take(&mut peer.quality);
            for publication in &peer.publications {
                let Some(track) = self.tracks.get_mut(publication.track) else {
                    continue;
                };
                let Some((lost, jitter)) = track.reception.take() else {
                    continue;
                };
                let rate = if track.kind == Kind::Video {
                    90.0
                } else {
                    48.0
                };
                quality.reported = true;
                quality.lost = quality.lost.max(lost);
                quality.jitter_ms = quality.jitter_ms.max(jitter as f32 / rate);
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

    /// The first packet told a track's codec: who waited for that can be sent it.
    fn codec_known(&mut self, track: u64) {
        let waiting: Vec<u64> = self
            .peers
            .values()
            .filter(|peer| {
                peer.negotiation
                    .subscriptions
                    .iter()
                    .any(|s| s.track == track)
            })
            .map(|peer| peer.id)
            .collect();
        for peer in waiting {
            self.connect_tracks(peer);
        }
    }

    /// Brings who listens to what in line with what a peer and we agreed on.
    pub(crate) fn connect_tracks(&mut self, id: u64) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(outlet) = self.outlets.get_mut(peer.outlet) else {
            return;
        };
        for slot in peer.listening.drain(..) {
            if let Some(track) = self.tracks.get_mut(slot) {
                track
                    .listeners
                    .retain(|listener| listener.outlet != peer.outlet);
            }
        }
        outlet.carried.fill(None);
        let mut wants_picture = Vec::new();
        for index in 0..peer.negotiation.sections.len() {
            let section = &peer.negotiation.sections[index];
            let Some(handle) = section.track.filter(|_| section.agreed) else {
                continue;
            };
            let Some(&slot) = self.slots.get(&handle) else {
                continue;
            };
            let Some(track) = self.tracks.get_mut(slot) else {
                continue;
            };
            let Some(stream) = stream_for(peer, outlet, index, track) else {
                continue;
            };
            outlet.carried[stream] = Some(slot);
            let subscription = peer
                .negotiation
                .subscriptions
                .iter()
                .find(|s| s.track == handle);
            track.listeners.push(Listener {
                outlet: peer.outlet,
                stream: stream as u16,
                paused: subscription.is_none_or(|s| s.paused),
            });
            peer.listening.push(slot);
            if track.kind == Kind::Video {
                wants_picture.push(handle);
            }
        }
        let now = Instant::now();
        for track in wants_picture {
            self.want_keyframe(track, now);
        }
    }
}

/// The stream of a section for a track, made or turned to it; `None` where it cannot carry it.
fn stream_for(peer: &mut Peer, outlet: &mut Outlet, index: usize, track: &Track) -> Option<usize> {
    let outgoing = peer.outgoing(index, &track.codec?)?;
    let ids = extension_ids(&outgoing.exts);
    let section = &mut peer.negotiation.sections[index];
    if let Some(stream) = section.stream {
        let carries = &mut outlet.streams[stream];
        carries.renegotiate(outgoing.payload_type, ids, &outgoing.mid);
        return Some(stream);
    }
    let (size, clock_rate) = match track.kind {
        Kind::Video => (RingSize::Video, 90_000),
        _ => (RingSize::Audio, 48_000),
    };
    outlet
        .streams
        .push(Stream::new(&options(&outgoing, ids, size, clock_rate)));
    outlet.carried.push(None);
    let stream = outlet.streams.len() - 1;
    section.stream = Some(stream);
    Some(stream)
}

fn options(
    outgoing: &Outgoing,
    ids: ExtensionIds,
    size: RingSize,
    clock_rate: u32,
) -> StreamOptions<'_> {
    StreamOptions {
        ssrc: outgoing.ssrc,
        payload_type: outgoing.payload_type,
        clock_rate,
        size,
        ids,
        mid: &outgoing.mid,
        // As good as random: str0m drew the SSRC.
        first_sequence: (outgoing.ssrc >> 7) as u16,
    }
}

fn extension_ids(exts: &ExtensionMap) -> ExtensionIds {
    let id = |extension| exts.id_of(extension).unwrap_or(0);
    ExtensionIds {
        level: id(Extension::AudioLevel),
        orientation: id(Extension::VideoOrientation),
        send_time: id(Extension::AbsoluteSendTime),
        transport_cc: 0,
        mid: id(Extension::RtpMid),
    }
}

/// The stream of an outlet with an SSRC, and the slot of the track that it carries.
fn carried(outlet: &Outlet, ssrc: u32) -> Option<(usize, u32)> {
    let stream = outlet
        .streams
        .iter()
        .position(|stream| stream.ssrc() == ssrc)?;
    Some((stream, outlet.carried[stream]?))
}

fn wall_clock() -> Ntp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ntp::from_unix_us(since.as_micros() as u64)
}

/// The name of a section as str0m keeps it.
pub(crate) fn mid(name: &str) -> Mid {
    Mid::from(name)
}
