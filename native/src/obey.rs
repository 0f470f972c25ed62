//! Python's commands, carried out on the media thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::{Codec, CodecSpec, FormatParams};
use str0m::media::Frequency;
use vox_voices::{TapReader, Voice};

use crate::command::Command;
use crate::media;
use crate::peer::{Peer, Role, Traffic};
use crate::room::{Carried, Outlet, Room, Source, Track};
use crate::sdp::Kind;
use crate::thread::MediaThread;

/// How long a peer that closes may take what waits on its channels.
const LINGER: Duration = Duration::from_secs(1);

impl MediaThread {
    /// Carries out one command. Handles that are gone are nothing to do: their end crossed the command.
    pub(crate) fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::OpenRoom { room, top_speakers } => {
                self.rooms.insert(room, Room::new(top_speakers));
            }
            Command::CloseRoom { room } => self.close_room(room, now),
            Command::OpenPeer {
                room,
                peer,
                role,
                traffic,
            } => {
                self.open_peer((room, peer, role), traffic, now);
            }
            Command::AcceptOffer {
                peer,
                offer,
                sections,
                reply,
            } => {
                let answered = self.negotiate(peer, now, |p| p.accept_offer(*offer, &sections));
                // Nobody waits any more where Python gave up; the same below.
                let _ = reply.send(answered);
            }
            Command::MakeOffer {
                peer,
                restart,
                reply,
            } => {
                let offered = self.negotiate(peer, now, |p| Ok(p.make_offer(restart)));
                let _ = reply.send(offered);
            }
            Command::AcceptAnswer {
                peer,
                answer,
                credentials,
                reply,
            } => {
                let taken = self.negotiate(peer, now, |p| p.accept_answer(*answer, credentials));
                let _ = reply.send(taken);
            }
            Command::ClosePeer { peer } => self.close_peer(peer, now),
            Command::PermitData { peer, allowed } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.data_allowed = allowed;
                }
            }
            Command::Publish {
                peer,
                mid,
                track,
                kind,
            } => self.publish(peer, &mid, track, kind, now),
            Command::Unpublish { track } => self.unpublish(track),
            Command::Mute { track, muted } => self.mute(track, muted),
            Command::Subscribe {
                peer,
                track,
                stream_id,
                track_id,
            } => {
                self.subscribe(peer, track, stream_id, track_id);
            }
            Command::Unsubscribe { peer, track } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.negotiation.unsubscribe(track);
                }
                self.connect_tracks(peer);
            }
            Command::Pause {
                peer,
                track,
                paused,
            } => self.pause(peer, track, paused, now),
            Command::SetLayer {
                peer,
                track,
                quality,
                fps,
            } => {
                self.set_layer(peer, track, (quality, fps), now);
            }
            Command::RequestKeyframe { track } => self.want_all_keyframes(track, now),
            Command::OpenChannel {
                peer,
                label,
                ordered,
                retransmits,
            } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.open_channel(label, ordered, retransmits);
                }
            }
            Command::SendData {
                peers,
                label,
                payload,
                binary,
                reply,
            } => {
                let refused = self.send_data(&peers, &label, &payload, binary, now);
                let _ = reply.send(refused);
            }
            Command::OpenVoice { room, track, voice } => self.open_voice(room, track, voice, now),
            Command::OpenTap {
                room,
                tap,
                track,
                rate,
                reply,
            } => {
                let opened = self.hear(room, |room| room.ears.open_tap(tap, track, rate));
                let _ = reply.send(opened);
            }
            Command::OpenMix {
                room,
                tap,
                rate,
                without,
                reply,
            } => {
                let opened = self.hear(room, |room| room.ears.open_mix(tap, rate, &without));
                let _ = reply.send(opened);
            }
            Command::Exclude { room, tap, track } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.ears.exclude(tap, track);
                }
            }
            Command::CloseTap { room, tap } => {
                if let Some(room) = self.rooms.get_mut(&room)
                    && room.ears.close(tap)
                {
                    room.taps -= 1;
                    self.taps -= 1;
                }
            }
            Command::Stop => self.stopping = true,
        }
    }

    fn open_peer(
        &mut self,
        (room, id, role): (u64, u64, Role),
        traffic: Arc<Traffic>,
        now: Instant,
    ) {
        // A handle may be given again while its last peer still says goodbye.
        self.drop_peer(id);
        let Some(here) = self.rooms.get_mut(&room) else {
            return;
        };
        here.peers.push(id);
        let outlet = self.outlets.insert(Outlet {
            peer: id,
            ..Outlet::default()
        });
        let mut peer = Peer::new(
            (id, room, role),
            outlet,
            &self.crypto,
            &self.candidates,
            traffic,
            now,
        );
        let ufrag = peer.ufrag();
        peer.ufrags.push(ufrag.clone());
        self.by_ufrag.insert(ufrag, id);
        self.peers.insert(id, peer);
        self.with_peer(id, now, |peer| peer.tick(now));
    }

    /// One step of offer and answer. A panic in it costs this peer alone.
    fn negotiate<T>(
        &mut self,
        id: u64,
        now: Instant,
        step: impl FnOnce(&mut Peer) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut outcome = match self.peers.contains_key(&id) {
            true => Err("the description breaks the session".to_owned()),
            false => Err("the peer is closed".to_owned()),
        };
        self.with_peer(id, now, |peer| {
            outcome = step(peer);
            Ok(())
        });
        if let Some(peer) = self.peers.get_mut(&id) {
            let ufrag = peer.ufrag();
            let next = peer.next_ufrag();
            for ufrag in std::iter::once(ufrag).chain(next) {
                if let Some(old) = peer.remember_ufrag(&ufrag) {
                    self.by_ufrag.remove(&old);
                }
                self.by_ufrag.insert(ufrag, id);
            }
        }
        self.connect_tracks(id);
        outcome
    }

    /// Forgets a peer and its tracks; `false` where it was gone.
    pub(crate) fn drop_peer(&mut self, id: u64) -> bool {
        let Some(peer) = self.peers.remove(&id) else {
            return false;
        };
        for ufrag in &peer.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for &address in &peer.addresses {
            self.disown(id, address);
        }
        for slot in &peer.listening {
            if let Some(track) = self.tracks.get_mut(*slot) {
                track
                    .listeners
                    .retain(|listener| listener.outlet != peer.outlet);
            }
        }
        self.outlets.remove(peer.outlet);
        for publication in &peer.publications {
            let track = self.tracks.get(publication.track).map(|track| track.id);
            if let Some(track) = track {
                self.forget_track(track);
            }
        }
        if let Some(room) = self.rooms.get_mut(&peer.room) {
            room.peers.retain(|&other| other != id);
        }
        true
    }

    /// Closes a peer: its media ends now, and what waits on its channels may still arrive for a second.
    fn close_peer(&mut self, id: u64, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.has_data_waiting() {
            peer.closing = Some(now + LINGER);
            peer.data_allowed = false;
            peer.negotiation.subscriptions.clear();
            for section in &mut peer.negotiation.sections {
                section.track = None;
            }
            for publication in std::mem::take(&mut peer.publications) {
                let track = self.tracks.get(publication.track).map(|track| track.id);
                if let Some(track) = track {
                    self.forget_track(track);
                }
            }
            self.connect_tracks(id);
        } else {
            self.say_goodbye(id, now);
        }
    }

    /// Ends a peer that was to close, once nothing waits on its channels or it took too long.
    pub(crate) fn finish_closing(&mut self, id: u64, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(deadline) = peer.closing else {
            return;
        };
        if now >= deadline || !peer.has_data_waiting() {
            self.say_goodbye(id, now);
        }
    }

    fn say_goodbye(&mut self, id: u64, now: Instant) {
        self.with_peer(id, now, |peer| {
            peer.close();
            Ok(())
        });
        self.drop_peer(id);
    }

    fn close_room(&mut self, id: u64, now: Instant) {
        let Some(room) = self.rooms.get(&id) else {
            return;
        };
        for peer in room.peers.clone() {
            self.say_goodbye(peer, now);
        }
        let Some(room) = self.rooms.remove(&id) else {
            return;
        };
        self.taps -= room.taps;
        for slot in room.tracks {
            if let Some(track) = self.tracks.remove(slot) {
                self.slots.remove(&track.id);
            }
            self.voices.retain(|&voice| voice != slot);
            self.videos.retain(|&video| video != slot);
        }
    }

    fn publish(&mut self, id: u64, mid: &str, track: u64, kind: Kind, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&peer.room) else {
            return;
        };
        let mid = media::mid(mid);
        let mut made = Track::new(track, peer.room, kind, Source::Peer(id, mid), now);
        if kind == Kind::Audio {
            made.codec = Some(opus());
            room.ears.add_track(track);
        }
        let slot = self.tracks.insert(made);
        if kind == Kind::Video {
            self.videos.push(slot);
        }
        room.tracks.push(slot);
        self.slots.insert(track, slot);
        peer.publish(mid, slot);
        let room = peer.room;
        self.connect_waiting(room, track);
    }

    fn unpublish(&mut self, track: u64) {
        let slot = self.slots.get(&track).copied();
        if let Some(track) = slot.and_then(|slot| self.tracks.get(slot))
            && let Source::Peer(peer, _) = track.source
            && let Some(peer) = self.peers.get_mut(&peer)
        {
            peer.unpublish(slot.unwrap_or_default());
        }
        self.forget_track(track);
    }

    fn forget_track(&mut self, handle: u64) {
        let Some(slot) = self.slots.remove(&handle) else {
            return;
        };
        let Some(track) = self.tracks.remove(slot) else {
            return;
        };
        for listener in &track.listeners {
            let Some(outlet) = self.outlets.get_mut(listener.outlet) else {
                continue;
            };
            if let Some(carried) = outlet.carried.get_mut(usize::from(listener.stream)) {
                *carried = Carried::default();
            }
            if let Some(peer) = self.peers.get_mut(&outlet.peer) {
                peer.listening.retain(|&other| other != slot);
            }
        }
        self.news.retain(|news| news.track != slot);
        self.voices.retain(|&voice| voice != slot);
        self.videos.retain(|&video| video != slot);
        if let Some(room) = self.rooms.get_mut(&track.room) {
            for peer in &room.peers {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.negotiation.unsubscribe(handle);
                }
            }
            room.tracks.retain(|&other| other != slot);
            room.speakers.remove(handle);
            room.ears.remove_track(handle);
        }
    }

    fn mute(&mut self, handle: u64, muted: bool) {
        let Some(track) = self
            .slots
            .get(&handle)
            .and_then(|&slot| self.tracks.get_mut(slot))
        else {
            return;
        };
        track.muted = muted;
        if let Some(room) = self.rooms.get_mut(&track.room) {
            room.speakers.mute(handle, muted);
            room.ears.mute(handle, muted);
        }
    }

    fn subscribe(&mut self, id: u64, track: u64, stream_id: String, track_id: String) {
        let kind = match self
            .slots
            .get(&track)
            .and_then(|&slot| self.tracks.get(slot))
        {
            Some(track) => track.kind,
            None => return,
        };
        if let Some(peer) = self.peers.get_mut(&id) {
            // Beyond the bound it stays without a section; the border refuses before that.
            let _ = peer.subscribe(track, kind, stream_id, track_id);
        }
    }

    fn pause(&mut self, id: u64, handle: u64, paused: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let all = &mut peer.negotiation.subscriptions;
        let Some(subscription) = all.iter_mut().find(|s| s.track == handle) else {
            return;
        };
        if subscription.paused == paused {
            return;
        }
        subscription.paused = paused;
        let outlet = peer.outlet;
        let Some(&slot) = self.slots.get(&handle) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(slot) else {
            return;
        };
        for listener in track.listeners.iter_mut().filter(|l| l.outlet == outlet) {
            listener.paused = paused;
            let Some(outlet) = self.outlets.get_mut(outlet) else {
                continue;
            };
            let stream = usize::from(listener.stream);
            outlet.carried[stream].paused = paused;
            if !paused {
                outlet.streams[stream].resume();
                if let Some(switch) = &mut outlet.carried[stream].switch {
                    switch.restart();
                }
            }
        }
        if !paused {
            self.chase_keyframes(slot, now);
        }
    }

    fn set_layer(&mut self, id: u64, handle: u64, most: (u8, u8), now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let all = &mut peer.negotiation.subscriptions;
        if let Some(subscription) = all.iter_mut().find(|s| s.track == handle) {
            subscription.layer = most;
        }
        let slot = self.slots.get(&handle).copied();
        let watcher = peer.outlet;
        if let Some(outlet) = self.outlets.get_mut(watcher) {
            for carried in outlet
                .carried
                .iter_mut()
                .filter(|c| c.track.is_some() && c.track == slot)
            {
                carried.most = most;
            }
        }
        self.choose_layers(watcher, now);
        if let Some(slot) = slot {
            self.chase_keyframes(slot, now);
        }
    }

    fn send_data(
        &mut self,
        peers: &[u64],
        label: &str,
        payload: &[u8],
        binary: bool,
        now: Instant,
    ) -> Vec<u64> {
        let mut refused = Vec::new();
        for &id in peers {
            let mut sent = false;
            self.with_peer(id, now, |peer| {
                sent = peer.send(label, binary, payload);
                Ok(())
            });
            if !sent {
                refused.push(id);
            }
        }
        refused
    }

    fn open_voice(&mut self, room: u64, handle: u64, mut voice: Box<Voice>, now: Instant) {
        let Some(here) = self.rooms.get_mut(&room) else {
            return;
        };
        voice.set_effort(self.effort);
        let mut track = Track::new(handle, room, Kind::Audio, Source::Voice(voice), now);
        track.codec = Some(opus());
        here.ears.add_track(handle);
        let slot = self.tracks.insert(track);
        here.tracks.push(slot);
        self.slots.insert(handle, slot);
        self.voices.push(slot);
    }

    fn hear(&mut self, room: u64, open: impl FnOnce(&mut Room) -> TapReader) -> Option<TapReader> {
        let room = self.rooms.get_mut(&room)?;
        room.taps += 1;
        self.taps += 1;
        Some(open(room))
    }
}

/// The codec of all sound here, as str0m writes it.
fn opus() -> CodecSpec {
    CodecSpec {
        codec: Codec::Opus,
        clock_rate: Frequency::FORTY_EIGHT_KHZ,
        channels: Some(2),
        format: FormatParams::default(),
    }
}
