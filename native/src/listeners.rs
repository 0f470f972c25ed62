//! Who listens to what: listeners in line with what each peer and we agreed on.

use std::time::Instant;

use str0m::rtp::{Extension, ExtensionMap};
use vox_egress::{ExtensionIds, RingSize, Stream, StreamOptions};
use vox_video::Switch;

use crate::peer::Peer;
use crate::room::{Carried, Listener, Outlet, Track};
use crate::sdp::Kind;
use crate::thread::MediaThread;

impl MediaThread {
    /// Something about a track is known now that its subscribers waited for.
    pub(crate) fn connect_waiting(&mut self, room: u64, track: u64) {
        let wants = |peer: &u64| {
            self.peers.get(peer).is_some_and(|peer| {
                let all = &peer.negotiation.subscriptions;
                all.iter().any(|subscription| subscription.track == track)
            })
        };
        let members = self.rooms.get(&room).map(|room| &room.peers);
        let waiting: Vec<u64> = members
            .into_iter()
            .flatten()
            .copied()
            .filter(wants)
            .collect();
        for peer in waiting {
            self.connect_tracks(peer);
        }
    }

    /// Clients had their moment to make ready.
    pub(crate) fn connect_ready(&mut self, now: Instant) {
        let (ready, unready) = std::mem::take(&mut self.unready)
            .into_iter()
            .partition(|(from, _)| *from <= now);
        self.unready = unready;
        let ready: Vec<(Instant, u64)> = ready;
        for (_, peer) in ready {
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
        let now = Instant::now();
        let later = peer.negotiation.sections.iter().filter_map(|s| s.from);
        let noted = self.unready.iter().any(|(_, peer)| *peer == id);
        if let Some(from) = later.filter(|from| *from > now).min().filter(|_| !noted) {
            self.unready.push((from, id));
        }
        let mut carries: Vec<(usize, u32)> = Vec::new();
        for index in 0..peer.negotiation.sections.len() {
            let section = &peer.negotiation.sections[index];
            let Some(handle) = section.track.filter(|_| section.carries(now)) else {
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
            let subscriptions = &peer.negotiation.subscriptions;
            let Some(subscription) = subscriptions.iter().find(|s| s.track == handle) else {
                continue;
            };
            let carried = &mut outlet.carried[stream];
            carried.paused = subscription.paused;
            carried.most = subscription.layer;
            if carried.track != Some(slot) {
                carried.track = Some(slot);
                carried.switch = track.video.as_ref().map(|video| Switch::new(video.codec()));
            }
            track.listeners.push(Listener {
                outlet: peer.outlet,
                stream: stream as u16,
                paused: subscription.paused,
            });
            peer.listening.push(slot);
            carries.push((stream, slot));
        }
        for (stream, carried) in outlet.carried.iter_mut().enumerate() {
            let goes_on = carries
                .iter()
                .any(|&(s, slot)| s == stream && carried.track == Some(slot));
            if !goes_on {
                *carried = Carried::default();
            }
        }
    }
}

/// The stream of a section for a track, made or turned to it; `None` where it cannot carry it.
fn stream_for(peer: &mut Peer, outlet: &mut Outlet, index: usize, track: &Track) -> Option<usize> {
    let outgoing = peer.outgoing(index, &track.codec?)?;
    let ids = extension_ids(&outgoing.exts);
    let section = &mut peer.negotiation.sections[index];
    let known = section
        .stream
        .filter(|&stream| outlet.streams[stream].ssrc() == outgoing.ssrc);
    if let Some(stream) = known {
        outlet.streams[stream].renegotiate(outgoing.payload_type, ids, &outgoing.mid);
        return Some(stream);
    }
    let (size, clock_rate) = match track.kind {
        Kind::Video => (RingSize::Video, 90_000),
        _ => (RingSize::Audio, 48_000),
    };
    let made = Stream::new(&StreamOptions {
        ssrc: outgoing.ssrc,
        payload_type: outgoing.payload_type,
        clock_rate,
        size,
        ids,
        mid: &outgoing.mid,
        // As good as random: str0m drew the SSRC.
        first_sequence: (outgoing.ssrc >> 7) as u16,
    });
    match section.stream {
        // The section has a new SSRC; under its key and the old one nothing is sent any more.
        Some(stream) => {
            outlet.retired += outlet.streams[stream].octets();
            outlet.streams[stream] = made;
            outlet.carried[stream] = Carried::default();
        }
        None => {
            outlet.streams.push(made);
            outlet.carried.push(Carried::default());
            section.stream = Some(outlet.streams.len() - 1);
        }
    }
    section.stream
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
